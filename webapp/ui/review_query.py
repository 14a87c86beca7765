"""What the review page is asked: by its address, and by what its script sends. Read with care."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, TypeVar, cast, get_args
from urllib.parse import parse_qs, urlencode

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from chat.errors import InvalidRequest
from chat.review import ACTED, OperatorRule, VerdictFilter
from chat.text import clean_text
from chat.types import Action, Stage
from webapp.complaints import complain
from webapp.exploring import ACTIONS, STAGES, Question

View = Literal["verdicts", "actions", "thresholds", "rules"]
VIEWS: tuple[View, ...] = get_args(View)
OUTCOMES = ("judged", "abstained", "error")
DAYS = (2, 7, 14, 30, 90)
LONGEST_QUERY = 10_000
Text = Annotated[str, StringConstraints(max_length=200)]
Long = Annotated[str, StringConstraints(max_length=200_000)]
Sent = TypeVar("Sent", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Address:
    """What the address says: which view, and its fields as text, as they were sent."""

    view: View
    fields: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")

    def to_query(self, **changes: str) -> str:
        """Return the address with some fields changed; those that are changed to nothing go.

        Others that are empty stay: "any" isn't what nobody chose.
        """
        fields = {"view": self.view, **self.fields, **changes}
        return "?" + urlencode({n: v for n, v in fields.items() if v or n not in changes})

    @property
    def num_days(self) -> int:
        """How many days to look at."""
        return int(self["days"]) if self["days"] in map(str, DAYS) else 7

    def to_filter(self) -> VerdictFilter:
        """Return which verdicts to list; what isn't a date or a choice is no condition."""
        since, until = _read_day(self["from"]), _read_day(self["to"], days_later=1)
        action = self["action"] if "action" in self.fields else ACTED
        return VerdictFilter(
            since=since,
            until=until,
            stage=_among(self["stage"], STAGES),
            category=self["category"],
            action=_among(action, (ACTED, *ACTIONS)),
            moderator=self["moderator"],
            outcome=_among(self["outcome"], OUTCOMES),
            policy_version=self["policy"],
            is_reviewed={"yes": True, "no": False}.get(self["reviewed"]),
            search=self["search"],
        )

    def to_question(self, category: str) -> Question:
        """Return what to explore; `category` where the address names none."""
        try:
            threshold = float(self["threshold"] or "0.5")
        except ValueError:
            threshold = 0.5
        return Question(
            category=self["category"] or category,
            stage=cast(Stage, _among(self["stage"], STAGES) or "input"),
            threshold=threshold if 0 <= threshold <= 1 else 0.5,
            action=cast(Action, _among(self["action"], ACTIONS) or "block"),
            num_days=self.num_days,
        )


def read_address(query: str) -> Address:
    """Read ``location.search``; an unknown view is the list of verdicts."""
    said = clean_text(query or "").lstrip("?")[:LONGEST_QUERY]
    pairs = parse_qs(said, keep_blank_values=True)
    fields = {name: values[-1][:200] for name, values in pairs.items()}
    view = fields.pop("view", "")
    return Address(view if view in VIEWS else "verdicts", fields)


def _among(value: str, allowed: tuple[str, ...]) -> str:
    return value if value in allowed else ""


def _read_day(text: str, *, days_later: int = 0) -> datetime | None:
    try:
        day = date.fromisoformat(text) + timedelta(days=days_later)
    except (ValueError, OverflowError):
        return None
    return datetime.combine(day, time(), UTC)


class Act(BaseModel):
    """A click: on a mark, or on a button of the form of a rule, with what stands in the form."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    do: Literal["mark", "save", "delete", "try"]
    id: Text = ""
    mark: Literal["false_positive", "missed", "correct"] = "correct"
    categories: tuple[Text, ...] = Field((), max_length=50)
    note: Annotated[str, StringConstraints(max_length=10_000)] = ""
    name: Text = ""
    category: Text = ""
    score: float = 1.0
    stages: tuple[Stage, ...] = Field((), max_length=2)
    language: Text = ""
    patterns: Long = ""
    unless: Long = ""
    is_active: bool = False
    days: int = Field(7, ge=1, le=90)

    def to_rule(self) -> OperatorRule:
        """Return the rule as the form has it."""
        return OperatorRule(
            id=self.id,
            name=self.name,
            category=self.category,
            score=self.score,
            stages=self.stages,
            patterns=tuple(self.patterns.splitlines()),
            unless=tuple(self.unless.splitlines()),
            language=self.language,
            is_active=self.is_active,
        )


def read_act(text: str) -> Act:
    """Read what the script sends.

    Raises:
        InvalidRequest: it isn't that.
    """
    try:
        return Act.model_validate_json(clean_text(text or "{}"))
    except ValidationError as error:
        row = error.errors()[0]
        name = ".".join(str(part) for part in row["loc"]) or "request"
        raise InvalidRequest(complain(name, [row]), param=name) from error
