"""From the settings to the parts that they name: moderators, policies, the models."""

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from chat.errors import SettingsError
from inference.backend import LocalBackend
from moderation.base import Moderator
from moderation.chain import Chain
from moderation.policy import Policy, presets
from moderation.policy_file import PolicyFile
from moderation.reading import read_manifest
from moderation.registry import (
    BUILT_IN,
    close_moderators,
    load_in_process,
    load_moderators,
    read_config,
)
from moderation.workers.keeper import WorkerLimits
from webapp.guard import Guard, Rules
from webapp.guard_model import GuardModel, open_guard_model
from webapp.settings import Settings, read_environment

log = logging.getLogger(__name__)

Config = Mapping[str, Mapping[str, object]]


def load_chain(settings: Settings, names: Sequence[str] = ()) -> Chain:
    """Load the moderators (or only those in `names`) and the policy that the settings name.

    Raises:
        ModeratorError: a moderator isn't there or can't be used.
        PolicyError: the policy can't be understood.
    """
    chain, _, _ = _load(settings, _read_config(settings), names)
    return chain


def load_guard(settings: Settings, rules: Rules = (), names: Sequence[str] = ()) -> Guard:
    """Load the moderators and all policies: what the chat is guarded by.

    Args:
        settings: what to load.
        rules: the operator's own, from the database, for the moderator `rules`. The policy may
            name the categories of those that rest, too.
        names: which moderators, if not those of the settings.

    Raises: as `load_chain`.
    """
    config = _read_config(settings)
    own = config.get("rules", {})
    active = tuple(rule for rule in rules if rule.get("is_active", True))
    started = {**config, "rules": {**own, "rules": active}} if active else config
    more = [str(rule["category"]) for rule in rules]
    chain, policy_file, named = _load(settings, started, names, more)
    if active and "rules" not in {moderator["name"] for moderator in chain.health()}:
        log.error("The operator's rules aren't in force: the moderator 'rules' doesn't run.")
    try:
        categories = chain.categories("input") | chain.categories("output")
        policies = load_policies(categories)
    except BaseException:
        chain.close()
        raise

    def make_rules(rules: Rules) -> Moderator:
        moderator = load_in_process("rules", {**own, "rules": tuple(rules)})
        # A policy that is changed from now on may name them.
        named.extend(str(rule["category"]) for rule in rules if rule["category"] not in named)
        return moderator

    return Guard(chain, policy_file=policy_file, policies=policies, make_rules=make_rules)


def _read_config(settings: Settings) -> Config:
    return read_config(settings.moderator_config) if settings.moderator_config else {}


def _load(
    settings: Settings,
    config: Config,
    names: Sequence[str] = (),
    more_categories: Sequence[str] = (),
) -> tuple[Chain, PolicyFile, list[str]]:
    """Load it; the list is what a policy may name, and is read again with the policy."""
    with ExitStack() as undoing:
        moderators = load_moderators(
            names or settings.moderators,
            hand_in_engine(config, settings, undoing),
            environment=read_environment(),
            limits=WorkerLimits(memory_mb=settings.moderator_memory_mb),
        )
        undoing.callback(close_moderators, moderators)
        manifests = [read_manifest(moderator) for moderator in moderators]
        categories = [*more_categories, *(c for m in manifests for c in m.categories)]
        # Where only some are loaded, the policy may well name the others.
        known = {*(point.name for point in BUILT_IN), *(manifest.name for manifest in manifests)}
        policy_file = PolicyFile(settings.policy, categories, None if names else known)
        policy = policy_file.current()
        chain = Chain(moderators, policy, timeout_s=settings.moderation_timeout_s)
        undoing.pop_all()  # closed with the chain from now on
    return chain, policy_file, categories


def hand_in_engine(config: Config, settings: Settings, undoing: ExitStack) -> Config:
    """Return the moderators' own settings with what opens a guard model in this process.

    Args:
        config: as they stand in the file.
        settings: which device and how many threads to take.
        undoing: closes what was opened; a moderator that is closed closes its model as well.
    """

    def open_model(folder: str, is_raw: bool) -> GuardModel:
        model = open_guard_model(folder, settings, is_raw=is_raw)
        undoing.callback(model.close)
        return model

    return {**config, "guard-llm": {**config.get("guard-llm", {}), "open_model": open_model}}


def load_policies(categories: Collection[str]) -> dict[str, Policy]:
    """Load the policies that come with Palaver, for the personas that name one."""
    return {name: Policy.load(name, categories=categories) for name in presets()}


def load_backend(settings: Settings) -> LocalBackend:
    """Load the model that the settings name.

    Raises:
        ModelError: it is missing, broken, or needs a device that isn't there.
    """
    return _load_model(settings, settings.model_dir)


def load_rivals(settings: Settings, model: str) -> list[LocalBackend]:
    """Load the further models that answer where answers are compared with those of `model`.

    Raises:
        ModelError: as `load_backend`.
        SettingsError: two of them, or one and the chat model, have the same name.
    """
    names, rivals = {model}, list[LocalBackend]()
    with ExitStack() as undoing:
        for folder in settings.compared_dirs:
            rival = _load_model(settings, folder)
            undoing.callback(rival.close)
            if rival.model in names:
                raise SettingsError(
                    f"The setting compare_models (PALAVER_COMPARE_MODELS) names the model "
                    f"{rival.model!r}, which is in use already; allowed are models of other names."
                )
            names.add(rival.model)
            rivals.append(rival)
        undoing.pop_all()
    return rivals


def _load_model(settings: Settings, folder: Path) -> LocalBackend:
    return LocalBackend.load(
        folder,
        device=settings.device,
        max_running=settings.max_running,
        max_waiting=settings.max_waiting,
        threads=settings.threads,
    )
