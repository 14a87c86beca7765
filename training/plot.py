"""A picture of a run's losses, as a small SVG file."""

import json
from collections.abc import Sequence
from pathlib import Path

_WIDTH, _HEIGHT, _MARGIN = 720, 360, 40

Point = tuple[float, float]


def plot_losses(metrics: Path, picture: Path) -> None:
    """Draw the training loss (grey) and the validation loss (blue) over the steps."""
    if not metrics.is_file():
        return
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    train = [(float(r["step"]), float(r["loss"])) for r in rows if "loss" in r]
    held_out = [
        (float(r["step"]), float(r["validation"]["all"]))
        for r in rows
        if "all" in r.get("validation", {})
    ]
    if not train:
        return
    top = max(loss for _, loss in train + held_out)
    last = max(step for step, _ in train)
    lines = [_line(train, last, top, "#999"), _line(held_out, last, top, "#06c")]
    labels = [_label(10, _MARGIN, f"{top:.2f} nats"), _label(_WIDTH - 90, _HEIGHT - 10,
              f"step {last:.0f}"), _label(10, _HEIGHT - 10, "0")]  # fmt: skip
    picture.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12">{"".join(lines + labels)}</svg>\n',
        encoding="utf-8",
    )


def _line(points: Sequence[Point], last: float, top: float, colour: str) -> str:
    across, down = (_WIDTH - 2 * _MARGIN) / max(last, 1), (_HEIGHT - 2 * _MARGIN) / max(top, 1e-9)
    path = " ".join(
        f"{_MARGIN + step * across:.1f},{_HEIGHT - _MARGIN - loss * down:.1f}"
        for step, loss in points
    )
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>'


def _label(x: float, y: float, text: str) -> str:
    return f'<text x="{x}" y="{y}">{text}</text>'
