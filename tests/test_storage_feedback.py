"""Comparisons, rankings and ratings, and how they leave for training."""

from dataclasses import replace
from itertools import groupby

import pytest
from sqlalchemy import delete

from chat.errors import InvalidRequest, NotFound
from chat.types import Comparison, Correction, Ranking, Rating
from storage.models import MessageRow
from storage.store import Store
from tests.storage_kit import fill, make_turn, record_chain, run_at_once, store_fixture

store = store_fixture()


def test_comparison_comes_back_in_the_order_shown(store: Store):
    fill(store, "ann", "c")
    first, second = (m.id for m in store.read_tree("ann", "c")[1:])
    found = store.read_comparison("ann", "cmp-c")
    assert found.answer_ids == (second, first)
    shown = replace(found, id="new", method="active", probability=0.25)
    store.record_comparison("ann", shown)
    store.record_comparison("ann", shown)
    assert store.read_comparison("ann", "new") == shown
    with pytest.raises(InvalidRequest, match="with other answers"):
        store.record_comparison("ann", replace(shown, answer_ids=(first, second)))


def test_comparison_of_what_is_not_comparable_is_refused(store: Store):
    first, second = record_chain(store, 2)
    for answers in ((), (first.answer_id,) * 2):
        with pytest.raises(InvalidRequest, match="each once"):
            store.record_comparison("ann", Comparison("x", "c", first.question_id, answers))
    for wrong in (second.answer_id, second.question_id, first.question_id):
        shown = Comparison("x", "c", first.question_id, (first.answer_id, wrong))
        with pytest.raises(InvalidRequest, match="doesn't answer the question"):
            store.record_comparison("ann", shown)
    assert store.stats()["comparisons"] == 0


def test_comparison_id_of_another_conversation_is_refused(store: Store):
    fill(store, "bob", "bobs")
    (turn,) = record_chain(store, 1)
    with pytest.raises(InvalidRequest, match="give each comparison an id of its own"):
        store.record_comparison(
            "ann", Comparison("cmp-bobs", "c", turn.question_id, (turn.answer_id,))
        )


def record_compared(store: Store, comparison_id: str = "shown", **changes: object) -> Comparison:
    """Record two answers to one question, and a comparison of them, the newer one first."""
    turn = make_turn("c")
    other = replace(turn, answer_id=f"{turn.answer_id}-1", model="other")
    for each in (turn, other):
        store.record_turn("ann", each)
    answer_ids = (other.answer_id, turn.answer_id)
    made = Comparison(comparison_id, "c", turn.question_id, answer_ids)
    store.record_comparison("ann", replace(made, **changes))
    return replace(made, **changes)


def test_what_was_compared_is_listed_with_its_answers_and_ones_own_ranking(store: Store):
    shown = record_compared(store)
    newer, older = shown.answer_ids
    ranking = Ranking("shown", "judge", ((older,), (newer,)), is_none_acceptable=True)
    store.record_ranking("ann", ranking)
    [found] = store.list_compared("ann", "c", "ann")
    assert (found.comparison, found.ranking) == (shown, None)
    assert [answer.stored.id for answer in found.answers] == [newer, older]
    assert found.answers[0].generation and found.answers[0].generation.model == "other"
    [found] = store.list_compared("ann", "c", "judge")
    assert found.ranking == ranking
    with pytest.raises(NotFound):
        store.list_compared("bob", "c", "judge")


def test_what_cannot_be_ranked_on_the_page_is_not_listed(store: Store):
    record_compared(store, "hint", method="regenerate")
    record_compared(store, "elsewhere", origin="api")
    shown = record_compared(store, "gone")
    assert [found.comparison.id for found in store.list_compared("ann", "c", "ann")] == ["gone"]
    with store._database.write() as session:
        session.execute(delete(MessageRow).where(MessageRow.id == shown.answer_ids[0]))
    assert store.list_compared("ann", "c", "ann") == []


def test_the_question_of_an_answer_is_found_by_its_owner_alone(store: Store):
    shown = record_compared(store)
    assert store.find_question("ann", shown.answer_ids[0]) == ("c", shown.question_id)
    for owner_id, message_id in (("bob", shown.answer_ids[0]), ("ann", shown.question_id)):
        with pytest.raises(NotFound):
            store.find_question(owner_id, message_id)


def test_new_ranking_replaces_the_annotators_old_one(store: Store):
    fill(store, "ann", "c")
    better, worse = store.read_comparison("ann", "cmp-c").answer_ids
    changed = Ranking("cmp-c", "ann", ((worse, better),), frozenset({worse}), "a tie 🙂")
    store.record_ranking("ann", replace(changed, strength=0.5))
    store.record_ranking("ann", replace(changed, annotator_id="judge"))
    found = {r.ranking.annotator_id: r for r in store.export_rankings()}
    assert found["ann"].ranking == replace(changed, strength=0.5)
    assert (found["ann"].ranking.strength, found["judge"].ranking.strength) == (0.5, None)
    assert store.stats()["rankings"] == 2


def test_ranking_may_leave_answers_out(store: Store):
    fill(store, "ann", "c")
    better, _ = store.read_comparison("ann", "cmp-c").answer_ids
    store.record_ranking("ann", Ranking("cmp-c", "ann", ((better,), ())))
    (found,) = store.export_rankings()
    assert found.ranking.groups == ((better,),)


def test_ranking_of_what_was_not_shown_is_refused(store: Store):
    fill(store, "ann", "c")
    (before,) = store.export_rankings()
    better, worse = store.read_comparison("ann", "cmp-c").answer_ids
    for groups, acceptable in (
        (((better,), ("other",)), frozenset[str]()),
        (((better,), (worse, better)), frozenset()),
        ((), frozenset()),
        (((better,),), frozenset({"other"})),
    ):
        with pytest.raises(InvalidRequest):
            store.record_ranking("ann", Ranking("cmp-c", "ann", groups, acceptable))
    with pytest.raises(InvalidRequest, match="0 to 1"):
        store.record_ranking("ann", replace(before.ranking, strength=1.5))
    assert list(store.export_rankings()) == [before]


def test_exported_ranking_has_prompt_answers_and_models(store: Store):
    (start,) = record_chain(store, 1)
    first = make_turn("c", start.answer_id, answer="one", model="m1")
    second = replace(make_turn(answer="two", model="m2"), question_id=first.question_id,
                     parent_id=start.answer_id)  # fmt: skip
    for turn in (first, second):
        store.record_turn("ann", turn)
    answers = (first.answer_id, second.answer_id)
    store.record_comparison("ann", Comparison("x", "c", first.question_id, answers))
    store.record_ranking("ann", Ranking("x", "ann", (answers[1:], answers[:1])))
    (found,) = store.export_rankings()
    assert found.prompt == (start.question, start.answer, first.question)
    assert found.answers == {first.answer_id: first.answer, second.answer_id: second.answer}
    assert found.models == {first.answer_id: "m1", second.answer_id: "m2"}


def test_rankings_leave_only_with_the_owners_newest_consent(store: Store):
    store.set_consent("yes", "training", False)
    store.set_consent("yes", "training", True, version="2026-01")
    store.set_consent("withdrawn", "training", True)
    for owner in ("never", "yes", "withdrawn"):
        fill(store, owner, f"of-{owner}")
    store.set_consent("withdrawn", "training", False)
    store.set_consent("never", "research", True)
    exported = store.export_rankings(purpose="training")
    assert [found.ranking.annotator_id for found in exported] == ["yes"]
    assert len(list(store.export_rankings())) == 3


def test_more_rankings_than_a_page_are_all_exported_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("storage.exports._PAGE", 5)
    fill(store, "ann", "c")
    (sample,) = store.export_rankings()
    for number in range(14):
        store.record_ranking("ann", replace(sample.ranking, annotator_id=f"judge-{number}"))
    found = [ranked.ranking.annotator_id for ranked in store.export_rankings()]
    assert len(found) == len(set(found)) == 15


def test_rating_can_be_changed_and_withdrawn(store: Store):
    (turn,) = record_chain(store, 1)
    store.record_rating("ann", Rating(turn.answer_id, "ann", 1, ("helpful",), "good"))
    changed = Rating(turn.answer_id, "ann", -1, ("wrong", "rude"), "bad after all")
    by_judge = Rating(turn.answer_id, "judge", 1)
    store.record_rating("ann", changed)
    store.record_rating("ann", by_judge)
    assert store.read_ratings("ann", "c") == [changed, by_judge]
    store.withdraw_rating("ann", turn.answer_id, "ann")
    store.withdraw_rating("ann", turn.answer_id, "ann")
    assert store.read_ratings("ann", "c") == [by_judge]


def test_eight_threads_rating_one_answer_leave_one_rating(store: Store):
    (turn,) = record_chain(store, 1)

    def rate(number: int) -> None:
        for _ in range(5):
            store.record_rating("ann", Rating(turn.answer_id, "ann", 1 if number % 2 else -1))

    assert run_at_once(rate) == []
    assert store.stats()["ratings"] == 1


def test_question_cannot_be_rated(store: Store):
    (turn,) = record_chain(store, 1)
    with pytest.raises(NotFound, match="no answer"):
        store.record_rating("ann", Rating(turn.question_id, "ann", 1))
    with pytest.raises(InvalidRequest, match="-1 and 1"):
        store.record_rating("ann", Rating(turn.answer_id, "ann", 0))  # type: ignore[arg-type]


def list_unranked(store: Store, owner_id: str, annotator_id: str) -> list[Comparison]:
    compared = store.list_compared(owner_id, "c", annotator_id)
    return [each.comparison for each in compared if each.ranking is None]


def test_a_comparison_is_unranked_until_its_reader_ranks_it(store: Store):
    fill(store, "ann", "c")
    (ranked,) = store.export_rankings()
    shown = ranked.comparison
    assert list_unranked(store, "ann", "ann") == []
    assert list_unranked(store, "ann", "judge") == [shown]
    with pytest.raises(NotFound):
        list_unranked(store, "bob", "judge")
    store.withdraw_ranking("ann", shown.id, "ann")
    assert list_unranked(store, "ann", "ann") == [shown]
    with pytest.raises(NotFound):
        store.withdraw_ranking("bob", shown.id, "ann")


def test_what_nobody_was_asked_about_is_not_unranked(store: Store):
    fill(store, "ann", "c")
    (ranked,) = store.export_rankings()
    shown = replace(ranked.comparison, id="again", method="regenerate")
    store.record_comparison("ann", shown)
    assert list_unranked(store, "ann", "ann") == []


def test_where_and_from_what_a_comparison_was_drawn_is_kept(store: Store):
    fill(store, "ann", "c")
    (ranked,) = store.export_rankings()
    draw = {"sources": [{"model": "m", "settings": {"temperature": 0.9}}]}
    shown = replace(ranked.comparison, id="new", origin="studio", draw=draw, probability=0.25)
    store.record_comparison("ann", shown)
    assert store.read_comparison("ann", "new") == shown


def test_a_corrected_answer_stands_beside_the_old_one_and_is_on_display(store: Store):
    fill(store, "ann", "c")
    thread = store.read_thread("ann", "c", annotator_id="ann")
    old = thread.messages[-1]
    store.record_correction("ann", Correction("new", old.stored.id, "ann", "As it should be. ☕"))
    (*_, shown) = store.read_thread("ann", "c", annotator_id="ann").messages
    assert shown.stored.message.content == "As it should be. ☕"
    assert shown.versions == (*old.versions, "new") and shown.generation is None
    with pytest.raises(NotFound):
        store.record_correction("bob", Correction("x", old.stored.id, "bob", "mine"))
    with pytest.raises(NotFound):
        store.record_correction("ann", Correction("x", old.stored.parent_id, "ann", "a question"))
    kinds = [record["kind"] for record in store.export_user("ann")]
    assert kinds.count("correction") == 1


def test_rankings_on_one_question_come_together(store: Store):
    for number in range(3):
        fill(store, "ann", f"c{number}")
    questions = []
    for ranked in list(store.export_rankings()):
        for judge in ("x", "y"):
            store.record_ranking("ann", replace(ranked.ranking, annotator_id=judge))
    questions = [ranked.comparison.question_id for ranked in store.export_rankings()]
    assert len(questions) == 9
    assert [q for q, _ in groupby(questions)] == list(dict.fromkeys(questions))
