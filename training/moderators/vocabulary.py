"""A vocabulary cut to the pieces that the texts need, so that the embedding stays small."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from chat.errors import SetupError
from training.progress import track

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_CONTINUES = "##"
_BATCH = 1000
# The first Unicode blocks: Latin with its accents, and punctuation.
_LAST_LATIN = 0x24F
_PUNCTUATION = (0x2000, 0x206F)
_EMOJI = 0x1F000


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The pieces kept of a base's, in their order; ``ids`` are their ids there."""

    pieces: tuple[str, ...]
    ids: tuple[int, ...]


def read_pieces(base: Path) -> list[str]:
    """Return the base's pieces in the order of their ids.

    Raises:
        SetupError: there is no vocab.txt.
    """
    try:
        return (base / "vocab.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{base / 'vocab.txt'} can't be read: {error}.") from error


def make_tokenizer(pieces: Sequence[str]) -> Tokenizer:
    """Return BERT's tokenizer (uncased, WordPiece) with these pieces."""
    vocab = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(name, vocab[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    tokenizer.add_special_tokens(list(_SPECIAL))
    return tokenizer


def choose_pieces(base: Sequence[str], texts: Iterable[str], size: int) -> Vocabulary:
    """Return `size` pieces of `base`: the special ones, single characters, then the most used.

    Where the texts don't use so many, English-looking ones follow in the base's own order, which
    is by how common they are. A word whose piece was dropped is read in smaller pieces.
    """
    used = _count(make_tokenizer(base), texts, len(base))
    rank = {number: (-used[number], number) for number in range(len(base))}
    must = [number for number, piece in enumerate(base) if _is_needed(piece)]
    chosen = set(must)
    others = (n for n in sorted(rank, key=rank.__getitem__) if n not in chosen)
    wanted = [n for n in others if used[n] or _is_plain(base[n])]
    chosen.update(wanted[: max(0, size - len(chosen))])
    ids = tuple(sorted(chosen))
    return Vocabulary(tuple(base[number] for number in ids), ids)


def save_vocabulary(vocabulary: Vocabulary, folder: Path) -> None:
    """Write tokenizer.json."""
    make_tokenizer(vocabulary.pieces).save(str(folder / "tokenizer.json"), pretty=False)


def shrink_tokenizer(path: Path) -> None:
    """Rewrite a tokenizer.json without the spaces that only people need."""
    content = json.loads(path.read_text(encoding="utf-8"))
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text, encoding="utf-8")


def _count(tokenizer: Tokenizer, texts: Iterable[str], size: int) -> list[int]:
    counts = [0] * size
    batch: list[str] = []
    for text in track(texts, "Counting pieces"):
        batch.append(text.encode("utf-8", "replace").decode("utf-8"))
        if len(batch) == _BATCH:
            _add(tokenizer, batch, counts)
            batch = []
    _add(tokenizer, batch, counts)
    return counts


def _add(tokenizer: Tokenizer, batch: list[str], counts: list[int]) -> None:
    for encoding in tokenizer.encode_batch(batch, add_special_tokens=False):
        for number in encoding.ids:
            counts[number] += 1


def _is_needed(piece: str) -> bool:
    core = piece.removeprefix(_CONTINUES)
    if piece in _SPECIAL:
        return True
    if len(core) != 1:
        return False
    code = ord(core)
    low, high = _PUNCTUATION
    return code <= _LAST_LATIN or low <= code <= high or code >= _EMOJI


def _is_plain(piece: str) -> bool:
    core = piece.removeprefix(_CONTINUES)
    return core.isascii() and core.isalpha()
