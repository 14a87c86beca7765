"""A private dataset on the Hugging Face Hub as the place where chats are kept."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils.tqdm import disable_progress_bars

from chat.errors import PalaverError, SettingsError
from webapp.hub.remote import RemoteUnavailable

CARD = """---
viewer: false
---
The chats of a Palaver. Keep this dataset private: it holds what people wrote, and the key that
signs their cookies. Palaver writes it and reads it back; edit nothing here by hand.
"""
NUM_DOWNLOADS = 8
TOKEN_ADVICE = (
    "make a token that may write at https://huggingface.co/settings/tokens and set it as the "
    "secret HF_TOKEN"
)


class DatasetRemote:
    """A private dataset. Each `write` is one commit: all of it or nothing."""

    kind = "dataset"

    def __init__(self, repo_id: str, *, token: str, endpoint: str):
        """Raises SettingsError without a token."""
        if not token:
            raise SettingsError(
                f"PALAVER_SYNC is the dataset {repo_id}, which needs a token: {TOKEN_ADVICE}."
            )
        self.target = repo_id
        disable_progress_bars()
        self._api = HfApi(endpoint=endpoint, token=token)

    def open(self) -> None:
        """Make the dataset if there is none; refuse a public one and a token that only reads."""
        with self._errors():
            self._check_token()
            try:
                info = self._api.dataset_info(self.target)
            except RepositoryNotFoundError:
                self._create()
                info = self._api.dataset_info(self.target)
        if not info.private:
            raise SettingsError(
                f"The dataset {self.target} of PALAVER_SYNC is public: everybody could read the "
                "chats. Make it private in its settings on the Hub, or name another one."
            )

    def list(self) -> frozenset[str]:
        """Return the names of all files."""
        with self._errors():
            return frozenset(self._api.list_repo_files(self.target, repo_type="dataset"))

    def read(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return the contents of files, fetched side by side and kept in no cache."""
        with (
            self._errors(),
            tempfile.TemporaryDirectory() as folder,
            ThreadPoolExecutor(NUM_DOWNLOADS) as pool,
        ):
            return dict(zip(names, pool.map(partial(self._fetch, folder), names), strict=True))

    def write(self, files: Mapping[str, bytes], *, delete: Sequence[str] = ()) -> None:
        """Put files there and take others away, as one commit."""
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(name, content) for name, content in files.items()),
            *(CommitOperationDelete(name) for name in delete),
        ]
        with self._errors():
            self._api.create_commit(
                self.target,
                operations,
                commit_message=f"Keep {len(files)} files of chats",
                repo_type="dataset",
            )

    def squash(self) -> None:
        """Rewrite the dataset's history to one commit, so that deleted files are gone."""
        with self._errors():
            self._api.super_squash_history(self.target, repo_type="dataset")

    def _check_token(self) -> None:
        try:
            said = self._api.whoami()
        except HfHubHTTPError as error:
            # Asked too often, which says nothing about the token.
            if error.response is not None and error.response.status_code == 429:
                return
            raise
        if said.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise SettingsError(
                f"The token HF_TOKEN may only read, so chats can't be kept in the dataset "
                f"{self.target}; {TOKEN_ADVICE}."
            )

    def _create(self) -> None:
        self._api.create_repo(self.target, repo_type="dataset", private=True, exist_ok=True)
        self.write({"README.md": CARD.encode()})

    def _fetch(self, folder: str, name: str) -> bytes:
        path = self._api.hf_hub_download(
            self.target, name, repo_type="dataset", local_dir=folder, force_download=True
        )
        return Path(path).read_bytes()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except PalaverError:
            raise
        except HfHubHTTPError as error:
            raise self._explain(error) from error
        except Exception as error:
            # The library's ways of being offline are many: its own, its client's, the system's.
            name = type(error).__name__
            raise RemoteUnavailable(f"The Hub can't be reached now ({name}).") from error

    def _explain(self, error: HfHubHTTPError) -> PalaverError:
        status = error.response.status_code if error.response is not None else 0
        explain: Callable[[str], PalaverError] = SettingsError
        if status == 401:
            return explain(f"The Hub doesn't accept the token HF_TOKEN; {TOKEN_ADVICE}.")
        if status in (403, 404):
            return explain(
                f"The token HF_TOKEN may not write the dataset {self.target} (HTTP {status}); "
                f"{TOKEN_ADVICE}, and check the name in PALAVER_SYNC."
            )
        return RemoteUnavailable(f"The Hub can't keep chats now (HTTP {status}).")
