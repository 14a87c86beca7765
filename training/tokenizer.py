"""Train the byte-level BPE tokenizer: ``python -m training.tokenizer --help``.

    python -m training.tokenizer --data DATA generated/ --mixture training/mixtures/xs.toml \
        --out runs/xs/tokenizer

Byte-level BPE (Sennrich et al. 2016, on bytes as in GPT-2) with every digit a token of its own, so
that small models can learn to add. tokenizer.json has no post-processor: any version of the
tokenizers library, and the serving side, reads it the same way.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from chat.errors import ModelError, SettingsError
from chat.types import Message
from training.arguments import parse_args, run_stage
from training.documents import Document
from training.mixture import read_mixture, source_documents
from training.progress import track

logger = logging.getLogger(__name__)

END_OF_TEXT = "<|endoftext|>"
END_OF_MESSAGE = "<|end|>"
PAD = "<|pad|>"
SPECIAL_TOKENS = (END_OF_TEXT, "<|system|>", "<|user|>", "<|assistant|>", END_OF_MESSAGE, PAD)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|{{ 'system' if message.role == 'developer' else message.role }}|>"
    "{{ message.content }}<|end|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Args:
    """Train a byte-level BPE tokenizer on a mixture of sources."""

    data: Annotated[tuple[Path, ...], "folders in which the mixture's files are looked for"]
    mixture: Annotated[Path, "TOML file that names the sources"]
    out: Annotated[Path, "folder for tokenizer.json and tokenizer_config.json"]
    vocab_size: Annotated[int, "number of tokens, the six special ones included"] = 8192
    max_mb_per_source: Annotated[float, "read at most this many MB of text from each source"] = 6.0


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> tokenizers.Tokenizer:
    """Return a tokenizer trained on `texts`; the special tokens have the ids 0 to 5.

    Raises:
        SettingsError: `vocab_size` has no room for the special tokens and the 256 bytes.
    """
    smallest = 256 + len(SPECIAL_TOKENS)
    if vocab_size < smallest:
        raise SettingsError(
            f"A vocabulary of {vocab_size} is too small: it takes at least {smallest} tokens."
        )
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: tokenizers.Tokenizer, folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json (with the chat template) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_MESSAGE,
        "pad_token": PAD,
        "additional_special_tokens": list(SPECIAL_TOKENS),
        "model_max_length": 1024,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    text = json.dumps(config, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


def load_tokenizer(folder: Path) -> tokenizers.Tokenizer:
    """Return the tokenizer of a folder; what looks like a special token in a text is just text.

    Raises:
        ModelError: there is no tokenizer.json, or it lacks one of our special tokens.
    """
    path = folder / "tokenizer.json"
    try:
        tokenizer = tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"{path} is not a tokenizer that can be read: {error}") from error
    missing = [token for token in SPECIAL_TOKENS if tokenizer.token_to_id(token) is None]
    if missing:
        raise ModelError(f"{path} has no token {missing[0]}; train one with training.tokenizer.")
    tokenizer.encode_special_tokens = True
    return tokenizer


def encode_documents(
    documents: Sequence[Document], tokenizer: tokenizers.Tokenizer
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield (ids, mask) of each document, both ending with the place of ``<|endoftext|>``.

    The mask is 1 where an assistant is to be learnt from: its words and its ``<|end|>``, or all of
    a plain text. No content can make a special token.
    """
    texts = [text for document in documents for text in _contents(document)]
    encoded = iter(tokenizer.encode_batch(texts, add_special_tokens=False))
    end_of_text = token_id(tokenizer, END_OF_TEXT)
    for document in documents:
        if not document.messages:
            ids = [*next(encoded).ids, end_of_text]
            yield ids, [1] * len(ids)
            continue
        ids, mask = [], []
        for message in document.messages:
            turn, learnt = _encode_turn(message, next(encoded).ids, tokenizer)
            ids += turn
            mask += learnt
        yield [*ids, end_of_text], [*mask, 0]


def count_bytes(tokenizer: tokenizers.Tokenizer) -> list[int]:
    """Return for each token id how many bytes of text it stands for; special tokens stand for 0."""
    # A byte-level token has one character per byte.
    size = tokenizer.get_vocab_size()
    tokens = [tokenizer.id_to_token(i) or "" for i in range(size)]
    return [0 if token in SPECIAL_TOKENS else len(token) for token in tokens]


def _contents(document: Document) -> list[str]:
    return [m.content for m in document.messages] if document.messages else [document.text]


def _encode_turn(
    message: Message, content: list[int], tokenizer: tokenizers.Tokenizer
) -> tuple[list[int], list[int]]:
    role = token_id(tokenizer, f"<|{message.role}|>")
    ids = [role, *content, token_id(tokenizer, END_OF_MESSAGE)]
    is_learnt = int(message.role == "assistant")
    return ids, [0] + [is_learnt] * (len(ids) - 1)


def token_id(tokenizer: tokenizers.Tokenizer, token: str) -> int:
    """Return the id of a token that must be there."""
    found = tokenizer.token_to_id(token)
    assert found is not None, token
    return int(found)


def _texts(args: Args) -> Iterator[str]:
    for source in read_mixture(args.mixture):
        left = int(args.max_mb_per_source * 1e6)
        for document in source_documents(source, args.data):
            yield from _contents(document)
            left -= len(document.words())
            if left < 0:
                break


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage from the command line."""
    args = parse_args(Args, "training.tokenizer", Args.__doc__, argv)
    tokenizer = train_tokenizer(track(_texts(args), "reading"), args.vocab_size)
    save_tokenizer(tokenizer, args.out)
    print(f"{tokenizer.get_vocab_size()} tokens -> {args.out}")


if __name__ == "__main__":
    run_stage(main)
