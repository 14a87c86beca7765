"""What the page shows as HTML: nothing that was typed or written can break out of its place."""

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest, QueueFull
from chat.types import (
    Conversation,
    Generation,
    GenerationConfig,
    Message,
    Persona,
    Rating,
    StoredMessage,
    ThreadMessage,
    Timings,
    Turn,
    Usage,
    Verdict,
)
from webapp.auth import Identity
from webapp.ui import view
from webapp.ui.dialogs import dialogs
from webapp.ui.language import choose, read_languages
from webapp.ui.thread import Live, ThreadView

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = choose("en")
VIEW = ThreadView(WORDS, "CPUExecutionProvider")
HOSTILE = "<script>x</script> \" ' onload=1 {{x}} ${x}"
CHAT = Conversation("c", "ana", "Title", NOW, NOW)


def turn(**changes):
    fields = {
        "conversation_id": "c",
        "parent_id": None,
        "question_id": "q",
        "question": Message("user", "Hi"),
        "answer_id": "a",
        "answer": Message("assistant", "Hello"),
        "finish_reason": "stop",
        "usage": Usage(1, 1),
        "config": GenerationConfig(),
        "model": "m",
    }
    return Turn(**fields | changes)


def message(role, text, finish_reason=None, message_id="1", **changes):
    stored = StoredMessage(message_id, "0", Message(role, text), NOW, finish_reason)
    return ThreadMessage(stored, changes.pop("versions", (message_id,)), **changes)


class Reading(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.text = ""
        self.tags = []
        self.attributes = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def assert_tame(html):
    reading = Reading(html)
    assert not {"script", "iframe", "form", "img", "svg", "style"} & set(reading.tags)
    assert not [name for name, _ in reading.attributes if name.startswith("on")]


def buttons(html):
    return [value for name, value in Reading(html).attributes if name == "data-do"]


@given(st.text(max_size=60))
def test_whatever_is_said_stays_text(text):
    html = VIEW.thread([message("user", text), message("assistant", text)])
    assert_tame(html)
    assert_tame(VIEW.live(Live(text, text)))


def test_hostile_names_stay_text_wherever_they_are_shown():
    chat = replace(CHAT, id=HOSTILE, title=HOSTILE)
    persona = Persona(HOSTILE, HOSTILE, HOSTILE, starters=(HOSTILE,))
    identity = Identity("x", HOSTILE, is_admin=True)
    generation = Generation(HOSTILE, GenerationConfig(), Usage(1, 1), Timings(), persona=HOSTILE)
    rating = Rating("1", "ana", 1, (), HOSTILE)
    answer = message("assistant", HOSTILE, message_id=HOSTILE, generation=generation, rating=rating)
    for html in (
        view.chat_list([chat], HOSTILE, WORDS),
        view.header(HOSTILE, HOSTILE, persona, WORDS, temporary=True),
        view.account(identity, WORDS, can_sign_in=True, handover=HOSTILE),
        view.banner(HOSTILE),
        view.note(HOSTILE),
        VIEW.welcome(persona, [HOSTILE], temporary=False),
        VIEW.thread([answer], HOSTILE),
    ):
        assert_tame(html)
        assert "<script>" in Reading(html).text or "<script>" in str(Reading(html).attributes)


def test_each_message_has_what_can_be_done_with_it():
    assert buttons(VIEW.thread([message("user", "Hi")])) == ["copy", "edit"]
    answer = VIEW.thread([message("assistant", "Hello")])
    assert buttons(answer) == ["copy", "regenerate", "rate", "rate"]
    assert buttons(VIEW.thread([message("system", "Be kind")])) == ["copy"]


def test_versions_are_paged_and_their_ends_lead_nowhere():
    html = VIEW.thread([message("assistant", "B", message_id="b", versions=("a", "b"))])
    assert "2 / 2" in html
    targets = [value for name, value in Reading(html).attributes if name == "data-version"]
    assert targets == ["a", ""] and html.count("aria-disabled") == 1


def test_what_is_copied_is_what_was_written():
    text = "**bold** & `code` <b>"
    html = VIEW.thread([message("assistant", text)])
    source = html.split('<pre class="source" hidden>')[1].split("</pre>")[0]
    assert Reading(source).text == text


@pytest.mark.parametrize(
    ("reason", "said"),
    [("cancelled", "Stopped."), ("error", "broke off"), ("length", "longest length")],
)
def test_an_answer_that_did_not_end_by_itself_says_so(reason, said):
    assert said in VIEW.thread([message("assistant", "So", reason)])
    assert "mark" not in VIEW.thread([message("assistant", "So", "stop")])


def test_reasons_are_asked_for_what_was_rated_and_open_only_just_after():
    rated = message("assistant", "So", rating=Rating("1", "ana", -1, ("wrong",), "no"))
    assert '<details class="reasons" open>' in VIEW.thread([rated], "1")
    html = VIEW.thread([rated])
    assert '<details class="reasons">' in html and "<summary>Incorrect</summary>" in html
    assert html.count(" checked") == 1


def test_facts_tell_how_an_answer_came_about_but_not_the_system_prompt():
    config = GenerationConfig(temperature=0.25, seed=42)
    generation = Generation(
        "m", config, Usage(5, 100), Timings(0, 500, 1500), system_prompt="swordfish"
    )
    html = VIEW.thread([message("assistant", "So", generation=generation)])
    assert "100 tokens/s on CPU" in html and "0.25" in html and "42" in html
    assert "swordfish" not in html


def test_the_live_answer_shows_that_it_is_being_written():
    assert "Thinking" in VIEW.live(Live("Hi"))
    html = VIEW.live(Live("Hi", "```python\nprint(", 12.3))
    assert 'aria-busy="true"' in html and "12 tokens/s" in html and "<pre>" in html


def test_the_open_chat_is_marked():
    rows = view.chat_list([CHAT, replace(CHAT, id="d")], "d", WORDS)
    assert rows.count("aria-current") == 1
    assert '<a href="?c=d"' in rows.split("aria-current")[0].rpartition("<li>")[2]


def test_more_chats_are_offered_when_there_may_be_more():
    chats = [replace(CHAT, id=str(number)) for number in range(view.LISTED)]
    assert 'data-count="200"' in view.chat_list(chats, "", WORDS)
    assert "data-count" not in view.chat_list(chats[:-1], "", WORDS)
    assert "data-count" not in view.chat_list(chats, "", WORDS, is_search=True)


def test_an_empty_list_says_why():
    assert "will be listed" in view.chat_list([], "", WORDS)
    assert "No chat has these words" in view.chat_list([], "", WORDS, is_search=True)


def test_what_the_model_no_longer_sees_and_what_was_noticed_is_said():
    assert view.turn_note(turn(), 512, WORDS) == ""
    assert "512" in view.turn_note(turn(num_dropped=3), 512, WORDS)
    verdict = Verdict("m", "1", "input", action="warn", category="profanity")
    assert "profanity" in view.turn_note(turn(verdicts=(verdict,)), 512, WORDS)


def test_the_header_says_gpu_or_cpu():
    header = view.header("m", "CUDAExecutionProvider", None, WORDS, temporary=False)
    assert ">GPU<" in header and "temporary" not in header


def test_the_wait_is_said_when_it_is_known():
    assert "3" in view.waiting_note(3, 0.2, WORDS)
    assert "12 seconds" in view.waiting_note(3, 12.4, WORDS)
    assert "5 minutes" in view.waiting_note(3, 290, WORDS)


def test_what_goes_wrong_is_said_in_the_readers_language_where_that_is_known():
    german = choose("de")
    assert "gleich noch einmal" in view.problem(QueueFull("full"), german)
    assert view.problem(QueueFull("64 wait"), WORDS) == "64 wait"
    assert view.problem(InvalidRequest("top_p is 7"), german) == "top_p is 7"
    busy = InvalidRequest("busy", code="conversation_busy")
    assert "noch geantwortet" in view.problem(busy, german)


def test_only_administrators_see_the_way_to_the_personas():
    for is_admin in (True, False):
        foot = view.account(Identity("x", is_admin=is_admin), WORDS, can_sign_in=False, handover="")
        assert ("/personas" in foot) == is_admin


def test_who_signs_in_from_a_frame_takes_their_visitors_name_along():
    visitor = Identity("x")
    html = view.account(visitor, WORDS, can_sign_in=True, handover="signed")
    assert ("value", "signed") in Reading(html).attributes and 'target="_blank"' in html
    html = view.account(visitor, WORDS, can_sign_in=True, handover="")
    assert "<form" not in html and 'href="/oauth/huggingface/login"' in html
    assert "Sign out" in view.account(Identity("x", "ana"), WORDS, can_sign_in=True, handover="")


@pytest.mark.parametrize("code", read_languages())
def test_every_text_of_the_page_is_there_in_every_language(code):
    words = read_languages()[code]
    rating = Rating("1", "ana", -1)
    shown = ThreadView(words, "CPUExecutionProvider")
    html = (
        dialogs(words)
        + view.masthead(words)
        + view.your_data(words, "x")
        + view.look(words)
        + view.chat_list([CHAT], "", words)
        + view.waiting_note(1, 9, words)
        + view.turn_note(turn(num_dropped=1), 512, words)
        + shown.welcome(None, [], temporary=True)
        + shown.thread([message("assistant", "x", "error", rating=rating, versions=("1", "2"))])
    )
    assert_tame(html.replace("<form", "<div"))
    assert "{" not in Reading(html).text
