"""Conversations: the tree, the list, and whose they are."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from chat.errors import InvalidRequest, NotFound
from chat.types import Comparison, Ranking, Rating, Turn
from storage.models import ConversationRow, MessageRow
from storage.store import Store
from tests.storage_kit import fill, make_turn, record_chain, store_fixture

store = store_fixture()


def test_regeneration_makes_a_sibling_and_moves_the_leaf(store: Store):
    first = make_turn(answer="one")
    second = replace(make_turn(answer="two"), question_id=first.question_id)
    store.record_turn("ann", first)
    store.record_turn("ann", second)
    assert [m.id for m in store.read_branch("ann", "c")] == [first.question_id, second.answer_id]
    assert [m.id for m in store.read_branch("ann", "c", first.answer_id)] == [
        first.question_id,
        first.answer_id,
    ]
    assert len(store.read_tree("ann", "c")) == 3


def test_edit_makes_a_branch_of_its_own(store: Store):
    start, old = record_chain(store, 2)
    edited = make_turn("c", start.answer_id, question="otherwise")
    store.record_turn("ann", edited)
    expected = [start.question_id, start.answer_id, edited.question_id, edited.answer_id]
    assert [m.id for m in store.read_branch("ann", "c")] == expected
    assert store.read_branch("ann", "c", old.answer_id)[-1].id == old.answer_id


def test_edit_of_the_first_question_makes_a_second_root(store: Store):
    record_chain(store, 2)
    again = make_turn(question="start anew")
    store.record_turn("ann", again)
    assert [m.id for m in store.read_branch("ann", "c")] == [again.question_id, again.answer_id]


def test_branch_may_end_in_the_middle(store: Store):
    turns = record_chain(store, 3)
    middle = turns[1].question_id
    assert [m.id for m in store.read_branch("ann", "c", middle)][-1] == middle


def test_selected_message_is_the_branch_on_display(store: Store):
    first = make_turn()
    store.record_turn("ann", first)
    store.record_turn("ann", replace(make_turn(), question_id=first.question_id))
    store.select_message("ann", "c", first.answer_id)
    assert store.read_branch("ann", "c")[-1].id == first.answer_id
    with pytest.raises(NotFound):
        store.select_message("ann", "c", "nowhere")


# A tree is drawn as a list: turn n follows the answer of turn parents[n] (or nothing, for -1),
# and asks anew or answers the question of that turn once more.
_TREES = st.lists(st.tuples(st.integers(-1, 30), st.booleans()), min_size=1, max_size=12)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=_TREES)
def test_every_branch_of_any_tree_is_the_path_to_its_leaf(
    store: Store, tree: list[tuple[int, bool]]
):
    conversation = make_turn().question_id  # A new one for each example.
    turns: list[Turn] = []
    paths: dict[str, list[str]] = {}
    for pick, is_again in tree:
        earlier = turns[pick % len(turns)] if turns and pick >= 0 else None
        turn = make_turn(conversation, earlier.answer_id if earlier else None)
        if earlier and is_again:
            turn = replace(turn, parent_id=earlier.parent_id, question_id=earlier.question_id)
        store.record_turn("ann", turn)
        turns.append(turn)
        above = paths[turn.parent_id] if turn.parent_id else []
        paths[turn.question_id] = [*above, turn.question_id]
        paths[turn.answer_id] = [*above, turn.question_id, turn.answer_id]
    for leaf_id, path in paths.items():
        assert [m.id for m in store.read_branch("ann", conversation, leaf_id)] == path
    assert [m.id for m in store.read_branch("ann", conversation)] == paths[turns[-1].answer_id]
    assert {m.id for m in store.read_tree("ann", conversation)} == set(paths)


def test_stranger_is_told_what_is_told_about_nothing(store: Store):
    (turn,) = record_chain(store, 1)
    comparison = Comparison("cmp", "c", turn.question_id, (turn.answer_id,))
    store.record_comparison("ann", comparison)
    rating = Rating(turn.answer_id, "eve", -1)
    ranking = Ranking("cmp", "eve", ((turn.answer_id,),))
    attempts: list[Callable[[str], object]] = [
        lambda who: store.read_conversation(who, "c"),
        lambda who: store.read_branch(who, "c"),
        lambda who: store.read_branch(who, "c", turn.answer_id),
        lambda who: store.read_tree(who, "c"),
        lambda who: store.read_verdicts(who, "c"),
        lambda who: store.read_generations(who, "c"),
        lambda who: store.read_ratings(who, "c"),
        lambda who: store.read_comparison(who, "cmp"),
        lambda who: store.select_message(who, "c", turn.answer_id),
        lambda who: store.rename_conversation(who, "c", "mine"),
        lambda who: store.delete_conversation(who, "c"),
        lambda who: store.record_turn(who, make_turn("c", turn.answer_id)),
        lambda who: store.record_turn(who, turn),
        lambda who: store.record_comparison(who, replace(comparison, id="new")),
        lambda who: store.record_ranking(who, ranking),
        lambda who: store.record_rating(who, rating),
        lambda who: store.withdraw_rating(who, turn.answer_id, "ann"),
    ]
    by_stranger = [_refusal(attempt, "eve") for attempt in attempts]
    before = store.stats()
    assert store.read_conversation("ann", "c").title == ""
    store.delete_conversation("ann", "c")
    # Now there is nothing. All but the two that may start a conversation say so, in these words.
    for number, attempt in enumerate(attempts):
        if number not in (11, 12):
            assert _refusal(attempt, "ann") == by_stranger[number]
    assert (before["messages"], before["ratings"], before["users"]) == (2, 0, 1)
    assert store.list_conversations("eve") == []


def _refusal(attempt: Callable[[str], object], who: str) -> str:
    with pytest.raises(NotFound) as caught:
        attempt(who)
    return str(caught.value)


def test_thousand_conversations_are_paged_newest_first(store: Store):
    store.ensure_user("ann")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {"id": f"c{n}", "owner_id": "ann", "title": f"chat {n}"}
        | dict.fromkeys(("created_at", "updated_at"), start + timedelta(seconds=n))
        for n in range(1000)
    ]
    with store._database.write() as session:
        session.execute(insert(ConversationRow), rows)
    listed = []
    before = None
    while page := store.list_conversations("ann", limit=300, before=before):
        listed += page
        before = page[-1].updated_at
    assert [found.id for found in listed] == [f"c{n}" for n in reversed(range(1000))]
    store.record_turn("ann", make_turn("c0"))
    assert store.list_conversations("ann", limit=1)[0].id == "c0"


def test_limit_outside_of_its_range_is_refused(store: Store):
    for limit in (0, -1, 1001):
        with pytest.raises(InvalidRequest, match="allowed is 1 to 1000"):
            store.list_conversations("ann", limit=limit)


def test_time_without_zone_is_refused(store: Store):
    with pytest.raises(InvalidRequest, match="no time zone"):
        store.list_conversations("ann", before=datetime(2026, 1, 1))


SEARCHES: dict[str, set[str]] = {
    "": {"tea", "sun", "odd"},
    "  ": {"tea", "sun", "odd"},
    "green TEA": {"tea"},
    "ÄRGER": {"sun"},
    "солнце": {"sun"},
    "weather": {"sun"},
    "100%": {"odd"},
    "%": {"odd"},
    "a_b": {"odd"},
    "\\": {"odd"},
    "/": {"odd"},
    "' OR 1=1": set(),
    "\ud800": set(),
}


def test_search_finds_titles_and_messages_of_the_owner(store: Store):
    store.record_turn("ann", make_turn("tea", question="About Green Tea?"), title="x")
    store.record_turn("ann", make_turn("sun", answer="Ärger, СОЛНЦЕ"), title="The weather")
    store.record_turn("ann", make_turn("odd", answer="100% a_b \\ /"), title="y")
    store.record_turn("bob", make_turn("bobs", question="green tea"), title="weather")
    for search, expected in SEARCHES.items():
        found = {chat.id for chat in store.list_conversations("ann", search=search)}
        assert found == expected, search


def test_overlong_search_is_refused(store: Store):
    with pytest.raises(InvalidRequest, match="201 characters"):
        store.list_conversations("ann", search="x" * 201)


def test_rename_keeps_the_place_in_the_list(store: Store):
    record_chain(store, 1, "old")
    record_chain(store, 1, "new")
    store.rename_conversation("ann", "old", "Renamed 🙂")
    assert [(c.id, c.title) for c in store.list_conversations("ann")] == [
        ("new", ""),
        ("old", "Renamed 🙂"),
    ]


def test_deleting_a_conversation_deletes_all_below_it_and_nothing_else(store: Store):
    fill(store, "ann", "mine")
    alone = store.stats()
    fill(store, "ann", "other")
    store.delete_conversation("ann", "other")
    assert store.stats() == alone
    with store._database.read() as session:
        for table in ("generations", "comparison_answers"):
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 2
    with pytest.raises(NotFound):
        store.read_branch("ann", "other")


def test_deleting_a_very_long_conversation_works(store: Store):
    # Cascading from message to message would exceed SQLite's 1,000 nested triggers.
    (turn,) = record_chain(store, 1)
    row = {"conversation_id": "c", "role": "user", "content": "", "created_at": datetime.now(UTC)}
    ids = [turn.answer_id, *(f"m{number}" for number in range(3000))]
    with store._database.write() as session:
        chain = [row | {"parent_id": above, "id": own} for above, own in pairwise(ids)]
        session.execute(insert(MessageRow), chain)
    assert len(store.read_branch("ann", "c", ids[-1])) == 3002
    store.delete_conversation("ann", "c")
    assert store.stats()["messages"] == 0
