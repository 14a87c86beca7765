"""A conversation as token ids, by the model's own chat template (Jinja, sandboxed)."""

import secrets
from collections.abc import Sequence
from typing import Any, NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chat.errors import InvalidRequest, ModelError
from chat.tokenizer import Tokenizer
from chat.types import Message


class ChatTemplate:
    """A chat template, as Hugging Face models carry it in tokenizer_config.json."""

    def __init__(self, source: str, *, bos_token: str = "", eos_token: str = ""):
        """Compile `source`.

        Raises:
            ModelError: the template isn't valid Jinja.
        """
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _raise_exception
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise ModelError(f"The model's chat template is broken: {error}") from error
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}

    def render(self, messages: Sequence[Message]) -> str:
        """Return the conversation as the text that the model continues with its answer.

        Raises:
            InvalidRequest: the template refuses this conversation.
        """
        rows = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._template.render(messages=rows, add_generation_prompt=True, **self._tokens)
        except jinja2.TemplateError as error:
            raise InvalidRequest(
                f"The model's chat template refuses this conversation: {error}", param="messages"
            ) from error

    def encode(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        """Return the token ids of the rendered conversation.

        A reader who types ``<|assistant|>`` must not be able to put words into the model's mouth,
        so what stands inside messages never becomes a special token.
        """
        if not any(token in m.content for m in messages for token in tokenizer.special_tokens):
            return tokenizer.encode(self.render(messages), allow_special=True)
        return self._encode_apart(messages, tokenizer)

    def _encode_apart(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        # Render with a random mark for each content, then encode marks' contents on their own.
        mark = f"\ue000{secrets.token_hex(8)}\ue001"
        marked = [Message(m.role, f"{mark}{i}\ue002") for i, m in enumerate(messages)]
        head, *parts = self.render(marked).split(mark)
        ids = tokenizer.encode(head, allow_special=True)
        for part in parts:
            index, _, wording = part.partition("\ue002")
            ids += tokenizer.encode(messages[int(index)].content)
            ids += tokenizer.encode(wording, allow_special=True)
        return ids


def _raise_exception(message: Any) -> NoReturn:
    """What templates call to refuse a conversation, by Hugging Face's convention."""
    raise jinja2.TemplateError(str(message))
