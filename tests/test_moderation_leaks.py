"""The gate's promise: no released character lies in a span or a window that was refused."""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.types import Message
from moderation.base import Manifest
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.stream import OutputGate


@dataclass(frozen=True)
class Plan:
    """An answer, what is found in it, and how it comes."""

    text: str
    spans: tuple[tuple[int, int], ...]  # never overlapping
    delay: int  # so many characters later a span is known
    sizes: tuple[int, ...]
    slack: int  # so much more than needed is held back

    def known(self, end: int, is_over: bool) -> list[tuple[int, int]]:
        """Return the spans that can be known when the text up to `end` is."""
        return [s for s in self.spans if s[1] <= end and (is_over or s[1] + self.delay <= end)]


class Finder:
    """Finds what was planned; says what is open by hold_back, by settled, or as a stream."""

    def __init__(self, plan: Plan, way: str, category: str):
        self.plan, self.way, self.category = plan, way, category
        longest = max((end - start for start, end in plan.spans), default=0)
        hold_back = 0 if way == "settled" else longest + plan.delay + plan.slack
        self.manifest = {"name": way, "hold_back": hold_back if plan.spans else plan.slack}
        self.num_open = 0

    def check(self, context):
        start = self.plan.text.index(context.text) if context.text else 0
        return self.judge(start, start + len(context.text), is_over=not context.is_partial)

    def judge(self, start: int, end: int, *, is_over: bool):
        known = self.plan.known(end, is_over)
        open_from = min((s for s, e in self.plan.spans if (s, e) not in known), default=end)
        answer = {
            "scores": {self.category: 0.0},
            "spans": [(max(s - start, 0), e - start, self.category) for s, e in known if e > start],
        }
        if self.way == "settled" and not is_over:
            answer["settled"] = max(0, min(open_from, end) - start)
        return answer


class Streamed(Finder):
    """The same as a stream; `check` is never to be asked."""

    def check(self, context):
        raise AssertionError("a moderator with a stream was asked as if it had none")

    def open_stream(self, context):
        assert context.text == ""
        self.num_open += 1
        return Ear(self)


class Ear:
    def __init__(self, finder: Finder):
        self.finder, self.end, self.is_open = finder, 0, True

    def feed(self, text: str):
        assert self.is_open
        assert self.finder.plan.text.startswith(text, self.end)
        self.end += len(text)
        is_over = self.end == len(self.finder.plan.text)
        return self.finder.judge(0, self.end, is_over=is_over)

    def close(self):
        if self.is_open:
            self.finder.num_open -= 1
        self.is_open = False


gaps = st.sampled_from([" "] * 8 + [". ", "\n", "\u200b ", "  "])


@st.composite
def plans(draw) -> Plan:
    # Every word is another, so that a window can be found again in the whole.
    num_words = draw(st.integers(1, 60))
    length = draw(st.sampled_from([2, 4, 9]))
    text = "".join(f"w{'o' * (n % length)}{n}x{draw(gaps)}" for n in range(num_words))
    text = text * draw(st.sampled_from([1, 1, 1])) + draw(st.sampled_from(["", "end"]))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    return Plan(
        text,
        tuple(pairs),
        draw(st.sampled_from([0, 0, 1, 10, 60])),
        tuple(draw(st.lists(st.integers(1, 90), min_size=1, max_size=4))),
        draw(st.sampled_from([0, 0, 5, 3000])),
    )


def cut(text: str, sizes: tuple[int, ...]):
    position = number = 0
    while position < len(text):
        size = sizes[number % len(sizes)]
        yield text[position : position + size]
        position, number = position + size, number + 1


async def pour(moderators, plan: Plan, mode: str) -> OutputGate:
    chain = Chain(moderators, Policy.load("standard"), timeout_s=60)
    gate = OutputGate(chain, (Message("user", "tell me"),), mode=mode)
    shown = ""
    try:
        for chunk in cut(plan.text, plan.sizes):
            shown += await gate.feed(chunk)
            if gate.decision.is_refused:
                break
        shown += await gate.finish()
    finally:
        await gate.close()
    assert shown == gate.released
    return gate


WAYS = {"hold_back": Finder, "settled": Finder, "stream": Streamed}


@pytest.mark.parametrize("mode", ["window", "buffer_all"])
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60, deadline=None)
@given(plans())
def test_nothing_of_a_refused_span_is_ever_released(way: str, mode: str, plan: Plan):
    finder = WAYS[way](plan, way, "hate")
    gate = asyncio.run(pour([finder], plan, mode))
    assert plan.text.startswith(gate.released)
    assert gate.decision.is_refused == bool(plan.spans)
    if plan.spans:
        assert len(gate.released) <= min(start for start, _ in plan.spans)
    else:
        assert gate.released == plan.text
    assert finder.num_open == 0  # closed on every path


@pytest.mark.parametrize("mode", ["window", "buffer_all"])
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60, deadline=None)
@given(plans())
def test_nothing_of_a_redacted_span_is_ever_released(way: str, mode: str, plan: Plan):
    expected, last = "", 0
    for start, end in plan.spans:
        expected += f"{plan.text[last:start]}[NAME]"
        last = end
    gate = asyncio.run(pour([WAYS[way](plan, way, "pii/name")], plan, mode))
    assert gate.released == expected + plan.text[last:]


@settings(max_examples=80, deadline=None)
@given(
    plans(), st.lists(st.integers(0, 400), max_size=3), st.sampled_from(["window", "buffer_all"])
)
def test_nothing_of_a_refused_window_is_ever_released(plan: Plan, places, mode: str):
    """A moderator without spans refuses the text as a whole from a place on."""
    bad = min((place for place in places if place < len(plan.text)), default=None)
    ends: list[int] = []

    class Mood:
        manifest = Manifest("mood")

        def check(self, context):
            end = plan.text.index(context.text) + len(context.text)
            is_bad = bad is not None and end > bad
            if not is_bad:
                ends.append(end)
            return {"scores": {"violence": 0.9 if is_bad else 0.1}}

    others = Finder(plan, "hold_back", "pii/name")
    gate = asyncio.run(pour([Mood(), others], Plan(plan.text, (), 0, plan.sizes, 0), mode))
    assert gate.decision.is_refused == (bad is not None)
    if bad is None:
        return
    # All of the window that was refused began where the last good one ended, or before.
    good = max(ends, default=0)
    plain = "".join(part for part in gate.released.split("[NAME]"))
    assert good <= bad
    assert len(plain) <= good


async def test_stream_that_fails_refuses_and_is_closed():
    class Fails(Streamed):
        def open_stream(self, context):
            ear = super().open_stream(context)
            ear.feed = lambda text: 1 / 0
            return ear

    plan = Plan("word after word and so on, and on, and on it goes for ever. " * 3, (), 0, (9,), 0)
    finder = Fails(plan, "stream", "hate")
    gate = await pour([finder], plan, "window")
    assert gate.decision.category == "error"
    assert gate.released == ""
    assert finder.num_open == 0


async def test_reader_who_leaves_closes_the_stream():
    plan = Plan("word after word and so on, and on, and on it goes for ever. ", (), 0, (9,), 0)
    finder = Streamed(plan, "stream", "hate")
    chain = Chain([finder], Policy.load("standard"))
    gate = OutputGate(chain, (Message("user", "tell me"),))
    await gate.feed(plan.text)
    assert finder.num_open == 1
    await gate.close()
    await gate.close()
    assert finder.num_open == 0


async def test_text_without_a_word_end_is_judged_in_linear_time():
    """A megabyte in lines of code: every look at it costs, so there must be few."""

    class Counts:
        manifest = Manifest("counts", hold_back=10_000_000)
        num_chars = 0

        def check(self, context):
            self.num_chars += len(context.text)
            return {"scores": {}}

    counts = Counts()
    text = "word " * 20_000
    gate = await pour([counts], Plan(text, (), 0, (1000,), 0), "window")
    assert gate.released == text
    assert counts.num_chars < 10 * len(text)
