"""Checkpoints that survive a kill: written beside, then renamed into place.

A run folder holds:

    config.json          the arguments of the run
    environment.json     versions and hardware
    metrics.jsonl        one row per logged step
    checkpoints/step-N/  the weights, the tokenizer, and state.pt to go on from exactly here
    model/               the final weights, once the run is through
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from chat.errors import SetupError

logger = logging.getLogger(__name__)

STATE_NAME = "state.pt"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def save_weights(model: PreTrainedModel, tokenizer: Path, folder: Path) -> None:
    """Write the weights and the tokenizer's files to `folder`, all of it or nothing."""
    _write_whole(folder, lambda temporary: _write_weights(model, tokenizer, temporary))


def save_checkpoint(
    run: Path, step: int, model: PreTrainedModel, tokenizer: Path, state: Mapping[str, Any]
) -> Path:
    """Write a checkpoint and drop all older ones but the last; return its folder."""
    folder = run / "checkpoints" / f"step-{step:07d}"

    def write(temporary: Path) -> None:
        _write_weights(model, tokenizer, temporary)
        torch.save(dict(state), temporary / STATE_NAME)

    _write_whole(folder, write)
    for old in list_checkpoints(run)[:-2]:
        shutil.rmtree(old)
    return folder


def list_checkpoints(run: Path) -> list[Path]:
    """Return the complete checkpoints of a run, oldest first."""
    found = (run / "checkpoints").glob("step-*")
    return sorted(p for p in found if p.suffix != ".partial" and (p / STATE_NAME).is_file())


def load_state(checkpoint: Path) -> dict[str, Any]:
    """Return the state written by `save_checkpoint`.

    Raises:
        SetupError: the file is damaged.
    """
    try:
        state = torch.load(checkpoint / STATE_NAME, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle and zip errors of many kinds
        raise SetupError(
            f"The checkpoint {checkpoint} is damaged ({error}); delete it to go on from the one "
            "before."
        ) from error
    return dict(state)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file at once."""
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(json.dumps(value, indent=2, default=str) + "\n", encoding="utf-8")
    temporary.replace(path)


def _write_weights(model: PreTrainedModel, tokenizer: Path, folder: Path) -> None:
    model.save_pretrained(folder, safe_serialization=True)
    for name in _TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, folder / name)


def _write_whole(folder: Path, write: Any) -> None:
    temporary = folder.with_name(folder.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write(temporary)
    for path in temporary.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    if folder.exists():
        shutil.rmtree(folder)
    temporary.rename(folder)
