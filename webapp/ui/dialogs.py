"""What opens over the page: a chat's menu, questions before something is done, a box to edit."""

from html import escape

from webapp.ui.language import Words


def dialogs(words: Words) -> str:
    """Return the page's dialogs, closed; page.js opens them."""
    parts = (_labels, _menu, _rename, _delete, _forget, _edit)
    return "".join(part(words) for part in parts)


def _labels(words: Words) -> str:
    # Buttons that Gradio leaves without a name, or with the same one; page.js gives them these.
    names = {
        "chats": "earlier_chats",
        "settings": "settings",
        "send": "send",
        "stop": "stop",
        "copied": "copied",
        "ready": "answer_ready",
    }
    marks = "".join(
        f' data-{name}="{escape(words(key), quote=True)}"' for name, key in names.items()
    )
    # What changes on the page is said there, to those who can't see it.
    spoken = '<div id="spoken" class="sr-only" aria-live="polite"></div>'
    return f'<span id="labels" hidden{marks}></span>{spoken}'


def _menu(words: Words) -> str:
    rename, markdown, json, delete = (
        escape(words(key)) for key in ("rename", "export_md", "export_json", "delete")
    )
    return (
        '<div id="chat-menu" popover role="menu">'
        f'<button type="button" role="menuitem" data-menu="rename">{rename}</button>'
        f'<a role="menuitem" class="md" data-menu="md" download href="#">{markdown}</a>'
        f'<a role="menuitem" class="json" data-menu="json" download href="#">{json}</a>'
        f'<button type="button" role="menuitem" data-menu="delete">{delete}</button></div>'
    )


def _rename(words: Words) -> str:
    box = f'<label>{escape(words("title"))}<input maxlength="120" required dir="auto"></label>'
    return _dialog("rename-dialog", words("rename"), box, words("save"), words)


def _delete(words: Words) -> str:
    body = f'<p class="title" dir="auto"></p><p>{escape(words("delete_warning"))}</p>'
    return _dialog("delete-dialog", words("delete"), body, words("delete"), words)


def _forget(words: Words) -> str:
    body = f"<p>{escape(words('forget_warning'))}</p>"
    return _dialog("forget-dialog", words("forget"), body, words("forget"), words)


def _dialog(name: str, title: str, body: str, yes: str, words: Words) -> str:
    # The Enter key takes the first button: "yes" where something is written, where something is
    # about to be deleted only once the focus is moved there.
    focus = "" if "<input" in body else " autofocus"
    return (
        f'<dialog id="{name}" aria-labelledby="{name}-title"><form method="dialog">'
        f'<h2 id="{name}-title">{escape(title)}</h2>{body}<div class="choices">'
        f'<button type="submit" value="yes" class="yes">{escape(yes)}</button>'
        f'<button type="submit" value="no" formnovalidate{focus}>{escape(words("cancel"))}</button>'
        "</div></form></dialog>"
    )


def _edit(words: Words) -> str:
    edit, cancel, send = (escape(words(key), quote=True) for key in ("edit", "cancel", "send"))
    return (
        '<dialog id="edit-dialog" aria-labelledby="edit-dialog-title">'
        f'<h2 id="edit-dialog-title">{edit}</h2>'
        '<textarea rows="5" dir="auto" aria-labelledby="edit-dialog-title"></textarea>'
        f'<div class="choices"><button type="button" class="save yes">{send}</button>'
        f'<button type="button" class="cancel">{cancel}</button></div></dialog>'
    )
