"""What a model learns from: texts and conversations, read from JSONL rows of many shapes."""

import hashlib
import io
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, get_args

import zstandard

from chat.errors import SetupError
from chat.types import Message, Role
from training.sentences import answer_sentence, country_sentences, definition_sentence

Row: TypeAlias = Mapping[str, Any]

# The name and the maker that the built-in model gives when it is asked who it is.
MODEL_NAME = "Palaver"
MODEL_MAKER = "the Palaver project"

_LONGEST_ANSWER_WORDS = 200
# Sets of hand-written bot lines are full of other bots' names and of claims to be a person.
_OTHER_PERSONA = re.compile(
    r"\b(chatterbot|a\.?l\.?i\.?c\.?e\.?|alice|eliza|charlie|siri|alexa|cortana|hal|jarvis|openai"
    r"|chatgpt|gpt-?\d|open assistant|laion|vicuna|llama|botmaster|wallace|gunther|robot body"
    r"|my (?:father|mother|wife|husband|parents|kids|son|daughter|girlfriend|boyfriend)"
    r"|i am (?:a )?(?:human|person|man|woman|male|female))\b",
    re.IGNORECASE,
)
_TOPICS_KEPT = ("greetings", "conversations", "tech_support", "computers", "science", "money",
                "trivia")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """One thing to learn from: a plain text, or a conversation (then `text` is empty)."""

    text: str = ""
    messages: tuple[Message, ...] = ()

    def words(self) -> str:
        """Return all of its text, for counting and hashing."""
        return self.text or "\n".join(f"{m.role}: {m.content}" for m in self.messages)

    def hash_fraction(self) -> float:
        """Return a number in [0, 1) that only depends on the text: it decides the split."""
        digest = hashlib.blake2b(self.words().encode("utf-8", "replace"), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64


def read_documents(path: Path, kind: str) -> Iterator[Document]:
    """Yield the documents of a .jsonl or .jsonl.zst file.

    Raises:
        SetupError: the kind is unknown, or a line isn't a JSON row of that kind.
    """
    if kind not in CONVERTERS:
        raise SetupError(f"'{kind}' is not a kind of source; allowed are {', '.join(CONVERTERS)}.")
    convert = CONVERTERS[kind]
    with closing(read_lines(path)) as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield from (document for document in convert(json.loads(line)) if document.words())
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise SetupError(
                    f"Line {number} of {path.name} is not a row of kind '{kind}': {error!r}."
                ) from error


def read_lines(path: Path) -> Generator[str, None, None]:
    """Yield the lines of a text file, decompressed if its name ends in .zst."""
    with path.open("rb") as raw:
        stream = zstandard.ZstdDecompressor().stream_reader(raw) if path.suffix == ".zst" else raw
        with io.TextIOWrapper(stream, encoding="utf-8") as text:
            yield from (line for line in text if line.strip())


def text_of(row: Row) -> Iterable[Document]:
    """``{"text"}``."""
    return [Document(text=row["text"].strip())]


def passage_of(row: Row) -> Iterable[Document]:
    """``{"prompt", "completion"}`` as one running text."""
    return [Document(text=f"{row['prompt'].strip()}\n{row['completion'].strip()}")]


def chat_of(row: Row) -> Iterable[Document]:
    """``{"messages"}``, or a prompt with its completion or chosen answer; no long answers."""
    messages = _messages(row)
    answers = [m.content for m in messages if m.role == "assistant"]
    if not answers or max(len(a.split()) for a in answers) > _LONGEST_ANSWER_WORDS:
        return []
    return [Document(messages=messages)]


def persona_of(row: Row) -> Iterable[Document]:
    """``{"messages"}`` written for some other bot: only what suits ours."""
    topic = str(row.get("source", "")).rpartition("/")[2]
    is_corpus = "chatterbot" in str(row.get("source", ""))
    if is_corpus and topic not in _TOPICS_KEPT:
        return []
    # That corpus lists other possible answers after the first as if they were turns.
    messages = _messages(row)[:2] if is_corpus else _messages(row)
    if any(_OTHER_PERSONA.search(m.content) for m in messages):
        return []
    return [Document(messages=messages)]


def identity_of(row: Row) -> Iterable[Document]:
    """``{"messages"}`` with ``{{NAME}}`` and ``{{MAKER}}`` to fill in."""
    return [
        Document(messages=tuple(Message(m.role, _fill_persona(m.content)) for m in _messages(row)))
    ]


def question_of(row: Row) -> Iterable[Document]:
    """``{"messages"}`` whose answers are one or two words, rewritten as sentences."""
    messages = list(_messages(row))
    for i in range(1, len(messages)):
        if messages[i].role == "assistant":
            said = answer_sentence(messages[i - 1].content, messages[i].content)
            messages[i] = Message("assistant", said)
    return [Document(messages=tuple(messages))]


def choice_of(row: Row) -> Iterable[Document]:
    """CommonsenseQA: only the answer's first sentence; the explanations are often nonsense."""
    question, answer = _messages(row)[:2]
    first = answer.content.partition(". ")[0]
    return question_of({"messages": [_as_row(question), _as_row(Message("assistant", first))]})


def sense_of(row: Row) -> Iterable[Document]:
    """ComVE: the senseless sentence with its reason, and as often the sensible one."""
    asked = f'Does this make sense? "{row["good"]}"'
    sensible = (Message("user", asked), Message("assistant", "Yes, that makes sense."))
    return [Document(messages=_messages(row)), Document(messages=sensible)]


def country_of(row: Row) -> Iterable[Document]:
    """A factbook record as a few plain sentences, and its history."""
    return [
        Document(text=country_sentences(row)),
        Document(text=f"{row['name']}. {row.get('background') or ''}".strip()),
    ]


def definition_of(row: Row) -> Iterable[Document]:
    """A WordNet record as a sentence, for plain lower-case words only."""
    word = row["words"][0]
    if not (word.isalpha() and word.islower() and len(word) <= 10):
        return []
    return [Document(text=definition_sentence(row))]


CONVERTERS: Mapping[str, Callable[[Row], Iterable[Document]]] = {
    "text": text_of,
    "passage": passage_of,
    "chat": chat_of,
    "persona": persona_of,
    "identity": identity_of,
    "question": question_of,
    "choice": choice_of,
    "sense": sense_of,
    "country": country_of,
    "definition": definition_of,
}


def to_message(turn: Row) -> Message:
    """Return ``{"role", "content"}`` as a message; a developer speaks as the system.

    Raises:
        ValueError: there is no such role.
    """
    return Message(_role(turn["role"]), turn["content"])


def _messages(row: Row) -> tuple[Message, ...]:
    turns = row["messages"] if "messages" in row else [*row["prompt"], *_completion(row)]
    return tuple(to_message({**turn, "content": turn["content"].strip()}) for turn in turns)


def _completion(row: Row) -> list[Row]:
    said = row["completion"] if "completion" in row else row["chosen"]
    return [{"role": "assistant", "content": said}] if isinstance(said, str) else list(said)


def _role(name: str) -> Role:
    name = "system" if name == "developer" else name
    for role in get_args(Role):
        if role == name:
            return role  # type: ignore[no-any-return]
    raise ValueError(f"unknown role {name!r}")


def _as_row(message: Message) -> Row:
    return {"role": message.role, "content": message.content}


def _fill_persona(text: str) -> str:
    return text.replace("{{NAME}}", MODEL_NAME).replace("{{MAKER}}", MODEL_MAKER)
