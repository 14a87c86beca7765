"""From the settings to the parts that they name: moderators, policies, the model."""

from collections.abc import Collection, Sequence

from inference.backend import LocalBackend
from moderation.chain import Chain
from moderation.keeper import WorkerLimits
from moderation.policy import Policy, presets
from moderation.reading import read_manifest
from moderation.registry import close_moderators, load_moderators, read_config
from webapp.settings import Settings, read_environment


def load_chain(settings: Settings, names: Sequence[str] = ()) -> Chain:
    """Load the moderators (or only those in `names`) and the policy that the settings name.

    Raises:
        ModeratorError: a moderator isn't there or can't be used.
        PolicyError: the policy can't be understood.
    """
    config = read_config(settings.moderator_config) if settings.moderator_config else {}
    moderators = load_moderators(
        names or settings.moderators,
        config,
        environment=read_environment(),
        limits=WorkerLimits(memory_mb=settings.moderator_memory_mb),
    )
    try:
        categories = [name for m in moderators for name in read_manifest(m).categories]
        policy = Policy.load(settings.policy, categories=categories)
        return Chain(moderators, policy, timeout_s=settings.moderation_timeout_s)
    except BaseException:
        close_moderators(moderators)
        raise


def load_policies(categories: Collection[str]) -> dict[str, Policy]:
    """Load the policies that come with Palaver, for the personas that name one."""
    return {name: Policy.load(name, categories=categories) for name in presets()}


def load_backend(settings: Settings) -> LocalBackend:
    """Load the model that the settings name.

    Raises:
        ModelError: it is missing, broken, or needs a device that isn't there.
    """
    return LocalBackend.load(
        settings.model_dir,
        device=settings.device,
        max_running=settings.max_running,
        max_waiting=settings.max_waiting,
        threads=settings.threads,
    )
