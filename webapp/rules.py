"""The operator's rules: tried on stored texts, saved, in force at once, and after a restart.

For administrators alone: who asks is theirs to check that call this.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

from chat.errors import InvalidRequest, ModeratorError, PalaverError
from chat.review import OperatorRule
from chat.text import clean_text
from webapp.judgement import make_finder
from webapp.personas import make_id
from webapp.repeating import repeating
from webapp.review import CATEGORY, refused
from webapp.trial import TextStore, Trial, run_trial

log = logging.getLogger(__name__)

LONGEST_NAME = 60
MOST_PATTERNS = 200
LONGEST_PATTERN = 500
MOST_RULES = 500
PAUSE_S = 30.0
_LANGUAGE = re.compile(r"[a-z]{0,8}")


class RuleStore(TextStore, Protocol):
    """Where rules are, and texts to try them on: `storage.store.Store`."""

    def save_rule(self, rule: OperatorRule, author_id: str = "") -> None:
        """Remember a rule."""

    def list_rules(self) -> Sequence[OperatorRule]:
        """Return the rules."""

    def delete_rule(self, rule_id: str) -> None:
        """Forget a rule."""


class RuleUser(Protocol):
    """Whoever judges by the operator's rules: `webapp.guard.Guard`."""

    @property
    def rules_problem(self) -> str:
        """Why no rule decides anything; empty where they do."""

    def use_rules(self, rules: Sequence[Mapping[str, object]]) -> None:
        """Judge by these rules from now on; ModeratorError if they can't be used."""

    def check_parting(self, category: str, rules: Sequence[Mapping[str, object]]) -> None:
        """Complain if the policy needs a rule for `category`, and none of these is one."""


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """A rule as its administrator sees it; ``fault`` says why it isn't used, if it can't be."""

    rule: OperatorRule
    fault: str = ""


class RuleDesk:
    """What administrators do with rules."""

    def __init__(
        self,
        store: RuleStore,
        guard: RuleUser,
        used: Sequence[OperatorRule] = (),
        problem: str = "",
    ):
        """Keep rules in `store`; `guard` uses them at once.

        Args:
            store: where they are.
            guard: who judges by them.
            used: the rules that `guard` judges by already: those that `find_sound` returned.
            problem: why it couldn't, after all.
        """
        self._store = store
        self._guard = guard
        self._lock = asyncio.Lock()
        self._used = _tables(used)
        self._problem = problem

    @property
    def problem(self) -> str:
        """Why the rules that are active decide nothing, or not as they are stored."""
        return self._guard.rules_problem or self._problem

    async def attempt(
        self, rule: OperatorRule, *, num_days: int, most_texts: int
    ) -> AsyncGenerator[Trial, None]:
        """Look for a rule's wordings in stored texts; closing the generator ends it.

        Raises:
            InvalidRequest, ModeratorError: the rule isn't as it should be.
        """
        rule = _clean(rule)
        _check(rule)
        find = await asyncio.to_thread(make_finder, {**rule.to_table(), "id": rule.name})
        since = datetime.now(UTC) - timedelta(days=num_days)
        async for trial in run_trial(self._store, rule, find, since=since, most_texts=most_texts):
            yield trial

    async def list(self) -> Sequence[RuleEntry]:
        """Return the operator's rules, the oldest first."""
        return await asyncio.to_thread(self._list)

    def _list(self) -> Sequence[RuleEntry]:
        return [RuleEntry(rule, find_fault(rule)) for rule in self._store.list_rules()]

    async def save(self, rule: OperatorRule, author_id: str) -> OperatorRule:
        """Keep a rule (a new one, without an id, gets one made of its name), and judge by it.

        Raises:
            InvalidRequest, ModeratorError: it isn't as it should be; nothing has changed then.
        """
        rule = _clean(rule)
        _check(rule)
        async with self._lock:
            known = {r.id: r for r in await asyncio.to_thread(self._store.list_rules)}
            rule = rule if rule.id else replace(rule, id=make_id(rule.name, known))
            if rule.id not in known and len(known) >= MOST_RULES:
                raise InvalidRequest(f"There are {MOST_RULES} rules; delete one first.")
            await asyncio.to_thread(make_finder, rule.to_table())
            if rule.id in known:
                left = [*{**known, rule.id: rule}.values()]
                await asyncio.to_thread(self._check_parting, known[rule.id], left)
            await self._use([*{**known, rule.id: rule}.values()])
            try:
                await asyncio.to_thread(self._store.save_rule, rule, author_id)
            except BaseException:
                await self._use([*known.values()])
                raise
        return rule

    async def delete(self, rule_id: str) -> None:
        """Forget a rule; it judges no more.

        Raises:
            NotFound: there is none.
            InvalidRequest: the policy needs it.
        """
        async with self._lock:
            rules = await asyncio.to_thread(self._store.list_rules)
            others = [rule for rule in rules if rule.id != rule_id]
            for rule in (rule for rule in rules if rule.id == rule_id):
                await asyncio.to_thread(self._check_parting, rule, others)
            await asyncio.to_thread(self._store.delete_rule, rule_id)
            await self._use_stored()

    def _check_parting(self, rule: OperatorRule, others: Sequence[OperatorRule]) -> None:
        if rule.category not in (other.category for other in others):
            self._guard.check_parting(rule.category, [other.to_table() for other in others])

    async def refresh(self) -> None:
        """Judge by the rules as they are stored: another server may have changed them."""
        async with self._lock:
            await self._use_stored()

    async def _use_stored(self) -> None:
        rules = await asyncio.to_thread(self._store.list_rules)
        try:
            await self._use(rules)
        except ModeratorError as error:
            log.error("The operator's rules stay as they were. %s", error)
            self._used = _tables(rules)  # said once: nothing comes of trying them again
            self._problem = f"The rules couldn't be put in force as they are here. {error}"

    async def _use(self, rules: Sequence[OperatorRule]) -> None:
        wanted = _tables(rules)
        if wanted != self._used:
            await asyncio.to_thread(self._use_now, rules)
            self._used = wanted
            self._problem = ""

    def _use_now(self, rules: Sequence[OperatorRule]) -> None:
        self._guard.use_rules(_tables(find_sound(rules)))


def find_sound(rules: Sequence[OperatorRule]) -> list[OperatorRule]:
    """Return the rules that can be used; blocks. The others aren't to suffer for one that can't."""
    sound = [rule for rule in rules if not find_fault(rule)]
    for rule in rules:
        if rule.is_active and rule not in sound:
            log.error("the rule %s is left out: it can't be used", rule.id)
    return sound


@lru_cache(maxsize=2 * MOST_RULES)
def find_fault(rule: OperatorRule) -> str:
    """Return why a rule can't be used, or nothing. It was fine when it was saved, by a version."""
    try:
        make_finder(rule.to_table())
    except ModeratorError as error:
        return str(error)
    return ""


def _tables(rules: Sequence[OperatorRule]) -> list[dict[str, object]]:
    return [rule.to_table() for rule in rules if rule.is_active]


def _check(rule: OperatorRule) -> None:
    if not 0 < len(rule.name) <= LONGEST_NAME:
        raise refused("name", f"{len(rule.name)} characters", f"1 to {LONGEST_NAME}")
    if not CATEGORY.fullmatch(rule.category):
        raise refused("category", rule.category, "a name such as hate, in small letters")
    if not _LANGUAGE.fullmatch(rule.language):
        raise refused("language", rule.language, "a code such as en, or nothing")
    if not rule.patterns:
        raise refused("patterns", "empty", "at least one wording, one per line")
    for name, texts in (("patterns", rule.patterns), ("unless", rule.unless)):
        if len(texts) > MOST_PATTERNS:
            raise refused(name, f"{len(texts):,} lines", f"at most {MOST_PATTERNS}")
        for text in texts:
            if len(text) > LONGEST_PATTERN:
                raise refused(name, f"{text[:20]}… of {len(text):,} characters", LONGEST_PATTERN)


def _clean(rule: OperatorRule) -> OperatorRule:
    return replace(
        rule,
        name=" ".join(clean_text(rule.name).split()),
        category=clean_text(rule.category).strip(),
        language=clean_text(rule.language).strip().lower(),
        patterns=_clean_lines(rule.patterns),
        unless=_clean_lines(rule.unless),
    )


def _clean_lines(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in (clean_text(line).strip() for line in lines) if line)


@asynccontextmanager
async def keeping_rules(desk: RuleDesk, pause_s: float = PAUSE_S) -> AsyncIterator[None]:
    """Judge by the rules as they are stored while the block runs, whoever changes them."""

    # The database may be busy, say.
    async with repeating(desk.refresh, pause_s, PalaverError):
        yield
