"""What the page shows, as the plain values that its components take."""

from collections.abc import Sequence
from html import escape
from typing import TypedDict

from chat.types import Conversation, StoredMessage, Turn

PROVIDERS = {"CUDAExecutionProvider": "GPU", "CPUExecutionProvider": "CPU"}


class Bubble(TypedDict):
    """A message as the chatbot component takes it."""

    role: str
    content: str


def bubble(role: str, text: str) -> Bubble:
    """Return one message. What a person typed is shown as typed, an answer as Markdown."""
    return Bubble(role=role, content=escape_markdown(text) if role == "user" else text)


def bubbles(history: Sequence[StoredMessage]) -> list[Bubble]:
    """Return a stored conversation as the chatbot shows it."""
    return [_stored_bubble(message) for message in history]


def _stored_bubble(stored: StoredMessage) -> Bubble:
    text = stored.message.content
    if stored.finish_reason == "cancelled":
        text = stopped(text)
    elif stored.finish_reason == "error":
        text = f"{text}\n\n*The answer broke off here.*".strip()
    return bubble(stored.message.role, text)


def stopped(text: str) -> str:
    """Return an answer that its reader stopped, saying so."""
    return f"{text}\n\n*Stopped.*".strip()


def escape_markdown(text: str) -> str:
    """Return `text` so that Markdown shows every character of it as it is.

    Backslash escapes of ASCII punctuation: CommonMark 0.31, section 2.4.
    """
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|~$&" else c for c in text)


def conversation_links(conversations: Sequence[Conversation], current: str) -> str:
    """Return the list of earlier chats as links: the address says which chat is open."""
    if not conversations:
        return '<p class="no-chats">Your chats will be listed here.</p>'
    rows = "".join(_conversation_link(c, is_current=c.id == current) for c in conversations)
    return f'<nav aria-label="Earlier chats"><ul class="chats">{rows}</ul></nav>'


def _conversation_link(conversation: Conversation, *, is_current: bool) -> str:
    mark = ' aria-current="page"' if is_current else ""
    title = escape(conversation.title or "Untitled", quote=True)
    target = escape(conversation.id, quote=True)
    return f'<li><a href="?c={target}" title="{title}" dir="auto"{mark}>{title}</a></li>'


def header(model: str, provider: str) -> str:
    """Return the line that says which model answers, and on what it really runs."""
    device = escape(PROVIDERS.get(provider, provider))
    return (
        f'<div class="model"><span class="name">{escape(model)}</span>'
        f'<span class="device" title="{escape(provider)}">{device}</span></div>'
    )


def waiting_note(position: int) -> str:
    """Return what somebody in the queue is told."""
    return f"Many people are asking just now. You are number {position} in line…"


def turn_note(turn: Turn, context_length: int) -> str:
    """Return what there is to say about a finished turn: often nothing."""
    notes = []
    if turn.num_dropped:
        notes.append(
            f"This chat is longer than the model can read ({context_length:,} tokens): it no "
            f"longer sees the oldest {turn.num_dropped} messages."
        )
    if turn.finish_reason == "length":
        notes.append("The answer reached its longest length and may be incomplete.")
    warned = sorted({verdict.category for verdict in turn.verdicts if verdict.action == "warn"})
    if warned:
        notes.append(f"Please take care: the moderators noticed {' and '.join(warned)} here.")
    return " ".join(notes)
