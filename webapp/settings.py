"""Every setting of Palaver: the one place that reads the environment."""

import difflib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from chat.errors import SettingsError
from webapp.addresses import check_networks, check_origins
from webapp.complaints import complain
from webapp.usage import make_parser

PREFIX = "PALAVER_"
PURPOSE = (
    "Palaver is a ChatGPT of your own. Each flag is also an environment variable: --port is "
    "PALAVER_PORT. The defaults serve the bundled model to this machine alone, with no network."
)
_SECRET = ("key", "password", "token")


class Settings(BaseSettings):
    """Every setting with its default, from flags, the environment (PALAVER_*) or the default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        # A field called model_* is one of ours, not pydantic's.
        protected_namespaces=(),
    )

    host: str = Field(
        "127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0 is every network"
    )
    port: int = Field(7860, ge=1, le=65535, description="port to listen on")
    model: str = Field(
        "palaver", min_length=1, description="a folder in exported_models/, or a path to one"
    )
    device: Literal["auto", "cuda", "cpu"] = Field(
        "auto", description="auto takes a GPU when there is one; cuda refuses to go without"
    )
    threads: int = Field(0, ge=0, le=256, description="CPU threads of the model; 0 is automatic")
    max_running: int = Field(16, ge=1, le=1024, description="answers written at the same time")
    max_waiting: int = Field(64, ge=0, le=100_000, description="questions that may wait in line")
    max_new_tokens: int = Field(256, ge=1, description="longest answer of the page, in tokens")
    database_url: str = Field(
        "sqlite:///data/palaver.db", description="sqlite:///FILE or postgresql://..."
    )
    data_dir: Path = Field(
        Path("data"), description="where the key that signs the visitors' cookies is kept"
    )
    compare_rate: float = Field(
        0.0, ge=0, le=1, description="share of the page's questions answered twice, to be ranked"
    )
    compare_answers: int = Field(
        2, ge=2, le=8, description="answers written side by side where answers are compared"
    )
    compare_models: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="further models that answer there, as in --model, separated by commas"
    )
    compare_longest_queue: int = Field(
        0, ge=0, description="ask by itself for a comparison only while no more than these wait"
    )
    moderators: Annotated[tuple[str, ...], NoDecode] = Field(
        ("limits", "rules", "pii", "secrets", "fast", "jailbreak", "mini"),
        description="moderators to run, separated by commas",
    )
    moderator_config: Path | None = Field(
        None, description="TOML file with the moderators' own settings, a table for each"
    )
    policy: str = Field(
        "standard", min_length=1, description="strict, standard, permissive, or a TOML file"
    )
    moderation_mode: Literal["window", "buffer_all"] = Field(
        "window", description="release text as soon as it is judged, or only once all of it is"
    )
    moderation_timeout_s: float = Field(
        2.0, gt=0, le=300, description="how long one moderator may take for one check"
    )
    moderator_memory_mb: int = Field(
        2048, ge=0, description="memory of each third-party moderator; 0 is no limit"
    )
    api_key: str = Field("", description="if set, /v1 asks for it as a Bearer token")
    admin_password: str = Field(
        "", repr=False, description="if set, whoever gives it at /login is an administrator"
    )
    admins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Hugging Face accounts that are administrators, separated by commas"
    )
    cookie_key: str = Field(
        "", repr=False, description="the key that signs cookies, in place of data/cookie.key"
    )
    sync: str = Field(
        "", description="where chats are copied to as well: a dataset NAME/REPO, or a folder ./COPY"
    )
    sync_every_s: float = Field(
        60.0, ge=0.1, le=86_400, description="seconds between two copies to there"
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="other sites whose pages may call this one, separated by commas"
    )
    forwarded_allow_ips: str = Field(
        "127.0.0.1", description="proxies whose X-Forwarded-* headers are believed"
    )
    max_body_bytes: int = Field(
        2_000_000, ge=1024, description="largest request that is read; more is refused with 413"
    )
    drain_s: int = Field(10, ge=0, le=3600, description="seconds given to running answers at stop")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="what is logged; message texts never are"
    )

    @field_validator("moderators", "allowed_origins", "admins", "compare_models", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="before")
    @classmethod
    def _listen_on_a_space(cls, values: object) -> object:
        # A Space reaches its app from outside the container and tells so in its environment.
        if isinstance(values, dict) and on_space():
            values.setdefault("host", "0.0.0.0")
        return values

    @field_validator("cookie_key")
    @classmethod
    def _need_a_long_key(cls, value: str) -> str:
        if value and (len(value) < 64 or " " in value):
            raise ValueError("it has to be 64 characters or more, such as openssl rand -hex 32")
        return value

    @field_validator("api_key", "admin_password")
    @classmethod
    def _need_what_can_be_typed(cls, value: str) -> str:
        # Header fields carry ASCII alone, and a blank secret is a mistake of whoever set it.
        if value and not (value.isascii() and value.isprintable() and value.strip() == value):
            raise ValueError(
                "allowed are letters, digits and signs of ASCII, without spaces around them"
            )
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _need_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_origins(value)
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _need_addresses(cls, value: str) -> str:
        check_networks(value)
        return value

    @field_validator("moderators")
    @classmethod
    def _need_moderators(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one moderator, for example: rules")
        if twice := [name for name in dict.fromkeys(value) if value.count(name) > 1]:
            raise ValueError(f"{', '.join(twice)} is in it twice; name each moderator once")
        return value

    @property
    def model_dir(self) -> Path:
        """The folder of the chat model: a name is looked up in exported_models/."""
        return _find_model(self.model)

    @property
    def compared_dirs(self) -> tuple[Path, ...]:
        """The folders of the further models that answer where answers are compared."""
        return tuple(_find_model(name) for name in self.compare_models)


def _find_model(name: str) -> Path:
    if Path(name).name == name:
        return Path(__file__).parent.parent / "exported_models" / name
    return Path(name)


def on_space() -> bool:
    """Whether this process runs on a Hugging Face Space."""
    return "SPACE_ID" in os.environ


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """This application as Hugging Face's sign-in knows it."""

    client_id: str
    client_secret: str = field(repr=False)
    scopes: str
    provider_url: str


@dataclass(frozen=True, slots=True)
class Platform:
    """What the platform around the process tells in its environment; all empty at home."""

    space_id: str = ""
    space_host: str = ""
    author: str = ""
    creator_id: str = ""
    is_zero_gpu: bool = False
    hub_token: str = field(default="", repr=False)
    hub_endpoint: str = "https://huggingface.co"
    oauth: OAuthClient | None = None

    @property
    def url(self) -> str:
        """The Space's own address, outside of any frame; empty at home."""
        return f"https://{self.space_host}" if self.space_host else ""

    @property
    def owners(self) -> tuple[str, ...]:
        """Who administers a Space whose operator names nobody: its author and its creator."""
        return tuple(
            name for name in (self.author, self.creator_id and f"hf:{self.creator_id}") if name
        )


def read_platform() -> Platform:
    """Read what a Hugging Face Space, or the Hub's own tools, put into the environment."""
    given = os.environ.get
    # With a domain of one's own, the host is a list.
    host = given("SPACE_HOST", "").split(",")[0].strip().rstrip("/")
    return Platform(
        space_id=given("SPACE_ID", ""),
        space_host=host,
        author=given("SPACE_AUTHOR_NAME", ""),
        creator_id=given("SPACE_CREATOR_USER_ID", ""),
        is_zero_gpu=given("SPACES_ZERO_GPU", "").lower() in ("1", "true"),
        hub_token=given("HF_TOKEN", "").strip(),
        hub_endpoint=given("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co",
        oauth=_read_oauth(),
    )


def _read_oauth() -> OAuthClient | None:
    given = os.environ.get
    client_id, secret = given("OAUTH_CLIENT_ID", ""), given("OAUTH_CLIENT_SECRET", "")
    if not client_id or not secret:
        return None
    scopes = given("OAUTH_SCOPES", "openid profile")
    provider = given("OPENID_PROVIDER_URL", "").rstrip("/") or "https://huggingface.co"
    return OAuthClient(client_id, secret, scopes, provider)


def read_environment() -> dict[str, str]:
    """Return the variables of this process, secrets too, for whoever starts another process."""
    return dict(os.environ)


def read_settings(
    arguments: Sequence[str] = (),
    *,
    program: str = "python app.py",
    needed: Collection[str] | None = None,
) -> Settings:
    """Read the settings from command-line flags, then the environment, then the defaults.

    Args:
        arguments: the flags.
        program: whose flags they are, as --help shows it.
        needed: the settings that matter to the caller: a wrong one among all others is replaced
            by its default. All matter unless they are named.

    Raises:
        SettingsError: a setting has a value that isn't allowed.
        SystemExit: --help was asked for, or there is no such flag.
    """
    # Gradio asks home for its version at every start unless told not to; Palaver is offline.
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    parser = make_parser(program, PURPOSE, Settings.model_fields)
    found, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.refuse(unknown)
    given: dict[str, Any] = vars(found)
    try:
        return _build(given)
    except ValidationError as error:
        wrong = {str(row["loc"][0]) for row in error.errors()}
        if needed is None or wrong & {*needed, *given}:
            raise SettingsError("\n".join(_sentences(error))) from error
    return _build({name: Settings.model_fields[name].default for name in wrong} | given)


def _build(given: Mapping[str, Any]) -> Settings:
    return Settings(**given)


def find_mistakes() -> list[str]:
    """Return a sentence for each setting of the environment that has a value that isn't allowed."""
    try:
        _build({})
    except ValidationError as error:
        return _sentences(error)
    return []


def find_unknown(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence for each variable that looks like a setting of Palaver's and is none."""
    known = [name.upper() for name in Settings.model_fields]
    sentences = []
    for name in sorted(environment):
        own = name.upper().removeprefix(PREFIX)
        if name.upper().startswith(PREFIX) and own not in known:
            near = difflib.get_close_matches(own, known, n=1)
            hint = f"; did you mean {PREFIX}{near[0]}?" if near else "; docs/settings.md names all."
            sentences.append(f"{name} is no setting of Palaver's, and isn't used{hint}")
    return sentences


def _sentences(error: ValidationError) -> list[str]:
    rows = error.errors()
    return [
        _sentence(name, [row for row in rows if row["loc"][:1] == (name,)])
        for name in dict.fromkeys(row["loc"][0] for row in rows)
    ]


def _sentence(name: object, rows: Sequence[Mapping[str, Any]]) -> str:
    title = f"{name} (PALAVER_{str(name).upper()})"
    if any(word in str(name) for word in _SECRET):
        # Its own rules alone can be broken, and none of their words repeats the value.
        reason = str(rows[0]["msg"]).removeprefix("Value error, ").rstrip(".")
        return f"The setting {title} can't be used: {reason}."
    return f"The setting {complain(title, rows)}"
