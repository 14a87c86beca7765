"""Judgements made by hand, for the tests of preferences."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from chat.types import Comparison, Message, Ranking
from preferences.judgement import Candidate, Judgement

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def judge(
    groups: str,
    who: str = "ann",
    *,
    item: str = "q",
    shown: str = "",
    models: Sequence[str] = (),
    minute: float = 0,
    question: str = "",
    **more,
) -> Judgement:
    """Judge answers a, b, c, ... of models A, B, C, ...: "a>bc" ranks b and c equal, below a.

    `shown` is the order in which they were shown (that of the alphabet).
    """
    answers = shown or "".join(sorted(groups.replace(">", "")))
    names = [f"{item}-{answer}" for answer in answers]
    ranked = tuple(tuple(f"{item}-{one}" for one in group) for group in groups.split(">"))
    comparison_id = f"{item}-{who}-{minute}"
    ranking_fields = {name: more.pop(name) for name in ("acceptable", "elapsed_s") if name in more}
    probability = more.pop("probability", 1.0)
    texts = more.pop("texts", {})
    blocked = more.pop("blocked", "")
    return Judgement(
        Comparison(comparison_id, f"c-{item}", item, tuple(names), "uniform", probability),
        Ranking(comparison_id, who, ranked, **ranking_fields),
        (Message("user", question or f"What of {item}?"),),
        tuple(
            Candidate(
                name,
                models["abcdefgh".index(answer)] if models else answer.upper(),
                texts.get(answer, "Yes."),
                {},
                is_blocked=answer in blocked,
            )
            for name, answer in zip(names, answers, strict=True)
        ),
        NOON + timedelta(minutes=minute),
        True,
        **more,
    )
