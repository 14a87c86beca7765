"""What people think of answers, as the store exports and imports it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Engine, event

from chat.errors import InvalidRequest
from chat.types import Comparison, Correction, Message, Ranking, Rating
from storage import exports, marks
from storage.records import MarkedAnswer, RankedComparison
from tests.storage_kit import fill, make_turn, record_chain, store_fixture

store = store_fixture()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def imported(name="q", **changes):
    """Return a ranking of two answers to one question, from elsewhere."""
    answers = {f"{name}-a": Message("assistant", "Yes."), f"{name}-b": Message("assistant", "No.")}
    values = {
        "comparison": Comparison(
            f"cmp-{name}", f"c-{name}", name, tuple(answers), "uniform", 0.5, "studio", {"k": 2}
        ),
        "ranking": Ranking(f"cmp-{name}", "import:ann", tuple((each,) for each in answers)),
        "prompt": (Message("user", f"What of {name}?"),),
        "answers": answers,
        "models": dict.fromkeys(answers, "tiny"),
        "configs": {name: {"temperature": 0.5} for name in answers},
        "finish_reasons": dict.fromkeys(answers, "stop"),
        "owner_id": "import:olga",
        "has_consent": True,
        "ranked_at": NOON,
    }
    return RankedComparison(**values | changes)


def question_of(opinion):
    is_ranking = isinstance(opinion, RankedComparison)
    return opinion.comparison.question_id if is_ranking else opinion.question_id


def test_opinions_on_one_question_come_together_whatever_they_are(store, monkeypatch):
    monkeypatch.setattr(exports, "_PAGE", 2)
    monkeypatch.setattr(marks, "_PAGE", 2)
    # Languages sort these otherwise than computers do.
    for name in ("b", "A", "a", "B", "a-1", "_x"):
        fill(store, "ann", f"c{name}")
        turn = make_turn(f"c{name}", parent_id=None)
        store.record_turn("ann", turn)
        for who in ("ann", "bob", "eve"):
            store.record_rating("ann", Rating(turn.answer_id, who, -1))
        store.record_correction("ann", Correction(f"fix{name}", turn.answer_id, "bob", "better"))
    found = list(store.export_opinions(purpose="training"))
    assert len(found) == 6 * (1 + 1 + 3 + 1)
    questions = [question_of(opinion) for opinion in found]
    changes = sum(one != other for one, other in pairwise(questions))
    assert changes + 1 == len(set(questions)) == 12


def test_a_thumb_and_a_correction_come_with_what_was_asked_and_by_whom(store):
    first, turn = record_chain(store, 2)
    store.set_consent("ann", "training", True, conversation_id="c")
    store.record_rating("ann", Rating(turn.answer_id, "bob", -1, ("wrong",)))
    store.record_correction("ann", Correction("fixed", turn.answer_id, "eve", "It is 4."))
    marked = {each.is_correction: each for each in store.export_opinions(purpose="training")}
    thumb, correction = marked[False], marked[True]
    assert [message.role for message in thumb.prompt] == ["user", "assistant", "user"]
    assert thumb.prompt == (first.question, first.answer, turn.question)
    assert (thumb.annotator_id, thumb.is_good, thumb.tags) == ("bob", False, ("wrong",))
    assert (thumb.model, thumb.config["seed"], thumb.finish_reason) == ("tiny", 7, "stop")
    assert (correction.annotator_id, correction.is_good) == ("eve", True)
    assert (correction.answer.content, correction.model) == ("It is 4.", "")
    assert thumb.question_id == correction.question_id == turn.question_id
    assert thumb.has_consent and correction.has_consent and thumb.owner_id == "ann"
    assert not any(each.has_consent for each in store.export_opinions(purpose="research"))


def test_a_page_takes_the_same_number_of_queries_however_full_it_is(store):
    counts = []
    for num_turns in (1, 20):
        for turn in record_chain(store, num_turns, f"c{num_turns}"):
            store.record_rating("ann", Rating(turn.answer_id, "ann", 1))
        statements = []

        def note(connection, cursor, statement, *rest, _seen=statements):
            _seen.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        found = list(store.export_opinions(purpose="training"))
        event.remove(Engine, "before_cursor_execute", note)
        assert all(isinstance(each, MarkedAnswer) for each in found)
        counts.append(len(statements))
    assert counts[0] == counts[1] > 0


def test_conversations_that_begin_twice_are_told(store):
    record_chain(store, 3, "plain")
    for question in ("first", "edited"):
        store.record_turn("ann", make_turn("edited", question=question))
    found = sorted((name, message.content) for name, message in store.export_openings())
    assert found == [("edited", "edited"), ("edited", "first")]


def test_what_is_imported_comes_out_as_it_was(store):
    long = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hello."))
    given = [
        imported("p", prompt=(*long, Message("user", "And now?"))),
        imported(
            ranking=Ranking(
                "cmp-q", "import:ann", (("q-a", "q-b"),), frozenset({"q-a"}), "so", 0.5, 3.5
            )
        ),
        imported("r", ranking=replace(imported("r").ranking, is_none_acceptable=True)),
    ]
    assert store.import_rankings(given, purpose="training") == 3
    assert list(store.export_rankings()) == given
    assert [each.message.content for each in store.read_branch("import:olga", "c-p")][:3] == [
        "Be brief.",
        "Hi",
        "Hello.",
    ]


def test_importing_again_changes_nothing(store):
    given = [imported(), imported("other"), imported()]
    assert store.import_rankings(given, purpose="training") == 2
    before = store.stats(), list(store.export_rankings())
    assert store.import_rankings(given, purpose="training") == 0
    assert (store.stats(), list(store.export_rankings())) == before


def test_a_newer_word_of_the_same_person_replaces_theirs(store):
    newer = imported(
        ranking=Ranking("cmp-q", "import:ann", (("q-b",), ("q-a",))),
        ranked_at=NOON + timedelta(days=1),
    )
    assert store.import_rankings([imported(), newer, imported()], purpose="training") == 2
    assert list(store.export_rankings()) == [newer]


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": (Message("user", "Something else?"),)},
        {"answers": imported().answers | {"q-a": Message("assistant", "Other words.")}},
        {"prompt": (Message("user", "Before?"), *imported().prompt)},
        {"comparison": replace(imported().comparison, answer_ids=("q-b", "q-a"))},
        {"comparison": replace(imported().comparison, id="x" * 201)},
        {"comparison": replace(imported().comparison, conversation_id="")},
        {"owner_id": "import:somebody"} | {"comparison": replace(imported().comparison, id="z")},
        {"prompt": ()},
    ],
)
def test_what_contradicts_what_is_here_is_refused_with_all_that_came_along(store, change):
    store.import_rankings([imported()], purpose="training")
    before = store.stats(), list(store.export_rankings())
    with pytest.raises(InvalidRequest):
        store.import_rankings([imported("new"), imported(**change)], purpose="training")
    assert (store.stats(), list(store.export_rankings())) == before
    refused = []
    given = [imported(**change), imported("new")]
    assert store.import_rankings(given, purpose="training", on_refused=refused.append) == 1
    assert len(refused) == 1


def test_what_somebody_ranked_here_is_left_alone(store):
    fill(store, "ann", "c")
    (own,) = store.export_rankings()
    stranger = replace(
        own, owner_id="import:x", ranking=replace(own.ranking, annotator_id="import:y")
    )
    assert store.import_rankings([stranger], purpose="training") == 0
    assert list(store.export_rankings()) == [own]


@pytest.mark.parametrize("words", [(True,), (False,), (True, False), (False, True)])
def test_nothing_gets_consent_that_it_does_not_carry(store, words):
    for number, word in enumerate(words):
        ranking = replace(imported().ranking, annotator_id=f"import:{number}")
        store.import_rankings([imported(ranking=ranking, has_consent=word)], purpose="training")
    found = list(store.export_rankings(purpose="training"))
    assert len(found) == (len(words) if all(words) else 0)
    assert not list(store.export_rankings(purpose="research"))
