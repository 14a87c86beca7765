"""What moderators found, as reviewers look at it, what they say of it, and operators' rules."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event

from chat.errors import InvalidRequest, NotFound
from chat.review import ACTED, ActionCount, OperatorRule, Review, TextRow, VerdictFilter
from chat.types import Span, Verdict
from storage.clock import Clock
from storage.store import Store
from tests.storage_kit import fill, make_turn, record_chain, store_fixture

store = store_fixture()

WORDS = Verdict(
    "words", "2", "input", {"spam": 0.9}, (Span(0, 3, "spam", 0.9),), action="block",
    category="spam", policy_version="p1",
)  # fmt: skip
MILD = replace(WORDS, scores={"spam": 0.2}, spans=(), action="allow", category="")
OUTPUT = replace(MILD, stage="output", moderator="other", policy_version="p2")


def record(store: Store, *verdicts: Verdict, chat: str = "c", owner: str = "ann", **changes):
    turn = make_turn(chat, verdicts=verdicts, **changes)
    store.record_turn(owner, turn)
    return turn


def listed(store: Store, **wanted):
    return store.list_verdicts(VerdictFilter(**wanted)).verdicts


def mark(store: Store, verdict_id: str, mark: str, *categories: str, by: str = "eve", note=""):
    store.record_review(Review(verdict_id, by, mark, categories, note))  # type: ignore[arg-type]


def test_verdicts_come_newest_first_with_the_text_that_was_judged(store: Store):
    turn = record(store, WORDS, OUTPUT, question="Buy <b>now</b>! 🙂", answer="No.")
    (later,) = (record(store, WORDS, chat="d", question="again"),)
    first, answered, asked = listed(store)
    assert (first.text, first.conversation_id) == ("again", later.conversation_id)
    assert (asked.text, asked.verdict) == ("Buy <b>now</b>! 🙂", WORDS)
    assert (answered.text, answered.message_id) == ("No.", turn.answer_id)
    assert asked.reviews == () and asked.at.tzinfo is UTC


def test_pages_go_on_where_the_last_one_ended_whatever_comes_in_between(store: Store):
    for number in range(5):
        record(store, WORDS, question=f"q{number}", chat=f"c{number}")
    seen, cursor = [], ""
    while True:
        page = store.list_verdicts(limit=2, cursor=cursor)
        seen += [verdict.text for verdict in page.verdicts]
        record(store, WORDS, question="new", chat=f"n{len(seen)}")
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == ["q4", "q3", "q2", "q1", "q0"]
    assert store.list_verdicts(cursor="0").verdicts == ()
    for limit in (0, 201):
        with pytest.raises(InvalidRequest, match="allowed is 1 to 200"):
            store.list_verdicts(limit=limit)


def test_a_page_takes_as_many_queries_as_any_other(store: Store):
    counts = []
    for number in (1, 30):
        for i in range(number):
            record(store, WORDS, OUTPUT, chat=f"{number}-{i}")
        for verdict in listed(store):
            mark(store, verdict.id, "correct", "spam")
        with statements() as asked:
            store.list_verdicts()
        counts.append(sum(statement.startswith("SELECT") for statement in asked))
    assert counts == [2, 2]


@contextmanager
def statements():
    """Note what is asked of databases."""
    asked: list[str] = []

    def note(*arguments) -> None:
        asked.append(arguments[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_every_filter_finds_what_it_says(store: Store):
    record(store, WORDS, OUTPUT, question="Pills 50%_off")
    failed = replace(WORDS, moderator="other", outcome="error", category="error", scores={})
    record(store, failed, question="hello", chat="d")
    newest, output, oldest = (v.id for v in listed(store))
    for wanted, ids in (
        ({"ids": (oldest, newest, "gone")}, [newest, oldest]),
        ({"stage": "output"}, [output]),
        ({"category": "spam"}, [oldest]),
        ({"action": "block"}, [newest, oldest]),
        ({"action": "allow"}, [output]),
        ({"action": ACTED}, [newest, oldest]),
        ({"moderator": "other"}, [newest, output]),
        ({"outcome": "error"}, [newest]),
        ({"policy_version": "p2"}, [output]),
        ({"search": "PILLS 50%_"}, [oldest]),
        ({"search": "50_%"}, []),
        ({"search": "'; DROP TABLE verdicts; --"}, []),
        ({"search": "an answer", "stage": "input"}, []),
        ({"moderator": "nobody"}, []),
        ({"since": datetime.now(UTC) + timedelta(hours=1)}, []),
        ({"until": datetime.now(UTC) + timedelta(hours=1), "stage": "output"}, [output]),
    ):
        assert [v.id for v in listed(store, **wanted)] == ids, wanted
    mark(store, oldest, "correct", "spam")
    assert [v.id for v in listed(store, is_reviewed=True)] == [oldest]
    assert [v.id for v in listed(store, is_reviewed=False)] == [newest, output]
    with pytest.raises(InvalidRequest, match="allowed are 200"):
        listed(store, search="x" * 201)
    assert store.list_verdict_values() == {
        "moderator": ["other", "words"],
        "category": ["error", "spam"],
        "policy_version": ["p1", "p2"],
    }


def test_of_a_refused_answer_the_text_that_was_judged_is_kept_beside_the_template(store: Store):
    block = replace(WORDS, stage="output")
    turn = record(
        store, MILD, block, answer="A template.", refused="Buy!", finish_reason="content_filter"
    )
    (output,) = listed(store, stage="output")
    assert output.text == "Buy!"
    assert store.read_branch("ann", "c")[-1].message.content == "A template."
    assert [v.id for v in listed(store, search="buy!")] == [output.id]
    store.record_turn("ann", turn)  # sent again, it changes nothing
    texts = store.iterate_texts(datetime(2020, 1, 1, tzinfo=UTC), "output", 10)
    assert [text.text for text in texts] == ["Buy!"]


@pytest.mark.parametrize("is_refused", [False, True])
def test_what_was_found_lies_where_it_lay_though_line_ends_become_others(
    store: Store, is_refused: bool
):
    said = "One\r\n\r\n🙂 two\rbad\r\nend"
    spans = tuple(
        Span(said.index(word), said.index(word) + len(word), "spam")
        for word in ("One", "bad", "bad\r\nend")
    )
    found = replace(OUTPUT, spans=spans)
    answer = {"answer": "A template.", "refused": said, "finish_reason": "content_filter"}
    record(store, found, **(answer if is_refused else {"answer": said}))
    (output,) = listed(store, stage="output")
    assert output.text == "One\n\n🙂 two\nbad\nend"
    places = [output.text[span.start : span.end] for span in output.verdict.spans]
    assert places == ["One", "bad", "bad\nend"]


def test_of_an_answer_refused_by_an_older_version_there_is_no_text(store: Store):
    record(store, MILD, OUTPUT, answer="A template.", finish_reason="content_filter")
    assert [v.text for v in listed(store)] == [None, "an question"]
    since = datetime(2020, 1, 1, tzinfo=UTC)
    assert list(store.iterate_texts(since, "output", 10)) == []
    assert store.count_texts(since, "output") == 0
    mark(store, listed(store)[0].id, "missed", "spam")
    assert list(store.export_reviews()) == []


def test_the_newest_word_of_each_reviewer_counts_and_none_is_lost(store: Store):
    record(store, WORDS)
    (verdict,) = listed(store)
    mark(store, verdict.id, "correct", "spam", note="sure")
    mark(store, verdict.id, "missed", "hate", by="bob")
    mark(store, verdict.id, "false_positive", "spam", note="no: satire ☕")
    (verdict,) = listed(store)
    assert verdict.num_words == 3
    assert {(w.reviewer_id, w.mark, w.note) for w in verdict.reviews} == {
        ("eve", "false_positive", "no: satire ☕"),
        ("bob", "missed", ""),
    }
    words = store.read_reviews(verdict.id)
    assert [word.mark for word in words] == ["correct", "missed", "false_positive"]
    with pytest.raises(NotFound, match="no verdict 'gone'"):
        mark(store, "gone", "correct")


def test_a_word_is_the_newest_though_the_clock_steps_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    record(store, WORDS)
    (verdict,) = listed(store)
    mark(store, verdict.id, "correct", "spam")
    monkeypatch.setattr(Clock, "now", lambda _: datetime(2021, 1, 1, tzinfo=UTC))
    mark(store, verdict.id, "false_positive", "spam")
    assert listed(store)[0].reviews[0].mark == "false_positive"


def test_reviewed_texts_become_rows_with_labels(store: Store):
    record(store, WORDS, MILD, OUTPUT, question="Buy!", answer="No.")
    output, mild, words = listed(store)
    mark(store, words.id, "false_positive", "spam")
    mark(store, mild.id, "missed", "harassment")
    mark(store, output.id, "correct", "hate")
    assert sorted(store.export_reviews(), key=lambda row: row.text) == [
        TextRow("Buy!", {"harassment": 1, "spam": 0}, "reviews", "reviews/c", "train",
                ("input", "false_positive", "missed")),
        TextRow("No.", {"hate": 0}, "reviews", "reviews/c", "train", ("output", "correct"),
                "output"),
    ]  # fmt: skip
    mark(store, words.id, "correct", "spam")
    mark(store, words.id, "correct", "spam", by="bob")
    labels = {row.text: row.labels for row in store.export_reviews()}
    assert labels["Buy!"] == {"harassment": 1, "spam": 1}


def test_what_reviewers_do_not_agree_on_is_no_label(store: Store):
    record(store, WORDS)
    (verdict,) = listed(store)
    mark(store, verdict.id, "correct", "spam", "hate")
    mark(store, verdict.id, "false_positive", "spam", by="bob")
    (row,) = store.export_reviews()
    assert row.labels == {"hate": 1} and "disputed" in row.tags
    mark(store, verdict.id, "false_positive", "spam", "hate", by="bob")
    assert list(store.export_reviews()) == []


def test_a_moderator_on_trial_is_right_by_its_score(store: Store):
    record(store, replace(MILD, reason="shadow", scores={"spam": 0.9, "hate": 0.1}))
    mark(store, listed(store)[0].id, "correct", "spam", "hate")
    (row,) = store.export_reviews()
    assert row.labels == {"spam": 1, "hate": 0}


def test_reviews_are_exported_as_far_as_the_owners_of_the_texts_agreed(store: Store):
    record(store, WORDS, question="early", chat="early")
    store.set_consent("ann", "training", True)
    for number in range(101):  # more than one page
        record(store, WORDS, question="anns", chat=f"a{number}")
    record(store, WORDS, question="bobs", chat="b", owner="bob")
    store.set_consent("ann", "training", False, conversation_id="a7")
    for cursor in ("", listed(store)[49].id, listed(store)[-1].id):
        page = store.list_verdicts(limit=200, cursor=cursor)
        for verdict in page.verdicts:
            mark(store, verdict.id, "correct", "spam")
    texts = [row.text for row in store.export_reviews(purpose="training")]
    assert texts == ["anns"] * 100
    assert len(list(store.export_reviews(purpose="research"))) == 0
    assert len(list(store.export_reviews())) == 103


def test_what_is_deleted_is_gone_from_review_too(store: Store):
    fill(store, "ann", "c")
    record(store, WORDS, chat="d", owner="bob", refused="bad", question="bobs")
    for verdict in listed(store):
        mark(store, verdict.id, "correct", "spam", note="a note on it")
    store.save_rule(OperatorRule("r", "R", "spam", patterns=("x",)), "eve")
    store.delete_conversation("bob", "d")
    assert {v.conversation_id for v in listed(store)} == {"c"}
    store.delete_user("ann")
    assert listed(store) == () and list(store.export_reviews()) == []
    assert store.stats()["reviews"] == 0
    store.delete_user("eve")
    (rule,) = store.list_rules()
    assert (rule.created_by, rule.updated_by) == ("", "")


def test_a_reviewer_who_signs_in_keeps_their_word(store: Store):
    record(store, WORDS)
    (verdict,) = listed(store)
    mark(store, verdict.id, "correct", "spam")
    store.move_user("eve", "hf:eve")
    mark(store, verdict.id, "false_positive", "spam", by="hf:eve")
    assert [word.mark for word in listed(store)[0].reviews] == ["false_positive"]


def test_actions_are_counted_by_hour_and_day_in_utc(store: Store, monkeypatch):
    def at(*moment: int) -> datetime:
        return datetime(2026, 3, *moment, tzinfo=UTC)

    for number, moment in enumerate((at(1, 23, 30), at(1, 23, 45), at(2, 0, 5))):
        monkeypatch.setattr(Clock, "now", lambda _, moment=moment: moment)
        record(store, WORDS, OUTPUT, chat=f"c{number}")
    days = store.count_actions(at(1), at(3))
    assert days == [
        ActionCount(at(1), "other", "", "allow", 2),
        ActionCount(at(1), "words", "spam", "block", 2),
        ActionCount(at(2), "other", "", "allow", 1),
        ActionCount(at(2), "words", "spam", "block", 1),
    ]
    hours = store.count_actions(at(1, 23), at(2), "hour")
    assert {(count.at, count.count) for count in hours} == {(at(1, 23), 2)}
    assert store.count_actions(at(3), at(4)) == []


def test_scores_are_gone_through_newest_first_without_what_failed(store: Store):
    failed = replace(WORDS, outcome="error", scores={})
    shadow = replace(MILD, reason="shadow")
    turn = record(store, WORDS, shadow, failed)
    shadowed, scored = store.iterate_scores(datetime(2020, 1, 1, tzinfo=UTC))
    assert (scored.scores, scored.action, scored.category) == ({"spam": 0.9}, "block", "spam")
    assert (scored.message_id, scored.stage) == (turn.question_id, "input")
    assert shadowed.is_shadow and not scored.is_shadow
    assert list(store.iterate_scores(datetime.now(UTC) + timedelta(hours=1))) == []


def test_texts_are_gone_through_page_by_page_and_never_more_than_asked(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("storage.verdicts._CHUNK", 3)
    record_chain(store, 10)
    since = datetime(2020, 1, 1, tzinfo=UTC)
    for limit, found in ((1, 1), (3, 3), (7, 7), (100, 10)):
        assert len({t.message_id for t in store.iterate_texts(since, "input", limit)}) == found
    times = [text.at for text in store.iterate_texts(since, "output", 100)]
    assert times == sorted(times, reverse=True) and len(times) == 10
    assert store.count_texts(since, "input") == 10
    assert len(list(store.iterate_scores(since))) == 0


def test_a_rule_comes_back_as_it_was(store: Store):
    rule = OperatorRule(
        "rivals", "Rivals 🏴‍☠️", "rivals", 0.75, ("output",), ("acme", r"x\d{1,3}"), ("no acme",),
        "en", True,
    )  # fmt: skip
    store.save_rule(rule, "ann")
    store.save_rule(OperatorRule("b", "B", "spam", patterns=("b",)), "bob")
    (kept, _) = store.list_rules()
    assert replace(kept, created_at=None, updated_at=None) == replace(
        rule, created_by="ann", updated_by="ann"
    )
    assert kept.created_at == kept.updated_at
    store.save_rule(replace(rule, is_active=False), "bob")
    changed = store.list_rules()[0]
    assert (changed.created_by, changed.updated_by, changed.is_active) == ("ann", "bob", False)
    assert changed.created_at == kept.created_at and changed.updated_at > kept.updated_at
    store.delete_rule("rivals")
    assert [rule.id for rule in store.list_rules()] == ["b"]
    with pytest.raises(NotFound, match="no rule 'rivals'"):
        store.delete_rule("rivals")
