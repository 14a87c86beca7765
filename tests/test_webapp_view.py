"""What the page shows: typed text as typed, titles escaped, notes that say what happened."""

from datetime import UTC, datetime
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chat.types import (
    Conversation,
    GenerationConfig,
    Message,
    StoredMessage,
    Turn,
    Usage,
    Verdict,
)
from webapp.ui import view

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stored(role, text, finish_reason=None):
    return StoredMessage("1", None, Message(role, text), NOW, finish_reason)


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


class TextOf(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text = ""
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def read(html):
    parser = TextOf()
    parser.feed(html)
    parser.close()
    return parser


@given(st.text(st.sampled_from("ab *_`<>&#[](){}!|~$\\.1-+:/\"'"), min_size=1, max_size=40))
def test_typed_text_is_shown_as_typed_whatever_markdown_makes_of_it(text):
    text = f"x{text.strip()}x"
    shown = read(MarkdownIt().render(view.escape_markdown(text)))
    assert shown.text.strip() == text
    assert shown.tags == ["p"]


def test_an_answer_keeps_its_markdown():
    assert view.bubble("assistant", "**bold**")["content"] == "**bold**"


def test_a_stopped_and_a_broken_answer_say_so():
    history = [stored("user", "Hi"), stored("assistant", "Hel", "cancelled")]
    assert "Stopped." in view.bubbles(history)[1]["content"]
    assert "broke off" in view.bubbles([stored("assistant", "", "error")])[0]["content"]


@given(st.text(max_size=60))
def test_a_title_cannot_break_out_of_its_link(title):
    conversations = [Conversation('"><script>', "o", title, NOW, NOW)]
    shown = read(view.conversation_links(conversations, ""))
    assert shown.tags == ["nav", "ul", "li", "a"]


def test_the_open_chat_is_marked():
    conversations = [Conversation(i, "o", f"title {i}", NOW, NOW) for i in "ab"]
    html = view.conversation_links(conversations, "b")
    assert html.count("aria-current") == 1
    assert html.index("aria-current") > html.index("title a")


def test_what_the_model_no_longer_sees_is_said():
    assert "oldest 4 messages" in view.turn_note(turn(num_dropped=4), 512)
    assert "512" in view.turn_note(turn(num_dropped=4), 512)


def test_a_warning_of_the_moderators_is_passed_on():
    verdict = Verdict("pii", "1", "input", action="warn", category="secrets")
    assert "secrets" in view.turn_note(turn(verdicts=(verdict,)), 512)


def test_an_answer_cut_at_its_longest_is_said_and_an_ordinary_one_is_not_commented():
    assert "incomplete" in view.turn_note(turn(finish_reason="length"), 512)
    assert view.turn_note(turn(), 512) == ""


def test_the_header_says_gpu_or_cpu():
    assert ">CPU<" in view.header("palaver", "CPUExecutionProvider")
    assert ">GPU<" in view.header("palaver", "CUDAExecutionProvider")
