// What the page /review does in the browser: it carries clicks to the server, and moves the line of
// the threshold while the slider is dragged. The address says what is shown; the server renders it.
const review = {
  acted: "",
  // The colours that this browser was set to on the page of the chat.
  look: () => {
    const theme = localStorage.getItem("palaver.theme");
    if (theme === "dark" || theme === "light") {
      document.body.classList.toggle("dark", theme === "dark");
    }
  },
  send: (button, action) => {
    review.acted = JSON.stringify(action);
    document.querySelector(`#review-${button}`).click();
  },
  fields: (form) => {
    const found = Object.fromEntries(new FormData(form));
    found.stages = [...form.querySelectorAll("[name=stages]:checked")].map((box) => box.value);
    found.is_active = form.querySelector("[name=is_active]").checked;
    found.score = Number(found.score);
    found.days = Number(found.days);
    return { ...found, id: form.dataset.rule };
  },
  do: {
    mark: (at) => {
      const form = at.closest("form");
      const chosen = [...form.querySelectorAll("[name=categories]:checked")].map((box) => box.value);
      const other = form.querySelector("[name=other]");
      const categories = [...chosen, other.value.trim()].filter(Boolean);
      // Nothing to be about: say where it is chosen, rather than that it wasn't.
      if (!categories.length) {
        form.querySelector("details").open = true;
        (form.querySelector("[name=categories]") ?? other).focus();
        return;
      }
      const id = at.closest("article").dataset.id;
      const note = form.querySelector("[name=note]").value;
      review.marked = id;
      review.send("act", { do: "mark", id, mark: at.value, categories, note });
    },
    save: (at) => review.send("act", { do: "save", ...review.fields(at.closest("form")) }),
    delete: (at) => review.send("act", { do: "delete", id: at.closest("form").dataset.rule }),
    try: (at) => review.send("attempt", { do: "try", ...review.fields(at.closest("form")) }),
    stop: (at) => {
      document.querySelector("#review-stop").click();
      at.closest(".trial").querySelector("progress").remove();
      at.remove();
    },
  },
  // The page is patched: where a verdict leaves the list, its form becomes that of the next one.
  // What was written in it is to stay with the verdict that it was about.
  written: new WeakMap(),
  write: (form) => review.written.set(form, form.closest("article").dataset.id),
  done: () => {
    for (const form of document.querySelectorAll("#review .marking")) {
      const { id } = form.closest("article").dataset;
      const about = review.written.get(form);
      if (!about || (about === id && about !== review.marked)) continue;
      form.reset();
      form.querySelector("details").open = false;
      review.written.delete(form);
    }
    // Who marks one verdict after another stays in the list.
    if (review.marked && document.activeElement === document.body) {
      document.querySelector("#review [data-review=mark]")?.focus();
    }
    review.marked = "";
  },
  // The slider's number and line follow at once, what comes of it when it is let go.
  slide: (form) => {
    const slider = form.querySelector("[type=range]");
    form.querySelector("output").textContent = Number(slider.value).toFixed(2);
    const line = document.querySelector("#review-results .threshold");
    if (!line) return;
    const x = Number(line.dataset.left) + Number(line.dataset.wide) * slider.value;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
  },
  ask: (form) => {
    history.replaceState(null, "", `${location.pathname}?${new URLSearchParams(new FormData(form))}`);
    document.querySelector("#review-ask").click();
  },
};

document.addEventListener("click", (event) => {
  const at = event.target.closest?.("[data-review]");
  if (at) review.do[at.dataset.review]?.(at);
});
document.addEventListener("input", (event) => {
  const form = event.target.closest?.("#what-if");
  if (form) review.slide(form);
  const marking = event.target.closest?.(".marking");
  if (marking) review.write(marking);
});
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("#what-if");
  if (form) review.ask(form);
});
document.addEventListener("submit", (event) => {
  if (event.target.id === "what-if") {
    event.preventDefault();
    review.ask(event.target);
  } else if (event.target.matches?.("#review form:not([method])")) {
    event.preventDefault(); // Enter in a field neither marks nor saves
  }
});
