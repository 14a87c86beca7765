"""What can be seen to be wrong with the settings before anything heavy is loaded."""

from chat.errors import SettingsError
from webapp.settings import Settings

_SCHEMES = ("sqlite", "postgresql", "postgres")


def check_names(settings: Settings) -> None:
    """See that the policy, the model and the database that the settings name can be what they say.

    Whether they can really be used shows when they are loaded; loading takes seconds, and a
    mistyped name should not.

    Raises:
        PolicyError: there is no such policy.
        ModelError: there is no such model, of the chat or to be compared with it.
        SettingsError: the database is of a kind that can't be used.
    """
    from inference.model_dir import MANIFEST_FILE, ModelDir
    from moderation.policy import Policy, presets

    # Without its text, which may have a password in it.
    scheme = settings.database_url.partition(":")[0].partition("+")[0]
    if scheme not in _SCHEMES or "://" not in settings.database_url:
        raise SettingsError(
            "PALAVER_DATABASE_URL isn't the URL of a database; allowed are "
            "sqlite:///folder/file.db (four slashes before an absolute path) and "
            "postgresql://user:password@host/name."
        )
    if settings.policy not in presets() and not is_file(settings.policy):
        Policy.load(settings.policy)
    for folder in (settings.model_dir, *settings.compared_dirs):
        if not (folder / MANIFEST_FILE).is_file():
            ModelDir.load(folder)


def is_file(name: str) -> bool:
    """Say whether there is a file of this name; a name that can't be one isn't."""
    from pathlib import Path

    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False
