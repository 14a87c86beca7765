"""A model on disk: a folder with manifest.json, model.onnx and tokenizer.json."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from chat.errors import InvalidRequest, ModelError
from chat.template import ChatTemplate
from chat.tokenizer import Tokenizer
from chat.types import GenerationConfig

FORMAT = 1
MANIFEST_FILE = "manifest.json"
PRECISIONS = ("fp32", "int8", "int4")
INPUTS = ("input_ids", "seqlens_k", "total_sequence_length", "past_key", "past_value")
OUTPUTS = ("logits", "present_key", "present_value")
# Exporters round the rows of the embedding up to a multiple of at most this.
MAX_VOCAB_PADDING = 1024

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What a file of the model must be: its SHA-256 and its size."""

    sha256: str
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of manifest.json, format 1; the sizes are those of the Llama inside.

    ``inputs`` and ``outputs`` map the engine's names to the graph's; ``{layer}`` in the graph's
    name stands for a layer's number. ``generation`` holds the model's own sampling defaults.
    """

    name: str
    architecture: str
    context_length: int
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    precision: str
    kv_dtype: str
    stop_token_ids: tuple[int, ...]
    chat_template: str
    bos_token: str
    eos_token: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    model_file: str
    tokenizer_file: str
    files: Mapping[str, FileRecord]
    parameters: int
    generation: GenerationConfig = field(default_factory=GenerationConfig)


@dataclass(frozen=True, slots=True)
class ModelDir:
    """A model folder that has been checked: what it says of itself fits what lies in it."""

    path: Path
    manifest: Manifest
    tokenizer: Tokenizer
    template: ChatTemplate

    @classmethod
    def load(cls, path: str | Path, *, verify: bool = True) -> "ModelDir":
        """Read and check the model folder at `path`; the graph itself is not loaded.

        `verify=False` skips the checksums (not the sizes), which saves reading every file twice.

        Raises:
            ModelError: the folder isn't there, isn't a model, or isn't what its manifest says.
        """
        folder = Path(path)
        manifest = parse_manifest(_read_manifest(folder))
        for name, record in manifest.files.items():
            _check_file(folder, name, record, verify=verify)
        tokenizer = Tokenizer.load(folder / manifest.tokenizer_file)
        _check_vocabulary(manifest, tokenizer)
        template = ChatTemplate(
            manifest.chat_template, bos_token=manifest.bos_token, eos_token=manifest.eos_token
        )
        return cls(folder, manifest, tokenizer, template)

    @property
    def model_path(self) -> Path:
        """Where the ONNX graph lies."""
        return self.path / self.manifest.model_file


def parse_manifest(raw: object) -> Manifest:
    """Check the parsed JSON of a manifest and return it as a value.

    Raises:
        ModelError: a field is missing, has the wrong type, or a value that isn't allowed.
    """
    if not isinstance(raw, dict):
        raise ModelError(f"{MANIFEST_FILE} must hold a JSON object. Export the model again.")
    _check_format(raw)
    files = _parse_files(raw)
    vocab_size = _positive(raw, "vocab_size")
    manifest = Manifest(
        name=_get(raw, "name", str),
        context_length=_positive(raw, "context_length"),
        vocab_size=vocab_size,
        hidden_size=_positive(raw, "hidden_size"),
        num_layers=_positive(raw, "num_layers"),
        num_heads=_positive(raw, "num_heads"),
        num_kv_heads=_positive(raw, "num_kv_heads"),
        head_dim=_positive(raw, "head_dim"),
        parameters=_positive(raw, "parameters"),
        chat_template=_get(raw, "chat_template", str),
        bos_token=_get(raw, "bos_token", str),
        eos_token=_get(raw, "eos_token", str),
        architecture=_choice(raw, "architecture", ("llama",)),
        precision=_choice(raw, "precision", PRECISIONS),
        kv_dtype=_choice(raw, "kv_dtype", ("float32",)),
        stop_token_ids=_parse_stop_token_ids(raw, vocab_size),
        inputs=_parse_names(raw, "inputs", INPUTS),
        outputs=_parse_names(raw, "outputs", OUTPUTS),
        model_file=_listed(raw, "model_file", files),
        tokenizer_file=_listed(raw, "tokenizer_file", files),
        files=files,
        generation=_parse_generation(raw),
    )
    if manifest.num_heads % manifest.num_kv_heads:
        raise _wrong("num_kv_heads", manifest.num_kv_heads, "a divisor of num_heads")
    return manifest


def _read_manifest(folder: Path) -> object:
    if not folder.is_dir():
        raise ModelError(
            f"There is no model folder at {folder}. Export a model there, or name another folder."
        )
    try:
        text = (folder / MANIFEST_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelError(
            f"{folder} is not a model folder: it has no {MANIFEST_FILE}. "
            "Name a folder that the exporter wrote."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{folder / MANIFEST_FILE} cannot be read: {error}") from error
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ModelError(
            f"{folder / MANIFEST_FILE} is not valid JSON ({error}). Export the model again."
        ) from error


def _check_format(raw: Mapping[str, Any]) -> None:
    found = raw.get("format")
    if found is None:
        raise ModelError(
            f"{MANIFEST_FILE} has no field format; this version reads format {FORMAT}. "
            "Export the model again."
        )
    if found is True or found != FORMAT:
        raise ModelError(
            f"{MANIFEST_FILE} has format {found!r}; this version reads format {FORMAT}. "
            "Update Palaver, or export the model again."
        )


def _wrong(name: str, value: object, allowed: str) -> ModelError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return ModelError(
        f"{MANIFEST_FILE}: {name} is {shown}; it must be {allowed}. Export the model again."
    )


def _get(raw: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    if name not in raw:
        raise ModelError(f"{MANIFEST_FILE} lacks the field {name}. Export the model again.")
    value = raw[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        words = {str: "a text", int: "a whole number", dict: "an object", list: "a list"}
        raise _wrong(name, value, words[kind])
    return value


def _positive(raw: Mapping[str, Any], name: str) -> int:
    value = _get(raw, name, int)
    if not 0 < value < 2**48:
        raise _wrong(name, value, "a positive whole number")
    return value


def _choice(raw: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = _get(raw, name, str)
    if value not in allowed:
        raise _wrong(name, value, " or ".join(allowed))
    return value


def _parse_stop_token_ids(raw: Mapping[str, Any], vocab_size: int) -> tuple[int, ...]:
    ids = _get(raw, "stop_token_ids", list)
    if not ids or not all(type(i) is int and 0 <= i < vocab_size for i in ids):
        raise _wrong("stop_token_ids", ids, f"a list of token ids from 0 to {vocab_size - 1}")
    return tuple(ids)


def _parse_names(raw: Mapping[str, Any], name: str, wanted: tuple[str, ...]) -> dict[str, str]:
    found = _get(raw, name, dict)
    for key in wanted:
        if not isinstance(found.get(key), str):
            raise _wrong(f"{name}.{key}", found.get(key), "the name of a tensor of the graph")
        if key.startswith(("past_", "present_")) and "{layer}" not in found[key]:
            raise _wrong(f"{name}.{key}", found[key], "a name with {layer} in it")
    return {key: found[key] for key in wanted}


def _parse_files(raw: Mapping[str, Any]) -> dict[str, FileRecord]:
    records = {}
    for name, entry in _get(raw, "files", dict).items():
        if not _is_inside(name):
            raise _wrong("files", name, "names of files inside the model folder")
        entry = entry if isinstance(entry, dict) else {}
        sha256, num_bytes = entry.get("sha256"), entry.get("bytes")
        if not isinstance(sha256, str) or type(num_bytes) is not int:
            raise _wrong(f"files.{name}", entry, "an object with sha256 and bytes")
        records[name] = FileRecord(sha256.lower(), num_bytes)
    return records


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    plain = name == str(path) and "\\" not in name and ":" not in name and "\0" not in name
    return plain and not path.is_absolute() and ".." not in path.parts and name != "."


def _listed(raw: Mapping[str, Any], name: str, files: Mapping[str, FileRecord]) -> str:
    value = _get(raw, name, str)
    if value not in files:
        raise _wrong(name, value, "one of the names under files")
    return value


def _parse_generation(raw: Mapping[str, Any]) -> GenerationConfig:
    given = _get(raw, "generation", dict) if "generation" in raw else {}
    kinds = {f.name: (int, float) for f in fields(GenerationConfig)} | {"top_k": (int,)}
    kinds["max_new_tokens"] = (int,)
    for key, value in given.items():
        if key in ("stop", "seed") or key not in kinds:
            raise _wrong(f"generation.{key}", value, "left out: there is no such default")
        if type(value) not in kinds[key]:
            raise _wrong(f"generation.{key}", value, "a number")
    try:
        return GenerationConfig(**given)
    except InvalidRequest as error:
        raise ModelError(f"{MANIFEST_FILE}: generation.{error} Export the model again.") from error


def _check_file(folder: Path, name: str, record: FileRecord, *, verify: bool) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{path} leads out of the model folder. Put the file itself there.")
    if not path.is_file():
        raise ModelError(f"{path} is missing. Copy the whole model folder again.")
    num_bytes = path.stat().st_size
    if num_bytes != record.num_bytes:
        raise ModelError(
            f"{path} is {num_bytes} bytes long, {MANIFEST_FILE} says {record.num_bytes}: "
            "it was cut off or changed. Copy the whole model folder again."
        )
    if verify and _sha256(path) != record.sha256:
        raise ModelError(
            f"{path} has another checksum than {MANIFEST_FILE} says: it was damaged or changed. "
            "Copy the whole model folder again."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_vocabulary(manifest: Manifest, tokenizer: Tokenizer) -> None:
    padding = manifest.vocab_size - tokenizer.vocab_size
    if not 0 <= padding < MAX_VOCAB_PADDING:
        raise ModelError(
            f"{manifest.tokenizer_file} has {tokenizer.vocab_size} tokens, the model "
            f"{manifest.vocab_size}: they don't belong together. Export the model again."
        )
    if max(manifest.stop_token_ids) >= tokenizer.vocab_size:
        raise _wrong("stop_token_ids", list(manifest.stop_token_ids), "ids of the tokenizer")
