"""Training of the encoder: resumable, deterministic, and exported as it was trained."""

import json

import numpy as np
import pytest

from chat.errors import ModeratorError, SetupError
from chat.types import Message
from moderation.base import ModerationContext
from moderation.conformance import check_moderator

torch = pytest.importorskip("torch")

from moderation.mini import MiniModerator  # noqa: E402
from tests.tiny_encoder import write_base, write_data  # noqa: E402
from training.moderators import encoder, export, linear  # noqa: E402
from training.moderators.batches import BatchMaker, Limits, slip  # noqa: E402
from training.moderators.corpus import read_corpus  # noqa: E402
from training.moderators.graph import make_graph  # noqa: E402
from training.moderators.network import Encoder, Shape  # noqa: E402
from training.moderators.vocabulary import (  # noqa: E402
    choose_pieces,
    make_tokenizer,
    read_pieces,
)

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a base, data, a linear classifier, a finished run, and its export."""
    folder = tmp_path_factory.mktemp("mini")
    write_base(folder / "base")
    write_data(folder / "data")
    recipe = ["--data", str(folder / "data"), "--out", str(folder), "--min-texts", "1"]
    linear.main([*recipe, "--only", "fast"])
    assert encoder.main(arguments(folder, folder / "run")) == 0
    export.main(
        [
            *("--run", str(folder / "run"), "--data", str(folder / "data")),
            *("--out", str(folder / "mini"), "--linear", str(folder / "fast")),
            *("--max-file-bytes", "4096", "--max-tokens", "16"),
        ]
    )
    return folder


def arguments(folder, run, *more):
    return [
        *("--data", str(folder / "data"), "--base", str(folder / "base"), "--run", str(run)),
        *("--passes", "6", "--rows", "16", "--pieces", "60", "--max-tokens", "16"),
        *("--learning-rate", "0.01", "--head-rate", "0.05", "--validate-every", "20"),
        *("--threads", "1", "--no-bfloat16", *more),
    ]


def load(work):
    return MiniModerator(str(work / "mini"), str(work / "fast"))


def ask(text):
    return ModerationContext((Message("user", text),), "input")


def test_it_learns_and_the_export_keeps_the_contract_of_moderators(work):
    assert check_moderator(load(work), samples=["you zorblatt now", "you quuxible"]) == []


def test_each_word_raises_its_category(work):
    moderator = load(work)
    hate, nice = (moderator.check(ask(f"you {word} tea")).scores for word in ("zorblatt", "nice"))
    assert hate["hate"] > 0.5 > max(nice.values())


def test_no_file_is_larger_than_asked_for_but_tokenizer_and_graph(work):
    sizes = {path.name: path.stat().st_size for path in (work / "mini").iterdir()}
    weights = [size for name, size in sizes.items() if name.startswith("model.onnx.data.")]
    assert len(weights) > 1 and max(weights) <= 4096


def test_the_card_and_the_manifest_say_what_was_measured(work):
    manifest = json.loads((work / "mini" / "manifest.json").read_text())
    assert manifest["parity"]["auprc_exported"] >= manifest["parity"]["auprc_torch"] - 0.01
    card = (work / "mini" / "MODEL_CARD.md").read_text()
    assert "## Figures" in card and "all-MiniLM-L6-v2" in card and "| hate |" in card


def test_a_text_is_judged_alike_alone_and_in_a_batch_of_longer_ones(work):
    moderator = load(work)
    texts = ["zorblatt", "you nice " * 200, "tea", "", "a cup of tea " * 9]
    together = load(work).check_batch([ask(text) for text in texts])
    assert [v.scores for v in together] == [moderator.check(ask(t)).scores for t in texts]


def test_a_word_is_found_anywhere_in_a_very_long_text(work):
    moderator = load(work)
    for place in (0, 700, 3999):
        words = ["tea"] * 4000
        words[place] = "zorblatt zorblatt"
        assert moderator.check(ask(" ".join(words))).scores["hate"] > 0.5, place


def test_another_linear_classifier_than_it_was_calibrated_with_is_refused(work, tmp_path):
    write_data(tmp_path / "data", 90)
    recipe = ["--data", str(tmp_path / "data"), "--out", str(tmp_path), "--min-texts", "1"]
    linear.main([*recipe, "--only", "fast"])
    with pytest.raises(ModeratorError, match="calibrated together"):
        MiniModerator(str(work / "mini"), str(tmp_path / "fast"))


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data.0", "tokenizer.json"])
def test_a_missing_file_is_an_error_that_names_the_folder(work, tmp_path, name):
    for path in (work / "mini").iterdir():
        if path.name != name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ModeratorError, match=str(tmp_path)):
        MiniModerator(str(tmp_path), str(work / "fast"))


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(work, tmp_path):
    stops = iter([False] * 17)
    args = encoder.parse_args(encoder.Args, "x", None, arguments(work, tmp_path / "run"))
    assert not encoder.train(args, lambda: next(stops, True))
    assert not (tmp_path / "run" / "model.pt").exists()
    assert encoder.main(arguments(work, tmp_path / "run")) == 0
    whole, _ = encoder.load_model(work / "run")
    resumed, _ = encoder.load_model(tmp_path / "run")
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], weight, msg=name)


def test_a_run_is_not_gone_on_with_under_other_arguments(work, tmp_path):
    args = encoder.parse_args(encoder.Args, "x", None, arguments(work, tmp_path / "run"))
    assert not encoder.train(args, lambda: True)
    with pytest.raises(SetupError, match="seed"):
        encoder.main(arguments(work, tmp_path / "run", "--seed", "2"))


def test_a_run_may_start_from_an_earlier_one(work, tmp_path):
    more = ("--start", str(work / "run"), "--learning-rate", "0", "--head-rate", "0")
    assert encoder.main(arguments(work, tmp_path / "run", *more)) == 0
    before, after = encoder.load_model(work / "run")[0], encoder.load_model(tmp_path / "run")[0]
    torch.testing.assert_close(after.head.weight, before.head.weight)


def test_metrics_and_settings_are_written_down(work):
    rows = [json.loads(line) for line in (work / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < losses[0] and any("mean_auprc" in row for row in rows)
    assert json.loads((work / "run" / "config.json").read_text())["rows"] == "16"


def test_the_exact_graph_gives_the_figures_of_torch(tmp_path):
    import onnxruntime as ort

    from training.external import save_external

    torch.manual_seed(0)
    model = Encoder(Shape(50, 3, num_layers=2, hidden_size=64, num_heads=2, inner_size=96)).eval()
    torch.nn.init.normal_(model.words.weight, std=0.5)
    ids, lengths = torch.randint(0, 50, (4, 9)), torch.tensor([9, 1, 5, 7])
    with torch.inference_mode():
        wanted = model(ids, lengths).numpy()
    found = {}
    for precision in ("fp32", "int8"):
        folder = tmp_path / precision
        folder.mkdir()
        save_external(make_graph(model, precision=precision), folder, max_bytes=1 << 20)
        session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        feed = {"input_ids": ids.numpy(), "lengths": lengths.numpy().astype(np.int32)}
        found[precision] = session.run(None, feed)[0]
    np.testing.assert_allclose(found["fp32"], wanted, atol=1e-4)
    np.testing.assert_allclose(found["int8"], wanted, atol=0.1)


def test_a_pass_is_the_same_for_the_same_seed_and_different_for_the_next(work):
    corpus = read_corpus(work / "data", "train")
    tokenizer = make_tokenizer(read_pieces(work / "base"))
    makers = [BatchMaker(corpus, tokenizer, Limits(16, 16), seed=3) for _ in range(2)]
    one, same = (maker.make(0) for maker in makers)
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(one, same, strict=True))
    other = makers[0].make(1)
    assert any(a.ids.shape != b.ids.shape or not torch.equal(a.ids, b.ids)
               for a, b in zip(one, other, strict=False))  # fmt: skip


def test_unknown_labels_weigh_nothing(work):
    corpus = read_corpus(work / "data", "train")
    tokenizer = make_tokenizer(read_pieces(work / "base"))
    maker = BatchMaker(corpus, tokenizer, Limits(16, 16), seed=3)
    weights = np.concatenate([batch.weights.numpy() for batch in maker.plain()])
    assert ((weights == 0) == ~corpus.known).all()


def test_slips_leave_most_of_a_text(work):
    text = "please put the kettle on and tell me a story about a whale " * 5
    assert 0.8 < len(slip(text, np.random.default_rng(0))) / len(text) < 1.2


def test_words_kept_in_a_cut_vocabulary_are_read_as_before(work):
    pieces = read_pieces(work / "base")
    cut = choose_pieces(pieces, ["the tea cups", "you zorblatt"], 62)
    assert len(cut.pieces) == 62 and "[unused1]" not in cut.pieces
    before, after = make_tokenizer(pieces), make_tokenizer(cut.pieces)
    for text in ("the tea cups, you zorblatt", "zebra"):
        assert after.encode(text).tokens == before.encode(text).tokens


def test_a_word_whose_piece_was_dropped_is_read_in_smaller_pieces(work):
    pieces = read_pieces(work / "base")
    cut = choose_pieces(pieces, ["tea"], 57)
    assert "quuxible" not in cut.pieces
    tokens = make_tokenizer(cut.pieces).encode("quuxible").tokens
    assert "[UNK]" not in tokens and tokens[1:3] == ["q", "##u"]


def test_a_base_that_is_none_is_an_error_that_says_what_is_needed(work, tmp_path):
    with pytest.raises(SetupError, match=r"vocab\.txt"):
        encoder.main([*arguments(work, tmp_path / "run"), "--base", str(tmp_path)])
