"""Who may see the administrator's pages, and in which language they are."""

from html import escape

import gradio as gr

from webapp.ui.language import Words, choose


def is_admin(request: gr.Request) -> bool:
    """Say whether an administrator asks; each handler has to: a client can call any of them."""
    identity = getattr(request.request.state, "identity", None)
    return bool(getattr(identity, "is_admin", False))


def id_of(request: gr.Request) -> str:
    """Return the id of who asks."""
    return str(request.request.state.identity.id)


def words_of(request: gr.Request) -> Words:
    """Return the texts in the language of who asks."""
    return choose(request.headers.get("accept-language", ""))


def refusal(words: Words) -> str:
    """Return one sentence for everybody else, and the way to sign in."""
    link = f'<a href="login">{escape(words("sign_in"))}</a>'
    return f'<p role="alert">{escape(words("admin_refused"))} {link}</p>'


def alert(text: str) -> str:
    """Return what is wrong."""
    return f'<p class="problem" role="alert" dir="auto">{escape(text)}</p>'


def status(text: str) -> str:
    """Return what went well."""
    return f'<p role="status">{escape(text)}</p>'
