"""What the page shows around the conversation, as HTML."""

from collections.abc import Sequence
from html import escape

from chat.errors import EngineError, PalaverError, QueueFull, StorageError
from chat.types import Conversation, Persona, Turn
from webapp.auth import Identity
from webapp.ui.language import DEFAULT, Words
from webapp.ui.thread import PROVIDERS

LISTED = 100
MOST_LISTED = 1000
SIGN_IN = "/oauth/huggingface/login"


def masthead(words: Words) -> str:
    """Return the name of the house, and the two ways to begin."""
    return (
        '<a class="brand" href="?">Palaver</a>'
        f'<a class="new" href="?">{escape(words("new_chat"))}</a>'
        f'<a class="new-temporary" href="?temporary=1">{escape(words("new_temporary_chat"))}</a>'
    )


def your_data(words: Words, visitor_id: str) -> str:
    """Return what is stored and for what, and how to take it along or away."""
    name = words("your_id", id=visitor_id)
    return (
        f'<details class="data"><summary>{escape(words("your_data"))}</summary>'
        f"<p>{escape(words('privacy'))}</p><p>{escape(words('privacy_training'))}</p>"
        f'<p><a href="/me/export" download>{escape(words("export_all"))}</a></p>'
        f'<p><button type="button" data-do="forget">{escape(words("forget"))}</button></p>'
        f'<p class="id">{escape(name)}</p>'
        "</details>"
    )


def look(words: Words) -> str:
    """Return the settings that are this browser's own; page.js keeps them."""
    themes = "".join(
        f'<label><input type="radio" name="theme" data-look="theme" value="{value}"> '
        f"{escape(words('theme_' + value))}</label>"
        for value in ("system", "light", "dark")
    )
    return (
        '<fieldset class="look"><label><input type="checkbox" data-look="facts"> '
        f"{escape(words('show_facts'))}</label></fieldset>"
        f'<fieldset class="look"><legend>{escape(words("theme"))}</legend>{themes}</fieldset>'
        f'<p class="keys">{escape(words("keys"))}</p>'
    )


def note(text: str) -> str:
    """Return a line below the conversation."""
    return f'<p dir="auto">{escape(text)}</p>' if text else ""


def chat_list(
    conversations: Sequence[Conversation], current: str, words: Words, *, is_search: bool = False
) -> str:
    """Return the list of earlier chats as links: the address says which chat is open."""
    if not conversations:
        key = "no_hits" if is_search else "no_chats"
        return f'<p class="no-chats" role="status">{escape(words(key))}</p>'
    rows = "".join(_chat_link(c, words, is_current=c.id == current) for c in conversations)
    label = escape(words("earlier_chats"), quote=True)
    more = ""
    if LISTED <= len(conversations) < MOST_LISTED and not is_search:
        more = (
            f'<button type="button" class="more-chats" data-do="more" '
            f'data-count="{len(conversations) + LISTED}">{escape(words("more_chats"))}</button>'
        )
    return f'<nav aria-label="{label}"><ul class="chats">{rows}</ul>{more}</nav>'


def _chat_link(conversation: Conversation, words: Words, *, is_current: bool) -> str:
    mark = ' aria-current="page"' if is_current else ""
    title = escape(conversation.title or words("untitled"), quote=True)
    target = escape(conversation.id, quote=True)
    actions = escape(words("chat_actions", title=conversation.title), quote=True)
    return (
        f'<li><a href="?c={target}" title="{title}" dir="auto"{mark}>{title}</a>'
        f'<button type="button" class="tool menu" data-do="menu" data-chat="{target}" '
        f'data-title="{title}" aria-haspopup="menu" aria-label="{actions}"></button></li>'
    )


def header(
    model: str, provider: str, persona: Persona | None, words: Words, *, temporary: bool
) -> str:
    """Return the line that says who answers, and on what it really runs."""
    device = escape(PROVIDERS.get(provider, provider))
    who = ""
    if persona:
        who = (
            f'<span class="persona" dir="auto" data-persona="{escape(persona.id, quote=True)}">'
            f"{escape(persona.title)}</span>"
        )
    mark = ""
    if temporary:
        mark = (
            f'<span class="temporary">{escape(words("temporary"))}</span>'
            f'<button type="button" class="drop" data-do="drop">{escape(words("delete"))}</button>'
        )
    return (
        f'<div class="model"><span class="name">{escape(model)}</span>'
        f'<span class="device" title="{escape(provider)}">{device}</span>{who}{mark}</div>'
    )


def account(identity: Identity, words: Words, *, can_sign_in: bool, handover: str) -> str:
    """Return the foot of the side bar: signing in and out, and the administrator's page.

    `handover` says, signed, who this visitor is: where the page is shown in another site's frame,
    the tab in which one signs in has none of the frame's cookies.
    """
    links = []
    if identity.name:
        name = escape(identity.name)
        links.append(
            f'<span class="who">{name}</span>'
            f'<a href="/oauth/huggingface/logout">{escape(words("sign_out"))}</a>'
        )
    elif can_sign_in and handover:
        token = escape(handover, quote=True)
        links.append(
            f'<form method="post" action="{SIGN_IN}" target="_blank"><input type="hidden" '
            f'name="visitor" value="{token}"><button>{escape(words("sign_in"))}</button></form>'
        )
    elif can_sign_in:
        links.append(f'<a href="{SIGN_IN}">{escape(words("sign_in"))}</a>')
    if identity.is_admin:
        links.append(f'<a href="/personas">{escape(words("personas"))}</a>')
        links.append(f'<a href="/review">{escape(words("review"))}</a>')
    return f'<p class="account">{"".join(links)}</p>' if links else ""


def banner(text: str) -> str:
    """Return a line that everybody should see, or nothing."""
    return f'<p class="banner" role="status">{escape(text)}</p>' if text else ""


def problem(error: PalaverError, words: Words) -> str:
    """Return an error in the reader's language, where it is one that is known there."""
    kinds: dict[type[PalaverError], str] = {
        QueueFull: "error_queue",
        EngineError: "error_engine",
        StorageError: "error_storage",
    }
    key = kinds.get(type(error), "")
    if getattr(error, "code", "") == "conversation_busy":
        key = "error_busy"
    return str(error) if not key or words.code == DEFAULT else words(key)


def waiting_note(position: int, wait_s: float, words: Words) -> str:
    """Return what somebody in the queue is told."""
    if wait_s < 1:
        return words("waiting", position=position)
    if wait_s > 90:
        return words("waiting_minutes", position=position, minutes=f"{wait_s / 60:.0f}")
    return words("waiting_about", position=position, seconds=f"{max(wait_s, 2):.0f}")


def turn_note(turn: Turn, context_length: int, words: Words) -> str:
    """Return what there is to say about a finished turn: often nothing."""
    notes = []
    if turn.num_dropped:
        notes.append(words("dropped", length=f"{context_length:,}", count=turn.num_dropped))
    warned = sorted({verdict.category for verdict in turn.verdicts if verdict.action == "warn"})
    if warned:
        notes.append(words("noticed", categories=", ".join(warned)))
    return " ".join(notes)
