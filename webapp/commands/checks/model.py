"""The model: its files are what they should be, and something here can run it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.commands.checks.finding import Finding, ok, warning

if TYPE_CHECKING:
    from webapp.settings import Settings

_NVIDIA = Path("/proc/driver/nvidia/version")


def check_model(settings: "Settings") -> Iterator[Finding]:
    """Verify the checksums of the model, load it, and see what really runs it."""
    from inference.model_dir import ModelDir
    from inference.model_runner import CUDA, ModelRunner

    model = ModelDir.load(settings.model_dir)
    num_bytes = sum(record.num_bytes for record in model.manifest.files.values())
    yield ok(
        "model",
        f"{model.manifest.name}, {num_bytes / 1e6:,.1f} MB in {model.path}, checksums are right",
    )
    runner = ModelRunner.load(model, device=settings.device, threads=settings.threads)
    shown = f"{runner.provider} (PALAVER_DEVICE is {settings.device})"
    if runner.provider != CUDA and settings.device == "auto" and _NVIDIA.exists():
        yield warning(
            "provider",
            f"{shown}, though this machine has an NVIDIA driver",
            'To use it: .venv/bin/python -m pip install "onnxruntime-gpu[cuda,cudnn]"; see '
            "docs/hosting.md.",
        )
    else:
        yield ok("provider", shown)
