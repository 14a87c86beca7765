"""Publishing a folder as a Hugging Face Space, with the dataset that keeps its chats."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    SpaceHardware,
    get_token,
)
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from chat.errors import InvalidRequest, PalaverError, SettingsError
from webapp.hub.dataset import DatasetRemote
from webapp.hub.files import list_files

# How far it is: files and bytes done, and all of them.
Progress = Callable[[int, int], None]
BATCH_BYTES = 8_000_000
TOKEN_ADVICE = (
    "make one that may write at https://huggingface.co/settings/tokens, then run `hf auth login` "
    "or set HF_TOKEN"
)


@dataclass(frozen=True, slots=True)
class Space:
    """A Space to be made, or one to be brought up to date.

    `secrets` are seen by the Space alone, `variables` by everybody. `dataset` is the private
    dataset that keeps its chats; with it the Space needs `hub_token` as its secret HF_TOKEN, best
    one that may write that dataset and nothing else.
    """

    name: str
    is_private: bool = False
    hardware: str = ""
    dataset: str = ""
    hub_token: str = ""
    secrets: Mapping[str, str] | None = None
    variables: Mapping[str, str] | None = None

    @property
    def all_secrets(self) -> dict[str, str]:
        """The secrets, with the token that the dataset needs."""
        token = {"HF_TOKEN": self.hub_token} if self.dataset and self.hub_token else {}
        return {**token, **(self.secrets or {})}

    @property
    def all_variables(self) -> dict[str, str]:
        """The variables, with the name of the dataset."""
        sync = {"PALAVER_SYNC": self.dataset} if self.dataset else {}
        return {**sync, **(self.variables or {})}


@dataclass(frozen=True, slots=True)
class Deployment:
    """What was published, or (when `is_rehearsal`) what would be."""

    name: str
    url: str
    app_url: str
    files: tuple[str, ...]
    num_bytes: int
    deleted: tuple[str, ...]
    secrets: tuple[str, ...]
    variables: Mapping[str, str]
    dataset: str
    is_new: bool
    is_rehearsal: bool

    def describe(self) -> str:
        """Return all of it as lines for a person."""
        would = "would be " if self.is_rehearsal else ""
        lines = [
            f"Space      {self.name}, {would}{'created' if self.is_new else 'brought up to date'}",
            f"Files      {len(self.files)} ({self.num_bytes / 1e6:.1f} MB) {would}uploaded"
            + (f", {len(self.deleted)} deleted" if self.deleted else ""),
            f"Chats      {self.dataset or 'kept nowhere: wiped at each restart'}",
            f"Secrets    {', '.join(self.secrets) or 'none'}",
            "Variables  " + (", ".join(f"{k}={v}" for k, v in self.variables.items()) or "none"),
            f"Address    {self.url}",
            f"Chat       {self.app_url}",
        ]
        return "\n".join(lines)


def make_api(token: str, endpoint: str) -> HfApi:
    """Return the Hub's API with `token`, or the one that `hf auth login` left.

    Raises:
        SettingsError: there is no token.
    """
    token = token or get_token() or ""
    if not token:
        raise SettingsError(f"Publishing needs a token of Hugging Face; {TOKEN_ADVICE}.")
    return HfApi(endpoint=endpoint, token=token)


def deploy_space(
    space: Space,
    folder: Path,
    *,
    api: HfApi,
    private: Collection[Path] = (),
    is_rehearsal: bool = False,
    progress: Progress = lambda done, total: None,
) -> Deployment:
    """Publish the files of `folder` that git tracks as `space`, new or there already.

    Secrets and variables are set before the files arrive, so that the first start has them. A
    rehearsal looks at everything and changes nothing. `progress` is told bytes done and in all.
    `private` files are never published: where one is among them, nothing is.

    Raises:
        InvalidRequest: the name, or a file that can't be published.
        SettingsError: no token, or one that may not.
        PalaverError: the Hub refuses or can't be reached.
    """
    _check_names(space)
    files = list_files(folder, private)
    sizes = {name: (folder / name).stat().st_size for name in files}
    with _errors(space.name):
        there = _list_there(api, space.name)
        deleted = sorted((there or frozenset()) - set(files) - {".gitattributes"})
        done = Deployment(
            name=space.name,
            url=f"{api.endpoint}/spaces/{space.name}",
            app_url=_app_url(space.name),
            files=tuple(files),
            num_bytes=sum(sizes.values()),
            deleted=tuple(deleted),
            secrets=tuple(space.all_secrets),
            variables=space.all_variables,
            dataset=space.dataset,
            is_new=there is None,
            is_rehearsal=is_rehearsal,
        )
        if is_rehearsal:
            return done
        _make_dataset(space, api)
        _make_space(space, api, is_new=there is None)
        _upload(api, space.name, folder, sizes, deleted, progress)
        if space.hardware:
            api.request_space_hardware(space.name, SpaceHardware(space.hardware))
    return done


def _check_names(space: Space) -> None:
    name = space.name
    if name.count("/") != 1 or not all(name.split("/")) or " " in name:
        raise InvalidRequest(f"{name!r} is no Space's name; it has to be like ann/palaver.")
    kinds = [kind.value for kind in SpaceHardware]
    if space.hardware and space.hardware not in kinds:
        raise InvalidRequest(
            f"There is no hardware {space.hardware!r}; a Space has one of {', '.join(kinds)}."
        )


def _app_url(name: str) -> str:
    host = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    return f"https://{host}.hf.space"


def _list_there(api: HfApi, name: str) -> frozenset[str] | None:
    api.whoami()
    try:
        return frozenset(api.list_repo_files(name, repo_type="space"))
    except RepositoryNotFoundError:
        return None


def _make_dataset(space: Space, api: HfApi) -> None:
    if not space.dataset:
        return
    token = space.hub_token or str(api.token)
    # Opening makes it, and refuses a public one and a token that may not write.
    DatasetRemote(space.dataset, token=token, endpoint=api.endpoint).open()


def _make_space(space: Space, api: HfApi, *, is_new: bool) -> None:
    if is_new:
        api.create_repo(space.name, repo_type="space", space_sdk="gradio", private=space.is_private)
    for key, value in space.all_secrets.items():
        api.add_space_secret(space.name, key, value)
    for key, value in space.all_variables.items():
        api.add_space_variable(space.name, key, value)


def _upload(
    api: HfApi,
    name: str,
    folder: Path,
    sizes: Mapping[str, int],
    deleted: Sequence[str],
    progress: Progress,
) -> None:
    """Upload in batches, README.md last: its front matter is what makes the Space build."""
    total, num_bytes = sum(sizes.values()), 0
    batches = list(_batches(sizes))
    for number, batch in enumerate(batches, 1):
        is_last = number == len(batches)
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(path, folder / path) for path in batch
        ]
        if is_last:
            operations += [CommitOperationDelete(path) for path in deleted]
        message = f"Publish Palaver ({number} of {len(batches)})"
        api.create_commit(name, operations, commit_message=message, repo_type="space")
        num_bytes += sum(sizes[path] for path in batch)
        progress(num_bytes, total)


def _batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    num_bytes = 0
    for path in sorted(sizes, key=lambda path: (path == "README.md", path)):
        if batch and num_bytes + sizes[path] > BATCH_BYTES:
            yield batch
            batch, num_bytes = [], 0
        batch.append(path)
        num_bytes += sizes[path]
    yield batch


@contextmanager
def _errors(name: str) -> Iterator[None]:
    try:
        yield
    except PalaverError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise SettingsError(
                f"The Hub doesn't let this token publish {name} (HTTP {status}); {TOKEN_ADVICE}."
            ) from error
        if status == 402:
            raise SettingsError(
                f"The Hub asks for a paid plan to make the Space {name} (HTTP 402); see the "
                "hardware that your account may use, or make it there by hand first."
            ) from error
        raise PalaverError(f"The Hub refused to publish {name} (HTTP {status}).") from error
    except Exception as error:
        kind = type(error).__name__
        raise PalaverError(f"The Hub can't be reached to publish {name} ({kind}).") from error
