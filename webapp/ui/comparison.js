// Ranking answers side by side: by mouse, by Tab and the number keys, by a screen reader's own keys.
Object.assign(palaver.do, {
  compare: (at, message) => palaver.send({ regenerates: message.dataset.question, compares: true }),
  vote: (at, message) => {
    const ranks = {};
    const acceptable = [];
    for (const answer of message.querySelectorAll("[data-answer]")) {
      const rank = answer.querySelector(".ranks input:checked");
      if (!rank) {
        palaver.miss(message, answer);
        return;
      }
      ranks[answer.dataset.answer] = Number(rank.value);
      if (answer.querySelector("[data-mark=acceptable]").checked) acceptable.push(answer.dataset.answer);
    }
    palaver.actOn(message, {
      do: "vote",
      ranks,
      acceptable,
      is_none_acceptable: message.querySelector("[data-mark=none]").checked,
      strength: message.querySelector(".strength input:checked")?.value ?? "",
      text: message.querySelector("textarea").value,
    });
  },
  skip: (at, message) => palaver.actOn(message, { do: "skip" }),
  withdraw: (at) => palaver.actOn(at.closest(".vote"), { do: "withdraw" }),
  ballot: (at) => palaver.actOn(at.closest(".vote"), { do: "ballot" }),
});
Object.assign(palaver, {
  // The page is written anew; who came by keyboard goes on where they were.
  refocus: "",
  actOn: (part, action) => {
    const { comparison } = part.dataset;
    const own = `[data-comparison="${comparison}"]`;
    palaver.refocus = action.do === "ballot" ? `.ballot${own} [data-answer]` : `.vote${own} button`;
    palaver.act({ id: comparison, ...action });
  },
  // A ballot that has come is read from its beginning.
  shownBallot: "",
  showBallot: () => {
    const ballot = document.querySelector("#thread .ballot");
    const { comparison = "" } = ballot?.dataset ?? {};
    if (comparison === palaver.shownBallot) return;
    palaver.shownBallot = comparison;
    if (!ballot) return;
    palaver.isAtEnd = false;
    ballot.scrollIntoView({ block: "start" });
  },
  // Says which answer has no rank yet, and goes there.
  miss: (ballot, answer) => {
    const line = ballot.querySelector(".missing");
    line.textContent = line.dataset.text;
    answer.querySelector(".ranks input").focus();
  },
});
new MutationObserver(() => {
  palaver.showBallot();
  const at = palaver.refocus && document.querySelector(palaver.refocus);
  if (!at) return;
  palaver.refocus = "";
  at.focus();
}).observe(document, { childList: true, subtree: true });
// A number is the rank of the answer that has the focus, or something in it has.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !/^[1-8]$/.test(event.key)) return;
  const answer = event.target.closest?.("[data-answer]");
  const rank = answer?.querySelector(`.ranks input[value="${event.key}"]`);
  if (!rank) return;
  event.preventDefault();
  rank.checked = true;
  rank.focus();
  rank.dispatchEvent(new Event("change", { bubbles: true }));
});
// Either none will do or some will; what is missing is no longer said once it is there.
document.addEventListener("change", (event) => {
  const ballot = event.target.closest?.(".ballot");
  if (!ballot) return;
  ballot.querySelector(".missing").textContent = "";
  const { mark } = event.target.dataset;
  if (!mark || !event.target.checked) return;
  const other = mark === "none" ? "acceptable" : "none";
  for (const box of ballot.querySelectorAll(`[data-mark=${other}]`)) box.checked = false;
});
