"""What a moderator calls settled never becomes part of another finding, whatever follows."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat.types import Message
from moderation.base import ModerationContext
from moderation.pii import PiiModerator
from moderation.rules import RulesModerator
from moderation.secrets import SecretsModerator
from moderation.text.normalise import find_open, make_views
from moderation.text.patterns import BadPattern, Text, compile_pattern, max_length
from moderation.text.prefixes import WORD_END, Beginnings

# Fragments of disguises and of what is found, to be put together in any order.
FRAGMENTS = (
    "how to make a bomb kill all the jews i'm going to you with kindness the of my wife gas "
    "k i l l a b c . - 68 6f 77 20 0x41 61,62 aGVsbG8gd29ybGQ= k1ll 4ll 1 4 ɐqɔ ʇno no so do "
    "%6b%69 &#107; \\u006b ｋ🅱 🇰 🇮 раss воmb да нет killl ll 你好 炸弹 如何 制作 卂b ก "
    "4111 1111 +49 170 1234567 DE89 3704 0044 AB 12 34 56 C born on 12 March 1980 a@b.org "
    "-----BEGIN RSA PRIVATE KEY----- -----END password: hunter2x! x9 \u200b \u202e"
)
WORDS = FRAGMENTS.split()
GAPS = st.sampled_from([" "] * 9 + ["  ", "\n", "   ", ". ", ", ", "- ", "\u200b ", "\n\n"])


@st.composite
def growing_texts(draw) -> tuple[str, str]:
    """A text that ends where a word ends, and what follows."""
    parts = draw(st.lists(st.tuples(st.sampled_from(WORDS), GAPS), min_size=1, max_size=16))
    text = "".join(map("".join, parts))
    ends = [match.end() for match in WORD_END.finditer(text)]
    cut = draw(st.sampled_from(ends))
    return text[:cut], text[cut:]


def judge(moderator, text: str, *, is_partial: bool):
    messages = (Message("assistant", text),)
    return moderator.check(ModerationContext(messages, "output", is_partial=is_partial))


MODERATORS = {
    "rules": RulesModerator(),
    "rules of one's own": RulesModerator(
        built_in=False,
        rules=(
            {
                "category": "hate",
                "patterns": ["kill(?: all)?(?: the)? (?:jews|wife|you)", "k1ll", "如何.{0,2}制作"],
                "unless": ["you with kindness", "(?:how to )?kill my wife of"],
            },
            {
                "category": "spam",
                "patterns": ["a(?: b)? c", "no so(?: no)*?".replace("*?", "{0,3}")],
            },
        ),
    ),
    "pii": PiiModerator(),
    "secrets": SecretsModerator(),
}


@pytest.mark.parametrize("name", MODERATORS)
@settings(max_examples=60, deadline=None)
@given(growing_texts(), st.booleans())
def test_what_is_settled_stays_as_it_is(name: str, grown: tuple[str, str], is_partial: bool):
    begun, rest = grown
    moderator = MODERATORS[name]
    before = judge(moderator, begun, is_partial=True)
    after = judge(moderator, begun + rest, is_partial=is_partial)
    assert before.settled is not None
    known = {span for span in before.spans if span.end <= before.settled}
    later = {span for span in after.spans if span.start < before.settled}
    # What straddles the border is held back by the gate, from where it begins.
    held = min((s.start for s in before.spans if s.end > before.settled), default=before.settled)
    assert {span for span in later if span.start < held} <= known, (begun, rest)


@settings(max_examples=60, deadline=None)
@given(growing_texts())
@example(("so k i l ", "l them"))
def test_views_of_more_text_say_the_same_before_what_is_open(grown: tuple[str, str]):
    begun, rest = grown
    place = find_open(begun)

    def beginnings(text: str) -> set[str]:
        views = [view for view in make_views(text) if view.piece is None]
        return {
            view.text[: next(i for i, at in enumerate(view.offsets) if at >= place)]
            for view in views
        }

    # Every way to read what is settled was there before, up to a space.
    known = {re.sub(r"\s+$", "", text) for text in beginnings(begun)}
    for text in beginnings(begun + rest):
        assert re.sub(r"\s+$", "", text) in known, (begun, rest, text)


atoms = st.sampled_from(
    ["a", "b", "c ", " ", "(?:a|b c)", "[ab]", "你", r"\d", "(?: a)?", "b{0,2}"]
)
patterns = st.lists(atoms, min_size=1, max_size=7).map("".join)
texts = st.text("ab c1你", max_size=24)


@settings(max_examples=200, deadline=None)
@given(st.lists(patterns, min_size=1, max_size=3), texts, texts)
def test_no_match_of_a_random_pattern_begins_in_what_is_settled(some, begun, rest):
    ends = [match.end() for match in WORD_END.finditer(begun)]
    begun = begun[: ends[-1]] if ends else ""
    try:
        length = max(map(max_length, some))
    except BadPattern:
        return
    edge = r"[^\pL\pN]|\p{Han}"
    whole = compile_pattern(f"(?:^|{edge})({'|'.join(some)})(?:$|{edge})")
    settled = Beginnings(some, length, f"(?:^|{edge})").find(begun)
    known = set(Text(begun).find(whole))
    for start, end in Text(begun + rest).find(whole):
        if start < settled and end > start:
            assert (start, end) in known, (some, begun, rest)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("The weather is fine today, and ", ""),
        ("I will show you how to make ", "how to make "),
        ("so it is k i l l ", "k i l l "),
        (
            "see aGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8gd29ybGQ\n",
            "aGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8gd29ybGQ\n",
        ),
        ("你好世界", "界"),
    ],
)
def test_only_what_may_become_a_finding_is_held_back(text: str, held: str):
    settled = judge(MODERATORS["rules"], text, is_partial=True).settled
    assert text.endswith(held)
    # A word or two more may begin a wording in which any word may stand.
    assert len(held) <= len(text) - settled <= len(held) + 12


def test_finding_waits_for_an_excuse_that_may_still_come():
    rules = MODERATORS["rules of one's own"]
    text = "well, kill you with "
    verdict = judge(rules, text, is_partial=True)
    assert text[verdict.settled :] == "kill you with "
    assert judge(rules, text + "kindness ", is_partial=True).spans == ()


@pytest.mark.parametrize(
    "run", ["k i l l ", "61 62 63-", "0x6b 0x69 ", "ʇno os ", "aGVs" * 19 + "\n", "🇰🇮"]
)
@pytest.mark.parametrize("times", [1, 9, 60, 400])
def test_a_long_unfinished_run_is_open_from_its_begin(run: str, times: int):
    opening = "We went along the river, and then there came this: "
    assert find_open(opening + run * times) == len(opening)


@pytest.mark.parametrize("text", ["", "a", "bb a b", "你"])
def test_a_pattern_that_may_match_nothing_finds_nothing_and_ends(text: str):
    pattern = compile_pattern("((?:a)?)")
    assert list(Text(text).find(pattern)) == [(i, i + 1) for i, c in enumerate(text) if c == "a"]
