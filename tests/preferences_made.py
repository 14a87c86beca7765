"""Judgements to test with: made by hand, and by hypothesis with all that texts can hold."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import settings
from hypothesis import strategies as st

from chat.types import Comparison, Message, Ranking
from preferences.judgement import Candidate, Judgement
from preferences.samples import Mark

# A busy machine is no fault of what is tested.
UNTIMED = settings(deadline=None)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHAT = (
    Message("system", "Be brief."),
    Message("user", "Hi."),
    Message("assistant", "Hello."),
    Message("user", "Who are you?"),
)
HOSTILE = (
    "half a pair: \ud83d",
    "NUL \0 inside",
    "line\u2028paragraph\u2029next\x85end\r\n\v\f\x1c",
    "😀👩‍👩‍👧‍👦 ﷽ أهلا",
    '"quotes", \\backslash\\, {"json": [1]}',
    "=HYPERLINK(1)",
    "\ufeffmark",
    "x" * 1_000_000,
)


def candidate(answer_id, text=None, model=None, **rest):
    """An answer; its text and model follow from its id unless they are given."""
    text = f"The answer {answer_id}." if text is None else text
    return Candidate(answer_id, model or f"model-{answer_id}", text, {}, **rest)


def judgement(groups="a>b", *, question="q1", annotator="ann", candidates=(), **rest):
    """A judgement such as "a>b=c": a is better than b and c, which are as good as each other."""
    ranked = tuple(tuple(group.split("=")) for group in groups.split(">"))
    ids = sorted(answer for group in ranked for answer in group)
    known = {c.answer_id: c for c in candidates}
    shown = tuple(known.get(answer) or candidate(answer) for answer in ids)
    asked = rest.pop("comparison_id", f"{question}-{annotator}")
    ranking = {
        name: rest.pop(name) for name in ("strength", "comment", "acceptable") if name in rest
    }
    return Judgement(
        Comparison(asked, rest.pop("conversation", f"chat-{question}"), question, tuple(ids)),
        Ranking(asked, annotator, ranked, **ranking),
        prompt=rest.pop("prompt", (Message("user", f"Question {question}?"),)),
        candidates=rest.pop("shown", shown),
        created_at=rest.pop("created_at", NOON),
        consent=rest.pop("consent", True),
        **rest,
    )


def mark(answer_id="a", is_good=True, *, question="q1", annotator="ann", **rest):
    """What somebody says of one answer."""
    return Mark(
        conversation_id=f"chat-{question}",
        question_id=question,
        prompt=rest.pop("prompt", (Message("user", f"Question {question}?"),)),
        candidate=rest.pop("candidate", candidate(answer_id)),
        is_good=is_good,
        annotator_id=annotator,
        created_at=rest.pop("created_at", NOON),
        consent=rest.pop("consent", True),
        **rest,
    )


# All code points, lone surrogates and NUL among them.
TEXTS = st.text(st.characters(), max_size=30) | st.sampled_from(HOSTILE[:-1])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1)
TIMES = st.datetimes(
    datetime(1971, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.none() | st.integers(-720, 720).map(lambda m: timezone(timedelta(minutes=m))),
)
MESSAGES = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXTS)
PROMPTS = st.lists(MESSAGES, max_size=3).map(tuple)
QUESTIONS = st.builds(
    lambda before, text: (*before, Message("user", text)), PROMPTS, TEXTS.filter(str.strip)
)


@st.composite
def judgements(draw, *, prompts=PROMPTS, texts=TEXTS):
    """Any judgement at all that `check_ranking` lets pass."""
    ids = draw(st.lists(TEXTS, min_size=2, max_size=5, unique=True))
    levels = draw(st.lists(st.integers(0, 3), min_size=len(ids), max_size=len(ids)))
    groups = tuple(
        tuple(name for name, own in zip(ids, levels, strict=True) if own == level)
        for level in sorted(set(levels))
    )
    comparison = Comparison(
        draw(TEXTS),
        draw(TEXTS),
        draw(TEXTS),
        tuple(ids),
        draw(TEXTS),
        draw(st.floats(0, 1)),
        draw(st.sampled_from(["chat", "studio", "api", "import"])),
        draw(st.dictionaries(TEXTS, NUMBERS | TEXTS | st.lists(TEXTS, max_size=2), max_size=2)),
    )
    ranking = Ranking(
        comparison.id,
        draw(TEXTS),
        groups,
        draw(st.frozensets(st.sampled_from(ids))),
        draw(TEXTS),
        draw(st.none() | st.floats(0, 1)),
        draw(st.none() | st.floats(0, 1e9)),
    )
    return Judgement(
        comparison,
        ranking,
        draw(prompts),
        tuple(draw(_candidates(name, texts)) for name in ids if draw(st.integers(0, 9))),
        draw(TIMES),
        draw(st.booleans()),
        draw(st.sampled_from(["rank", "pick", "repeat", "check", "edit", "regenerate"])),
        tuple(draw(st.lists(TEXTS, max_size=2))),
        draw(st.sampled_from(["", "en", "zh-Hant"])),
        draw(TEXTS),
        draw(st.booleans()),
    )


def _candidates(answer_id, texts):
    return st.builds(
        Candidate,
        st.just(answer_id),
        st.sampled_from(["tiny", "big", "", "né|e"]),
        texts,
        st.dictionaries(TEXTS, NUMBERS, max_size=2),
        st.sampled_from(["stop", "length", "content_filter", "cancelled", "error"]),
        st.booleans(),
        st.booleans(),
    )
