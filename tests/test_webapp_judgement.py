"""Findings are stored where they are in what is stored."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.review import INSTRUCTIONS, Review, VerdictFilter
from chat.types import GenerationConfig, Message, Span, Verdict
from moderation.base import Moderator
from moderation.chain import Chain
from moderation.decision import Decision, merge_spans
from moderation.pii import PiiModerator
from moderation.policy import Group, Policy
from moderation.redaction import cut
from moderation.rules import RulesModerator
from storage.store import Store
from tests.moderation_kit import BAD, FINE, Scripted
from tests.scripted import ScriptedBackend
from tests.serving import make_chat_service
from tests.storage_kit import make_turn
from webapp.judgement import place_findings
from webapp.turn import ChatRequest

POLICY = Policy.load("standard")
STRICT = Policy.load("strict")
RIVALS = {"id": "rivals", "category": "harassment", "patterns": ["acme"], "language": "en"}


def redact(text: str, spans: list[Span], redacted: list[Span]) -> list[str]:
    """Return what the spans of a question are about once it is redacted."""
    stored = Decision(redactions=merge_spans(redacted)).apply(text)
    verdict = Verdict("m", "1", "input", spans=tuple(spans))
    turn = make_turn(question=Message("user", stored), verdicts=(verdict,))
    (placed,) = place_findings(turn).verdicts
    return [stored[span.start : span.end] for span in placed.spans]


def test_what_comes_after_a_redaction_moves_along():
    mail, name = Span(3, 14, "pii/email"), Span(19, 22, "harassment")
    assert redact("to ann@ex.test and you", [mail, name], [mail]) == ["[EMAIL]", "you"]
    assert redact("to ann@ex.test and you", [mail, name], []) == ["ann@ex.test", "you"]


def test_what_overlaps_a_redaction_is_its_placeholder_too():
    mail, part, around = Span(3, 14, "pii/email"), Span(5, 7, "spam"), Span(0, 18, "hate")
    found = redact("to ann@ex.test and you", [mail, part, around], [mail])
    assert found == ["[EMAIL]", "[EMAIL]", "to [EMAIL] and"]


def test_redactions_that_overlap_are_one_placeholder():
    short, long = Span(0, 6, "pii/email"), Span(4, 20, "pii/phone")
    found = redact("x" * 20 + " rest", [short, long, Span(21, 25, "spam")], [short, long])
    assert found == ["[PHONE]", "[PHONE]", "rest"]


def test_what_was_refused_is_stored_as_it_was_judged():
    verdict = Verdict("m", "1", "output", spans=(Span(4, 7, "hate"),))
    turn = make_turn(answer="A template.", refused="the bad words", verdicts=(verdict,))
    assert place_findings(turn) == turn


WORDS = st.lists(st.tuples(st.text("ab c🙂", min_size=1, max_size=8), st.booleans()), max_size=8)


@given(WORDS, st.text("xy", max_size=5))
def test_any_redactions_leave_the_others_where_they_belong(words, between):
    text, spans = "", []
    for number, (word, _) in enumerate(words):
        text += between
        spans.append(Span(len(text), len(text) + len(word), f"pii/kind{number}"))
        text += word
    redacted = [span for span, (_, is_redacted) in zip(spans, words, strict=True) if is_redacted]
    found = redact(text, spans, redacted)
    for number, ((word, is_redacted), shown) in enumerate(zip(words, found, strict=True)):
        assert shown == (f"[KIND{number}]" if is_redacted else word)


def test_a_turn_without_findings_stays_as_it_is():
    turn = make_turn(verdicts=(Verdict("m", "1", "input"), Verdict("m", "1", "output")))
    assert place_findings(turn) == turn
    assert place_findings(replace(turn, verdicts=())).verdicts == ()


# What the moderators saw, and what is kept of it


@pytest.fixture
def store():
    with Store.open("sqlite://") as store:
        yield store


async def talk(
    store: Store,
    question: str,
    answer: str,
    *,
    told: str = "",
    policy: Policy = POLICY,
    moderators: Sequence[Moderator] = (),
) -> None:
    """Ask a question and get an answer, moderated by rules and for personal data."""
    moderators = moderators or (RulesModerator(rules=[RIVALS], built_in=False), PiiModerator())
    chain = Chain(moderators, policy)
    service = make_chat_service(ScriptedBackend({question: answer}), chain, store)
    request = ChatRequest("ann", question, GenerationConfig(), instructions=told)
    async for _ in service.reply(request):
        pass


def found_in(store: Store, stage: str) -> list[str]:
    texts = []
    for listed in store.list_verdicts(VerdictFilter(stage=stage)).verdicts:
        assert listed.text is not None
        spans = listed.verdict.spans
        texts += [listed.text[span.start : span.end] for span in spans]
    return sorted(texts)


async def test_of_a_refused_answer_reviewers_alone_see_what_it_had_said(store):
    await talk(store, "Which one?", "That is easy. Buy from A.C.M.E. today, said everybody.")
    (branch,) = [store.read_branch("ann", chat.id) for chat in store.list_conversations("ann")]
    assert branch[-1].finish_reason == "content_filter"
    assert "said" not in branch[-1].message.content
    assert found_in(store, "output") == ["A.C.M.E"]
    listed = store.list_verdicts(VerdictFilter(stage="output")).verdicts
    assert all(verdict.text.startswith("That is easy. Buy from A.C.M.E.") for verdict in listed)
    for records in (store.export_user("ann"), store.export_chats()):
        assert "A.C.M.E" not in str(list(records))


async def test_what_is_redacted_is_never_stored_and_findings_are_where_they_are(store):
    await talk(store, "Hm?", "Write to ann.smith@example.org and bob.jones@example.org please.")
    assert found_in(store, "output") == ["[EMAIL]", "[EMAIL]"]
    assert "ann.smith" not in str([v.text for v in store.list_verdicts().verdicts])


async def test_personal_data_in_a_refused_answer_is_redacted_before_and_after_what_was_refused(
    store,
):
    answer = "Write to ann.smith@example.org and buy from acme by bob.jones@example.org."
    await talk(store, "Hm?", answer.replace(" ", "\N{NO-BREAK SPACE}") + " That is all of it.")
    listed = store.list_verdicts(VerdictFilter(stage="output")).verdicts
    texts = {verdict.text for verdict in listed}
    assert len(texts) == 1
    assert "smith" not in str(texts) and "jones" not in str(texts)
    assert "[EMAIL]" in str(texts) and "acme" in str(texts)
    assert "acme" in found_in(store, "output")


async def test_instructions_that_are_refused_say_nothing_of_the_question(store):
    await talk(store, "I am ann@example.org.", "Hi.", told="Speak for acme.", policy=STRICT)
    listed = store.list_verdicts(VerdictFilter(stage="input")).verdicts
    assert {verdict.text for verdict in listed} == {"I am [EMAIL]."}
    assert found_in(store, "input") == ["[EMAIL]"]
    (refused,) = (each for each in listed if each.verdict.category == "harassment")
    assert refused.verdict.reason == INSTRUCTIONS
    store.record_review(Review(refused.id, "eve", "correct", ("harassment",)))
    assert list(store.export_reviews()) == []


@pytest.mark.parametrize("name", ["new", "old"])
async def test_what_the_model_is_told_is_on_the_record_where_it_passes_too(store, name):
    policy = replace(POLICY, shadow=frozenset({"new"}))
    moderators = (RulesModerator(built_in=False), Scripted(FINE, name=name))
    await talk(store, "Hi there?", "Hi.", told="Be brief.", policy=policy, moderators=moderators)
    verdicts = [listed.verdict for listed in store.list_verdicts(INPUT).verdicts]
    reasons = sorted(verdict.reason for verdict in verdicts if verdict.moderator == "rules")
    assert reasons == ["", INSTRUCTIONS]
    # One that is in shadow says why itself, so that it could be taken for one on the question.
    reasons = sorted(verdict.reason for verdict in verdicts if verdict.moderator == name)
    assert reasons == (["shadow"] if name == "new" else ["", INSTRUCTIONS])
    assert {verdict.action for verdict in verdicts} == {"allow"}


INPUT, OUTPUT = VerdictFilter(stage="input"), VerdictFilter(stage="output")
PRIVATE = "Tell ann.smith@example.org to buy from acme."


# Personal data is looked for, and redacted, only in what the rules let pass.
CHEAP_FIRST = replace(STRICT, groups=(Group(("rules",)), Group(("pii",))))


async def test_personal_data_in_a_refused_question_is_redacted_by_those_not_asked_any_more(store):
    await talk(store, PRIVATE, "Yes.", policy=CHEAP_FIRST)
    listed = store.list_verdicts(INPUT).verdicts
    assert {each.text for each in listed} == {"Tell [EMAIL] to buy from acme."}
    assert found_in(store, "input") == ["[EMAIL]", "acme"]
    assert {each.verdict.moderator for each in listed} == {"rules", "pii"}
    (branch,) = [store.read_branch("ann", chat.id) for chat in store.list_conversations("ann")]
    assert [m.finish_reason for m in branch] == [None, "content_filter"]
    assert "smith" not in str(list(store.export_chats()))


async def test_personal_data_in_a_refused_answer_is_redacted_by_those_not_asked_any_more(store):
    await talk(store, "Hm?", PRIVATE, policy=CHEAP_FIRST)
    assert {each.text for each in store.list_verdicts(OUTPUT).verdicts} == {
        "Tell [EMAIL] to buy from acme."
    }
    assert found_in(store, "output") == ["[EMAIL]", "acme"]


async def test_a_refused_answer_in_which_nobody_could_redact_is_not_kept(store):
    broken = Scripted(ValueError(), name="pii", stages=["output"], categories=["pii"])
    moderators = (RulesModerator(rules=[RIVALS], built_in=False), broken)
    await talk(store, "Hm?", PRIVATE, policy=CHEAP_FIRST, moderators=moderators)
    assert {each.text for each in store.list_verdicts(OUTPUT).verdicts} == {None}


async def test_a_long_refused_question_is_read_in_parts(store):
    question = "acme " + "x " * 60_000 + "ann.smith@example.org " + "x " * 60_000
    moderators = (Scripted(BAD, name="rules"), PiiModerator())
    await talk(store, question, "Yes.", policy=CHEAP_FIRST, moderators=moderators)
    (text,) = {each.text for each in store.list_verdicts(INPUT).verdicts}
    assert text == question.strip().replace("ann.smith@example.org", "[EMAIL]")


@given(st.text("ab \n", max_size=60))
def test_the_parts_of_a_text_are_all_of_it(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moderation.redaction._MOST_CHARS", 7)
        patch.setattr("moderation.redaction._LONGEST_WORD", 3)
        parts = cut(text)
    assert "".join(part for _, part in parts) == text
    assert all(text.startswith(part, start) for start, part in parts)
    assert all(0 < len(part) <= 7 for _, part in parts) or not text
