"""The graph that the engine runs, against the model it was traced from."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("torch")
pytest.importorskip("onnx_ir")

import onnx_ir as ir
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from chat.errors import ModelError
from training.export import OnnxGraph, check_graph
from training.external import save_external
from training.layers import find_projection
from training.parity import compare_greedy, continue_greedily
from training.quantise import quantise_graph, quantise_weight
from training.trace import check_exportable, export_graph

pytestmark = pytest.mark.torch

VOCAB = 288
MAX_LEN = 272  # more than 256 tokens to decode
SMALL: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": MAX_LEN,
    # Wide, so that attention and position matter to what random weights say.
    "initializer_range": 0.2,
}
KINDS: dict[str, dict[str, Any]] = {
    "tied, grouped queries": {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "untied, one key per query, biases, own head size": {
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
        "attention_bias": True,
        "head_dim": 32,
        "rope_theta": 500.0,
    },
}


@dataclass(frozen=True)
class Exported:
    """A model, and its graph saved as fp32."""

    model: Any
    folder: Path


def make_llama(**options: Any) -> Any:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SMALL | options)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name or "bias" in name:  # ones and zeros hide a norm or bias left out
                weight.uniform_(0.5, 1.5)
    return model


@pytest.fixture(scope="module", params=list(KINDS), ids=list(KINDS))
def exported(request, tmp_path_factory) -> Exported:
    folder = tmp_path_factory.mktemp("graph")
    model = make_llama(**KINDS[request.param])
    save_external(export_graph(model), folder, max_bytes=10**7)
    return Exported(model, folder)


def last_logits(model: Any, ids: Sequence[int]) -> Any:
    with torch.inference_mode():
        return model(torch.tensor([list(ids)])).logits[0, -1].numpy()


def random_ids(count: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, VOCAB, count).tolist()


def decode(graph: OnnxGraph, prompt: Sequence[int], count: int) -> list[int]:
    logits = graph.run(np.array([prompt]), np.array([len(prompt)], np.int32))
    answer = [int(logits[0].argmax())]
    while len(answer) < count:
        total = np.array([len(prompt) + len(answer)], np.int32)
        answer.append(int(graph.run(np.array([answer[-1:]]), total)[0].argmax()))
    return answer


def test_greedy_decoding_equals_torch_to_the_end_of_the_context(exported):
    graph = OnnxGraph(exported.folder, batch=1, max_len=MAX_LEN)
    prompt = random_ids(7)
    count = MAX_LEN - len(prompt)
    answer = decode(graph, prompt, count)
    assert answer == continue_greedily(exported.model, prompt, count)
    assert len(set(answer)) > 10  # a model that repeats itself would prove nothing


def test_each_of_a_ragged_batch_gets_its_own_last_logits(exported):
    rows = [random_ids(n, seed=n) for n in (11, 1, 6)]
    totals = np.array([len(row) for row in rows], np.int32)
    padded = np.array([row + [0] * (11 - len(row)) for row in rows])
    graph = OnnxGraph(exported.folder, batch=3, max_len=64)
    logits = graph.run(padded, totals)
    for step in range(4):
        for row, got in zip(rows, logits, strict=True):
            np.testing.assert_allclose(got, last_logits(exported.model, row), atol=1e-3)
        new = np.array([[token] for token in random_ids(3, seed=100 + step)])
        rows = [[*row, int(token[0])] for row, token in zip(rows, new, strict=True)]
        totals = totals + 1
        logits = graph.run(new, totals)


@pytest.mark.parametrize("cuts", [(40,), (1, 2, 40), (16, 32, 40), (39, 40)])
def test_a_prompt_in_chunks_gives_the_logits_of_the_whole(exported, cuts):
    prompt = random_ids(40)
    graph = OnnxGraph(exported.folder, batch=1, max_len=64)
    start = 0
    for end in cuts:
        logits = graph.run(np.array([prompt[start:end]]), np.array([end], np.int32))
        start = end
    np.testing.assert_allclose(logits[0], last_logits(exported.model, prompt), atol=1e-3)


def test_a_buffer_used_before_gives_the_same_logits_as_a_fresh_one(exported):
    graph = OnnxGraph(exported.folder, batch=1, max_len=64)
    graph.run(np.array([random_ids(60)]), np.array([60], np.int32))
    prompt = random_ids(9, seed=1)
    logits = graph.run(np.array([prompt]), np.array([9], np.int32))
    np.testing.assert_allclose(logits[0], last_logits(exported.model, prompt), atol=1e-3)


def test_nothing_is_left_of_the_trace_s_own_attention(exported):
    graph = ir.load(exported.folder / "model.onnx").graph
    kinds = {node.op_type for node in graph}
    assert not kinds & {"Softmax", "Where", "Cos", "Sin", "Range", "RotaryEmbedding", "Concat"}
    assert sum(node.op_type == "GroupQueryAttention" for node in graph) == 2
    past = {f"past_key_values.{i}.{kind}" for i in range(2) for kind in ("key", "value")}
    present = {name.replace("past_key_values", "present") for name in past}
    inputs = {"input_ids", "seqlens_k", "total_sequence_length"}
    assert {value.name for value in graph.inputs} == past | inputs
    assert {value.name for value in graph.outputs} == present | {"logits"}


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_quantised_graph_computes_with_the_weights_its_codes_stand_for(
    exported, tmp_path, precision
):
    model = ir.load(exported.folder / "model.onnx")
    quantise_graph(model, precision)
    paths = save_external(model, tmp_path, max_bytes=10**7)
    full = sum(path.stat().st_size for path in exported.folder.glob("*.data.*"))
    assert sum(path.stat().st_size for path in paths if "data" in path.name) < full / 2
    graph = OnnxGraph(tmp_path, batch=1, max_len=MAX_LEN)
    rounded = round_weights(exported.model, precision)
    agreement = compare_greedy(rounded, graph, [random_ids(5)], 100)
    # What is left is the rounding of activations to 8 bits.
    assert agreement.share >= 0.9
    assert 0 < agreement.max_logit_difference < 1


def round_weights(model: Any, precision: str) -> Any:
    rounded = copy.deepcopy(model)
    ends = {id(rounded.lm_head.weight), id(rounded.model.embed_tokens.weight)}
    with torch.no_grad():
        for weight in {id(w): w for w in rounded.parameters() if w.ndim == 2}.values():
            bits = 8 if precision == "int8" or id(weight) in ends else 4
            weight.copy_(torch.from_numpy(quantise_weight(weight.numpy(), bits).restore()))
    return rounded


def test_a_tied_embedding_is_stored_once(tmp_path):
    model = ir.Model(tied_graph(np.random.default_rng(0).normal(size=(96, 64))), ir_version=10)
    quantise_graph(model, "int8")
    assert sorted(node.op_type for node in model.graph) == ["GatherBlockQuantized", "MatMulNBits"]
    paths = save_external(model, tmp_path, max_bytes=10**6)
    assert paths[1].stat().st_size < 96 * 64 * 1.25  # one byte each, and the scales


def tied_graph(weight: Any) -> Any:
    table = ir.tensor(weight.astype(np.float32), name="table")
    shared = ir.Value(name="table", shape=table.shape, const_value=table)
    ids = ir.Value(name="input_ids", type=ir.TensorType(ir.DataType.INT64))
    embed = ir.node("Gather", [shared, ids])
    head = ir.node("FusedMatMul", [embed.outputs[0], shared], {"transB": 1}, domain="com.microsoft")
    head.outputs[0].name = "logits"
    return ir.Graph(
        [ids], head.outputs, nodes=[embed, head], initializers=[shared], opset_imports={"": 20}
    )


def test_no_data_file_exceeds_the_limit_and_the_graph_still_runs(exported, tmp_path):
    limit = 20_000  # less than the embedding and the feed-forward weights
    paths = save_external(ir.load(exported.folder / "model.onnx"), tmp_path, max_bytes=limit)
    assert all(path.stat().st_size <= limit for path in paths if "data" in path.name)
    prompt = random_ids(9)
    logits = OnnxGraph(tmp_path, batch=1, max_len=64).run(
        np.array([prompt]), np.array([9], np.int32)
    )
    np.testing.assert_allclose(logits[0], last_logits(exported.model, prompt), atol=1e-3)


def test_a_row_larger_than_a_file_is_refused(exported, tmp_path):
    with pytest.raises(ModelError, match="One row of a weight"):
        save_external(ir.load(exported.folder / "model.onnx"), tmp_path, max_bytes=100)


def tiny(config: type, **options: Any) -> Any:
    sizes = SMALL | {"num_key_value_heads": 2} | options
    return AutoModelForCausalLM.from_config(config(**sizes))


@pytest.mark.parametrize(
    ("config", "options", "reason"),
    [
        (LlamaConfig, {"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, "linear"),
        (LlamaConfig, {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "dynamic"),
        (MistralConfig, {"sliding_window": 16}, "sliding windows"),
        (
            Qwen2Config,
            {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1},
            "sliding windows",
        ),
        (Qwen3Config, {"head_dim": 16}, "norms"),
        (SmolLM3Config, {"no_rope_layers": [1, 0], "pad_token_id": 0}, "without rotary"),
    ],
)
def test_what_the_attention_cannot_do_is_refused(config, options, reason):
    with pytest.raises(ModelError, match=reason):
        check_exportable(tiny(config, **options))


@pytest.mark.parametrize("config", [LlamaConfig, Qwen2Config])
def test_plain_models_are_not_refused(config):
    check_exportable(tiny(config))


def test_a_model_with_learnt_positions_is_refused_before_it_is_traced():
    with pytest.raises(ModelError, match="rotary"):
        export_graph(AutoModelForCausalLM.from_config(GPT2Config(n_embd=64, n_layer=2, n_head=4)))


def test_a_graph_that_computes_something_else_is_refused(exported):
    other = copy.deepcopy(exported.model)
    with torch.no_grad():
        other.model.layers[1].self_attn.k_proj.weight.mul_(1.5)
    with pytest.raises(ModelError, match="differ"):
        check_graph(other, ir.load(exported.folder / "model.onnx"))


def test_a_norm_between_projection_and_attention_is_found_in_the_graph():
    weight = ir.Value(name="w", const_value=ir.tensor(np.ones((8, 8), np.float32)))
    query = ir.node("MatMul", [ir.Value(name="hidden"), weight])
    split = ir.node("Reshape", [query.outputs[0], ir.Value(name="shape")])
    norm = ir.node("SimplifiedLayerNormalization", [split.outputs[0], ir.Value(name="g")])
    turned = ir.node("Transpose", norm.outputs)
    assert find_projection(split.outputs[0]) is query.outputs[0]
    with pytest.raises(ModelError, match="SimplifiedLayerNormalization"):
        find_projection(turned.outputs[0])


weights = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.sampled_from([32, 64])),
    elements=st.floats(-1e4, 1e4, width=32),
)


@settings(deadline=None, max_examples=60)
@given(weight=weights)
def test_quantisation_errs_by_half_a_step_at_most(weight):
    quantised = quantise_weight(weight, 8)
    step = np.repeat(np.abs(quantised.scales), 32, axis=1)
    assert (np.abs(quantised.restore() - weight) <= step * 0.5001 + 1e-30).all()
    assert quantised.codes.shape == (weight.shape[0], weight.shape[1] // 32, 32)


@settings(deadline=None, max_examples=60)
@given(weight=weights)
def test_four_bits_err_no_more_than_plain_rounding(weight):
    quantised = quantise_weight(weight, 4)
    assert quantised.codes.shape == (weight.shape[0], weight.shape[1] // 32, 16)
    blocks = weight.reshape(-1, 32).astype(np.float64)
    step = np.abs(blocks).max(axis=1, keepdims=True) / 7
    plain = np.rint(blocks / np.where(step == 0, 1, step)) * step
    error = np.square(quantised.restore().reshape(-1, 32) - blocks).sum(axis=1)
    slack = 1e-4 * step[:, 0] ** 2 + 1e-60  # scales so small that float32 has few digits for them
    assert (error <= np.square(plain - blocks).sum(axis=1) + slack).all()


def test_a_width_that_is_no_multiple_of_the_block_is_refused():
    with pytest.raises(ModelError, match="multiple of 32"):
        quantise_weight(np.ones((4, 40), np.float32), 8)
