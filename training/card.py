"""MODEL_CARD.md: what an exported model is, what it learnt from, and what it can't do."""

import fnmatch
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat.errors import SetupError

_TABLE = Path(__file__).with_name("sources.toml")
_MAX_FIGURES = 60

# Made by training/generator: the card says so in words.
_GENERATED = "generated/"

_LIMITS = """\
## Limits

- This is a small model. It writes fluent short sentences and is often wrong, and it sounds just as
  sure when it is. Check every fact.
- It knows little of the world, nothing of the present, and nothing about you beyond the
  conversation in front of it.
- It reads and writes English.
- It can say offensive or harmful things. Palaver moderates questions and answers; the bare model
  doesn't.
- It is no source of medical, legal or financial advice, and must not decide anything about people.
"""


@dataclass(frozen=True, slots=True)
class DataSource:
    """A public data set and its licence."""

    file: str
    title: str
    repository: str
    licence: str
    share_alike: bool
    note: str = ""


def read_sources(path: Path = _TABLE) -> list[DataSource]:
    """Return the table of public data sets.

    Raises:
        SetupError: the table is broken.
    """
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["source"]
        return [DataSource(**row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(f"{path.name} cannot be read as a table of sources: {error}.") from error


def choose_sources(
    sources: Sequence[DataSource], mixtures: Sequence[Path]
) -> tuple[list[DataSource], list[str]]:
    """Return the sources that `mixtures` use, and the file patterns that no source matches.

    Without mixtures all sources are returned.

    Raises:
        SetupError: a mixture cannot be read.
    """
    if not mixtures:
        return list(sources), []
    patterns = list(dict.fromkeys(p for path in mixtures for p in _read_patterns(path)))
    used = [s for s in sources if any(_is_match(s, pattern) for pattern in patterns)]
    unknown = [
        pattern
        for pattern in patterns
        if not pattern.startswith(_GENERATED) and not any(_is_match(s, pattern) for s in used)
    ]
    return used, unknown


def _read_patterns(path: Path) -> list[str]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return [pattern for row in table["source"] for pattern in row["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(f"The mixture {path} cannot be read: {error}.") from error


def _is_match(source: DataSource, pattern: str) -> bool:
    return fnmatch.fnmatch(f"{source.file}.jsonl.zst", pattern) or pattern == source.file


def write_card(
    folder: Path,
    manifest: Mapping[str, Any],
    *,
    runs: Sequence[Path] = (),
    mixtures: Sequence[Path] = (),
    note: str = "",
) -> None:
    """Write MODEL_CARD.md into `folder`.

    ``runs`` are folders of the training stages, whose settings and last figures are shown;
    ``mixtures`` limit the list of data sets to those used; ``note`` is printed as it is.

    Raises:
        SetupError: a mixture cannot be read.
    """
    sources, unknown = choose_sources(read_sources(), mixtures)
    parts = [
        _describe_head(manifest),
        _describe_architecture(manifest),
        _describe_parity(manifest),
        f"## Notes\n\n{note}\n" if note else "",
        *(_describe_run(run) for run in runs),
        _describe_sources(sources, unknown),
        _LIMITS,
        _describe_use(manifest),
    ]
    text = "\n".join(part for part in parts if part)
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def _describe_head(manifest: Mapping[str, Any]) -> str:
    millions = manifest["parameters"] / 1e6
    return (
        f"# {manifest['name']}\n\n"
        f"A chat model of {millions:.1f} million parameters for Palaver, in ONNX form "
        f"({manifest['precision']} weights), made to run on an ordinary CPU.\n"
    )


def _describe_architecture(manifest: Mapping[str, Any]) -> str:
    size = sum(entry["bytes"] for entry in manifest["files"].values()) / 1e6
    rows = {
        "Architecture": manifest["architecture"],
        "Parameters": f"{manifest['parameters']:,}",
        "Layers": manifest["num_layers"],
        "Hidden size": manifest["hidden_size"],
        "Attention heads": f"{manifest['num_heads']} of {manifest['head_dim']} "
        f"({manifest['num_kv_heads']} for keys and values)",
        "Vocabulary": f"{manifest['vocab_size']:,} byte-level tokens",
        "Context": f"{manifest['context_length']:,} tokens",
        "Weights": manifest["precision"],
        "Size on disk": f"{size:.1f} MB",
    }
    return "## Architecture\n\n" + _table(("", ""), rows.items())


def _describe_parity(manifest: Mapping[str, Any]) -> str:
    parity = manifest.get("parity")
    if not parity:
        return ""
    greedy, loss = parity["greedy"], parity["loss"]
    lines = [
        "## The export against the trained model\n",
        f"Greedy decoding chose the same token {greedy['num_equal']:,} times of "
        f"{greedy['num_tokens']:,}.",
    ]
    if loss:
        verdict = "within" if parity["has_passed"] else "**above**"
        lines.append(
            f"Loss on {loss['num_tokens']:,} held-out tokens: {loss['model']:.4f} nats per token "
            f"as trained, {loss['exported']:.4f} as exported ({loss['increase']:+.4f}, {verdict} "
            "the limit for this precision)."
        )
    return "\n".join(lines) + "\n"


def _describe_run(run: Path) -> str:
    """Return the settings and last figures of a run; what machine it ran on isn't among them."""
    figures: dict[str, Any] = {}
    if (run / "metrics.jsonl").exists():
        for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
            figures |= _scalars(line)  # later lines win: the last figure of each name stays
    if (run / "config.json").exists():
        figures |= _scalars((run / "config.json").read_text(encoding="utf-8"))
    if not figures:
        return ""
    shown = [(key, _figure(value)) for key, value in list(figures.items())[:_MAX_FIGURES]]
    return f"## Training: {run.name}\n\n" + _table(("Setting or last figure", ""), shown)


def _scalars(text: str) -> dict[str, Any]:
    """Return the numbers and words of a JSON object; paths are nobody else's business."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return dict(_flatten(content)) if isinstance(content, dict) else {}


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}, ")
        elif isinstance(value, int | float | str) and _is_publishable(str(value)):
            yield f"{prefix}{key}", value


def _is_publishable(text: str) -> bool:
    return 0 < len(text) < 60 and "/" not in text and "\\" not in text


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _describe_sources(sources: Sequence[DataSource], unknown: Sequence[str]) -> str:
    rows = [
        (
            source.title + (f" ({source.note})" if source.note else ""),
            source.repository,
            source.licence + (" †" if source.share_alike else ""),
        )
        for source in sources
    ]
    lines = ["## Data\n", _table(("Data set", "Repository", "Licence"), rows)]
    if any(source.share_alike for source in sources):
        lines.append(
            "† Share-alike: the text, redistributed, keeps its licence. Whether trained weights "
            "inherit it is unsettled.\n"
        )
    if unknown:
        listed = ", ".join(f"`{pattern}`" for pattern in unknown)
        lines.append(f"Not in the table of public sources: {listed}.\n")
    lines.append(
        "The texts were converted, cleaned, cut and sampled; sentences made from templates "
        "(`training/generator`) were added.\n"
    )
    return "\n".join(lines)


def _describe_use(manifest: Mapping[str, Any]) -> str:
    generation = ", ".join(f"{key} {value}" for key, value in manifest["generation"].items())
    return (
        "## How to use it\n\n"
        f"Put this folder at `exported_models/{manifest['name']}` and start Palaver with "
        f"`python app.py`. The recommended sampling is {generation}. The graph reads "
        "`input_ids`, `seqlens_k`, `total_sequence_length` and a key/value buffer per layer "
        "that it updates in place; `manifest.json` names them all.\n"
    )


def _table(header: Sequence[str], rows: Any) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines) + "\n"


def _cell(content: Any) -> str:
    return str(content).replace("|", "\\|").replace("\n", " ")
