"""What goes into the store comes out of it, whole and once."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle

import pytest

from chat.errors import InvalidRequest, NotFound
from chat.types import Generation, Message, Rating, Span, StoredMessage, Verdict
from storage.store import Store
from tests.storage_kit import make_turn, record_chain, run_at_once, store_fixture

store = store_fixture()


def test_turn_comes_back_as_it_was(store: Store):
    turn = make_turn(question="What is tea?", answer="A drink.", finish_reason="length")
    before = datetime.now(UTC)
    store.record_turn("ann", turn, title="Tea")
    question, answer = store.read_branch("ann", "c")
    assert (question.id, question.message) == (turn.question_id, turn.question)
    assert (question.parent_id, question.finish_reason) == (None, None)
    assert (answer.id, answer.message) == (turn.answer_id, turn.answer)
    assert (answer.parent_id, answer.finish_reason) == (turn.question_id, "length")
    assert before <= question.created_at < answer.created_at <= datetime.now(UTC)
    assert answer.created_at.utcoffset() == UTC.utcoffset(None)
    found = store.read_conversation("ann", "c")
    assert (found.title, found.owner_id, found.updated_at) == ("Tea", "ann", answer.created_at)


def test_generation_comes_back_as_it_was(store: Store):
    turn = make_turn()
    store.record_turn("ann", turn)
    expected = Generation("tiny", turn.config, turn.usage, turn.timings, num_dropped=2)
    assert store.read_generations("ann", "c") == {turn.answer_id: expected}


def test_verdicts_come_back_with_the_message_they_are_about(store: Store):
    asked = Verdict(
        "words", "1", "input", {"spam": 0.25}, (Span(1, 4, "spam", 0.5),), "judged", "rule 3", 1.5,
        "flag", "spam", "p1",
    )  # fmt: skip
    hung = Verdict("slow", "2", "input", outcome="error", reason="deadline", action="block")
    said = Verdict("words", "1", "output")
    turn = make_turn(verdicts=(asked, said, hung))
    store.record_turn("ann", turn)
    assert store.read_verdicts("ann", "c") == {
        turn.question_id: (asked, hung),
        turn.answer_id: (said,),
    }


TEXTS = (
    "",
    " ",
    "שלום עולם \u200f مرحبا",
    "👩\u200d👩\u200d👧 🇺🇳 e\u0301 ﷽",
    "'; DROP TABLE messages; --",
    "100% _under_ \\back :name ? %s",
    "line\nline\ttab\x7f\x01",
    "\U0010ffff\ufffe",
    "x" * 100_000,
    "é🙂" * 50_000,
)


def test_any_text_is_kept_to_the_letter(store: Store):
    for number, said in enumerate(TEXTS):
        chat = f"c{number}"
        store.record_turn("ann", make_turn(chat, question=said, answer=said), title=said)
        assert [step.message.content for step in store.read_branch("ann", chat)] == [said, said]
        assert store.read_conversation("ann", chat).title == said


def test_unstorable_characters_are_replaced_everywhere(store: Store):
    dirty = "a\ud800b\x00c"
    clean = "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    verdict = Verdict("words", "1", "input", {"a\ud800": 1.0}, reason=dirty)
    turn = make_turn(question=dirty, answer=dirty, verdicts=(verdict,))
    store.record_turn("ann", turn, title=dirty)
    store.record_rating("ann", Rating(turn.answer_id, "ann", 1, ("t\udfff",), dirty))
    assert [step.message.content for step in store.read_branch("ann", "c")] == [clean, clean]
    assert store.read_conversation("ann", "c").title == clean
    (stored,) = store.read_verdicts("ann", "c")[turn.question_id]
    assert (stored.reason, dict(stored.scores)) == (clean, {"a\N{REPLACEMENT CHARACTER}": 1.0})
    (rating,) = store.read_ratings("ann", "c")
    assert (rating.comment, rating.tags) == (clean, ("t\N{REPLACEMENT CHARACTER}",))


def test_id_of_unreasonable_length_is_refused(store: Store):
    for bad_id in ("", "x" * 201):
        with pytest.raises(InvalidRequest, match="allowed are 1 to 200"):
            store.record_turn(bad_id, make_turn())
        with pytest.raises(InvalidRequest, match="allowed are 1 to 200"):
            store.read_branch("ann", bad_id)
    assert store.stats()["users"] == 0


def test_id_that_cannot_be_stored_finds_nothing(store: Store):
    for bad_id in ("\ud800", "a\x00b"):
        with pytest.raises(NotFound):
            store.read_branch("ann", bad_id)


def test_number_that_is_not_finite_is_refused_whole(store: Store):
    verdict = Verdict("words", "1", "input", {"spam": float("nan")})
    with pytest.raises(InvalidRequest, match="finite"):
        store.record_turn("ann", make_turn(verdicts=(verdict,)))
    assert set(store.stats().values()) == {0}


def test_recording_again_changes_nothing(store: Store):
    turn = make_turn(verdicts=(Verdict("words", "1", "input"),))
    store.record_turn("ann", turn, title="first")
    counts, found = store.stats(), store.read_conversation("ann", "c")
    store.record_turn("ann", replace(turn, model="other"), title="second")
    assert store.stats() == counts
    assert store.read_conversation("ann", "c") == found


def test_same_turns_sent_by_eight_threads_are_there_once(store: Store):
    parent_id = None
    for _ in range(5):
        turn = make_turn("c", parent_id, verdicts=(Verdict("words", "1", "input"),))
        assert run_at_once(lambda _, turn=turn: store.record_turn("ann", turn)) == []
        parent_id = turn.answer_id
    counts = store.stats()
    assert (counts["conversations"], counts["messages"], counts["verdicts"]) == (1, 10, 5)


def test_turn_after_a_missing_parent_is_refused_whole(store: Store):
    with pytest.raises(NotFound, match="no message 'gone'"):
        store.record_turn("ann", make_turn(parent_id="gone"))
    assert set(store.stats().values()) == {0}


def test_turn_after_a_message_of_another_conversation_is_refused(store: Store):
    (elsewhere,) = record_chain(store, 1, "other")
    with pytest.raises(NotFound):
        store.record_turn("ann", make_turn("c", elsewhere.answer_id))
    with pytest.raises(NotFound):
        store.record_turn("ann", replace(elsewhere, conversation_id="c"))
    with pytest.raises(NotFound):
        question_id = elsewhere.question_id
        store.record_turn("ann", replace(make_turn("c"), question_id=question_id))
    assert store.stats()["conversations"] == 1


def test_id_of_another_message_is_refused(store: Store):
    first, second = record_chain(store, 2)
    with pytest.raises(InvalidRequest, match="answers another question"):
        store.record_turn("ann", replace(make_turn(), answer_id=first.answer_id))
    with pytest.raises(InvalidRequest, match="at another place"):
        store.record_turn("ann", replace(make_turn(), question_id=second.question_id))
    assert store.stats()["messages"] == 4


def test_failure_in_the_middle_of_a_turn_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("storage.turns._insert_verdicts", fail)
    with pytest.raises(RuntimeError):
        store.record_turn("ann", make_turn())
    assert set(store.stats().values()) == {0}
    monkeypatch.undo()
    store.record_turn("ann", make_turn())
    assert store.stats()["messages"] == 2


def _make_history(*said: str) -> tuple[StoredMessage, ...]:
    """Return messages that follow one another, as a client sends them: the first is `said[0]`."""
    now, roles = datetime.now(UTC), cycle(("user", "assistant"))
    messages = [Message(role, text) for role, text in zip(roles, said, strict=False)]  # type: ignore[arg-type]
    ids = [make_turn().question_id for _ in messages]
    parents = (None, *ids)
    return tuple(
        StoredMessage(own, above, message, now)
        for own, above, message in zip(ids, parents, messages, strict=False)
    )


def test_history_that_a_client_sent_comes_before_the_turn(store: Store):
    history = _make_history("a", "b", "c", "d")
    turn = make_turn("c", history[-1].id, question="e", answer="f")
    store.record_turn("ann", turn, history=history)
    store.record_turn("ann", turn, history=history)
    branch = store.read_branch("ann", "c")
    assert [step.message.content for step in branch] == list("abcdef")
    assert [step.id for step in branch[:4]] == [step.id for step in history]
    times = [step.created_at for step in branch]
    assert times == sorted(set(times))
    # The same history again, before another question, is not doubled.
    store.record_turn("ann", make_turn("c", history[-1].id), history=history)
    assert len(store.read_tree("ann", "c")) == 8


def test_history_that_does_not_hang_together_is_refused_whole(store: Store):
    first, second, third = _make_history("a", "b", "c")
    for broken in ((first, third), (second,), (third, second, first)):
        with pytest.raises(NotFound):
            store.record_turn("ann", make_turn("c", broken[-1].id), history=broken)
    with pytest.raises(InvalidRequest, match="at another place"):
        moved = replace(first, parent_id=second.id)
        store.record_turn("ann", make_turn("c", second.id), history=(first, second, moved))
    record_chain(store, 1, "other")
    taken = replace(first, id=store.read_branch("ann", "other")[0].id)
    with pytest.raises(NotFound):
        store.record_turn("ann", make_turn("c", taken.id), history=(taken,))
    assert store.stats()["messages"] == 2
