"""What the page's script sends, read with care: anybody can send anything."""

import json
import time
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from chat.errors import InvalidRequest
from chat.text import clean_text
from chat.types import GenerationConfig, Ranking
from webapp.auth import Identity
from webapp.complaints import complain
from webapp.turn import ChatRequest
from webapp.ui.comparison import STRENGTHS

Id = Annotated[str, StringConstraints(max_length=200)]
Sent = TypeVar("Sent", bound=BaseModel)


class Asked(BaseModel):
    """A question: typed, or put beside an earlier one, or an earlier one once more."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    text: str = ""
    conversation_id: Id = ""
    persona: Id = ""
    replaces: Id = ""
    regenerates: Id = ""
    # The answer that another one is asked for instead of; whether several are, side by side.
    instead: Id = ""
    compares: bool = False
    # The last message on the page.
    follows: Id = ""
    is_temporary: bool = False
    # Whether the list of chats shows what was searched for.
    is_searching: bool = False

    @property
    def is_anything(self) -> bool:
        """Whether there is something to be answered."""
        return bool(self.text.strip() or self.regenerates)

    def to_request(
        self, asker: Identity, *, config: GenerationConfig, locale: str, instructions: str
    ) -> ChatRequest:
        """Return what the service is asked."""
        return ChatRequest(
            owner_id=asker.id,
            audience=asker.audience,
            text=self.text,
            config=config,
            conversation_id=self.conversation_id or None,
            locale=locale,
            persona=self.persona,
            instructions=instructions,
            replaces=self.replaces or None,
            regenerates=self.regenerates or None,
            follows=self.follows or None,
            is_temporary=self.is_temporary,
        )


class Action(BaseModel):
    """A click on a button beside a message or a chat."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    do: Literal[
        "version",
        "rate",
        "reasons",
        "rename",
        "delete",
        "more",
        "forget",
        "ballot",
        "vote",
        "skip",
        "withdraw",
    ]
    id: Id = ""
    # The last message on the page.
    leaf: Id = ""
    value: Literal[-1, 1] = 1
    tags: tuple[Annotated[str, StringConstraints(max_length=40)], ...] = Field((), max_length=20)
    text: Annotated[str, StringConstraints(max_length=4_000)] = ""
    count: int = Field(100, ge=1, le=1000)
    # A vote: the rank of each answer, which ones will do, and how much better the best is.
    ranks: dict[Id, Annotated[int, Field(ge=1, le=8)]] = Field({}, max_length=8)
    acceptable: tuple[Id, ...] = Field((), max_length=8)
    is_none_acceptable: bool = False
    strength: Literal["", "slightly", "clearly", "much"] = ""

    def to_ranking(self, annotator_id: str) -> Ranking:
        """Return a vote as a ranking: answers of equal rank are a group, the best group first."""
        groups: dict[int, list[str]] = {}
        for answer_id, rank in sorted(self.ranks.items(), key=lambda pair: pair[1]):
            groups.setdefault(rank, []).append(answer_id)
        return Ranking(
            self.id,
            annotator_id,
            tuple(tuple(group) for group in groups.values()),
            frozenset(self.acceptable),
            self.text,
            # Of a tie, none is better.
            STRENGTHS.get(self.strength) if len(groups) > 1 else None,
            is_none_acceptable=self.is_none_acceptable,
        )


def give_back(text: str, replaces: str) -> str:
    """Return what gives a text back to who typed it; each time another value, so that it works."""
    return json.dumps({"text": text, "replaces": replaces, "at": time.monotonic_ns()})


def read_asked(text: str) -> Asked:
    """Read what `palaver.take` sends.

    Raises:
        InvalidRequest: it isn't that.
    """
    return _read(Asked, text)


def read_action(text: str) -> Action:
    """Read what `palaver.act` sends.

    Raises:
        InvalidRequest: it isn't that.
    """
    return _read(Action, text)


def _read(kind: type[Sent], text: str) -> Sent:
    try:
        return kind.model_validate_json(clean_text(text or "{}"))
    except ValidationError as error:
        row = error.errors()[0]
        name = ".".join(str(part) for part in row["loc"]) or "request"
        sentence = f"{complain(name, [row])} Please reload the page."
        raise InvalidRequest(sentence, param=name) from error
