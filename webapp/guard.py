"""The moderators and the policies as they are now: policies and rules change while people chat."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chat.errors import InvalidRequest
from moderation.base import Moderator
from moderation.categories import is_known
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.policy_file import PolicyFile
from moderation.reading import read_manifest
from moderation.registry import load_in_process

log = logging.getLogger(__name__)

Rules = Sequence[Mapping[str, object]]


def _make_plain_rules(rules: Rules) -> Moderator:
    return load_in_process("rules", {"rules": tuple(rules)})


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A chain for one policy and one audience, and what it was made of."""

    base: Chain
    policy: Policy
    chain: Chain


class Guard:
    """Hands out chains. A turn keeps the one that it began with, whatever changes meanwhile."""

    def __init__(
        self,
        chain: Chain,
        *,
        policy_file: PolicyFile | None = None,
        policies: Mapping[str, Policy] | None = None,
        make_rules: Callable[[Rules], Moderator] = _make_plain_rules,
    ):
        """Guard with the moderators of `chain`.

        Args:
            chain: the moderators, under the operator's policy.
            policy_file: where that policy is read again when it changes.
            policies: other policies that a persona may name.
            make_rules: makes the moderator `rules` anew, with the operator's own rules beside
                the built-in ones; raises ModeratorError if they can't be used.
        """
        self._chain = chain
        self._policy_file = policy_file
        self._policies = dict(policies or {})
        self._make_rules = make_rules
        self._prepared: dict[tuple[str, str], _Prepared] = {}

    @property
    def policy(self) -> Policy:
        """The operator's policy, as it is for everybody."""
        return self.chain().policy

    def chain(self, policy: str = "", audience: str = "") -> Chain:
        """Return the moderators under a policy, as it is for an audience.

        Args:
            policy: the name of one that a persona may name. The operator's own, if it is empty
                or is no more.
            audience: guest, member, api or admin.
        """
        base = self._chain
        policy = policy if policy in self._policies else ""
        wanted = self._policies[policy] if policy else self._read_policy()
        known = self._prepared.get((policy, audience))
        if known is None or known.base is not base or known.policy is not wanted:
            known = _Prepared(base, wanted, base.under(wanted.for_audience(audience)))
            self._prepared[policy, audience] = known
        return known.chain

    def _read_policy(self) -> Policy:
        return self._policy_file.current() if self._policy_file else self._chain.policy

    def use_rules(self, rules: Rules) -> None:
        """Judge by these rules of the operator too, from the next turn on.

        Raises:
            ModeratorError: a rule can't be used, or the moderator `rules` isn't active. Nothing
                has changed then.
        """
        self._chain = self._chain.replacing(self._make_rules(rules))
        log.info("%d rules of the operator are in force", len(rules))

    def check_parting(self, category: str, rules: Rules) -> None:
        """Check that the policy could do without a rule for `category`.

        Args:
            category: what a rule is about that is to go.
            rules: the operator's other rules, those that rest among them.

        Raises:
            InvalidRequest: it names what nobody else knows, and so would stop the next start.
        """
        policy = self.policy
        covers = dict(policy.covers)
        if "rules" in covers:  # what those in files look for stays
            covers["rules"] = read_manifest(self._make_rules(())).categories
        known = {str(rule["category"]) for rule in rules}.union(*covers.values())
        named = (name for name in policy.named if is_known(name, [category]))
        if missed := sorted(name for name in named if not is_known(name, known)):
            raise InvalidRequest(
                f"The policy {policy.name!r} says what to do about {', '.join(missed)}, and this "
                f"is the last rule for {category}: without it, Palaver wouldn't start again. Take "
                "that out of the policy's file first, or let the rule rest."
            )

    @property
    def rules_problem(self) -> str:
        """Why the operator's rules decide nothing; empty where they do."""
        if "rules" not in self._chain.policy.covers:
            return (
                "The moderator 'rules' doesn't run, so no rule is in force; name it in "
                "PALAVER_MODERATORS and start again."
            )
        policy = self.policy
        if "rules" in policy.shadow:
            return (
                f"The policy {policy.name!r} has the moderator 'rules' in shadow: what the rules "
                "find is recorded, and nothing follows from it."
            )
        return ""

    def notice(self) -> str:
        """Return what an administrator should see to, in a sentence or two, or nothing."""
        health = self.health()
        parts = []
        if health["policy_problem"]:
            parts.append(f"{health['policy_problem']} The policy stays as it was.")
        if failing := self._failing():
            reasons = {m["name"]: f" ({m['to_mend']})" for m in self.moderators() if m["to_mend"]}
            named = (name + reasons.get(name, "") for name in failing)
            parts.append(f"Moderators that don't work: {', '.join(named)}.")
        return " ".join(parts)

    def health(self) -> dict[str, object]:
        """Return the state of the moderators and the policy; nothing in it quotes a conversation.

        ``state`` is degraded while a moderator is out, or a changed policy can't be used.
        """
        policy = self.policy
        problem = self._policy_file.problem if self._policy_file else ""
        failing = self._failing()
        return {
            "state": "degraded" if problem or failing else "ok",
            "failing": failing,
            "policy": policy.name,
            "policy_version": policy.version,
            "policy_problem": problem,
        }

    def moderators(self) -> list[dict[str, object]]:
        """Return for each moderator how it is doing."""
        return self.chain().health()

    def close(self) -> None:
        """End the worker processes; a second call does nothing."""
        self._chain.close()

    def _failing(self) -> list[str]:
        moderators = self.moderators()
        return [str(m["name"]) for m in moderators if m["state"] != "working" or m["to_mend"]]
