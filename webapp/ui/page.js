// The address is the one place that says which chat is open: "?c=ID", or nothing for a new one.
// So reload, back and forward, bookmarks and a second tab all do what a reader expects.
const palaver = {
  conversation: () => new URLSearchParams(location.search).get("c") || "",
  // Called with what the server says: an id, "none" for a chat that isn't there, or nothing.
  show: (id) => {
    if (id && id !== palaver.conversation()) {
      history.replaceState(null, "", id === "none" ? "?" : `?c=${id}`);
    }
  },
  // Takes the question out of the line, unless the one before is still being answered.
  take: (text) => (document.querySelector("#question .stop-button") ? [text, ""] : ["", text]),
  open: (address) => {
    history.pushState(null, "", address);
    document.querySelector("#open-chat").click();
    palaver.uncover();
  },
  // On a phone the list of chats covers the conversation, so it opens only when asked for.
  uncover: () => {
    if (innerWidth < 768) document.querySelector("#sidebar.open .toggle-button")?.click();
  },
};
// Links to chats work without this script's help; with it they don't reload the page.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("#sidebar a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  palaver.open(link.getAttribute("href"));
});
window.addEventListener("popstate", () => document.querySelector("#open-chat").click());
