"""What the store has of opinions becomes what statistics and formats take, and back."""

from dataclasses import fields, is_dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.errors import InvalidRequest, SettingsError
from chat.text import clean_text
from chat.types import Comparison, Correction, Message, Ranking, Rating
from preferences.judgement import Judgement
from preferences.samples import Mark
from preferences.splits import Splits
from preferences.texts import in_utc
from storage.store import Store
from tests.preferences_made import candidate, judgement, judgements
from tests.serving import make_settings
from tests.storage_kit import make_turn, record_chain
from webapp.opinions import (
    Reader,
    find_personal_data,
    join_openings,
    kind_of,
    make_pseudonym_key,
    to_stored,
)

KEY = b"k" * 32
PSEUDONYMS = st.sampled_from(["", "0123456789abcdef", "ffffffffffffffff"])


def make_storable(given, owner_id, annotator_id):
    """Return a judgement with ids that can be stored, and answers that ended in one way."""
    names = {name: f"a{i}{name}" for i, name in enumerate(given.comparison.answer_ids)}
    comparison, ranking = given.comparison, given.ranking
    candidates = [
        replace(
            each,
            answer_id=names[each.answer_id],
            is_blocked=each.is_blocked or each.finish_reason == "content_filter",
            finish_reason="content_filter" if each.is_blocked else each.finish_reason,
        )
        for each in given.candidates
    ]
    return replace(
        given,
        comparison=replace(
            comparison,
            id=f"cmp{comparison.id}",
            conversation_id=f"c{comparison.conversation_id}",
            question_id=f"q{comparison.question_id}",
            answer_ids=tuple(names.values()),
        ),
        ranking=replace(
            ranking,
            comparison_id=f"cmp{comparison.id}",
            annotator_id=annotator_id,
            groups=tuple(tuple(names[each] for each in group) for group in ranking.groups),
            acceptable=frozenset(names[each] for each in ranking.acceptable),
        ),
        prompt=(*given.prompt, Message("user", "Why?")),
        candidates=tuple(candidates),
        owner_id=owner_id,
    )


def clean(value):
    """Return a value as a store can hold it: see `chat.text.clean_text`."""
    if isinstance(value, str):
        return clean_text(value)
    if is_dataclass(value):
        return replace(
            value, **{each.name: clean(getattr(value, each.name)) for each in fields(value)}
        )
    if isinstance(value, dict):
        return {clean(name): clean(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return type(value)(map(clean, value))
    return value


STORABLE = st.builds(make_storable, judgements(), PSEUDONYMS, PSEUDONYMS).map(clean)


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/chat.db") as opened:
        yield opened


def record(store, *answers, method="uniform", groups=None, who="bob", **changes):
    """Record a question with answers and a ranking of them, the first one best."""
    first = make_turn(answer=answers[0], **changes)
    turns = [first]
    for answer in answers[1:]:
        turns.append(make_turn(answer=answer, question_id=first.question_id, **changes))
    for turn in turns:
        store.record_turn("ann", replace(turn, question=first.question))
    ids = tuple(turn.answer_id for turn in turns)
    store.record_comparison("ann", Comparison("cmp", "c", first.question_id, ids[::-1], method))
    groups = groups or tuple((each,) for each in ids)
    store.record_ranking("ann", Ranking("cmp", who, groups))
    return ids


def read(store, **options):
    return list(Reader(KEY, **options).read(store.export_opinions(purpose="training")))


def test_a_ranking_is_a_judgement_of_its_answers_in_the_order_shown(store):
    store.set_consent("ann", "training", True)
    best, worst = record(store, "Ja.", "Nein.", question="Wie ist das, und was ist der Grund?")
    (judgement,) = read(store)
    assert isinstance(judgement, Judgement)
    assert judgement.comparison.answer_ids == (worst, best)
    assert [candidate.text for candidate in judgement.candidates] == ["Nein.", "Ja."]
    assert judgement.candidates[0].settings["seed"] == 7
    assert "stop" not in judgement.candidates[0].settings
    assert (judgement.kind, judgement.language, judgement.consent) == ("rank", "de", True)
    assert judgement.levels() == {best: 0, worst: 1}


def test_people_are_under_pseudonyms_everywhere(store):
    (answer, _) = record(store, "yes", "no", who="somebody")
    store.record_rating("ann", Rating(answer, "somebody", 1))
    store.record_correction("ann", Correction("fix", answer, "somebody", "Yes!"))
    records = read(store, everything=True)
    assert len({each.annotator_id for each in records}) == 1
    assert all(len(each.annotator_id) == 16 for each in records)
    for secret in ("somebody", "'ann'"):
        assert secret not in repr(records)
    others = list(Reader(b"other" * 8).read(store.export_opinions(purpose="training")))
    assert others[0].annotator_id != records[0].annotator_id


def test_thumbs_and_corrections_are_marks_beside_the_judgements_on_their_question(store):
    (answer, _) = record(store, "yes", "no")
    store.record_rating("ann", Rating(answer, "eve", -1, ("rude",)))
    store.record_correction("ann", Correction("fix", answer, "eve", "Yes, please."))
    judgement, *marks = read(store)
    assert isinstance(judgement, Judgement) and all(isinstance(each, Mark) for each in marks)
    by_origin = {mark.origin: mark for mark in marks}
    assert not by_origin["rating"].is_good and by_origin["rating"].tags == ("rude",)
    assert by_origin["correction"].is_good
    assert by_origin["correction"].candidate.text == "Yes, please."
    assert by_origin["correction"].candidate.finish_reason == "stop"


@pytest.mark.parametrize("method", ["repeat", "check", "edit", "regenerate"])
def test_weak_signals_repeats_and_checks_are_known_by_how_they_came_about(store, method):
    record(store, "yes", "no", method=method)
    assert read(store)[0].kind == kind_of(method) == method
    assert kind_of("uniform") == "rank"


def test_a_refused_answer_and_personal_data_are_marked(store):
    store.set_consent("ann", "training", True)
    record(store, "Write to ann@example.org.", "Nothing.", finish_reason="content_filter")
    flags = [(c.is_blocked, c.has_pii) for c in read(store)[0].candidates]
    assert flags == [(True, False), (True, True)]


def test_nobody_looks_into_what_may_not_be_used(store):
    record(store, "Write to ann@example.org.", "Nothing.")
    looked = []
    assert not read(store, has_pii=lambda text: bool(looked.append(text)))[0].consent
    assert not looked
    read(store, everything=True, has_pii=lambda text: bool(looked.append(text)))
    assert len(looked) == 2


def test_a_deleted_answer_is_still_among_those_shown(store):
    kept, gone = record(store, "yes", "no")
    with store._database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM messages WHERE id = ?", (gone,))
    (judgement,) = read(store)
    assert set(judgement.comparison.answer_ids) == {kept, gone}
    assert [candidate.answer_id for candidate in judgement.candidates] == [kept]
    stored = to_stored(judgement)
    assert set(stored.answers) == {kept}


def test_an_answer_that_was_not_ranked_is_left_out(store):
    best, _ = record(store, "yes", "no")
    store.record_ranking("ann", Ranking("cmp", "bob", ((best,),)))
    assert read(store)[0].comparison.answer_ids == (best,)


def test_conversations_whose_first_question_was_edited_stay_together(store):
    for question in ("first", "second"):
        store.record_turn("ann", make_turn(question=question))
    record_chain(store, 1, "other")
    splits = Splits((0.5, 0.5, 0.0))
    join_openings(store, splits)
    places = {splits.place((Message("user", text),), "c") for text in ("first", "second")}
    assert len(places) == 1
    assert len(splits._parents) <= 1


@settings(deadline=None, max_examples=40)
@given(STORABLE)
def test_any_judgement_survives_the_store(given):
    with Store.open("sqlite://") as store:
        assert store.import_rankings([to_stored(given)], purpose="training") == 1
        (found,) = read(store, everything=True, has_pii=lambda text: False)
        assert set(found.comparison.answer_ids) == set(given.comparison.answer_ids)
        assert replace(found.comparison, answer_ids=()) == replace(given.comparison, answer_ids=())
        assert found.candidates == given.candidates
        assert replace(found.ranking, is_none_acceptable=False) == given.ranking
        assert (
            replace(
                found,
                comparison=given.comparison,
                ranking=given.ranking,
                created_at=given.created_at,
            )
            == given
        )
        assert found.created_at == in_utc(given.created_at)
        assert to_stored(found).comparison.draw == to_stored(given).comparison.draw
        assert store.import_rankings([to_stored(found)], purpose="training") == 0


@pytest.mark.parametrize("changes", [{"finish_reason": "tired"}, {"settings": {"temperature": 9}}])
def test_what_no_model_could_have_done_is_refused(changes):
    broken = candidate("a")
    with pytest.raises(InvalidRequest, match="allowed is"):
        to_stored(judgement(shown=(replace(broken, **changes), candidate("b"))))


def test_a_key_is_the_same_after_a_restart_and_none_of_those_of_cookies(tmp_path):
    settings = make_settings(tmp_path)
    key = make_pseudonym_key(settings)
    assert key == make_pseudonym_key(settings) and len(key) == 32
    assert key.hex().encode() not in (settings.data_dir / "cookie.key").read_bytes()
    (settings.data_dir / "cookie.key").write_text("short")
    with pytest.raises(SettingsError):
        make_pseudonym_key(settings)


def test_a_name_that_only_looks_imported_is_hashed():
    reader = Reader(KEY, has_pii=lambda text: False)
    assert reader._name("import:0123456789abcdef") == "0123456789abcdef"
    assert reader._name("import:") == ""
    assert "ann" not in reader._name("import:ann@example.org")


def test_personal_data_is_what_the_moderator_finds():
    has_pii = find_personal_data()
    assert has_pii("mail ann@example.org") and not has_pii("") and not has_pii("the sea")
