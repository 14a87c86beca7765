"""manifest.json: what an exported model tells the engine that serves it (format 1)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from chat.errors import ModelError
from chat.template import ChatTemplate
from chat.tokenizer import Tokenizer

FORMAT = 1
_END_TOKEN = "<|end|>"
# What suits small models: some variety, few wrong sums, and no penalty on repeating the name that
# one was told.
_DEFAULTS = {"temperature": 0.4, "top_k": 40, "repetition_penalty": 1.0}


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file's object, empty if there is no such file.

    Raises:
        ModelError: the file isn't a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path.name} holds no JSON object.")
    return content


def describe_text(checkpoint: Path) -> dict[str, Any]:
    """Return what the manifest says about text: template, special tokens, stop ids, sampling.

    Raises:
        ModelError: the tokenizer or its chat template is missing or broken, or nothing stops.
    """
    tokenizer = Tokenizer.load(checkpoint / "tokenizer.json")
    config = read_json(checkpoint / "tokenizer_config.json")
    generation = read_json(checkpoint / "generation_config.json")
    template = _read_template(checkpoint, config)
    bos, eos = (_token_text(config.get(f"{kind}_token")) for kind in ("bos", "eos"))
    ChatTemplate(template, bos_token=bos, eos_token=eos)  # broken ones raise here, not in service
    stops = _find_stops(tokenizer, eos, generation.get("eos_token_id"))
    if not stops:
        raise ModelError(
            "The checkpoint names no token that ends an answer; set eos_token in "
            "tokenizer_config.json or eos_token_id in generation_config.json."
        )
    return {
        "stop_token_ids": stops,
        "chat_template": template,
        "bos_token": bos,
        "eos_token": eos,
        "generation": {
            key: default if generation.get(key) is None else generation[key]
            for key, default in _DEFAULTS.items()
        },
    }


def _read_template(checkpoint: Path, config: Mapping[str, Any]) -> str:
    # transformers writes it into a file of its own since version 5.
    path = checkpoint / "chat_template.jinja"
    template = path.read_text(encoding="utf-8") if path.is_file() else config.get("chat_template")
    if not isinstance(template, str) or not template:
        raise ModelError("The checkpoint has no chat template; only chat models are exported.")
    return template


def _token_text(token: Any) -> str:
    """Return a special token's text; configs write it as a string, an object or null."""
    if isinstance(token, Mapping):
        token = token.get("content")
    return token if isinstance(token, str) else ""


def _find_stops(tokenizer: Tokenizer, eos: str, configured: Any) -> list[int]:
    listed = configured if isinstance(configured, list) else [configured]
    found = [tokenizer.token_id(_END_TOKEN), *listed, tokenizer.token_id(eos) if eos else None]
    return list(dict.fromkeys(each for each in found if isinstance(each, int)))


def describe_model(config: Any) -> dict[str, Any]:
    """Return what the manifest says about sizes, from a transformers config."""
    heads = config.num_attention_heads
    return {
        "architecture": config.model_type,
        "context_length": config.max_position_embeddings,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_layers": config.num_hidden_layers,
        "num_heads": heads,
        "num_kv_heads": getattr(config, "num_key_value_heads", None) or heads,
        "head_dim": getattr(config, "head_dim", None) or config.hidden_size // heads,
    }


def describe_graph() -> dict[str, Any]:
    """Return what the manifest says about the graph's inputs, outputs and files."""
    return {
        "kv_dtype": "float32",
        "inputs": {
            "input_ids": "input_ids",
            "seqlens_k": "seqlens_k",
            "total_sequence_length": "total_sequence_length",
            "past_key": "past_key_values.{layer}.key",
            "past_value": "past_key_values.{layer}.value",
        },
        "outputs": {
            "logits": "logits",
            "present_key": "present.{layer}.key",
            "present_value": "present.{layer}.value",
        },
        "model_file": "model.onnx",
        "tokenizer_file": "tokenizer.json",
    }


def describe_files(paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return name, SHA-256 and size of each file, so that a broken copy is noticed."""
    return {
        path.name: {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in paths
    }


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write manifest.json into `folder`."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")
