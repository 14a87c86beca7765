"""Jinja templates, sandboxed: the model's own for a conversation, an operator's for a prompt."""

import secrets
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
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


class PromptTemplate:
    """A prompt with gaps: text, ``{{ name }}``, a few filters, and ``{% if name == "..." %}``.

    Jinja alone can't be bounded: a short line of it, such as a loop in a loop or
    ``"x" * 10**9``, takes all time or memory, inside its sandbox too. What is left of it here
    can't repeat or call anything, so rendering takes linear time.
    """

    MAX_CHARS = 16_000
    FILTERS = ("capitalize", "default", "lower", "title", "trim", "upper")
    _MAX_DEPTH = 20
    _ALLOWED = (
        nodes.And,
        nodes.Compare,
        nodes.Concat,
        nodes.CondExpr,
        nodes.Const,
        nodes.Filter,
        nodes.If,
        nodes.Name,
        nodes.Not,
        nodes.Operand,
        nodes.Or,
        nodes.Output,
        nodes.Template,
        nodes.TemplateData,
    )

    def __init__(self, source: str, names: Collection[str]):
        """Compile `source`, which may use the variables `names`.

        Raises:
            InvalidRequest: it isn't valid, or uses something that isn't allowed.
        """
        environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
        try:
            tree = environment.parse(source)
            for node in self._nodes(tree):
                self._check(node, names)
            self._template = environment.from_string(source)
        # Of a number too long, Python complains itself; of brackets too deep, the parser.
        except (jinja2.TemplateError, ValueError, RecursionError) as error:
            raise _broken_prompt(f"it isn't valid Jinja ({_shorten(error)})") from error

    def render(self, **values: str) -> str:
        """Return the prompt with each variable replaced by its value.

        Raises:
            InvalidRequest: a value is missing or of the wrong kind, or the prompt grows too long.
        """
        try:
            prompt = self._template.render(values).strip()
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise _broken_prompt(f"it can't be filled in ({_shorten(error)})") from error
        if len(prompt) > self.MAX_CHARS:
            raise _broken_prompt(
                f"filled in it has {len(prompt):,} characters; allowed are {self.MAX_CHARS:,}"
            )
        return prompt

    def _nodes(self, tree: nodes.Template) -> Iterator[nodes.Node]:
        # Without recursion, because the tree may be as deep as the source is long.
        waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
        while waiting:
            node, depth = waiting.pop()
            if depth > self._MAX_DEPTH:
                raise _broken_prompt("it is nested too deeply")
            yield node
            waiting += ((child, depth + 1) for child in node.iter_child_nodes())

    def _check(self, node: nodes.Node, names: Collection[str]) -> None:
        if isinstance(node, nodes.Name) and node.name not in names:
            raise _broken_prompt(
                f"there is no variable {node.name[:40]!r}; allowed are {', '.join(sorted(names))}"
            )
        if isinstance(node, nodes.Filter) and node.name not in self.FILTERS:
            raise _broken_prompt(
                f"there is no filter {node.name[:40]!r}; allowed are {', '.join(self.FILTERS)}"
            )
        if type(node) not in self._ALLOWED:
            raise _broken_prompt(
                f"line {node.lineno} uses {type(node).__name__.lower()!r}; allowed are text, "
                "{{ variable }}, filters and {% if %}"
            )


def _broken_prompt(why: str) -> InvalidRequest:
    return InvalidRequest(f"The system prompt can't be used: {why}.", param="system_prompt")


def _shorten(error: Exception) -> str:
    said = str(error).split("\n")[0].rstrip(".")
    return said[:200] or type(error).__name__


def _raise_exception(message: Any) -> NoReturn:
    """What templates call to refuse a conversation, by Hugging Face's convention."""
    raise jinja2.TemplateError(str(message))
