"""The training loop: learns, stops, and goes on exactly where it was."""

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from chat.errors import SetupError  # noqa: E402
from training.checkpoint import list_checkpoints, load_state  # noqa: E402
from training.documents import Document  # noqa: E402
from training.metrics import MetricsLog, read_metrics  # noqa: E402
from training.model import load_model  # noqa: E402
from training.plot import plot_losses  # noqa: E402
from training.pretrain import Args, pretrain  # noqa: E402
from training.shards import ShardWriter, write_index  # noqa: E402
from training.tokenizer import encode_documents, save_tokenizer, train_tokenizer  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a tokenizer and shards of counting sentences."""
    root = tmp_path_factory.mktemp("training")
    texts = [f"After {i} comes {i + 1}, then {i + 2}." for i in range(60)]
    tokenizer = train_tokenizer(texts, 280)
    save_tokenizer(tokenizer, root / "tokenizer")
    entries = []
    for split, part in (("train", texts), ("validation", texts[::7])):
        with ShardWriter(root / "shards", "counting", split) as writer:
            for ids, mask in encode_documents([Document(text=text) for text in part], tokenizer):
                writer.add(ids, mask)
            entries.append(writer.finish(1.0))
    write_index(root / "shards", entries, {})
    return root


def arguments(folder, out, **changes):
    args = Args(
        shards=folder / "shards", tokenizer=folder / "tokenizer", out=out, model="nano",
        steps=8, rows=4, accumulate=1, length=48, warmup_steps=2, log_every=1, validate_every=0,
        precision="float32", device="cpu", context=64, threads=1,
    )  # fmt: skip
    return dataclasses.replace(args, **changes)


def losses(run):
    return {
        row["step"]: row["loss"] for row in read_metrics(run / "metrics.jsonl") if "loss" in row
    }


# The loop


def test_loss_falls_and_the_weights_are_left_in_the_run_folder(folder, tmp_path):
    outcome = pretrain(arguments(folder, tmp_path / "run", steps=25))
    found = losses(tmp_path / "run")
    assert outcome.is_finished
    assert found[25] < found[1] - 0.5
    assert outcome.validation["all"] < found[1] - 0.5
    model = load_model(tmp_path / "run/model")
    assert model.config.eos_token_id == [4, 0]
    assert (tmp_path / "run/model/tokenizer.json").is_file()
    assert "<svg" in (tmp_path / "run/loss.svg").read_text()
    assert "counting" in (tmp_path / "run/environment.json").read_text()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_stopped_run_goes_on_with_the_same_losses(folder, tmp_path, optimizer):
    changes = {"optimizer": optimizer, "accumulate": 2, "validate_every": 3}
    pretrain(arguments(folder, tmp_path / "whole", **changes))
    outcome = pretrain(arguments(folder, tmp_path / "run", max_minutes=1e-9, **changes))
    assert not outcome.is_finished
    assert outcome.step == 1
    assert not (tmp_path / "run/model").exists()
    while not outcome.is_finished:
        outcome = pretrain(arguments(folder, tmp_path / "run", max_minutes=1e-9, **changes))
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    whole, run = (load_model(tmp_path / name / "model") for name in ("whole", "run"))
    for (name, a), b in zip(whole.named_parameters(), run.parameters(), strict=True):
        assert torch.equal(a, b), name


def test_finished_run_is_not_trained_further(folder, tmp_path):
    pretrain(arguments(folder, tmp_path / "run", steps=2))
    before = losses(tmp_path / "run")
    assert pretrain(arguments(folder, tmp_path / "run", steps=2)).is_finished
    assert losses(tmp_path / "run") == before


def test_other_arguments_do_not_go_on_with_a_run(folder, tmp_path):
    pretrain(arguments(folder, tmp_path / "run", steps=1))
    with pytest.raises(SetupError, match="learning_rate"):
        pretrain(arguments(folder, tmp_path / "run", steps=2, learning_rate=9.0))
    assert pretrain(arguments(folder, tmp_path / "run", steps=2)).step == 2


def test_sigterm_leaves_a_checkpoint_to_go_on_from(folder, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "training.pretrain", "--model", "nano", "--steps", "100000",
               "--rows", "2", "--length", "32", "--log-every", "1", "--validate-every", "0",
               "--device", "cpu", "--out", str(run), "--tokenizer", str(folder / "tokenizer"),
               "--shards", str(folder / "shards")]  # fmt: skip
    root = Path(__file__).resolve().parents[1]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while process.poll() is None and len(losses(run)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 75
    state = load_state(list_checkpoints(run)[-1])
    assert state["step"] == max(losses(run))


def test_diverging_loss_stops_with_advice(folder, tmp_path):
    args = arguments(folder, tmp_path / "run", learning_rate=1e30, warmup_steps=0)
    with pytest.raises(SetupError, match="learning-rate"):
        pretrain(args)


# Checkpoints


def test_half_written_and_damaged_checkpoints(folder, tmp_path):
    run = tmp_path / "run"
    pretrain(arguments(folder, run, steps=2))
    [good] = list_checkpoints(run)
    partial = run / "checkpoints/step-0000099.partial"
    partial.mkdir()
    (partial / "state.pt").write_bytes(b"half")
    assert list_checkpoints(run) == [good]
    (good / "state.pt").write_bytes((good / "state.pt").read_bytes()[:100])
    with pytest.raises(SetupError, match="damaged"):
        pretrain(arguments(folder, run, steps=3))


def test_old_checkpoints_are_dropped(folder, tmp_path):
    pretrain(arguments(folder, tmp_path / "run", steps=5, checkpoint_minutes=0.0))
    steps = [path.name for path in list_checkpoints(tmp_path / "run")]
    assert steps == ["step-0000004", "step-0000005"]


def test_metrics_after_the_checkpoint_are_forgotten(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    MetricsLog(path, keep_until=2).add({"step": 3, "again": True})
    assert read_metrics(path) == [{"step": 1}, {"step": 2}, {"step": 3, "again": True}]


def test_plot_of_a_run_without_steps_is_no_error(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("")
    plot_losses(tmp_path / "metrics.jsonl", tmp_path / "loss.svg")
    assert not (tmp_path / "loss.svg").exists()
