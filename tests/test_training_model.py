"""The model: its sizes, and documents in one row that never see each other."""

import pytest

torch = pytest.importorskip("torch")

from chat.errors import ModelError, SettingsError  # noqa: E402
from training.model import (  # noqa: E402
    build_config,
    build_model,
    choose_device,
    count_parameters,
    document_mask,
    load_model,
    make_loss,
)

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(("name", "millions"), [("XS", 6.5), ("S", 22.0), ("M", 27.8)])
def test_shapes_have_the_sizes_they_are_known_for(name, millions):
    with torch.device("meta"):
        model = build_model(build_config(name, 8192))
    assert count_parameters(model) / 1e6 == pytest.approx(millions, rel=0.03)


def test_unknown_shape_and_device_name_the_choices():
    with pytest.raises(SettingsError, match="XS"):
        build_config("XXL", 300)
    with pytest.raises(SettingsError, match="cpu"):
        choose_device("abacus")


def test_missing_model_folder_is_named(tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        load_model(tmp_path / "nowhere")


def test_packed_documents_have_the_losses_they_have_alone():
    torch.manual_seed(0)
    model = build_model(build_config("nano", 300))
    loss = make_loss(model, torch.float32)
    a, b = torch.randint(6, 300, (1, 5)), torch.randint(6, 300, (1, 7))
    tokens = torch.cat([a, b], dim=1)
    documents = torch.tensor([[0] * 5 + [1] * 7])
    weights = torch.tensor([[1.0] * 4 + [0.0] + [1.0] * 6])
    packed = loss(tokens[:, :-1], tokens[:, 1:], weights, documents[:, :-1])
    alone = [
        loss(t[:, :-1], t[:, 1:], torch.ones(1, t.size(1) - 1), torch.zeros(1, t.size(1) - 1))
        for t in (a, b)
    ]
    # Rotary positions are relative, so it does not matter where in the row a document starts.
    torch.testing.assert_close(packed, alone[0] + alone[1], rtol=1e-4, atol=1e-4)


def test_document_mask_shows_only_earlier_tokens_of_the_same_document():
    mask = document_mask(torch.tensor([[0, 0, 1, 1]]), torch.float32)[0, 0]
    seen = [[True, False, False, False], [True, True, False, False],
            [False, False, True, False], [False, False, True, True]]  # fmt: skip
    assert (mask == 0).tolist() == seen
