"""The errors of Palaver, as one tree.

    PalaverError
    ├── InvalidRequest      the caller's input cannot be served: HTTP 400 (or 404, 413, ...)
    │   ├── NotFound        no such conversation, model, ...: HTTP 404
    │   └── Unauthorized    a key is needed, or is wrong: HTTP 401
    ├── Unavailable         try again later: HTTP 503
    │   ├── QueueFull       too many people are waiting: HTTP 429
    │   ├── StorageError    the database is read-only, locked, full or gone
    │   └── EngineError     the model failed while it was answering
    └── SetupError          the operator's setup is wrong: refuse to start
        ├── SettingsError
        ├── ModelError      a broken, missing or tampered model folder
        ├── ModeratorError  a moderator that isn't there, or clashes with another
        └── PolicyError     a policy file that cannot be understood

Each message is one sentence for the person who can act on it: what is wrong, what is allowed,
what to do. A refused question is not an error: it is a turn that ends in ``content_filter``.
"""


class PalaverError(Exception):
    """The root: everything that Palaver raises on purpose."""


class InvalidRequest(PalaverError):
    """The caller's input cannot be served; ``param`` names the field at fault."""

    status = 400

    def __init__(self, message: str, *, param: str | None = None, code: str = "invalid_value"):
        super().__init__(message)
        self.param = param
        self.code = code


class NotFound(InvalidRequest):
    """What was asked for doesn't exist, or belongs to somebody else."""

    status = 404


class Unauthorized(InvalidRequest):
    """A key is needed here, or the one given is wrong."""

    status = 401


class Unavailable(PalaverError):
    """It can't be done now; the same request may succeed later."""

    status = 503
    retry_after_s = 5


class QueueFull(Unavailable):
    """The bounded queue of the engine has no place left."""

    status = 429


class StorageError(Unavailable):
    """The database is read-only, locked, full or gone."""


class EngineError(Unavailable):
    """The model failed while it was answering."""


class SetupError(PalaverError):
    """The operator's setup is wrong; the application refuses to start."""


class SettingsError(SetupError):
    """A setting has a value that isn't allowed."""


class ModelError(SetupError):
    """A model folder is missing, broken, tampered with, or of a kind that cannot be served."""


class ModeratorError(SetupError):
    """A moderator isn't there, doesn't fit the contract, or clashes with another one."""


class PolicyError(SetupError):
    """A moderation policy cannot be understood."""
