"""The review page's HTML, its address, and the files that can be taken along."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from chat.review import (
    ACTED,
    ActionCount,
    ListedVerdict,
    OperatorRule,
    Review,
    VerdictFilter,
    VerdictPage,
)
from chat.types import Span, Verdict
from storage.store import Store
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from tests.storage_kit import make_turn
from webapp.exploring import NUM_BINS, Exploration, Question
from webapp.review import Activity
from webapp.rules import RuleEntry
from webapp.trial import Trial
from webapp.ui import review_charts, review_list, review_rules
from webapp.ui.language import read_languages
from webapp.ui.review_query import read_act, read_address

WORDS = read_languages()["en"]
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>${value}{{value}}"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CALM = Verdict("m", "1", "input", {"hate": 0.5})


class Tags(HTMLParser):
    """Which tags and attributes there are."""

    def __init__(self):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


def listed(text: str | None, *spans: Span, **changes) -> ListedVerdict:
    return ListedVerdict("v1", "m1", "c1", replace(CALM, spans=spans, **changes), text, AT)


def shown(html: str) -> str:
    """Return what a reader reads of a text; all markup must be of the two kinds that are ours."""
    inner = re.search(r'<div class="judged"[^>]*>(.*?)</div>', html, re.DOTALL)
    assert inner
    return unescape(re.sub(r'<mark title="[^"<>]*">|</mark>', "", inner[1]))


# Texts


@given(
    st.text(st.sampled_from("ab<>&\"' \n🙂"), max_size=40),
    st.lists(st.tuples(st.integers(-2, 45), st.integers(-2, 45)), max_size=6),
)
def test_any_text_is_shown_whole_with_any_spans(text, edges):
    spans = [Span(start, end, '"<x>"') for start, end in edges]
    html = review_list.judged(text, spans, WORDS)
    assert shown(html) == text
    marked = {unescape(found) for found in re.findall(r"<mark[^>]*>(.*?)</mark>", html, re.DOTALL)}
    inside = [text[s:e] for s, e in edges if 0 <= s < e <= len(text)]
    assert bool(marked) == bool(inside)
    assert all(any(part in whole for whole in inside) for part in marked)


def test_spans_that_overlap_are_marked_with_all_that_they_are():
    html = review_list.judged("abcdef", [Span(0, 4, "hate", 0.9), Span(2, 6, "spam", 0.5)], WORDS)
    assert re.findall(r'<mark title="([^"]*)">(\w+)', html) == [
        ("hate 0.90", "ab"),
        ("hate 0.90, spam 0.50", "cd"),
        ("spam 0.50", "ef"),
    ]


HIDDEN = [
    ("a\u202egnp.exe", "a⟨U+202E⟩gnp.exe"),
    ("b\u200bo\u200bm\u200bb", "b⟨U+200B⟩o⟨U+200B⟩m⟨U+200B⟩b"),
    ("x" + "\u2060" * 1_000, "x⟨U+2060 × 1,000⟩"),
    ("x\U000e0041\U000e0042", "x⟨U+E0041 U+E0042⟩"),
    ("\u2067a\u2069\u2028", "⟨U+2067⟩a⟨U+2069 U+2028⟩"),
    ("a\x1b[2J\x00\tb\nc", "a⟨U+001B⟩[2J⟨U+0000⟩\tb\nc"),
    ("a\ufe0f\ufe01", "a⟨U+FE0F U+FE01⟩"),
    # Spelling, and pictures of several parts.
    ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", None),
    ("\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f\u200d\U0001f525 1\ufe0f\u20e3", None),
    ("शक्\u200dति", None),
]


@pytest.mark.parametrize(("text", "seen"), HIDDEN)
def test_what_nobody_can_see_is_written_out(text, seen):
    html = review_list.judged(f"- {text}", [Span(0, 1, "hate")], WORDS)
    read = re.sub(r'<bdi class="unseen" title="[^"<>]+">|</bdi>', "", html)
    assert shown(read) == f"- {seen or text}"
    assert 'dir="auto"' in html
    note = replace(listed("x"), reviews=(Review("v1", "me", "correct", (), text),))
    page = review_list.page(VerdictPage((note,)), read_address(""), "me", WORDS)
    assert (seen or text) in re.sub(r"<bdi[^>]*>|</bdi>", "", page)


@given(st.text(st.sampled_from("a1\u202e\u200d\u200b\ufe0f\U0001f525\u0645"), max_size=12))
def test_no_text_turns_the_page_around(text):
    seen = unescape(review_list.judged(text, [], WORDS))
    assert not set("\u202e\u200b") & set(seen)
    assert ("U+202E" in seen) == ("\u202e" in text)


def test_of_a_long_text_the_part_with_the_first_finding_is_shown():
    text = "x" * 50_000 + "here" + "y" * 50_000
    html = review_list.judged(text, [Span(50_000, 50_004, "hate")], WORDS)
    assert ">here</mark>" in html and len(html) < 5_000
    assert "97,004" in html
    assert len(review_list.judged(text, [], WORDS)) < 5_000
    assert ">yyyy</mark>" in review_list.judged(text, [Span(100_000, 100_004, "hate")], WORDS)


def test_nothing_that_anybody_says_is_markup():
    evil = listed(
        EVIL, Span(0, 8, EVIL), moderator=EVIL, version=EVIL, category=EVIL, reason=EVIL,
        policy_version=EVIL, scores={EVIL: 0.9}, action="block",
    )  # fmt: skip
    evil = replace(evil, reviews=(Review("v1", EVIL, "missed", (EVIL,), EVIL),), num_words=2)
    address = read_address(f"?search={EVIL}&category={EVIL}&from={EVIL}&cursor={EVIL}")
    values = {"moderator": [EVIL], "category": [EVIL], "policy_version": [EVIL]}
    rule = OperatorRule(EVIL, EVIL, EVIL, patterns=(EVIL, "</textarea>"), language=EVIL)
    counts = (ActionCount(AT, EVIL, EVIL, "block", 3),)
    html = "".join(
        (
            review_list.tabs(address, WORDS),
            review_list.filters(address, values, WORDS),
            review_list.page(VerdictPage((evil,), EVIL), address, EVIL, WORDS),
            review_rules.rules([RuleEntry(rule, EVIL)], rule.id, WORDS),
            review_charts.activity(
                Activity(AT, AT + timedelta(days=3), "day", counts), address, WORDS
            ),
            review_charts.explorer_form(address, Question(EVIL), [EVIL], WORDS),
        )
    )
    reader = Tags()
    reader.feed(html)
    assert not reader.tags & {"script", "img"} and "article" in reader.tags
    assert not [name for name in reader.attributes if name.startswith("on")]
    assert html.count("</textarea>") == 2


def test_a_text_that_was_not_kept_says_so():
    page = unescape(review_list.page(VerdictPage((listed(None),)), read_address(""), "me", WORDS))
    assert "wasn't kept" in page and 'class="judged gone"' in page


def test_a_reviewer_sees_their_own_word_pressed_and_those_of_others_named():
    words = (
        Review("v1", "me", "false_positive", ("spam",), "satire"),
        Review("v1", "0123456789abcdef", "correct", ("hate",)),
    )
    entry = replace(listed("Hm."), reviews=words, num_words=5)
    page = review_list.page(VerdictPage((entry,)), read_address(""), "me", WORDS)
    assert re.findall(r'value="(\w+)" aria-pressed="true"', page) == ["false_positive"]
    assert "You: False positive (spam) “satire”" in page and "0123456789ab: Correct" in page
    assert "no longer valid: 3" in page
    assert re.findall(r'value="(\w+)" checked', page) == ["spam"]


# The address and what the script sends


def test_the_address_says_which_verdicts():
    query = (
        "?view=verdicts&from=2026-03-01&to=2026-03-02&stage=output&category=hate&action=block"
        "&moderator=m&outcome=judged&policy=p&reviewed=no&search=a%20b&cursor=x"
    )
    assert read_address(query).to_filter() == VerdictFilter(
        since=datetime(2026, 3, 1, tzinfo=UTC), until=datetime(2026, 3, 3, tzinfo=UTC),
        stage="output", category="hate", action="block", moderator="m", outcome="judged",
        policy_version="p", is_reviewed=False, search="a b",
    )  # fmt: skip
    assert read_address("").to_filter() == VerdictFilter(action=ACTED)
    assert read_address("?action=").to_filter() == VerdictFilter()
    assert "cursor=y" in read_address(query).to_query(cursor="y")
    further = read_address(read_address("?action=&cursor=x").to_query(cursor=""))
    assert further.to_filter() == VerdictFilter() and not further["cursor"]


@given(st.text(max_size=60))
def test_any_address_leads_somewhere(query):
    for view in ("verdicts", "thresholds", "rules", "actions"):
        address = read_address(f"?view={view}&" + query)
        address.to_filter()
        address.to_question("hate")
        assert address.num_days in (2, 7, 14, 30, 90)


@pytest.mark.parametrize(
    "query",
    ["to=9999-12-31", "from=275760-01-01&to=x", "&".join(f"a{n}=1" for n in range(2_000))],
)
def test_what_is_no_day_of_ours_is_no_condition(query):
    assert read_address("?" + query).to_filter() == VerdictFilter(action=ACTED)


@pytest.mark.parametrize(
    "query", ["days=-1", "days=9e9", "threshold=nan", "threshold=2", "stage=x", "action=x"]
)
def test_what_makes_no_sense_in_the_address_is_as_usual(query):
    assert read_address("?view=thresholds&" + query).to_question("hate") == Question("hate")


@pytest.mark.parametrize(
    "sent",
    ["", "[]", "{", '{"do": "format"}', '{"do": "mark", "mark": "x"}', "\ud800",
     '{"do": "save", "score": "x"}', '{"do": "save", "stages": ["both"]}',
     '{"do": "mark", "categories": "hate"}'],
)  # fmt: skip
def test_what_the_script_never_sends_is_refused(sent):
    with pytest.raises(InvalidRequest):
        read_act(sent)


# Pictures


def picture(html: str) -> ElementTree.Element:
    found = re.search(r'<svg class="picture".*?</svg>', html, re.DOTALL)
    assert found
    return ElementTree.fromstring(found[0])


def test_the_chart_has_every_number_as_text_too():
    passed = ActionCount(AT, "m", "", "allow", 1_000)
    days = [AT + timedelta(days=n) for n in range(20)]
    acted = [ActionCount(day, "m", f"k{n % 9}", "block", n + 1) for n, day in enumerate(days)]
    counts = (*acted, passed)
    found = Activity(AT, AT + timedelta(days=20), "day", counts)
    html = review_charts.activity(found, read_address("?view=actions"), WORDS)
    svg = picture(html)
    bars = list(svg.iter("rect"))
    assert len(bars) == 20 and all(float(bar.get("height", 0)) > 0 for bar in bars)
    assert min(float(bar.get("y", 0)) for bar in bars) >= 0
    numbers = sum(int(n.replace(",", "")) for n in re.findall(r"<td>([\d,]+)</td>", html))
    assert numbers == sum(range(1, 21))
    assert "others" in html and "1,000" not in html and svg.get("aria-label")
    by_plugin = review_charts.activity(found, read_address("?view=actions&by=moderator"), WORDS)
    assert "<b>210</b>" in by_plugin
    empty = replace(found, counts=counts[-1:])
    assert "Nothing but" in review_charts.activity(empty, read_address(""), WORDS)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 10, 11, 99, 101, 12_345])
def test_an_axis_ends_at_a_round_even_number_not_far_up(count):
    end = review_charts._round_up(count)
    assert end % 2 == 0 and count <= end <= max(2 * count, 2)


def test_scores_are_drawn_on_their_side_of_the_threshold():
    bins = tuple(range(NUM_BINS))
    asked = Question("hate", threshold=0.6)
    found = Exploration(asked, 400, 190, 148, 9, bins, 0, 0, (), ())
    html = review_charts.exploration(found, WORDS)
    sides = [bar.get("class") for bar in picture(html).iter("rect")]
    assert sides == ["passed"] * 11 + ["caught"] * 8
    assert "Of 400 texts, 190 have a score in hate, and 148 reach 0.60." in html
    review_charts.exploration(replace(found, bins=(0,) * NUM_BINS, num_scored=0), WORDS)


def test_a_trial_shows_how_far_it_is_and_can_be_stopped():
    html = review_rules.trial(Trial(5, 1_000, 2, ()), WORDS)
    assert '<progress max="1000" value="5"' in html and 'data-review="stop"' in html
    assert "progress" not in review_rules.trial(Trial(5, 5, 2, (), is_over=True), WORDS)


# Files


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("review")


@pytest.fixture(scope="module")
def address(folder):
    settings = make_settings(folder, admin_password="correct horse")
    with serve(create_app(settings, backend=ScriptedBackend())) as address:
        yield address


@pytest.fixture(scope="module")
def filled(folder, address):
    with Store.open(f"sqlite:///{folder / 'palaver.db'}") as store:
        store.set_consent("ann", "training", True)
        block = replace(CALM, action="block", category="=cmd()", moderator="+m")
        for owner in ("ann", "bob"):
            turn = make_turn(f"of-{owner}", question=f"{owner}'s", verdicts=(block,))
            store.record_turn(owner, turn)
        for verdict in store.list_verdicts().verdicts:
            store.record_review(Review(verdict.id, "eve", "missed", ("hate",), "secret note"))


@pytest.fixture
def admin(address):
    with httpx.Client(base_url=address, follow_redirects=True) as admin:
        page = admin.get("/login").text
        hidden = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
        admin.post("/login", data={**hidden, "password": "correct horse"})
        yield admin


@pytest.mark.usefixtures("filled")
def test_an_administrator_takes_along_what_may_be_used_for_training(admin):
    got = admin.get("/review/reviews.jsonl")
    (row,) = (json.loads(line) for line in got.text.splitlines())
    assert row == {
        "text": "ann's", "labels": {"hate": 1}, "source": "reviews", "family": "reviews/of-ann",
        "split": "train", "tags": ["input", "missed"], "stage": "input",
    }  # fmt: skip
    assert "attachment" in got.headers["content-disposition"]
    assert got.headers["cache-control"] == "no-store"


@pytest.mark.usefixtures("filled")
def test_numbers_come_as_a_table_in_which_no_name_is_a_formula(admin):
    got = admin.get("/review/actions.csv?days=2")
    (row,) = csv.DictReader(io.StringIO(got.text))
    assert (row["moderator"], row["category"], row["action"], row["count"]) == (
        "'+m", "'=cmd()", "block", "2",
    )  # fmt: skip
    assert got.headers["content-type"].startswith("text/csv")
    assert admin.get("/review/actions.csv?days=0").status_code == 400


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("path", ["/review/reviews.jsonl", "/review/actions.csv"])
def test_for_others_there_is_no_file(address, path):
    got = httpx.get(address + path)
    assert got.status_code == 404 and "administrator" in got.text
    assert httpx.post(address + path).status_code in (403, 405)
