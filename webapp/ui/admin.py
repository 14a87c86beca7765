"""The administrator's page: its parts, and which event of theirs leads to what."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from webapp.personas import Personas
from webapp.ui.editor import Editor, Form

READ_ADDRESS = "() => [location.search]"
WITH_ADDRESS = "(_, ...fields) => [location.search, ...fields]"
SHOW_ADDRESS = "(query) => { query && history.replaceState(null, '', location.pathname + query); }"


def add_admin_page(page: gr.Blocks, personas: Personas, policies: Sequence[str] = ()) -> None:
    """Add the page /personas to `page`; without `policies`, those that `personas` knows."""
    with page.route("Personas", "personas", show_in_navbar=False):
        form = _lay_out(policies or personas.policies)
        _connect(page, form, Editor(personas, form))


def _lay_out(policies: Sequence[str]) -> Form:
    say = gr.I18n()
    with gr.Column(elem_id="admin"):
        refusal = gr.HTML(elem_id="refusal")
        address = gr.Textbox(visible="hidden", elem_id="persona-address")
        with gr.Row(visible=False, elem_id="desk") as desk:
            with gr.Column(scale=1, min_width=220):
                entries = gr.HTML(elem_id="entries")
            with gr.Column(scale=3, min_width=300, elem_id="persona-form"):
                fields = _lay_out_fields(say, policies)
                buttons = _lay_out_buttons(say)
    return Form(desk=desk, refusal=refusal, entries=entries, address=address, **fields, **buttons)


def _lay_out_fields(say: gr.I18n, policies: Sequence[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "heading": gr.HTML(elem_id="persona-heading"),
        "title": gr.Textbox(label=say("title"), elem_id="persona-title", max_lines=1),
        "description": gr.Textbox(
            label=say("admin_description"), elem_id="persona-description", max_lines=3
        ),
        "system_prompt": gr.Textbox(
            label=say("admin_prompt"),
            info=say("admin_prompt_info"),
            elem_id="persona-prompt",
            lines=5,
            max_lines=16,
        ),
        "preview": gr.HTML(elem_id="persona-preview"),
    }
    with gr.Row():
        for name in ("temperature", "top_p", "max_new_tokens"):
            fields[name] = gr.Number(
                label=say(name),
                placeholder=say("admin_unset"),
                elem_id=f"persona-{name}",
                min_width=130,
            )
    fields["starters"] = gr.Textbox(
        label=say("admin_starters"), elem_id="persona-starters", lines=3, max_lines=8
    )
    choices = [("—", ""), *((name, name) for name in policies)]
    fields["policy"] = gr.Radio(
        choices,
        value="",
        label=say("admin_policy"),
        info=say("admin_policy_info"),
        elem_id="persona-policy",
    )
    fields["is_hidden"] = gr.Checkbox(label=say("admin_hidden"), elem_id="persona-hidden")
    return fields


def _lay_out_buttons(say: gr.I18n) -> dict[str, Any]:
    buttons: dict[str, Any] = {"note": gr.HTML(elem_id="persona-note")}
    with gr.Row():
        buttons["save"] = gr.Button(say("save"), variant="primary", elem_id="persona-save")
        buttons["remove"] = gr.Button(say("delete"), elem_id="persona-remove")
    with gr.Column(visible=False, elem_id="persona-asking") as asking:
        buttons["question"] = gr.HTML()
        with gr.Row():
            buttons["agree"] = gr.Button(say("admin_yes"), variant="stop", elem_id="persona-agree")
            buttons["keep"] = gr.Button(say("cancel"), elem_id="persona-keep")
    return {**buttons, "asking": asking}


def _connect(page: gr.Blocks, form: Form, editor: Editor) -> None:
    # Plain requests, as on the page of the chat: see `webapp.ui.page`.
    quiet: dict[str, Any] = {
        "queue": False,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    page.load(editor.open, [form.address], form.shown, js=READ_ADDRESS, **quiet)
    form.address.change(None, [form.address], None, js=SHOW_ADDRESS, **quiet)
    form.save.click(editor.save, [form.address, *form.fields], form.shown, js=WITH_ADDRESS, **quiet)
    # Not `input`, which Gradio leaves out for a text that is pasted in.
    form.system_prompt.change(
        editor.preview,
        [form.system_prompt],
        [form.preview],
        trigger_mode="always_last",
        **quiet,
    )
    form.remove.click(
        editor.ask_to_remove,
        [form.address],
        [form.asking, form.question, form.note],
        js=READ_ADDRESS,
        **quiet,
    )
    form.keep.click(None, None, [form.asking], js="() => ({visible: false, __type__: 'update'})")
    form.agree.click(editor.remove, [form.address], form.shown, js=READ_ADDRESS, **quiet)
