"""Look at the models that are here, and try one.

A model is a folder in exported_models/ beside app.py, or any other folder by its path, which has a
slash in it: ./my-model. `list` says where exactly models are looked for, and marks with * the one
that the settings name.
"""

import time
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.commands.flags import add_action, add_settings

if TYPE_CHECKING:
    from inference.backend import Backend
    from inference.model_dir import Manifest
    from webapp.settings import Settings

EXAMPLES: tuple[str, ...] = (
    "model list",
    "model show palaver",
    "model check ./my-model",
    'model check palaver --question "Who are you?"',
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare list, show and check."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = add_action(actions, "list", "the models here, and where they are looked for")
    add_settings(listing, "model")
    show = add_action(actions, "show", "what a model says of itself")
    show.add_argument("name", metavar="NAME", help="a name that `list` shows, or a path")
    check = add_action(
        actions, "check", "verify a model's checksums, load it and ask it one question"
    )
    check.add_argument("name", metavar="NAME", help="a name that `list` shows, or a path")
    check.add_argument(
        "--question",
        metavar="TEXT",
        default="What is the capital of France?",
        help="what to ask (default: %(default)s)",
    )
    check.add_argument(
        "--max-new-tokens", metavar="N", type=int, default=64, help="longest answer (default: 64)"
    )
    add_settings(check, "device", "threads")


def run(arguments: Namespace, settings: "Settings") -> int:
    """Do what was asked."""
    if arguments.action == "list":
        return _list(settings)
    folder = find_model(settings, arguments.name)
    return _show(folder) if arguments.action == "show" else _check(arguments, settings, folder)


def find_model(settings: "Settings", name: str) -> Path:
    """Return the folder of the model that the settings would call `name`."""
    return settings.model_copy(update={"model": name}).model_dir


def _list(settings: "Settings") -> int:
    from webapp.commands.paper import print_table

    shelf = find_model(settings, "palaver").parent
    folders = sorted(shelf.iterdir()) if shelf.is_dir() else []
    rows = [_describe(folder, settings) for folder in folders if folder.is_dir()]
    print(f"Models are looked for in {shelf}; a path with a slash leads elsewhere.")
    if rows:
        print_table([("", "name", "parameters", "context", "precision", "size"), *rows])
    if settings.model_dir not in folders:
        print(f"The model in use is {settings.model_dir}.")
    return 0


def _describe(folder: Path, settings: "Settings") -> tuple[str, ...]:
    from chat.errors import ModelError

    mark = "*" if folder == settings.model_dir else ""
    try:
        manifest = _read_manifest(folder)
    except ModelError:
        return mark, folder.name, "cannot be used: see model check", "", "", ""
    return (
        mark,
        folder.name,
        f"{manifest.parameters / 1e6:,.1f} M",
        f"{manifest.context_length:,}",
        manifest.precision,
        _size(manifest),
    )


def _read_manifest(folder: Path) -> "Manifest":
    """Read the manifest alone, not the files that it names."""
    import json

    from chat.errors import ModelError
    from inference.model_dir import MANIFEST_FILE, parse_manifest

    path = folder / MANIFEST_FILE
    try:
        return parse_manifest(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't JSON"
        raise ModelError(
            f"{folder} is no model that can be used: {MANIFEST_FILE} cannot be read ({reason}); "
            "`model list` shows those that are here."
        ) from error


def _size(manifest: "Manifest") -> str:
    return f"{sum(file.num_bytes for file in manifest.files.values()) / 1e6:,.1f} MB"


def _show(folder: Path) -> int:
    from webapp.commands.paper import print_pairs

    manifest = _read_manifest(folder)
    sampling = manifest.generation
    print_pairs(
        {
            "name": manifest.name,
            "folder": str(folder),
            "architecture": manifest.architecture,
            "parameters": f"{manifest.parameters:,}",
            "context length": f"{manifest.context_length:,} tokens",
            "vocabulary": f"{manifest.vocab_size:,} tokens",
            "precision": manifest.precision,
            "size": _size(manifest),
            "sampling": f"temperature {sampling.temperature:g}, top_k {sampling.top_k}, "
            f"top_p {sampling.top_p:g}",
            "files": ", ".join(manifest.files),
            "model card": "MODEL_CARD.md" if (folder / "MODEL_CARD.md").exists() else "none",
        }
    )
    return 0


def _check(arguments: Namespace, settings: "Settings", folder: Path) -> int:
    import asyncio

    from chat.types import GenerationConfig
    from inference.backend import LocalBackend
    from webapp.commands.paper import print_pairs

    GenerationConfig(max_new_tokens=arguments.max_new_tokens)  # refused before anything is loaded
    backend = LocalBackend.load(
        folder, device=settings.device, threads=settings.threads, max_running=1
    )
    try:
        print(f"The files of {folder} are what its manifest says.")
        trial = asyncio.run(_ask(backend, arguments.question, arguments.max_new_tokens))
    finally:
        backend.close()
    print_pairs(
        {
            "runs on": backend.provider,
            "question": arguments.question,
            "answer": trial.answer,
            "ended by": trial.finish_reason,
            "first token": f"{trial.first_token_ms:,.0f} ms after {trial.prompt_tokens} tokens",
            "speed": f"{trial.num_tokens} tokens, {trial.tokens_per_s:,.0f} tokens/s",
        }
    )
    return 0


@dataclass(frozen=True, slots=True)
class Trial:
    """One question answered, and how fast."""

    answer: str
    finish_reason: str
    prompt_tokens: int
    num_tokens: int
    first_token_ms: float
    total_ms: float

    @property
    def tokens_per_s(self) -> float:
        """How fast the answer was written, once it had begun."""
        writing_ms = self.total_ms - self.first_token_ms
        return 1000 * (self.num_tokens - 1) / writing_ms if self.num_tokens > 1 else 0.0


async def _ask(backend: "Backend", question: str, max_new_tokens: int) -> Trial:
    from chat.types import Message
    from inference.backend import GenerationFinished, TextPiece

    config = replace(backend.default_config, max_new_tokens=max_new_tokens)
    started_s = time.perf_counter()
    answer = ""
    async for event in backend.generate([Message("user", question)], config):
        if isinstance(event, TextPiece):
            answer += event.text
        elif isinstance(event, GenerationFinished):
            return Trial(
                answer,
                event.finish_reason,
                event.usage.prompt_tokens,
                event.usage.completion_tokens,
                event.first_token_ms,
                (time.perf_counter() - started_s) * 1000,
            )
    raise AssertionError("an answer always ends with GenerationFinished")
