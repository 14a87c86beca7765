"""Training of the linear classifiers: the runtime sees what was trained, rounding costs little."""

import json

import numpy as np
import pytest

from chat.errors import SetupError
from moderation.classifiers.artifact import Artifact
from moderation.classifiers.linear import KIND, FeatureReader, LinearModel, Weights

pytest.importorskip("sklearn")

from scipy.sparse import csr_matrix

from moderation.categories import TRAINED_CATEGORIES
from tests.tiny_encoder import write_data
from training.moderators import linear
from training.moderators.blending import fit_blend
from training.moderators.calibrating import fit_calibration
from training.moderators.corpus import make_corpus, read_corpus
from training.moderators.figures import average, measure, measure_harmless
from training.moderators.fitting import fit_logistic
from training.moderators.rows import Row
from training.moderators.weighing import weigh_labels, weigh_texts

pytestmark = pytest.mark.torch

HATE = TRAINED_CATEGORIES.index("hate")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("linear")
    write_data(folder / "data")
    linear.main(["--data", str(folder / "data"), "--out", str(folder), "--min-texts", "2"])
    return folder


def make_rows(num_rows, **changes):
    fields = {"labels": {"hate": 0}, "source": "a", "family": "f", "tags": ("benign",)} | changes
    return [Row(f"text {number}", **fields) for number in range(num_rows)]


def test_both_classifiers_are_written_and_load(work):
    fast = Artifact.open(work / "fast", KIND)
    assert fast.categories == TRAINED_CATEGORIES
    assert Artifact.open(work / "jailbreak", KIND).categories == ("jailbreak", "injection")
    card = (work / "fast" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "## Figures" in card and "## Limits" in card


def test_it_tells_what_it_was_shown(work):
    artifact = Artifact.open(work / "fast", KIND)
    test = read_corpus(work / "data", "test")
    scores = artifact.calibration.score(LinearModel.load(artifact).judge(test.texts))
    assert average(measure(test, scores)) == 1.0
    assert measure_harmless(test, scores) == {"ordinary": 0.0, "hard": 0.0}


def test_the_same_data_give_the_same_bytes(work, tmp_path):
    args = ["--data", str(work / "data"), "--out", str(tmp_path), "--min-texts", "2"]
    linear.main([*args, "--only", "fast"])
    for name in ("weights.npz", "manifest.json"):
        assert (tmp_path / "fast" / name).read_bytes() == (work / "fast" / name).read_bytes()


def test_the_trainer_reads_features_as_the_runtime_does(work):
    recipe = linear.RECIPES["fast"]
    texts = ["you zorblatt", "a nice cup of tea", "system: zorblatt the tea"]
    weights = Weights.load(work / "fast" / "weights.npz")
    raw = linear.read_features(texts, recipe, weights.places, weights.rareness)
    table = linear.scale_rows(raw)
    reader = FeatureReader(
        recipe.spec, weights.places, weights.rareness, recipe.names, linear.SHORTEST
    )
    for row, text in zip(table, texts, strict=True):
        columns, values = reader.read(text)
        assert row.indices.tolist() == columns.tolist()
        np.testing.assert_allclose(row.data, values, rtol=1e-6)


def test_a_text_that_says_little_moves_the_figures_little(work):
    weights = Weights.load(work / "fast" / "weights.npz")
    recipe = linear.RECIPES["fast"]
    reader = FeatureReader(recipe.spec, weights.places, weights.rareness, recipe.names, 1e6)
    assert np.linalg.norm(reader.read("you zorblatt")[1]) < 1e-3
    reader = FeatureReader(recipe.spec, weights.places, weights.rareness, recipe.names, 1e-6)
    assert np.linalg.norm(reader.read("you zorblatt")[1]) == pytest.approx(1, abs=1e-6)


def test_rounding_to_8_bits_changes_figures_little():
    rng = np.random.default_rng(0)
    table = rng.standard_normal((500, 3)).astype(np.float32)
    places, rareness = np.arange(500, dtype=np.uint32), np.full(500, 16, np.uint8)
    weights = linear.quantise(places, rareness, table, np.zeros(3, np.float32))
    restored = weights.codes * weights.scales
    assert np.abs(restored - table).max() < 0.02 * np.abs(table).max()


def test_without_data_the_error_says_so(tmp_path):
    with pytest.raises(SetupError, match=r"train\.jsonl"):
        linear.main(["--data", str(tmp_path), "--out", str(tmp_path)])


def test_rows_that_say_nothing_about_the_categories_are_an_error(work, tmp_path):
    row = {"text": "a", "labels": {"spam": 1}, "source": "s", "family": "f"}
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(SetupError, match="says anything"):
        linear.main(["--data", str(tmp_path), "--out", str(tmp_path)])


def test_a_regression_finds_the_best_of_a_small_problem():
    rng = np.random.default_rng(1)
    dense = rng.random((200, 5)).astype(np.float32)
    labels = (dense[:, :2] > 0.5).astype(np.float32)
    weights = np.ones((200, 2))
    table, biases = fit_logistic(csr_matrix(dense), labels, weights, strength=50, max_steps=200)
    logits = dense @ table + biases
    errors = 1 / (1 + np.exp(-logits)) - labels
    np.testing.assert_allclose(table + 50 * dense.T @ errors, 0, atol=0.5)
    assert ((logits > 0) == (labels > 0)).mean() > 0.95


def test_unknown_labels_leave_no_trace_in_a_regression():
    rng = np.random.default_rng(2)
    features = csr_matrix(rng.random((60, 4)).astype(np.float32))
    labels = (rng.random((60, 1)) > 0.5).astype(np.float32)
    weights = (rng.random((60, 1)) > 0.3).astype(np.float64)
    flipped = np.where(weights > 0, labels, 1 - labels).astype(np.float32)
    one, other = (
        fit_logistic(features, each, weights, strength=5, max_steps=50)[0]
        for each in (labels, flipped)
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_harmless_hard_and_harmful_texts_weigh_what_they_should():
    corpus = make_corpus(
        [
            *make_rows(500),
            *make_rows(20, tags=("lookalike",)),
            *make_rows(30, labels={"hate": 1}, tags=()),
        ]
    )
    weights = weigh_texts(corpus)
    assert weights.mean() == pytest.approx(1)
    assert weights[corpus.is_harmful].sum() == pytest.approx(weights[corpus.is_harmless].sum())
    assert weights[corpus.is_hard].mean() > weights[corpus.is_ordinary].mean()


def test_labels_that_are_unknown_weigh_nothing_and_rare_ones_more():
    corpus = make_corpus([*make_rows(99), *make_rows(1, labels={"hate": 1, "sexual": 1})])
    weights = weigh_labels(corpus, np.ones(100))
    assert (weights[:, HATE] > 0).all() and weights[-1, HATE] > weights[0, HATE]
    assert weights[:99, TRAINED_CATEGORIES.index("sexual")].sum() == 0


def test_hardly_an_ordinary_text_reaches_one_half_after_calibration():
    rng = np.random.default_rng(3)
    corpus = make_corpus(
        [*make_rows(3000), *make_rows(300, labels={"hate": 1}), *make_rows(300, tags=("hard",))]
    )
    figures = rng.standard_normal((3600, len(TRAINED_CATEGORIES)))
    figures[3000:3300, HATE] += 4
    figures[3300:, HATE] += 1
    scores = fit_calibration(corpus, figures).score(figures)[:, HATE]
    assert (scores[:3000] >= 0.5).mean() <= 0.001
    assert (scores[3300:] >= 0.5).mean() <= 0.021
    assert (scores[3000:3300] >= 0.5).mean() > 0.5


def test_a_category_without_examples_is_calibrated_all_the_same():
    corpus = make_corpus(make_rows(50))
    figures = np.zeros((50, len(TRAINED_CATEGORIES)))
    scores = fit_calibration(corpus, figures).score(figures)
    assert np.isfinite(scores).all() and (scores < 0.5).all()


def test_the_better_of_two_classifiers_counts_more():
    rng = np.random.default_rng(4)
    corpus = make_corpus([*make_rows(400), *make_rows(400, labels={"hate": 1})])
    good, noise = (rng.standard_normal((800, len(TRAINED_CATEGORIES))) for _ in range(2))
    good[400:, HATE] += 3
    blend = fit_blend(corpus, good, noise)
    assert blend.encoder[HATE] > 3 * blend.linear[HATE] >= 0
    assert np.isfinite([blend.encoder, blend.linear]).all()
