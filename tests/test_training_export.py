"""The export command: what it writes, what it refuses, and what a crash leaves behind."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx_ir")

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from chat.errors import ModelError, SetupError
from chat.template import ChatTemplate
from chat.tokenizer import Tokenizer
from chat.types import Message
from tests.conftest import TEMPLATE, write_byte_tokenizer
from training.card import choose_sources, read_sources, write_card
from training.export import OnnxGraph, check_logits, main, replace_folder
from training.manifest import describe_text
from training.parity import cut_windows, read_shards, read_texts
from training.shards import ShardWriter, write_index

pytestmark = pytest.mark.torch

CONTEXT = 96


def write_checkpoint(folder: Path, **options: Any) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=288,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        **options,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=True, eos_token_id=[4, 0], top_k=20)
    model.save_pretrained(folder)
    write_byte_tokenizer(folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": "<|endoftext|>", "bos_token": None, "chat_template": TEMPLATE})
    )
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("run") / "checkpoint")


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported_models")
    held_out = folder / "text.txt"
    held_out.write_text("The fox went down to the river to drink. " * 20)
    out = folder / "palaver"
    out.mkdir()
    (out / "old.txt").write_text("an older model")
    command = ["--checkpoint", str(checkpoint), "--out", str(out), "--held-out", str(held_out)]
    command += ["--window", "32", "--held-out-tokens", "330", "--strict", "--force"]
    main(command)
    return out


def read_manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


def snapshot(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_the_manifest_says_what_the_engine_must_know(exported):
    manifest = read_manifest(exported)
    wanted = {
        "format": 1,
        "name": "palaver",
        "architecture": "llama",
        "context_length": CONTEXT,
        "vocab_size": 288,
        "hidden_size": 64,
        "num_layers": 2,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 16,
        "precision": "int8",
        "kv_dtype": "float32",
        "stop_token_ids": [4, 0],
        "chat_template": TEMPLATE,
        "bos_token": "",
        "eos_token": "<|endoftext|>",
        "generation": {"temperature": 0.4, "top_k": 20, "repetition_penalty": 1.0},
        "model_file": "model.onnx",
        "tokenizer_file": "tokenizer.json",
    }
    assert {key: manifest[key] for key in wanted} == wanted
    assert manifest["inputs"]["past_key"].format(layer=1) == "past_key_values.1.key"
    assert manifest["outputs"]["present_value"].format(layer=0) == "present.0.value"


def test_the_manifest_s_files_are_there_with_their_sums(exported):
    files = read_manifest(exported)["files"]
    assert {"model.onnx", "model.onnx.data.0", "tokenizer.json"} == set(files)
    sums = snapshot(exported)
    for name, entry in files.items():
        assert entry == {"sha256": sums[name], "bytes": (exported / name).stat().st_size}
    assert set(sums) == {*files, "manifest.json", "MODEL_CARD.md"}


def test_the_folder_alone_is_enough_to_answer(exported):
    manifest = read_manifest(exported)
    tokenizer = Tokenizer.load(exported / manifest["tokenizer_file"])
    ids = ChatTemplate(manifest["chat_template"]).encode([Message("user", "Hi 👋")], tokenizer)
    graph = OnnxGraph(exported, batch=1, max_len=CONTEXT)
    logits = graph.run(np.array([ids]), np.array([len(ids)], np.int32))
    assert logits.shape == (1, 288)
    assert np.isfinite(logits).all()


def test_the_comparison_is_recorded(exported):
    parity = read_manifest(exported)["parity"]
    assert parity["has_passed"] is True
    assert parity["loss"]["num_tokens"] == 310  # ten windows of 32, none's first token predicted
    assert abs(parity["loss"]["increase"]) < 0.02
    assert parity["loss"]["model"] == pytest.approx(np.log(288), abs=1)
    assert parity["greedy"]["num_prompts"] == 4


def test_an_existing_folder_is_left_alone(exported, checkpoint):
    before = snapshot(exported)
    with pytest.raises(SetupError, match="--force"):
        main(["--checkpoint", str(checkpoint), "--out", str(exported)])
    assert snapshot(exported) == before


def test_force_replaces_the_folder_and_leaves_nothing_beside_it(exported):
    assert not (exported / "old.txt").exists()
    assert {path.name for path in exported.parent.iterdir()} == {"palaver", "text.txt"}


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_broken_checkpoint_leaves_the_old_model_intact(exported, tmp_path, missing):
    broken = write_checkpoint(tmp_path / "checkpoint")
    (broken / missing).unlink()
    before = snapshot(exported)
    with pytest.raises(SetupError):
        main(["--checkpoint", str(broken), "--out", str(exported), "--force"])
    assert snapshot(exported) == before
    assert not list(exported.parent.glob(".palaver*"))


def test_a_tokenizer_of_another_model_is_refused(exported, tmp_path):
    broken = write_checkpoint(tmp_path / "checkpoint")
    content = json.loads((broken / "tokenizer.json").read_text())
    content["model"]["vocab"] |= {f"extra{i}": 262 + i for i in range(99)}
    (broken / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(SetupError, match="belong together"):
        main(["--checkpoint", str(broken), "--out", str(tmp_path / "out")])


def test_scaled_rotary_embedding_is_refused(tmp_path):
    scaled = write_checkpoint(
        tmp_path / "checkpoint", rope_parameters={"rope_type": "linear", "factor": 4.0}
    )
    with pytest.raises(SetupError, match="rotary"):
        main(["--checkpoint", str(scaled), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ModelError, OSError])
def test_an_interrupted_export_leaves_the_old_model_intact(tmp_path, error):
    target = tmp_path / "palaver"
    target.mkdir()
    (target / "model.onnx").write_text("old")
    with pytest.raises(error), replace_folder(target) as folder:
        (folder / "model.onnx").write_text("half")
        raise error("stop")
    assert (target / "model.onnx").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


KILLED = """
import os, pathlib, signal, sys
from training.export import replace_folder
target = pathlib.Path(sys.argv[1])
with replace_folder(target) as folder:
    (folder / "model.onnx").write_text("half")
    if sys.argv[2] == "between":
        target.rename(target.with_name(".palaver.old"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["writing", "between"])
def test_a_killed_export_leaves_or_gets_back_the_old_model(tmp_path, moment):
    target = tmp_path / "palaver"
    target.mkdir()
    (target / "model.onnx").write_text("old")
    command = [sys.executable, "-c", KILLED, str(target), moment]
    root = Path(__file__).parent.parent
    assert subprocess.run(command, cwd=root, check=False).returncode == -9
    # The next export, even one that fails, finds or restores the old folder.
    with pytest.raises(SetupError), replace_folder(target):
        raise SetupError("no")
    assert (target / "model.onnx").read_text() == "old"


def test_logits_that_differ_or_are_no_numbers_are_refused():
    check_logits("fp32", 1e-5)
    check_logits("int4", 3.0)
    for precision, difference in [("fp32", 0.5), ("fp32", np.nan), ("int8", np.nan)]:
        with pytest.raises(ModelError, match="differ"):
            check_logits(precision, difference)


def test_the_template_file_of_transformers_5_is_read(tmp_path):
    folder = write_checkpoint(tmp_path)
    (folder / "tokenizer_config.json").write_text('{"eos_token": {"content": "<|endoftext|>"}}')
    with pytest.raises(ModelError, match="no chat template"):
        describe_text(folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    assert describe_text(folder)["chat_template"] == TEMPLATE
    assert describe_text(folder)["eos_token"] == "<|endoftext|>"
    (folder / "chat_template.jinja").write_text("{% if %}")
    with pytest.raises(ModelError, match="template"):
        describe_text(folder)


def test_held_out_text_is_read_from_both_kinds_of_file(tmp_path):
    (tmp_path / "a.txt").write_text("plain")
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n\n{"text": "two"}\n')
    (tmp_path / "bad.jsonl").write_text("[1]\n")
    assert read_texts(tmp_path / "a.txt") == ["plain"]
    assert read_texts(tmp_path / "a.jsonl") == ["one", "two"]
    for name in ("bad.jsonl", "missing.txt"):
        with pytest.raises(SetupError, match="held-out"):
            read_texts(tmp_path / name)
    with pytest.raises(SetupError, match="3 tokens"):
        cut_windows([1, 2, 3], 4, 100)
    assert cut_windows(range(10), 3, 8).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_held_out_shards_give_each_source_its_share(tmp_path):
    entries = []
    for source, count in (("long", 500), ("short", 25)):
        with ShardWriter(tmp_path, source, "validation") as writer:
            writer.add(range(count), [1] * count)
            entries.append(writer.finish(1.0))
    write_index(tmp_path, entries, {})
    windows = read_shards(tmp_path, 10, 100)
    assert windows[:, 0].tolist() == [0, 10, 20, 30, 40, 0, 10]


def test_the_card_lists_the_mixture_s_data_the_run_s_figures_and_no_path(exported, tmp_path):
    mixture = tmp_path / "mixture.toml"
    mixture.write_text(
        '[[source]]\nname = "jokes"\nfiles = ["sft/jokes.jsonl.zst", "sft/own.jsonl.zst"]\n'
        '[[source]]\nname = "made"\nfiles = ["generated/train.jsonl.zst"]\n'
    )
    run = tmp_path / "sft"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"learning_rate": 3e-4, "out": "/home/me/run"}))
    (run / "environment.json").write_text('{"platform": "Linux-6-of-somebody"}')
    (run / "metrics.jsonl").write_text(
        '{"step": 1, "loss": 9.5}\nnot json\n{"loss": 2.25}\n{"validation": {"all": 3.5}}\n'
    )
    folder = tmp_path / "card"
    folder.mkdir()
    write_card(folder, read_manifest(exported), runs=[run], mixtures=[mixture])
    card = (folder / "MODEL_CARD.md").read_text()
    assert "15Dkatz/official_joke_api" in card
    assert "OpenStax" not in card
    assert "sft/own.jsonl.zst" in card
    assert "generated/train" not in card
    assert "| loss | 2.25 |" in card
    assert "| learning_rate | 0.0003 |" in card
    assert "| validation, all | 3.5 |" in card
    assert "/home" not in card and "somebody" not in card


def test_every_source_has_a_licence_and_one_row():
    sources = read_sources()
    assert len({source.file for source in sources}) == len(sources) > 30
    assert all(source.licence and source.repository for source in sources)
    assert all(s.share_alike for s in sources if "-SA-" in s.licence)
    assert choose_sources(sources, []) == (sources, [])
