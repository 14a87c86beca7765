"""metrics.jsonl: what happened at each logged step of a run."""

import json
from pathlib import Path
from typing import Any


class MetricsLog:
    """Appends rows; on resuming, rows after the checkpoint are dropped, for they come again."""

    def __init__(self, path: Path, keep_until: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [row for row in read_metrics(path) if row["step"] <= keep_until]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")

    def add(self, row: dict[str, Any]) -> None:
        """Append a row; it must have a "step"."""
        assert "step" in row
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the rows; a last line that a kill cut short is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
