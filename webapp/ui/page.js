// What the page does in the browser. The server renders everything; this script says which chat
// the address names, carries clicks to the server, and does what needs no server.
const palaver = {
  // "?c=ID" is a chat, "?temporary=1" a new one that isn't stored, nothing a new one. So reload,
  // back and forward, bookmarks and a second tab all do what a reader expects.
  address: () => {
    const query = new URLSearchParams(location.search);
    return query.get("c") || (query.has("temporary") ? "temporary" : "");
  },
  conversation: () => new URLSearchParams(location.search).get("c") || "",
  // A new chat's persona is the one chosen, another's the one it was begun with.
  persona: () =>
    document.querySelector("#persona input:checked")?.value ||
    document.querySelector("#header [data-persona]")?.dataset.persona ||
    "",
  isAnswering: () => Boolean(document.querySelector("#question .stop-button")),
  asked: "",
  acted: "",

  // Called with what the server says: an id, "none" for a chat that isn't there, or nothing.
  show: (id) => {
    if (!id || id === palaver.address()) return;
    history.replaceState(null, "", id === "none" ? "?" : `?c=${id}`);
  },
  // Takes the question out of the line, unless the one before is still being answered.
  take: (text) => (palaver.isAnswering() ? [text, ""] : ["", palaver.write({ text })]),
  write: (wanted) =>
    JSON.stringify({
      conversation_id: palaver.conversation(),
      is_temporary: palaver.address() === "temporary",
      persona: palaver.persona(),
      ...wanted,
    }),
  send: (wanted) => {
    if (palaver.isAnswering()) return;
    palaver.asked = palaver.write(wanted);
    document.querySelector("#send").click();
  },
  act: (action) => {
    palaver.acted = JSON.stringify(action);
    document.querySelector("#act").click();
  },
  open: (address) => {
    history.pushState(null, "", address);
    document.querySelector("#open-chat").click();
    palaver.uncover();
    document.querySelector("#question textarea")?.focus();
  },
  // On a phone the list of chats covers the conversation, so it opens only when asked for.
  uncover: () => {
    if (innerWidth < 768) document.querySelector("#sidebar.open .toggle-button")?.click();
  },

  begin: () => {
    palaver.name();
    const line = document.querySelector("#question");
    new MutationObserver(palaver.name).observe(line, { childList: true, subtree: true });
    palaver.uncover();
    palaver.look();
    palaver.follow();
  },
  // Gives the buttons a name that Gradio leaves without one, for those who can't see them.
  name: () => {
    const labels = document.querySelector("#labels").dataset;
    for (const [selector, label] of [
      ["#sidebar .toggle-button", labels.chats],
      ["#settings .toggle-button", labels.settings],
      ["#question .submit-button", labels.send],
      ["#question .stop-button", labels.stop],
    ]) {
      const button = document.querySelector(selector);
      if (button) button.ariaLabel = label;
    }
  },
  // The reader stays at the end of a growing conversation, unless they scrolled up to read.
  follow: () => {
    const scroller = document.querySelector("#conversation");
    let isAtEnd = true;
    let height = 0;
    scroller.addEventListener("scroll", () => {
      isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
    });
    new MutationObserver(() => {
      if (isAtEnd && scroller.scrollHeight !== height) scroller.scrollTop = scroller.scrollHeight;
      height = scroller.scrollHeight;
    }).observe(scroller, { childList: true, subtree: true, characterData: true });
  },

  // How the page looks is this browser's own business.
  look: () => {
    const theme = localStorage.getItem("palaver.theme") || "system";
    const isDark = theme === "dark" || (theme === "system" && palaver.prefersDark.matches);
    document.body.classList.toggle("dark", isDark);
    const conversation = document.querySelector("#conversation");
    conversation.classList.toggle("facts-shown", localStorage.getItem("palaver.facts") === "1");
    for (const input of document.querySelectorAll("[data-look=theme]")) {
      input.checked = input.value === theme;
    }
    for (const input of document.querySelectorAll("[data-look=facts]")) {
      input.checked = localStorage.getItem("palaver.facts") === "1";
    }
  },
  prefersDark: matchMedia("(prefers-color-scheme: dark)"),

  // What each button does; `at` is the button, `message` the message it stands beside.
  do: {
    start: (at) => palaver.send({ text: at.textContent }),
    copy: (at, message) => palaver.copy(at, message.querySelector(".source").textContent),
    edit: (at, message) => palaver.edit(message),
    regenerate: (at, message) => palaver.send({ regenerates: message.dataset.question }),
    version: (at) => {
      if (at.dataset.version) palaver.act({ do: "version", id: at.dataset.version });
    },
    rate: (at, message) =>
      palaver.act({ do: "rate", id: message.dataset.id, value: Number(at.dataset.value) }),
    reasons: (at, message) => {
      const tags = [...message.querySelectorAll(".reasons input:checked")].map((box) => box.value);
      const text = message.querySelector(".reasons textarea").value;
      const value = Number(at.dataset.value);
      palaver.act({ do: "reasons", id: message.dataset.id, value, tags, text });
    },
    more: (at) => palaver.act({ do: "more", count: Number(at.dataset.count) }),
    menu: (at) => palaver.menu(at),
    forget: async () => {
      if (await palaver.confirm("#forget-dialog")) palaver.act({ do: "forget" });
    },
  },
  copy: async (at, text) => {
    await navigator.clipboard.writeText(text);
    at.classList.add("done");
    setTimeout(() => at.classList.remove("done"), 1500);
  },
  // A question becomes a box to change it in; what comes of it is put beside the old one.
  edit: (message) => {
    const form = document.querySelector("#edit-form").content.cloneNode(true).firstElementChild;
    const box = form.querySelector("textarea");
    box.value = message.querySelector(".source").textContent;
    const close = () => {
      form.remove();
      message.hidden = false;
      message.querySelector(".edit")?.focus();
    };
    const send = () => {
      if (!box.value.trim()) return;
      close();
      palaver.send({ text: box.value, replaces: message.dataset.id });
    };
    form.querySelector(".cancel").addEventListener("click", close);
    form.querySelector(".save").addEventListener("click", send);
    form.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") close();
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
      }
    });
    message.hidden = true;
    message.after(form);
    box.focus();
  },
  menu: (at) => {
    const menu = document.querySelector("#chat-menu");
    const { chat, title } = at.dataset;
    const file = `/chats/${encodeURIComponent(chat)}/export?format=`;
    menu.querySelector(".md").href = `${file}md`;
    menu.querySelector(".json").href = `${file}json`;
    menu.onclick = async (event) => {
      const action = event.target.closest("[data-menu]")?.dataset.menu;
      if (!action) return;
      menu.hidePopover();
      if (action === "rename") {
        const text = await palaver.confirm("#rename-dialog", title);
        if (text) palaver.act({ do: "rename", id: chat, text });
      }
      if (action === "delete" && (await palaver.confirm("#delete-dialog", title))) {
        palaver.act({ do: "delete", id: chat });
      }
    };
    const place = at.getBoundingClientRect();
    menu.showPopover();
    menu.style.left = `${Math.max(8, Math.min(place.left, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${Math.min(place.bottom + 4, innerHeight - menu.offsetHeight - 8)}px`;
    menu.querySelector("[role=menuitem]").focus();
  },
  // Shows a dialog; resolves to what was written in it (or true), or to nothing if it was left.
  confirm: (selector, text = "") => {
    const dialog = document.querySelector(selector);
    const input = dialog.querySelector("input");
    const name = dialog.querySelector(".title");
    if (input) input.value = text;
    if (name) name.textContent = text;
    dialog.returnValue = "";
    dialog.showModal();
    input?.select();
    return new Promise((resolve) => {
      dialog.addEventListener(
        "close",
        () => resolve(dialog.returnValue === "yes" && (input ? input.value.trim() : true)),
        { once: true },
      );
    });
  },
};

document.addEventListener("click", (event) => {
  const at = event.target.closest?.("[data-do]");
  if (at) {
    palaver.do[at.dataset.do]?.(at, at.closest(".message"));
    return;
  }
  if (event.target.closest?.(".copy-code")) {
    const button = event.target.closest(".copy-code");
    palaver.copy(button, button.closest("figure").querySelector("pre").textContent);
    return;
  }
  // Links to chats work without this script's help; with it they don't reload the page.
  const link = event.target.closest?.("#sidebar a[href^='?']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  palaver.open(link.getAttribute("href"));
});
document.addEventListener("change", (event) => {
  const { look } = event.target.dataset ?? {};
  if (!look) return;
  const value = look === "facts" ? String(Number(event.target.checked)) : event.target.value;
  localStorage.setItem(`palaver.${look}`, value);
  palaver.look();
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, textarea, [contenteditable]");
  if (event.key === "Escape" && palaver.isAnswering() && !document.querySelector("dialog[open]")) {
    document.querySelector("#question .stop-button").click();
  } else if (event.key.toLowerCase() === "o" && event.shiftKey && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    palaver.open("?");
  } else if (event.key === "/" && !isTyping) {
    event.preventDefault();
    document.querySelector("#question textarea").focus();
  }
  const items = [...document.querySelectorAll("#chat-menu [role=menuitem]")];
  const place = items.indexOf(event.target);
  if (place >= 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    items.at((place + (event.key === "ArrowDown" ? 1 : -1)) % items.length).focus();
  }
});
window.addEventListener("popstate", () => document.querySelector("#open-chat").click());
palaver.prefersDark.addEventListener("change", () => setTimeout(palaver.look));
