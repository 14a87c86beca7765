"""Fine-tuning: learns what assistants say, and only that."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")

from chat.errors import ModelError  # noqa: E402
from chat.types import Message  # noqa: E402
from training.documents import Document  # noqa: E402
from training.evaluate import Args as EvaluateArgs  # noqa: E402
from training.evaluate import converse, measure, probe  # noqa: E402
from training.generation import Responder  # noqa: E402
from training.model import build_config, build_model, load_model  # noqa: E402
from training.packing import RowMixer  # noqa: E402
from training.sft import Args, finetune  # noqa: E402
from training.shards import ShardWriter, open_shards, write_index  # noqa: E402
from training.tokenizer import encode_documents, save_tokenizer, train_tokenizer  # noqa: E402
from training.validation import batch_weights  # noqa: E402

pytestmark = pytest.mark.torch

_PAIRS = {"red": "A rose is red.", "blue": "The sky is blue.", "green": "Grass is green."}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a tokenizer, shards of three conversations, and a fresh model."""
    root = tmp_path_factory.mktemp("sft")
    tokenizer = train_tokenizer([*_PAIRS, *_PAIRS.values()] * 9, 320)
    save_tokenizer(tokenizer, root / "tokenizer")
    chats = [
        Document(messages=(Message("user", asked), Message("assistant", said)))
        for asked, said in _PAIRS.items()
    ]
    entries = []
    for split in ("train", "validation"):
        with ShardWriter(root / "shards", "colours", split) as writer:
            for ids, mask in encode_documents(chats * 10, tokenizer):
                writer.add(ids, mask)
            entries.append(writer.finish(1.0))
    write_index(root / "shards", entries, {})
    torch.manual_seed(0)
    build_model(build_config("nano", 320, context=64)).save_pretrained(root / "base")
    return root


@pytest.fixture(scope="module")
def tuned(folder):
    """The run folder of a fine-tuned model."""
    out = folder / "run"
    finetune(arguments(folder, out))
    return out


def arguments(folder, out, **changes):
    args = Args(
        shards=folder / "shards", tokenizer=folder / "tokenizer", out=out, model=folder / "base",
        steps=60, rows=4, accumulate=1, length=40, warmup_steps=2, validate_every=0,
        learning_rate=1e-2, schedule="linear", precision="float32", device="cpu", threads=1,
    )  # fmt: skip
    return dataclasses.replace(args, **changes)


def test_tuned_model_answers_and_ends_its_answers(tuned):
    responder = Responder(load_model(tuned / "model"), tuned / "model")
    for asked, said in _PAIRS.items():
        assert responder.answer([Message("user", asked)], max_new_tokens=30) == said


def test_questions_do_not_count_in_the_loss(folder):
    mixer = RowMixer(open_shards(folder / "shards", "train"), 40, 1, 5)
    batch = mixer.next_batch(4)
    counted = batch.targets[batch_weights(batch, "assistant") > 0]
    assert not set(counted.tolist()) & {0, 2, 3, 5}
    assert (counted == 4).sum() == (batch.inputs == 3).sum()
    assert batch_weights(batch, "all").sum() > batch_weights(batch, "assistant").sum() > 0


def test_stopped_fine_tuning_goes_on_with_the_same_weights(folder, tmp_path):
    for name, minutes in (("whole", None), ("run", 1e-9)):
        args = arguments(folder, tmp_path / name, steps=3, max_minutes=minutes)
        while not finetune(args).is_finished:
            pass
    whole, run = (load_model(tmp_path / name / "model") for name in ("whole", "run"))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), run.parameters(), strict=True))


def test_missing_base_model_is_named(folder, tmp_path):
    with pytest.raises(ModelError, match="nothing"):
        finetune(arguments(folder, tmp_path / "run", model=tmp_path / "nothing"))


def test_evaluation_measures_each_source_in_bits_per_byte(folder, tuned):
    args = EvaluateArgs(model=tuned / "model", length=40, rows=4, device="cpu")
    [row] = measure(args, folder / "shards")
    assert row.source == "colours"
    assert 0 < row.bits_per_byte < 0.5
    assert row.num_tokens > 0


def test_conversation_alternates_between_person_and_model(tuned):
    responder = Responder(load_model(tuned / "model"), tuned / "model")
    said = converse(responder, ["red", "blue"], temperature=0.0)
    assert [m.role for m in said] == ["user", "assistant"] * 2
    assert said[1].content == _PAIRS["red"]


def test_probes_are_all_asked_and_a_model_of_colours_passes_few(tuned):
    responder = Responder(load_model(tuned / "model"), tuned / "model")
    scores = probe(responder)
    assert {"identity", "capital", "arithmetic"} <= set(scores)
    assert sum(passed for passed, _ in scores.values()) < sum(t for _, t in scores.values()) / 2
