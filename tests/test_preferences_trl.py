"""TRL itself trains a step on exported files: a reward model, DPO, KTO and fine-tuning."""

import math

import pytest

torch = pytest.importorskip("torch")
trl = pytest.importorskip("trl")

from datasets import load_dataset  # noqa: E402
from transformers import (  # noqa: E402
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
)

from chat.types import Message  # noqa: E402
from preferences.drops import Options  # noqa: E402
from preferences.exports import export_format  # noqa: E402
from preferences.formats import find_format  # noqa: E402
from preferences.splits import Splits  # noqa: E402
from tests.conftest import TEMPLATE, write_byte_tokenizer  # noqa: E402
from tests.preferences_made import candidate, judgement  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    # TRL 1.16 asks transformers 5.23 for an attribute by its old name.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

SUFFIXES = pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
HOSTILE = ("\ud800 half", "line\u2028end", "😀", "NUL \0", "")
SHAPE = LlamaConfig(
    vocab_size=300,
    hidden_size=16,
    intermediate_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    max_position_embeddings=128,
    num_labels=1,
    pad_token_id=5,
    bos_token_id=0,
    eos_token_id=4,
)


@pytest.fixture
def tokenizer(tmp_path):
    """A tokenizer of bytes with the bundled model's chat template."""
    path = write_byte_tokenizer(tmp_path / "tokenizer.json")
    loaded = PreTrainedTokenizerFast(
        tokenizer_file=str(path), eos_token="<|end|>", pad_token="<|pad|>"
    )
    loaded.chat_template = TEMPLATE
    return loaded


def load_rows(folder, name, suffix):
    """Export rankings with hostile texts and load the file as people do."""
    made = [
        judgement(
            "a>b" if n % 2 else "b>a",
            question=str(n),
            prompt=(Message("user", f"Question {n}: {text}"),),
            candidates=[candidate("a", f"Good {text}")],
            acceptable=frozenset("a"),
        )
        for n, text in enumerate(HOSTILE)
    ]
    options = Options(splits=Splits((1.0, 0.0, 0.0)))
    part = export_format(made, find_format(name), folder, suffix, options)
    assert part.num_rows >= len(HOSTILE)
    return load_dataset(
        {".jsonl": "json", ".parquet": "parquet"}[suffix],
        data_files=str(part.files["train"].path),
        cache_dir=str(folder / "cache"),
        split="train",
    )


def make_policy(folder):
    """Return a random model that lies in a folder, from where TRL takes the reference model."""
    torch.manual_seed(0)
    LlamaForCausalLM(SHAPE).save_pretrained(folder / "model")
    return LlamaForCausalLM.from_pretrained(folder / "model")


def train_one_step(trainer_class, config_class, folder, model, tokenizer, rows, **options):
    """Return the loss of one step; the weights have to move."""
    before = [weights.detach().clone() for weights in model.parameters()]
    arguments = config_class(
        output_dir=str(folder / "out"),
        max_steps=1,
        per_device_train_batch_size=2,
        learning_rate=0.1,
        warmup_steps=0,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        **options,
    )
    trainer = trainer_class(
        model=model, args=arguments, train_dataset=rows, processing_class=tokenizer
    )
    loss = trainer.train().training_loss
    moved = any(not torch.equal(b, a) for b, a in zip(before, model.parameters(), strict=True))
    assert math.isfinite(loss) and moved
    return trainer


@SUFFIXES
def test_a_reward_model_trains_a_step_and_reads_the_margin(tmp_path, tokenizer, suffix):
    rows = load_rows(tmp_path, "trl-preference", suffix)
    torch.manual_seed(0)
    model = LlamaForSequenceClassification(SHAPE)
    trainer = train_one_step(trl.RewardTrainer, trl.RewardConfig, tmp_path, model, tokenizer, rows)
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["margin"].tolist() == [1.0, 1.0]


@SUFFIXES
def test_dpo_trains_a_step(tmp_path, tokenizer, suffix):
    rows = load_rows(tmp_path, "trl-preference", suffix)
    train_one_step(trl.DPOTrainer, trl.DPOConfig, tmp_path, make_policy(tmp_path), tokenizer, rows)


def test_kto_trains_a_step_on_unpaired_rows(tmp_path, tokenizer):
    rows = load_rows(tmp_path, "trl-unpaired", ".parquet")
    assert set(rows["label"]) == {True, False}
    train_one_step(trl.KTOTrainer, trl.KTOConfig, tmp_path, make_policy(tmp_path), tokenizer, rows)


def test_fine_tuning_trains_a_step_on_conversations(tmp_path, tokenizer):
    rows = load_rows(tmp_path, "sft", ".jsonl")
    train_one_step(trl.SFTTrainer, trl.SFTConfig, tmp_path, make_policy(tmp_path), tokenizer, rows)
