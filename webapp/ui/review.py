"""The page /review: its parts, and what happens on it. It is for administrators alone."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import gradio as gr

from chat.errors import InvalidRequest, PalaverError
from chat.review import Review
from webapp.review import ReviewDesk
from webapp.rules import RuleDesk
from webapp.trial import MOST_TEXTS
from webapp.ui import review_charts, review_list, review_rules
from webapp.ui.admission import alert, id_of, is_admin, refusal, status, words_of
from webapp.ui.language import Words
from webapp.ui.review_query import Act, Address, read_act, read_address

BEGIN = "() => { review.look(); return [location.search]; }"
READ_ADDRESS = "() => [location.search]"
READ_ACTED = "() => [review.acted, location.search]"
READ_TRIED = "() => [review.acted]"
SHOW_ADDRESS = "(query) => { query && history.replaceState(null, '', location.pathname + query); }"
Updates = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """The components."""

    refusal: gr.HTML
    # Everything that only an administrator sees.
    desk: gr.Column
    tabs: gr.HTML
    controls: gr.HTML
    note: gr.HTML
    results: gr.HTML
    trial: gr.HTML
    # Between the script and the server.
    address: gr.Textbox
    acted: gr.Textbox
    act: gr.Button
    ask: gr.Button
    attempt: gr.Button
    stop: gr.Button

    @property
    def shown(self) -> list[Any]:
        """What changes when another view is shown."""
        return [
            self.refusal,
            self.desk,
            self.tabs,
            self.controls,
            self.note,
            self.results,
            self.trial,
            self.address,
        ]


def add_review_page(page: gr.Blocks, desk: ReviewDesk, rules: RuleDesk) -> None:
    """Add the page /review to `page`."""
    with page.route("Review", "review", show_in_navbar=False):
        parts = _lay_out()
        _connect(page, parts, Reviewing(desk, rules, parts))


def _lay_out() -> Page:
    with gr.Column(elem_id="review"):
        refused = gr.HTML(elem_id="review-refusal", apply_default_css=False)
        with gr.Column(visible=False, elem_id="review-desk") as desk:
            names = ("tabs", "controls", "note", "results", "trial")
            shown = {
                name: gr.HTML(elem_id=f"review-{name}", apply_default_css=False) for name in names
            }
        hidden = {
            name: gr.Textbox(visible="hidden", elem_id=f"review-{name}")
            for name in ("address", "acted")
        }
        buttons = {
            name: gr.Button(visible="hidden", elem_id=f"review-{name}")
            for name in ("act", "ask", "attempt", "stop")
        }
    return Page(refusal=refused, desk=desk, **shown, **hidden, **buttons)


def _connect(page: gr.Blocks, parts: Page, reviewing: "Reviewing") -> None:
    # Plain requests, as on the page of the chat: see `webapp.ui.page`.
    quiet: dict[str, Any] = {
        "queue": False,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    page.load(reviewing.open, [parts.address], parts.shown, js=BEGIN, **quiet)
    parts.address.change(None, [parts.address], None, js=SHOW_ADDRESS, **quiet)
    acted = [parts.acted, parts.address]
    parts.act.click(
        reviewing.act, acted, parts.shown, js=READ_ACTED, trigger_mode="multiple", **quiet
    ).then(None, None, None, js="() => setTimeout(review.done)", **quiet)
    parts.ask.click(
        reviewing.explore,
        [parts.address],
        [parts.results, parts.note],
        js=READ_ADDRESS,
        trigger_mode="always_last",
        **quiet,
    )
    trying = parts.attempt.click(
        reviewing.attempt,
        [parts.acted],
        [parts.trial, parts.note],
        js=READ_TRIED,
        concurrency_limit=2,
        show_progress="hidden",
        api_visibility="private",
    )
    parts.stop.click(None, cancels=[trying], **quiet)


class Reviewing:
    """The handlers. Each checks for itself who is asking: a client can call any of them."""

    def __init__(self, desk: ReviewDesk, rules: RuleDesk, page: Page):
        self._desk = desk
        self._rules = rules
        self._page = page

    async def open(self, query: str, request: gr.Request) -> Updates:
        """Show the view that the address names."""
        words = words_of(request)
        if not is_admin(request):
            return self._refuse(words)
        page = self._page
        address = read_address(query)
        shown = {page.refusal: "", page.desk: gr.Column(visible=True), page.note: ""}
        shown[page.tabs] = review_list.tabs(address, words)
        try:
            return {**shown, **await self._show(address, words, id_of(request))}
        except PalaverError as error:
            return {**shown, page.note: alert(str(error))}

    async def explore(self, query: str, request: gr.Request) -> Updates:
        """Show what would have been; the form stays as it is."""
        words = words_of(request)
        if not is_admin(request):
            return {self._page.results: refusal(words)}
        try:
            found = await self._desk.explore(read_address(query).to_question(""))
        except PalaverError as error:
            return {self._page.note: alert(str(error))}
        return {self._page.results: review_charts.exploration(found, words), self._page.note: ""}

    async def act(self, acted: str, query: str, request: gr.Request) -> Updates:
        """Mark a verdict; save or delete a rule."""
        words = words_of(request)
        if not is_admin(request):
            return self._refuse(words)
        try:
            wanted = read_act(acted)
            if wanted.do == "mark":
                return await self._mark(wanted, read_address(query), words, id_of(request))
            if wanted.do == "save":
                return await self._save(wanted, words, id_of(request))
            if wanted.do != "delete":
                return {}
            await self._rules.delete(wanted.id)
        except PalaverError as error:
            return {self._page.note: alert(_named(error, words))}
        shown = await self._show_rules("", words)
        note = status(words("review_deleted"))
        return {**shown, self._page.note: note, self._page.address: "?view=rules"}

    async def attempt(self, acted: str, request: gr.Request) -> AsyncIterator[Updates]:
        """Try the rule that stands in the form on stored texts, and say how far that is."""
        words = words_of(request)
        page = self._page
        if not is_admin(request):
            yield {page.trial: refusal(words)}
            return
        yield {page.trial: "", page.note: ""}
        try:
            wanted = read_act(acted)
            trials = self._rules.attempt(
                wanted.to_rule(), num_days=wanted.days, most_texts=MOST_TEXTS
            )
            async with aclosing(trials):
                async for trial in trials:
                    yield {page.trial: review_rules.trial(trial, words)}
        except PalaverError as error:
            yield {page.note: alert(_named(error, words))}

    async def _mark(self, wanted: Act, address: Address, words: Words, me: str) -> Updates:
        review = Review(wanted.id, me, wanted.mark, wanted.categories, wanted.note)
        await self._desk.mark(review)
        shown = await self._show_verdicts(address, words, me)
        said = words("review_marked", mark=words(f"review_{wanted.mark}"))
        return {self._page.results: shown, self._page.note: status(said)}

    async def _save(self, wanted: Act, words: Words, me: str) -> Updates:
        rule = await self._rules.save(wanted.to_rule(), me)
        shown = await self._show_rules(rule.id, words)
        address = f"?view=rules&rule={quote(rule.id, safe='')}"
        note = status(words("admin_saved"))
        return {**shown, self._page.note: note, self._page.address: address}

    async def _show(self, address: Address, words: Words, me: str) -> Updates:
        page = self._page
        if address.view == "rules":
            return await self._show_rules(address["rule"], words)
        if address.view == "actions":
            found = await self._desk.count_actions(address.num_days)
            return {
                page.controls: review_charts.activity_form(address, words),
                page.results: review_charts.activity(found, address, words),
            }
        values = await self._desk.list_values()
        if address.view == "thresholds":
            return await self._show_what_if(address, list(values["category"]), words)
        return {
            page.controls: review_list.filters(address, values, words),
            page.results: await self._show_verdicts(address, words, me),
        }

    async def _show_verdicts(self, address: Address, words: Words, me: str) -> str:
        found = await self._desk.list(address.to_filter(), cursor=address["cursor"])
        return review_list.page(found, address, me, words)

    async def _show_what_if(self, address: Address, known: list[str], words: Words) -> Updates:
        known = [name for name in known if name != "error"] or ["harassment"]
        asked = address.to_question(known[0])
        found = await self._desk.explore(asked)
        return {
            self._page.controls: review_charts.explorer_form(address, asked, known, words),
            self._page.results: review_charts.exploration(found, words),
        }

    async def _show_rules(self, current: str, words: Words) -> Updates:
        entries, problem = await self._rules.list(), self._rules.problem
        return {self._page.controls: review_rules.rules(entries, current, words, problem)}

    def _refuse(self, words: Words) -> Updates:
        return {self._page.desk: gr.Column(visible=False), self._page.refusal: refusal(words)}


def _named(error: PalaverError, words: Words) -> str:
    """Return what is wrong, led by the name that the field has on the page."""
    param = getattr(error, "param", None) if isinstance(error, InvalidRequest) else None
    key = "review_about" if param == "categories" else f"review_{param}"
    return f"{words(key)}: {error}" if key in words.texts else str(error)
