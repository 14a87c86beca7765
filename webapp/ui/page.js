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
  asked: "",
  acted: "",
  // Between a question's way to the server and its end; while another chat is being opened.
  isSending: false,
  isOpening: false,
  isBusy: () =>
    palaver.isSending || palaver.isOpening || Boolean(document.querySelector("#question .stop-button")),

  // Called with what the server says: the id of a chat, or "new" (or "new-temporary") and a number.
  show: (said) => {
    const [id] = (said || "").split(" ");
    if (!id || id === palaver.address()) return;
    const query = { new: "?", "new-temporary": "?temporary=1" }[id] ?? `?c=${id}`;
    if (query !== (location.search || "?")) history.replaceState(null, "", query);
  },
  // Takes the question out of the line, unless the one before is still being answered.
  take: (text) => (palaver.isBusy() || !text.trim() ? [text, ""] : ["", palaver.write({ text })]),
  write: (wanted) => {
    palaver.isSending = true;
    palaver.isAtEnd = true;
    return JSON.stringify({
      conversation_id: palaver.conversation(),
      is_temporary: palaver.address() === "temporary",
      persona: palaver.persona(),
      follows: palaver.leaf(),
      is_searching: Boolean(document.querySelector("#search textarea")?.value.trim()),
      ...wanted,
    });
  },
  // Returns whether it was sent: not while another question is on its way.
  send: (wanted) => {
    if (palaver.isBusy()) return false;
    palaver.asked = palaver.write(wanted);
    document.querySelector("#send").click();
    if (innerWidth >= 768) document.querySelector("#question textarea").focus();
    return true;
  },
  sent: () => {
    palaver.isSending = false;
    if (!document.querySelector("#live article")) palaver.say(document.querySelector("#labels").dataset.ready);
  },
  // A question that failed goes back to where it was typed, unless something else stands there.
  takeBack: (back, line) => {
    const { text, replaces } = JSON.parse(back || "{}");
    if (!text) return line;
    const message = replaces && document.querySelector(`.question[data-id="${replaces}"]`);
    if (message) {
      setTimeout(() => palaver.edit(message, text));
      return line;
    }
    return line || text;
  },
  // The last message on the page: what the next question follows.
  leaf: () => [...document.querySelectorAll("#thread .message")].at(-1)?.dataset.id || "",
  act: (action) => {
    palaver.acted = JSON.stringify({ leaf: palaver.leaf(), ...action });
    document.querySelector("#act").click();
  },
  // Stops an answer under way first: it would come back to what is to be deleted.
  stopAndAct: async (action) => {
    document.querySelector("#question .stop-button")?.click();
    for (let round = 0; round < 100 && palaver.isBusy(); round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    palaver.act(action);
  },
  open: (address) => {
    history.pushState(null, "", address);
    palaver.opening();
    palaver.uncover();
    document.querySelector("#question textarea")?.focus();
  },
  opening: () => {
    palaver.isOpening = true;
    palaver.isAtEnd = true;
    document.querySelector("#open-chat").click();
  },
  opened: () => {
    palaver.isOpening = false;
  },
  // On a phone the list of chats covers the conversation, so it opens only when asked for.
  uncover: () => {
    if (innerWidth < 768) document.querySelector("#sidebar.open .toggle-button")?.click();
  },
  // Says to those who can't see it what has changed.
  say: (text) => {
    const spoken = document.querySelector("#spoken");
    if (text && spoken.textContent !== text) spoken.textContent = text;
  },

  begin: () => {
    palaver.name();
    const line = document.querySelector("#question");
    new MutationObserver(palaver.name).observe(line, { childList: true, subtree: true });
    const note = document.querySelector("#note");
    // Gradio's own clock ticks in there too.
    const noted = () => palaver.say(note.querySelector("p[dir]")?.textContent ?? "");
    new MutationObserver(noted).observe(note, {
      childList: true,
      subtree: true,
      characterData: true,
    });
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
  isAtEnd: true,
  follow: () => {
    const scroller = document.querySelector("#conversation");
    scroller.addEventListener("scroll", () => {
      palaver.isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
    });
    new MutationObserver(() => {
      if (palaver.isAtEnd) scroller.scrollTop = scroller.scrollHeight;
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
    edit: (at, message) => palaver.edit(message, message.querySelector(".source").textContent),
    regenerate: (at, message) => {
      const { question, id } = message.dataset;
      palaver.send({ regenerates: question, instead: id });
    },
    version: (at) => {
      if (at.dataset.version) palaver.act({ do: "version", id: at.dataset.version });
    },
    rate: (at, message) =>
      palaver.act({ do: "rate", id: message.dataset.id, value: Number(at.dataset.value) }),
    reasons: (at, message) => {
      const tags = [...message.querySelectorAll(".reasons input:checked")].map((box) => box.value);
      const text = message.querySelector(".reasons textarea").value;
      const value = Number(at.dataset.value);
      message.querySelector(".reasons summary").focus();
      palaver.act({ do: "reasons", id: message.dataset.id, value, tags, text });
    },
    more: (at) => palaver.act({ do: "more", count: Number(at.dataset.count) }),
    menu: (at) => palaver.menu(at),
    forget: async () => {
      if (await palaver.confirm("#forget-dialog")) palaver.stopAndAct({ do: "forget" });
    },
    drop: () => palaver.stopAndAct({ do: "delete", id: palaver.conversation() }),
  },
  copy: async (at, text) => {
    // Browsers give the clipboard to pages of this machine or by https alone.
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else palaver.copyByHand(text);
    palaver.say(document.querySelector("#labels").dataset.copied);
    at.classList.add("done");
    setTimeout(() => at.classList.remove("done"), 1500);
  },
  copyByHand: (text) => {
    const box = document.createElement("textarea");
    const before = document.activeElement;
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
    before?.focus();
  },
  // A question can be changed; what comes of it is put beside the old one.
  edit: (message, text) => {
    const dialog = document.querySelector("#edit-dialog");
    const box = dialog.querySelector("textarea");
    const send = () => {
      const wanted = { text: box.value, replaces: message.dataset.id };
      // While another answer is being written it stays open, with all that was typed.
      if (box.value.trim() && palaver.send(wanted)) dialog.close();
    };
    box.value = text;
    dialog.querySelector(".save").onclick = send;
    dialog.querySelector(".cancel").onclick = () => dialog.close();
    box.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    };
    dialog.showModal();
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
        const how = chat === palaver.conversation() ? palaver.stopAndAct : palaver.act;
        how({ do: "delete", id: chat });
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
  const isElsewhere = event.target.closest?.("#search, dialog, [popover]");
  if (event.key === "Escape" && !isElsewhere) {
    document.querySelector("#question .stop-button")?.click();
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
window.addEventListener("popstate", () => palaver.opening());
palaver.prefersDark.addEventListener("change", () => setTimeout(palaver.look));
