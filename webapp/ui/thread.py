"""A conversation as HTML: what was said, and beside each message what its reader can do with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from chat.types import Compared, GenerationConfig, Persona, Rating, Thread, ThreadMessage
from webapp.archive import BAD_TAGS, GOOD_TAGS
from webapp.ui import comparison, markdown
from webapp.ui.comparison import Ballots, LiveComparison
from webapp.ui.language import Words

PROVIDERS = {"CUDAExecutionProvider": "GPU", "CPUExecutionProvider": "CPU"}
MARKS = {"cancelled": "mark_stopped", "error": "mark_broken", "length": "mark_length"}


@dataclass(frozen=True, slots=True)
class Live:
    """The exchange that is under way."""

    question: str
    answer: str = ""
    tokens_per_s: float = 0.0

    def grown(self, delta: str, tokens_per_s: float) -> "Live":
        """Return the exchange with more of the answer."""
        return Live(self.question, self.answer + delta, tokens_per_s)


@dataclass(frozen=True, slots=True)
class ThreadView:
    """Turns threads into HTML in one reader's language."""

    words: Words
    provider: str

    def thread(
        self,
        messages: Sequence[ThreadMessage],
        opened: str = "",
        ballots: Ballots | None = None,
    ) -> str:
        """Return what was said; `opened` is the answer whose reasons are being asked for.

        Without `ballots`, answers aren't compared here.
        """
        return "".join(self._message(message, opened, ballots) for message in messages)

    def live_comparison(self, live: LiveComparison) -> str:
        """Return the exchange under way where a question is answered several times."""
        return self._said("", live.question, "") + comparison.live(live, self.words)

    def live(self, live: Live) -> str:
        """Return the exchange under way: the question, and the answer as far as it may be seen."""
        label = escape(self.words("answer_label"), quote=True)
        if live.answer:
            copy = self.words("copy")
            text = markdown.render(live.answer, is_partial=True, copy_label=copy)
        else:
            text = f'<span class="thinking">{escape(self.words("thinking"))}</span>'
        question = self._said("", live.question, "")
        return (
            f'{question}<article class="message answer" aria-label="{label}" aria-busy="true">'
            f'<div class="text" dir="auto">{text}</div>'
            f'<p class="speed">{self._speed(live.tokens_per_s)}</p></article>'
        )

    def welcome(self, persona: Persona | None, starters: Sequence[str], *, temporary: bool) -> str:
        """Return what a new chat begins with."""
        title = self.words("welcome_temporary" if temporary else "welcome")
        about = self.words("about_temporary" if temporary else "about")
        if persona and persona.description:
            about = persona.description
        buttons = "".join(
            f'<button type="button" class="starter" data-do="start" dir="auto">{escape(text)}'
            "</button>"
            for text in starters
        )
        return (
            f'<section class="welcome"><h1>{escape(title)}</h1><p dir="auto">{escape(about)}</p>'
            f'<div class="starters">{buttons}</div></section>'
        )

    def _message(self, message: ThreadMessage, opened: str, ballots: Ballots | None) -> str:
        stored = message.stored
        if stored.message.role == "assistant":
            compared = ballots.of(stored.id) if ballots else None
            if ballots and compared and compared.comparison.id == ballots.open_id:
                return comparison.ballot(compared, message, self.words)
            tools = self._button("compare", "compare") if ballots is not None else ""
            return self._answer(message, compared, tools, is_open=stored.id == opened)
        tools = self._versions(message) + self._button("copy", "copy")
        if stored.message.role == "user":
            tools += self._button("edit", "edit")
        return self._said(stored.id, stored.message.content, tools)

    def _said(self, message_id: str, text: str, tools: str) -> str:
        label = escape(self.words("question_label"), quote=True)
        return (
            f'<article class="message question" data-id="{escape(message_id, quote=True)}" '
            f'aria-label="{label}"><div class="text" dir="auto">{markdown.plain(text)}</div>'
            f'{_source(text)}<div class="tools">{tools}</div></article>'
        )

    def _answer(
        self, message: ThreadMessage, compared: Compared | None, more_tools: str, *, is_open: bool
    ) -> str:
        stored = message.stored
        text = stored.message.content
        label = escape(self.words("answer_label"), quote=True)
        mark = MARKS.get(stored.finish_reason or "")
        note = f'<p class="mark">{escape(self.words(mark))}</p>' if mark else ""
        tools = (
            self._versions(message)
            + self._button("copy", "copy")
            + self._button("regenerate", "regenerate")
            + more_tools
            + self._thumb(message.rating, 1)
            + self._thumb(message.rating, -1)
        )
        # Who wrote it is told once it is ranked.
        is_blind = compared is not None and compared.ranking is None
        facts = "" if is_blind else self._facts(message)
        reasons = self._reasons(message.rating, is_open=is_open) if message.rating else ""
        vote = comparison.vote_line(compared, self.words) if compared else ""
        return (
            f'<article class="message answer" data-id="{escape(stored.id, quote=True)}" '
            f'data-question="{escape(stored.parent_id or "", quote=True)}" aria-label="{label}">'
            f'<div class="text" dir="auto">{markdown.render(text, copy_label=self.words("copy"))}'
            f'</div>{_source(text)}{note}<div class="tools">{tools}{facts}</div>'
            f"{reasons}{vote}</article>"
        )

    def _button(self, action: str, key: str, mark: str = "") -> str:
        label = escape(self.words(key), quote=True)
        return (
            f'<button type="button" class="tool {action}" data-do="{action}" aria-label="{label}" '
            f'title="{label}"{mark}></button>'
        )

    def _thumb(self, rating: Rating | None, value: int) -> str:
        is_pressed = rating is not None and rating.value == value
        mark = f' data-value="{value}" aria-pressed="{str(is_pressed).lower()}"'
        return self._button("rate", "good" if value > 0 else "bad", mark)

    def _versions(self, message: ThreadMessage) -> str:
        versions = message.versions
        if len(versions) < 2:
            return ""
        place = versions.index(message.stored.id)
        label = escape(self.words("versions"), quote=True)
        return (
            f'<span class="versions" role="group" aria-label="{label}">'
            f"{self._turn('previous_version', versions[place - 1] if place else '')}"
            f"<span>{place + 1} / {len(versions)}</span>"
            f"{self._turn('next_version', (*versions, '')[place + 1])}</span>"
        )

    def _turn(self, key: str, message_id: str) -> str:
        label = escape(self.words(key), quote=True)
        # Not "disabled": that would take the focus away from who pages by keyboard.
        mark = "" if message_id else ' aria-disabled="true"'
        return (
            f'<button type="button" class="tool {key}" data-do="version" '
            f'data-version="{escape(message_id, quote=True)}" aria-label="{label}" '
            f'title="{label}"{mark}></button>'
        )

    def _reasons(self, rating: Rating, *, is_open: bool) -> str:
        """Return where a reader says why: closed to one line once that is said."""
        tags = GOOD_TAGS if rating.value > 0 else BAD_TAGS
        boxes = "".join(self._reason(tag, is_checked=tag in rating.tags) for tag in tags)
        question = escape(self.words("why_good" if rating.value > 0 else "why_bad"))
        said = ", ".join(self._tag(tag) for tag in rating.tags)
        summary = escape(said or self.words("say_why"))
        return (
            f'<details class="reasons"{" open" if is_open else ""}><summary>{summary}</summary>'
            f"<fieldset><legend>{question}</legend>{boxes}"
            f'<textarea rows="2" maxlength="2000" dir="auto" '
            f'aria-label="{escape(self.words("comment"), quote=True)}" '
            f'placeholder="{escape(self.words("comment"), quote=True)}">'
            f"{escape(rating.comment)}</textarea>"
            f'<button type="button" data-do="reasons" data-value="{rating.value}">'
            f"{escape(self.words('save'))}</button></fieldset></details>"
        )

    def _reason(self, tag: str, *, is_checked: bool) -> str:
        mark = " checked" if is_checked else ""
        box = f'<input type="checkbox" value="{escape(tag, quote=True)}"{mark}>'
        return f"<label>{box} {escape(self._tag(tag))}</label>"

    def _tag(self, tag: str) -> str:
        return self.words("tag_" + tag.replace("-", "_"))

    def _facts(self, message: ThreadMessage) -> str:
        """Return how the answer came about, for those who want to know."""
        if message.generation is None:
            return ""
        generation = message.generation
        seconds = (generation.timings.total_ms - generation.timings.first_token_ms) / 1000
        speed = generation.usage.completion_tokens / seconds if seconds > 0.001 else 0.0
        rows = [
            (self.words("model"), generation.model),
            (self.words("speed"), self._speed(speed)),
            (self.words("tokens"), str(generation.usage.completion_tokens)),
            (self.words("first_token"), f"{generation.timings.first_token_ms:.0f} ms"),
            *((self.words("persona"), name) for name in [generation.persona] if name),
            *((self.words(name), str(value)) for name, value in _settings(generation.config)),
        ]
        cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
        label = escape(self.words("facts"))
        return f'<details class="facts"><summary>{label}</summary><dl>{cells}</dl></details>'

    def _speed(self, tokens_per_s: float) -> str:
        if not tokens_per_s:
            return ""
        device = PROVIDERS.get(self.provider, self.provider)
        return self.words("tokens_per_s", speed=f"{tokens_per_s:,.0f}", device=device)


def _source(text: str) -> str:
    return f'<pre class="source" hidden>{escape(text)}</pre>'


def _settings(config: GenerationConfig) -> Iterator[tuple[str, object]]:
    yield "temperature", round(config.temperature, 3)
    yield "top_p", round(config.top_p, 3)
    yield "max_new_tokens", config.max_new_tokens
    if config.seed is not None:
        yield "seed", config.seed


def last_answer_of(thread: Thread) -> ThreadMessage | None:
    """Return the last answer of a thread: its settings are those of the chat."""
    answers = [message for message in thread.messages if message.generation is not None]
    return answers[-1] if answers else None
