"""Model folders: what is accepted, and what the sentence says if not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat.errors import ModelError
from chat.types import GenerationConfig
from inference.model_dir import ModelDir
from tests.tiny_model import (
    TinyModel,
    TinyShape,
    build_tokenizer,
    manifest_fields,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return TinyModel.random().save(tmp_path / "tiny")


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_a_whole_folder_loads(folder: Path):
    model = ModelDir.load(folder)
    assert model.manifest.name == "tiny"
    assert model.manifest.stop_token_ids == (4, 0)
    assert model.manifest.generation == GenerationConfig(
        temperature=0.6, top_k=40, repetition_penalty=1.1
    )
    assert model.tokenizer.vocab_size == model.manifest.vocab_size == 300
    assert model.model_path.is_file()


def test_unknown_fields_are_for_later_versions_and_do_no_harm(folder: Path):
    edit(folder, lambda m: m.update(parity={"loss": 1}))
    ModelDir.load(folder)


def test_missing_folder(tmp_path: Path):
    with pytest.raises(ModelError, match="no model folder at"):
        ModelDir.load(tmp_path / "nowhere")


def test_folder_that_is_no_model(tmp_path: Path):
    with pytest.raises(ModelError, match=r"not a model folder: it has no manifest\.json"):
        ModelDir.load(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"format": 1', "[" * 100_000])
def test_broken_json(folder: Path, text: str):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match="not valid JSON"):
        ModelDir.load(folder)


def test_manifest_that_is_not_text(folder: Path):
    (folder / "manifest.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="cannot be read"):
        ModelDir.load(folder)


def test_manifest_that_is_no_object(folder: Path):
    (folder / "manifest.json").write_text("[1]")
    with pytest.raises(ModelError, match="JSON object"):
        ModelDir.load(folder)


@pytest.mark.parametrize("found", [2, "1", None, True, 0])
def test_other_format(folder: Path, found: object):
    edit(folder, lambda m: m.update(format=found))
    with pytest.raises(ModelError, match="reads format 1"):
        ModelDir.load(folder)


REQUIRED = sorted({*manifest_fields(TinyShape(), "x"), "files"} - {"generation", "format"})


@pytest.mark.parametrize("name", REQUIRED)
def test_each_field_is_needed_and_has_its_type(folder: Path, name: str):
    edit(folder, lambda m: m.update({name: [None]}))
    with pytest.raises(ModelError, match=f"{name} is .*; it must be"):
        ModelDir.load(folder)
    edit(folder, lambda m: m.pop(name))
    with pytest.raises(ModelError, match=f"lacks the field {name}"):
        ModelDir.load(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("context_length", 0),
        ("num_layers", -2),
        ("vocab_size", True),
        ("hidden_size", 1.5),
        ("num_kv_heads", 3),
        ("architecture", "bert"),
        ("precision", "fp8"),
        ("kv_dtype", "float16"),
        ("stop_token_ids", []),
        ("stop_token_ids", [300]),
        ("stop_token_ids", ["4"]),
        ("inputs", {}),
        ("model_file", "other.onnx"),
        ("generation", {"temperature": 9}),
        ("generation", {"temperature": "hot"}),
        ("generation", {"seed": 1}),
        ("generation", {"beams": 4}),
        ("chat_template", "{% if %}"),
    ],
)
def test_values_that_are_not_allowed(folder: Path, name: str, value: object):
    edit(folder, lambda m: m.update({name: value}))
    with pytest.raises(ModelError, match=name.replace("_", "[_ ]")):
        ModelDir.load(folder)


def test_layer_names_must_have_a_place_for_the_layer(folder: Path):
    edit(folder, lambda m: m["inputs"].update(past_key="past.key"))
    with pytest.raises(ModelError, match=r"inputs\.past_key .*\{layer\}"):
        ModelDir.load(folder)


def test_missing_file(folder: Path):
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx is missing"):
        ModelDir.load(folder)


def test_file_that_was_cut_off(folder: Path):
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"model\.onnx is \d+ bytes long, .* was cut off"):
        ModelDir.load(folder, verify=False)


def test_file_with_one_bit_changed(folder: Path):
    path = folder / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx has another checksum"):
        ModelDir.load(folder)
    ModelDir.load(folder, verify=False)


ESCAPES = ["../x", "/etc/passwd", "a/../../x", "..", ".", "", "a\\..\\x", "C:x", "a//b", "a\0"]


@pytest.mark.parametrize("name", ESCAPES)
def test_file_names_cannot_leave_the_folder(folder: Path, name: str):
    record = {"sha256": "0" * 64, "bytes": 0}
    edit(folder, lambda m: m["files"].update({name: record}))
    with pytest.raises(ModelError, match="files"):
        ModelDir.load(folder)


def test_links_cannot_leave_the_folder(folder: Path):
    target = (folder / "model.onnx").rename(folder.parent / "outside.onnx")
    (folder / "model.onnx").symlink_to(target)
    with pytest.raises(ModelError, match="leads out of the model folder"):
        ModelDir.load(folder)


def test_tokenizer_of_another_model(folder: Path):
    build_tokenizer(400).save(str(folder / "tokenizer.json"))
    write_manifest(folder, manifest_fields(TinyShape(), "x"))
    with pytest.raises(ModelError, match="has 400 tokens, the model 300: they don't belong"):
        ModelDir.load(folder)


def test_tokenizer_that_is_none(folder: Path):
    (folder / "tokenizer.json").write_text("{}")
    write_manifest(folder, manifest_fields(TinyShape(), "x"))
    with pytest.raises(ModelError, match=r"tokenizer\.json is not a tokenizer"):
        ModelDir.load(folder)
