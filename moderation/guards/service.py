"""What all moderators have in common that ask a service: its address, its key, its limits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from chat.errors import ModeratorError
from chat.types import Stage
from moderation.guards.address import check_url
from moderation.guards.exchange import Exchange, ExchangeFailed

# Parts overlap, so that what lies across a cut is seen whole in one of them.
_OVERLAP_CHARS = 200
_SECRET = ("api_key", "secret")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of any service, as the operator may give them.

    Attributes:
        url: where the service is.
        api_key: the key, if it wants one.
        api_key_file: or a file with nothing else in it.
        timeout_s: how long one check may take, however many calls it needs. The deadline of all
            moderators must be longer.
        max_chars: the longest text sent at once; a longer one is sent in parts.
        max_parts: so many at the most; what is longer still counts as a failure.
        every_chars: a growing answer is sent again after so many characters, and so much of it
            is held back; 0 sends it once, when all of it is there, and shows nothing before.
        allow_private: whether the service may be on this machine, or in the network around it.
        stages: what it judges.
    """

    url: str = ""
    api_key: str = field(default="", repr=False)
    api_key_file: str = ""
    timeout_s: float = 1.8
    max_chars: int = 8_000
    max_parts: int = 8
    every_chars: int = 400
    allow_private: bool = False
    stages: tuple[Stage, ...] = ("input", "output")


class TooLong(Exception):
    """A text is longer than all parts that may be sent."""


def read_settings(moderator: str, given: Mapping[str, object], **defaults: object) -> Settings:
    """Return the settings of a service, checked, the key read from its file.

    Args:
        moderator: whose they are, for the errors.
        given: what the operator says.
        defaults: instead of the ones of `Settings`.

    Raises:
        ModeratorError: one has no such name, or a value that isn't allowed.
    """
    names = [entry.name for entry in fields(Settings)]
    for name in given:
        if name not in names:
            raise ModeratorError(
                f"The moderator {moderator!r} has no setting {name!r}; allowed are, beside its "
                f"own, {', '.join(names)}."
            )
    values = {**defaults, **given}
    for name, value in values.items():
        _check(moderator, name, value)
    key_file = values.get("api_key_file")
    if key_file:
        values["api_key"] = _read_key(moderator, str(key_file))
    key = str(values.get("api_key", ""))
    if not key.isascii() or not key.isprintable():
        raise ModeratorError(f"api_key of the moderator {moderator!r} has odd characters in it.")
    stages = values.get("stages")
    if stages is not None:
        values["stages"] = tuple(stages)  # type: ignore[arg-type]
    settings = Settings(**values)  # type: ignore[arg-type]
    check_url(moderator, settings.url, allow_private=settings.allow_private)
    return settings


def _check(moderator: str, name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_whole = is_number and isinstance(value, int)
    allowed: dict[str, tuple[bool, str]] = {
        "timeout_s": (
            is_number and math.isfinite(float(value)) and 0 < float(value) <= 600,  # type: ignore[arg-type]
            "a number of seconds above 0, and 600 at the most",
        ),
        "max_chars": (is_whole and value >= 500, "a whole number from 500 up"),  # type: ignore[operator]
        "max_parts": (is_whole and value >= 1, "a whole number from 1 up"),  # type: ignore[operator]
        "every_chars": (
            is_whole and (value == 0 or value >= 50),  # type: ignore[operator]
            "0, or a whole number from 50 up",
        ),
        "allow_private": (isinstance(value, bool), "true or false"),
        "stages": (
            are_texts(value) and bool(value) and set(value) <= {"input", "output"},  # type: ignore[call-overload]
            "a list of input, output or both",
        ),
    }
    is_right, told = allowed.get(name, (isinstance(value, str), "a text"))
    check_setting(moderator, name, value, is_right, told)


def check_setting(moderator: str, name: str, value: object, is_right: bool, allowed: str) -> None:
    """Complain about a setting that isn't right; what is secret isn't repeated.

    Raises:
        ModeratorError: it isn't.
    """
    if not is_right:
        shown = "no text" if name in _SECRET else repr(value)
        raise ModeratorError(
            f"{name} of the moderator {moderator!r} is {shown}; allowed is {allowed}."
        )


def check_text(moderator: str, name: str, value: object) -> None:
    """Complain, as `check_setting` does, unless the setting is a text with something in it."""
    check_setting(moderator, name, value, isinstance(value, str) and bool(value), "a text")


def are_texts(value: object) -> bool:
    """Say if a setting is a list of texts."""
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _read_key(moderator: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ModeratorError(
            f"api_key_file of the moderator {moderator!r}, {path}, can't be read: {reason}."
        ) from error


def open_exchange(
    settings: Settings, headers: Mapping[str, str] | None = None, *, is_repeatable: bool = True
) -> Exchange:
    """Return the way to the service; without `headers`, its key goes into the usual one."""
    if headers is None:
        headers = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
    return Exchange(
        settings.url,
        allow_private=settings.allow_private,
        headers=headers,
        is_repeatable=is_repeatable,
    )


def split(text: str, settings: Settings) -> list[tuple[int, str]]:
    """Return the parts in which `text` is sent, each with where it begins.

    Raises:
        TooLong: there are more than are allowed.
    """
    if len(text) <= settings.max_chars:
        return [(0, text)]
    starts = range(0, len(text) - _OVERLAP_CHARS, settings.max_chars - _OVERLAP_CHARS)
    if len(starts) > settings.max_parts:
        raise TooLong
    return [(start, text[start : start + settings.max_chars]) for start in starts]


def read_score(value: object) -> float:
    """Return a score from a service.

    Raises:
        ExchangeFailed: it is no number from 0 to 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExchangeFailed("garbage")
    if not -1e-6 <= value <= 1 + 1e-6:
        raise ExchangeFailed("garbage")
    return min(max(float(value), 0.0), 1.0)
