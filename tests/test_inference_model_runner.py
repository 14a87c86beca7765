"""The graph in onnxruntime: parity with numpy, chunks, slots, devices."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from chat.errors import ModelError, SetupError
from inference import model_runner
from inference.model_dir import ModelDir
from inference.model_runner import ModelRunner, check_installation, count_processors
from tests.tiny_model import TinyModel, manifest_fields, write_manifest


@pytest.fixture(scope="module")
def tiny() -> TinyModel:
    return TinyModel.random()


@pytest.fixture(scope="module")
def folder(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def runner(folder: Path) -> ModelRunner:
    return ModelRunner.load(ModelDir.load(folder), device="cpu", threads=1)


def random_ids(length: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(5, 300, length).tolist()


@pytest.mark.parametrize("length", [1, 2, 50, 127])
def test_prefill_equals_the_reference(tiny: TinyModel, runner: ModelRunner, length: int):
    ids = random_ids(length)
    runner.reserve(1)
    assert np.allclose(runner.prefill(0, ids, 0), tiny.logits(ids), atol=1e-3)


def test_prefill_in_chunks_equals_the_whole_bit_by_bit(runner: ModelRunner):
    ids = random_ids(90)
    runner.reserve(2)
    whole = runner.prefill(0, ids, 0)
    for start, end in ((0, 1), (1, 8), (8, 40), (40, 90)):
        chunked = runner.prefill(1, ids[start:end], start)
    assert np.array_equal(whole, chunked)


def test_stale_slots_leave_no_trace(tiny: TinyModel, runner: ModelRunner):
    runner.reserve(1)
    for layer in range(2):
        for part in ("key", "value"):
            runner.cache.view(layer, part, 0)[:] = np.nan
    ids = random_ids(20)
    runner.prefill(0, ids[:10], 0)
    assert np.allclose(runner.prefill(0, ids[10:], 10), tiny.logits(ids), atol=1e-3)


def test_ragged_decode_equals_the_reference_and_alone(tiny: TinyModel, runner: ModelRunner):
    prompts = [random_ids(length, seed=length) for length in (3, 60, 1, 17)]
    for slot, prompt in enumerate(prompts):
        runner.reserve(slot + 1)
        runner.prefill(slot, prompt, 0)
    batch = runner.decode([9] * 4, [len(prompt) for prompt in prompts]).copy()
    for row, prompt in zip(batch, prompts, strict=True):
        assert np.allclose(row, tiny.logits([*prompt, 9]), atol=1e-3)
        runner.prefill(0, prompt, 0)
        assert np.array_equal(runner.decode([9], [len(prompt)])[0], row)


def test_moved_sequence_continues_elsewhere(tiny: TinyModel, runner: ModelRunner):
    runner.reserve(2)
    prompt = random_ids(30)
    runner.prefill(1, prompt, 0)
    runner.move(1, 0, 30)
    assert np.allclose(runner.decode([9], [30])[0], tiny.logits([*prompt, 9]), atol=1e-3)


def test_context_can_be_shorter_than_the_models(tiny: TinyModel, folder: Path):
    runner = ModelRunner.load(ModelDir.load(folder), device="cpu", context_length=32)
    runner.reserve(1)
    ids = random_ids(32)
    assert np.allclose(runner.prefill(0, ids, 0), tiny.logits(ids), atol=1e-3)
    assert runner.cache.num_bytes == 2 * 2 * 2 * 32 * 16 * 4


def test_provider_is_what_really_runs(runner: ModelRunner):
    assert runner.provider == "CPUExecutionProvider"


def test_automatic_device_makes_no_noise(folder: Path, capfd: pytest.CaptureFixture[str]):
    ModelRunner.load(ModelDir.load(folder))
    assert capfd.readouterr() == ("", "")


def test_silent_fallback_from_cuda_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    # On a machine with a GPU: as if there were none.
    monkeypatch.setattr(model_runner, "_choose_providers", lambda device: ["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="no usable CUDA GPU was found"):
        ModelRunner.load(ModelDir.load(folder), device="cuda")


def test_graph_that_cannot_be_loaded(tiny: TinyModel, tmp_path: Path):
    tiny.save(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    write_manifest(tmp_path, manifest_fields(tiny.shape, "broken"))
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded"):
        ModelRunner.load(ModelDir.load(tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_layers": 3}, "has no tensor past_key_values.2.key"),
        ({"vocab_size": 310}, "has logits of 300 tokens, the manifest says 310"),
    ],
)
def test_graph_that_is_not_as_the_manifest_says(
    tiny: TinyModel, tmp_path: Path, change: dict, words: str
):
    tiny.save(tmp_path)
    write_manifest(tmp_path, manifest_fields(tiny.shape, "broken") | change)
    with pytest.raises(ModelError, match=words):
        ModelRunner.load(ModelDir.load(tmp_path))


def test_both_packages_of_onnxruntime_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metadata, "version", lambda name: "1.31.1")
    with pytest.raises(SetupError, match="Both onnxruntime and onnxruntime-gpu are installed"):
        check_installation()


def test_one_package_of_onnxruntime_is_fine():
    check_installation()


def test_there_is_at_least_one_processor():
    assert 1 <= count_processors() <= 4096


def test_serving_never_imports_torch():
    code = "import sys, inference.backend; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
