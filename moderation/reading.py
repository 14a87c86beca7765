"""What plugins hand over, read with care: they need not import anything of ours."""

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

from chat.errors import ModeratorError
from chat.types import Span, Verdict
from moderation.base import Manifest, ModerationContext

# A reason is a word for the operator, not a sentence: it could quote the conversation.
_REASON = re.compile(r"[a-z0-9_.:/-]{1,64}")
_MISSING = object()
_MOST_CATEGORIES = 200


class NonsenseAnswer(Exception):
    """A moderator's answer doesn't fit the contract."""


def read_manifest(moderator: object) -> Manifest:
    """Return the manifest of `moderator`, from an object or a mapping.

    Raises:
        ModeratorError: it has none, or one that cannot be used, or no `check` to call.
    """
    title = type(moderator).__name__
    source = getattr(moderator, "manifest", None)
    if source is None:
        raise ModeratorError(f"{title} has no manifest; a moderator needs at least a name.")
    manifest = make_manifest(source, title)
    check = getattr(moderator, "check", None)
    if not callable(check) or inspect.iscoroutinefunction(check):
        raise ModeratorError(
            f"The moderator {manifest.name!r} needs a method check(context), a plain one: "
            "it runs in a thread of its own, so it may take its time."
        )
    return manifest


def make_manifest(source: object, title: str) -> Manifest:
    """Return `source`, an object or a mapping, as a manifest; errors are about `title`.

    Raises:
        ModeratorError: it has no name, or a field that cannot be used.
    """
    given = {name: _get(source, name) for name in Manifest.__dataclass_fields__}
    given = {name: value for name, value in given.items() if value is not _MISSING}
    if not isinstance(given.get("name"), str) or not given["name"]:
        raise ModeratorError(f"The manifest of {title} has no name, which must be a text.")
    for name, value in given.items():
        given[name] = _read_field(str(given["name"]), name, value)
    return Manifest(**given)


def _read_field(moderator: str, name: str, value: object) -> object:
    if name in ("stages", "categories", "languages"):
        if isinstance(value, str) or not all(isinstance(item, str) for item in _items(value)):
            raise _bad_field(moderator, name, value, "a list of texts")
        items = tuple(_items(value))
        if name == "stages" and not set(items) <= {"input", "output"}:
            raise _bad_field(moderator, name, value, "input, output or both")
        return items
    if name == "hold_back":
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise _bad_field(moderator, name, value, "a number of characters from 0 up")
        return value
    return bool(value) if name == "needs_network" else str(value)


def _items(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, tuple | list | set | frozenset) else (None,)


def _bad_field(moderator: str, name: str, value: object, allowed: str) -> ModeratorError:
    return ModeratorError(
        f"{name} in the manifest of the moderator {moderator!r} is {value!r}; allowed is {allowed}."
    )


def read_verdict(answer: object, manifest: Manifest, context: ModerationContext) -> Verdict:
    """Return `answer` as a verdict of ours.

    Raises:
        NonsenseAnswer: a score isn't a number from 0 to 1, a span lies outside the text, or
            there are no scores at all.
    """
    if inspect.iscoroutine(answer):
        answer.close()
        raise NonsenseAnswer("a coroutine")
    outcome = _get(answer, "outcome", "judged")
    reason = _get(answer, "reason", "")
    if not (isinstance(reason, str) and _REASON.fullmatch(reason)):
        reason = ""
    if outcome == "error":
        return manifest.failure(context.stage, reason or "error")
    if outcome == "abstained":
        name, version = manifest.name, manifest.version
        return Verdict(name, version, context.stage, outcome="abstained", reason=reason)
    if outcome != "judged":
        raise NonsenseAnswer("an outcome that is neither judged, abstained nor error")
    verdict = _read_findings(answer, manifest, context)
    return replace(verdict, reason=reason) if reason else verdict


def _read_findings(answer: object, manifest: Manifest, context: ModerationContext) -> Verdict:
    scores = _get(answer, "scores")
    if not isinstance(scores, Mapping):
        raise NonsenseAnswer("no scores")
    if len(scores) > _MOST_CATEGORIES:
        raise NonsenseAnswer("more categories than anybody can mean")
    read = {_read_category(key): _read_score(value) for key, value in scores.items()}
    spans = _get(answer, "spans", ())
    if not isinstance(spans, tuple | list):
        raise NonsenseAnswer("spans are no list")
    found = [_read_span(span, len(context.text)) for span in spans]
    verdict = manifest.verdict(context.stage, found, read)
    settled = _get(answer, "settled", None)
    if settled is None:
        return verdict
    if not (_is_index(settled) and 0 <= settled <= len(context.text)):
        raise NonsenseAnswer("settled lies outside the text")
    return replace(verdict, settled=settled)


def read_batch(
    answers: object, manifest: Manifest, contexts: Sequence[ModerationContext]
) -> list[Verdict]:
    """Return the answers to a batch as verdicts; one that doesn't fit the contract is an error.

    Raises:
        NonsenseAnswer: there aren't as many answers as contexts.
    """
    if not isinstance(answers, list | tuple) or len(answers) != len(contexts):
        raise NonsenseAnswer("not one answer for each text")
    verdicts = []
    for answer, context in zip(answers, contexts, strict=True):
        try:
            verdicts.append(read_verdict(answer, manifest, context))
        except NonsenseAnswer as error:
            verdicts.append(manifest.failure(context.stage, type(error).__name__))
    return verdicts


def read_version(moderator: object, before: str) -> str:
    """Return the version that a moderator has now, or the one `before` if it can't be told."""
    try:
        version = str(_get(_get(moderator, "manifest", None), "version", before))
    except Exception:  # a property of somebody else's
        return before
    return version if 0 < len(version) <= 64 and version.isprintable() else before


def _read_category(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not value.isprintable():
        raise NonsenseAnswer("a category is no name")
    return value


def _read_score(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise NonsenseAnswer("a score is no number")
    try:
        score = float(value)
    except OverflowError:  # a whole number may be too large
        score = math.inf
    if not 0.0 <= score <= 1.0:  # nor is NaN
        raise NonsenseAnswer("a score is not from 0 to 1")
    return score


def _read_span(span: object, length: int) -> Span:
    if isinstance(span, tuple | list):
        if not 3 <= len(span) <= 4:
            raise NonsenseAnswer("a span is not (start, end, category, score)")
        start, end, category, *rest = span
        score = rest[0] if rest else 1.0
    else:
        start, end, category = (_get(span, name) for name in ("start", "end", "category"))
        score = _get(span, "score", 1.0)
    if not (_is_index(start) and _is_index(end) and 0 <= start < end <= length):
        raise NonsenseAnswer("a span lies outside the text")
    return Span(start, end, _read_category(category), _read_score(score))


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _get(source: object, name: str, default: Any = _MISSING) -> Any:
    if isinstance(source, Mapping):
        return source.get(name, default)
    return getattr(source, name, default)
