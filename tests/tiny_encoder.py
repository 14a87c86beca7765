"""A BERT of one layer with random weights, and rows to train it on; for tests with torch."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from moderation.categories import TRAINED_CATEGORIES
from training.moderators.rows import Row, write_rows

_WORDS = "the a tea cup of is nice warm you zorblatt quuxible ##s ##blatt zor now please"
WIDTH, INNER, POSITIONS = 32, 64, 64


def write_base(folder: Path) -> Path:
    """Write what training.moderators.encoder starts from: config, vocabulary and weights."""
    folder.mkdir(parents=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[unused1]", *_WORDS.split(" ")]
    pieces += [piece for letter in letters for piece in (letter, f"##{letter}")]
    pieces = list(dict.fromkeys(pieces))
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    config = {
        "num_hidden_layers": 1,
        "hidden_size": WIDTH,
        "num_attention_heads": 2,
        "intermediate_size": INNER,
        "layer_norm_eps": 1e-12,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(dict(_make_weights(len(pieces))), folder / "model.safetensors")
    return folder


def _make_weights(num_pieces: int):
    generator = torch.Generator().manual_seed(0)

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.1

    tables = {"word": num_pieces, "position": POSITIONS, "token_type": 2}
    for name, rows in tables.items():
        yield f"embeddings.{name}_embeddings.weight", make(rows, WIDTH)
    layer = "encoder.layer.0."
    for name, outputs, inputs in (
        ("attention.self.query", WIDTH, WIDTH),
        ("attention.self.key", WIDTH, WIDTH),
        ("attention.self.value", WIDTH, WIDTH),
        ("attention.output.dense", WIDTH, WIDTH),
        ("intermediate.dense", INNER, WIDTH),
        ("output.dense", WIDTH, INNER),
    ):
        yield f"{layer}{name}.weight", make(outputs, inputs)
        yield f"{layer}{name}.bias", make(outputs)
    norms = ("embeddings", f"{layer}attention.output", f"{layer}output")
    for name in norms:
        yield f"{name}.LayerNorm.weight", 1 + make(WIDTH)
        yield f"{name}.LayerNorm.bias", make(WIDTH)


def write_data(folder: Path, num_rows: int = 120) -> Path:
    """Write three splits in which "zorblatt" is hate, "quuxible" sexual, all else harmless."""
    for split in ("train", "calibration", "test"):
        write_rows(folder / f"{split}.jsonl", [_make_row(n, split) for n in range(num_rows)])
    return folder


def _make_row(number: int, split: str) -> Row:
    word, category = (("zorblatt", "hate"), ("quuxible", "sexual"), ("nice", ""))[number % 3]
    text = " ".join(["you", *["warm"] * (number % 5), word, *["tea cups"] * (number % 4), "now"])
    labels = {name: int(name == category) for name in TRAINED_CATEGORIES}
    if number % 7 == 0:
        labels.pop("bias")
    tags = () if category else (("hard",) if number % 2 else ("benign",))
    return Row(text, labels, "tiny", f"tiny/{split}/{number}", split, tags)
