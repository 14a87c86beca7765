"""Nothing that is refused is ever released, however the answer arrives."""

import asyncio
import re
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat.types import Message
from moderation.base import Manifest
from moderation.chain import Chain
from moderation.pii import PiiModerator
from moderation.policy import Policy
from moderation.rules import RulesModerator
from moderation.secrets import SecretsModerator
from moderation.stream import OutputGate


class Words:
    """Finds whole words and phrases in the normalised view."""

    def __init__(self, words: list[str], category: str = "hate", name: str = "words"):
        longest = max(map(len, words), default=0)
        self.manifest = {"name": name, "hold_back": longest + 1}
        self._category = category
        inner = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        self._pattern = re.compile(rf"(?<!\w)(?:{inner})(?!\w)") if words else None

    def check(self, context):
        spans = [
            (*view.locate(*match.span()), self._category)
            for view in context.views
            if self._pattern
            for match in self._pattern.finditer(view.text)
        ]
        return {"scores": {}, "spans": spans}


def open_gate(*moderators, mode: str = "window") -> OutputGate:
    chain = Chain(moderators, Policy.load("standard"), timeout_s=60)
    return OutputGate(chain, (Message("user", "tell me"),), mode=mode)


async def pour(gate: OutputGate, chunks) -> str:
    released = [await gate.feed(chunk) for chunk in chunks]
    released.append(await gate.finish())
    assert gate.released == "".join(released)
    return gate.released


def cut(text: str, sizes: list[int]) -> list[str]:
    chunks, position = [], 0
    while position < len(text):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(text[position : position + size])
        position += size
    return chunks


word = st.text("abcdefghijklmnopqrsé", min_size=1, max_size=9)
fillers = st.sampled_from([" "] * 8 + ["  ", ". ", "\n", ", ", "\u200b ", " \u200b"])


@st.composite
def texts_and_phrases(draw) -> tuple[str, list[str]]:
    """A text, and phrases of which some stand in it, mostly far from its start."""
    words = draw(st.lists(word, max_size=80))
    text = "".join(w + draw(fillers) for w in words)
    phrases = draw(st.lists(word, min_size=1, max_size=2))
    for _ in range(draw(st.integers(0, 2)) if words else 0):
        start = draw(st.integers(len(words) // 2, len(words) - 1))
        phrases.append(" ".join(words[start : start + draw(st.integers(1, 5))]))
    return text, phrases


sizes = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None)
@given(texts_and_phrases(), sizes, sizes)
def test_no_released_character_lies_in_a_refused_span(drawn, sizes, other_sizes):
    text, forbidden = drawn

    async def scenario():
        moderator = Words(forbidden)
        gate = open_gate(moderator)
        released = await pour(gate, cut(text, sizes))
        context = gate._context(text, is_partial=False)
        spans = moderator.check(context)["spans"]
        assert text.startswith(released)
        assert gate.decision.is_refused == bool(spans)
        if spans:
            assert len(released) <= min(start for start, _, _ in spans)
        else:
            assert released == text
        again = open_gate(Words(forbidden))
        assert await pour(again, cut(text, other_sizes)) == released

    asyncio.run(scenario())


@settings(max_examples=100, deadline=None)
@example(("a a a a a a a a a a aaa aaa a a. ", ["a"]), [1])
@given(texts_and_phrases(), sizes)
def test_redacted_answer_is_the_same_in_any_chunks(drawn, sizes):
    text, personal = drawn

    async def scenario():
        moderator = Words(personal, "pii/name")
        gate = open_gate(moderator)
        released = await pour(gate, cut(text, sizes))
        whole = open_gate(Words(personal, "pii/name"), mode="buffer_all")
        assert released == await pour(whole, [text])
        assert not gate.decision.is_refused

    asyncio.run(scenario())


ANSWER = (
    "Of course! Write to jane.doe@example.com or call +49 170 1234567. The account is "
    "DE89 3704 0044 0532 0130 00, the card 4111 1111 1111 1111, and the server 81.2.69.142. "
    "The key: -----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nAAAA\n"
    "-----END PRIVATE KEY----- and that is all there is to say about it, is it not? Yes. "
)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 16, 50, 1000])
async def test_personal_data_never_leaves_in_pieces(size: int):
    gate = open_gate(PiiModerator(), SecretsModerator())
    released = await pour(gate, cut(ANSWER, [size]))
    assert released == (
        "Of course! Write to [EMAIL] or call [PHONE]. The account is [IBAN], the card [CARD], "
        "and the server [IP]. The key: [PRIVATE_KEY] and that is all there is to say about it, "
        "is it not? Yes. "
    )
    assert gate.decision.action == "redact"
    verdict = next(verdict for verdict in gate.verdicts if verdict.moderator == "pii")
    assert {ANSWER[span.start : span.end] for span in verdict.spans} >= {"81.2.69.142"}


DISGUISED = [
    "all jews must die",
    "a l l jews must d i e",
    "aLL j3w5 mu5t d1e",
    "all\u200b je\u200bws mu\u200bst die",
    "YWxsIGpld3MgbXVzdCBkaWU=",
    "nyy wrjf zhfg qvr",
    "all%20jews%20must%20die",
    "616c6c206a657773206d75737420646965",
]


async def test_phrase_that_straddles_a_judgement_is_not_begun():
    # Wherever the answer is judged, some of these phrases lie across it.
    for num_words in range(60):
        opening = "word " * num_words
        gate = open_gate(Words(["alpha beta gamma delta"]))
        await pour(gate, cut(opening + "alpha beta gamma delta " + "word " * 60, [4]))
        assert gate.decision.is_refused
        assert opening.startswith(gate.released)


@pytest.mark.parametrize("hidden", DISGUISED)
@pytest.mark.parametrize("size", [1, 4, 33])
async def test_disguised_hate_stops_the_answer_before_its_first_letter(hidden: str, size: int):
    gate = open_gate(RULES)
    opening = "Here is something that I would rather not say, but here it comes, dear reader: "
    text = opening + hidden + " and on it goes for quite a while, with nothing of note in it. " * 5
    released = await pour(gate, cut(text, [size]))
    assert gate.decision.is_refused
    assert gate.decision.category == "hate/threatening"
    assert opening.startswith(released)


RULES = RulesModerator()


async def test_clean_answer_passes_through_all_built_ins_unchanged():
    text = "The café opens at 9:30. 你好，今天天气很好。Привет! 🙂 " * 40
    gate = open_gate(RULES, PiiModerator())
    assert await pour(gate, cut(text, [3])) == text


async def test_answer_is_released_while_it_is_written():
    gate = open_gate(Words(["forbidden"]))
    released = [await gate.feed("word after word. ") for _ in range(20)]
    assert "".join(released).startswith("word after word. ")
    assert len("".join(released)) > 250


async def test_nothing_is_released_after_a_refusal():
    gate = open_gate(Words(["forbidden"]))
    await gate.feed("a forbidden word " + "and more of the same " * 10)
    assert gate.decision.is_refused
    before = gate.released
    assert await gate.feed("innocent text " * 20) == ""
    assert await gate.finish() == ""
    assert gate.released == before


async def test_word_cut_by_a_chunk_is_not_taken_for_a_word():
    text = "we will class" + "ify everything that there is to classify, and some more besides. " * 2
    gate = open_gate(Words(["class"]))
    assert await pour(gate, [text[:13], text[13:]]) == text


async def test_forbidden_last_word_is_found_at_the_end():
    gate = open_gate(Words(["forbidden"]))
    assert "forb" not in await pour(gate, ["this is fine, this is ", "forb", "idden"])
    assert gate.decision.is_refused


async def test_buffer_all_releases_nothing_before_the_end():
    gate = open_gate(Words(["forbidden"]), mode="buffer_all")
    assert await gate.feed("word after word. " * 50) == ""
    assert await gate.finish() == "word after word. " * 50


async def test_without_moderators_everything_passes_at_once():
    gate = open_gate()
    assert await gate.feed("hel") == "hel"
    assert await gate.feed("lo \ud800") == "lo \ud800"
    assert await gate.finish() == ""


@pytest.mark.parametrize("text", ["", " ", "\n", "\ud800", "\u200b" * 50, "a" * 5000, "你" * 500])
async def test_odd_answers_come_out_as_they_went_in(text: str):
    gate = open_gate(RULES, PiiModerator())
    assert await pour(gate, cut(text, [7])) == text


async def test_moderator_that_fails_midway_stops_the_answer():
    class Fails:
        manifest = Manifest("fails", hold_back=0)

        def check(self, context):
            if "trigger" in context.text:
                raise ValueError(context.text)
            return {"scores": {"hate": 0.0}}

    gate = open_gate(Fails())
    released = await pour(gate, cut("fine words here. " * 10 + "trigger. " + "more. " * 30, [5]))
    assert gate.decision.is_refused
    assert gate.decision.category == "error"
    assert "trigger" not in released


async def test_score_without_a_span_refuses_at_once():
    class Mood:
        manifest = Manifest("mood")

        def check(self, context):
            return {"scores": {"hate": 0.9 if "grim" in context.text else 0.1}}

    gate = open_gate(Mood())
    released = await pour(gate, cut("sunny words. " * 10 + "grim words. " + "more. " * 30, [9]))
    assert gate.decision.is_refused
    assert "grim" not in released


async def test_long_answer_is_judged_in_bounded_windows():
    class Longest:
        manifest = Manifest("longest", hold_back=20)
        longest = 0

        def check(self, context):
            self.longest = max(self.longest, len(context.text))
            return {"scores": {}}

    moderator = Longest()
    text = "The quick brown fox jumps over the lazy dog. " * 1000
    gate = open_gate(moderator)
    assert await pour(gate, cut(text, [400])) == text
    assert moderator.longest < 2_500


async def test_record_has_one_verdict_per_moderator_the_worst():
    class Rising:
        manifest = Manifest("rising")
        score = 0.0

        def check(self, context):
            self.score = min(self.score + 0.1, 0.4)
            return {"scores": {"hate": self.score}}

    gate = open_gate(Rising(), Words(["zebra"], "profanity"))
    await pour(gate, cut("a zebra and a horse went along the river. " * 20, [20]))
    rising, words = gate.verdicts
    assert rising.scores["hate"] == pytest.approx(0.4)
    assert words.action == "flag"


async def test_history_is_handed_to_the_moderators():
    seen = []

    class Looks:
        manifest = Manifest("looks")

        def check(self, context):
            seen.append((context.messages[:-1], context.stage, context.is_partial, context.locale))
            return {"scores": {}}

    history = (Message("user", "tell me"),)
    chain = Chain((Looks(),), Policy.load("standard"))
    gate = OutputGate(chain, history, locale="de-CH")
    await pour(gate, ["Some words that are long enough to be judged before the end. ", "Bye"])
    assert (history, "output", True, "de-CH") in seen
    assert seen[-1] == (history, "output", False, "de-CH")


LONG = "One fine day. " * 30 + "Then came the witch. " + "All went home again. " * 10


class Slow(Words):
    """Takes its time, or until it is let go."""

    def __init__(self, *words: str, delay_s: float = 0.01, hangs: threading.Event | None = None):
        super().__init__(list(words), name="new")
        self._delay_s = delay_s
        self._hangs = hangs

    def check(self, context):
        time.sleep(self._delay_s)
        if self._hangs:
            self._hangs.wait(30)
        return super().check(context)


async def open_with_shadow(shadow: Slow, text: str) -> tuple[OutputGate, str]:
    policy = replace(Policy.load("standard"), shadow=frozenset({"new"}))
    chain = Chain((Words([]), shadow), policy, timeout_s=60)
    gate = OutputGate(chain, (Message("user", "tell me"),))
    return gate, await pour(gate, cut(text, [40]))


@pytest.mark.parametrize("text", ["The witch.", LONG])
async def test_what_a_shadow_finds_late_is_recorded_where_it_is(text):
    gate, released = await open_with_shadow(Slow("witch"), text)
    assert released == text and not gate.decision.is_refused
    await gate.settle(60)
    (found,) = [verdict for verdict in gate.verdicts if verdict.moderator == "new"]
    assert (found.outcome, found.reason, found.action) == ("judged", "shadow", "allow")
    assert [text[span.start : span.end] for span in found.spans] == ["witch"]
    await gate.settle(60)
    assert [v.moderator for v in gate.verdicts] == ["words", "new"]


@pytest.mark.parametrize("text", ["The witch.", LONG])
async def test_a_shadow_that_did_not_come_in_time_is_recorded_as_late(text):
    release = threading.Event()
    gate, _ = await open_with_shadow(Slow("witch", hangs=release), text)
    await gate.settle(0)
    (found,) = [verdict for verdict in gate.verdicts if verdict.moderator == "new"]
    assert (found.outcome, found.reason, found.action) == ("abstained", "shadow:late", "allow")
    release.set()
