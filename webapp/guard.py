"""The moderators and the policies as they are now: policies and rules change while people chat."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from moderation.base import Moderator
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.policy_file import PolicyFile
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

    def notice(self) -> str:
        """Return what an administrator should see to, in a sentence or two, or nothing."""
        health = self.health()
        parts = []
        if health["policy_problem"]:
            parts.append(f"{health['policy_problem']} The policy stays as it was.")
        if failing := self._failing():
            parts.append(f"Moderators that don't work: {', '.join(failing)}.")
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
        return [str(m["name"]) for m in self.moderators() if m["state"] != "working"]
