"""The parts of the page: what there is to see, and where."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from chat.types import GenerationConfig

LONGEST_QUESTION = 100_000
LONGEST_INSTRUCTIONS = 4_000
NO_PERSONA = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """The components that events read and change."""

    # Beside the conversation.
    masthead: gr.HTML
    search: gr.Textbox
    chats: gr.HTML
    your_data: gr.HTML
    account: gr.HTML
    # The conversation.
    banner: gr.HTML
    header: gr.HTML
    thread: gr.HTML
    live: gr.HTML
    persona: gr.Radio
    note: gr.HTML
    question: gr.Textbox
    # Of this chat.
    temperature: gr.Slider
    top_p: gr.Slider
    max_new_tokens: gr.Slider
    seed: gr.Number
    instructions: gr.Textbox
    consent: gr.Radio
    # Of this browser; what opens over the page.
    look: gr.HTML
    dialogs: gr.HTML
    # Between the script and the server.
    address: gr.Textbox
    returned: gr.Textbox
    asked: gr.Textbox
    acted: gr.Textbox
    send: gr.Button
    act: gr.Button
    open_chat: gr.Button

    @property
    def settings(self) -> list[Any]:
        """What an answer is made by, in the order that `Desk.ask` takes it."""
        return [
            self.temperature,
            self.top_p,
            self.max_new_tokens,
            self.seed,
            self.instructions,
        ]

    @property
    def fixed(self) -> list[Any]:
        """What depends on the reader's language alone."""
        return [self.masthead, self.your_data, self.look, self.dialogs]

    @property
    def shown(self) -> list[Any]:
        """What opening a chat changes."""
        return [
            self.banner,
            self.header,
            self.thread,
            self.live,
            self.note,
            self.chats,
            self.account,
            self.address,
            self.persona,
            self.consent,
            *self.settings,
        ]

    @property
    def answered(self) -> list[Any]:
        """What an answer changes while it comes."""
        return [
            self.question,
            self.header,
            self.thread,
            self.live,
            self.note,
            self.chats,
            self.address,
            self.persona,
            self.returned,
        ]


def lay_out(i18n: gr.I18n, config: GenerationConfig, *, most_tokens: int) -> Parts:
    """Lay out the page: earlier chats on one side, this chat's settings on the other."""
    with gr.Sidebar(open=True, width=290, elem_id="sidebar"):
        masthead = _html("masthead")
        search = gr.Textbox(
            elem_id="search",
            show_label=False,
            label=i18n("search"),
            placeholder=i18n("search"),
            max_length=200,
            container=False,
        )
        chats, your_data, account = _html("chats"), _html("your-data"), _html("account")
    banner, header = _html("banner"), _html("header")
    with gr.Column(elem_id="conversation", scale=1):
        thread, live = _html("thread"), _html("live")
    persona = gr.Radio(
        choices=[("Palaver", NO_PERSONA)],
        value=NO_PERSONA,
        label=i18n("answer_as"),
        elem_id="persona",
        visible=False,
    )
    note = _html("note")
    question = _make_question(i18n)
    with gr.Sidebar(open=False, position="right", width=330, elem_id="settings"):
        chosen = _lay_out_settings(i18n, config, most_tokens)
        look = _html("look")
    return Parts(
        masthead=masthead,
        search=search,
        chats=chats,
        your_data=your_data,
        account=account,
        banner=banner,
        header=header,
        thread=thread,
        live=live,
        persona=persona,
        note=note,
        question=question,
        **chosen,
        look=look,
        dialogs=_html("dialogs"),
        address=gr.Textbox(visible="hidden", elem_id="address"),
        returned=gr.Textbox(visible="hidden", elem_id="returned"),
        asked=gr.Textbox(visible="hidden", elem_id="asked"),
        acted=gr.Textbox(visible="hidden", elem_id="acted"),
        send=gr.Button(visible="hidden", elem_id="send"),
        act=gr.Button(visible="hidden", elem_id="act"),
        open_chat=gr.Button(visible="hidden", elem_id="open-chat"),
    )


def _html(name: str) -> gr.HTML:
    return gr.HTML(elem_id=name, apply_default_css=False)


def _make_question(i18n: gr.I18n) -> gr.Textbox:
    return gr.Textbox(
        elem_id="question",
        show_label=False,
        label=i18n("your_question"),
        placeholder=i18n("question_placeholder"),
        lines=1,
        max_lines=8,
        max_length=LONGEST_QUESTION,
        submit_btn=True,
        stop_btn=False,
        autofocus=True,
    )


def _lay_out_settings(i18n: gr.I18n, config: GenerationConfig, most_tokens: int) -> dict[str, Any]:
    return {
        "temperature": gr.Slider(
            0, 2, config.temperature, step=0.05, label=i18n("temperature"), info=i18n("temp_info")
        ),
        "top_p": gr.Slider(
            0.05, 1, config.top_p, step=0.05, label=i18n("top_p"), info=i18n("top_p_info")
        ),
        "max_new_tokens": gr.Slider(
            1, most_tokens, config.max_new_tokens, step=1, label=i18n("max_new_tokens")
        ),
        "seed": gr.Number(
            label=i18n("seed"),
            info=i18n("seed_info"),
            value=None,
            precision=0,
            elem_id="seed",
        ),
        "instructions": gr.Textbox(
            label=i18n("instructions"),
            info=i18n("instructions_info"),
            lines=3,
            max_lines=8,
            max_length=LONGEST_INSTRUCTIONS,
            elem_id="instructions",
        ),
        "consent": gr.Radio(
            choices=[(i18n("consent_no"), "no"), (i18n("consent_yes"), "yes")],
            value="no",
            label=i18n("consent"),
            info=i18n("consent_info"),
            elem_id="consent",
        ),
    }


def busy() -> Any:
    """Return the line to ask in while an answer is being written."""
    return gr.Textbox(submit_btn=False, stop_btn=True)


def ready() -> Any:
    """Return the line to ask in when it can be."""
    return gr.Textbox(submit_btn=True, stop_btn=False)
