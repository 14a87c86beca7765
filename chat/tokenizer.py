"""Text to token ids and back, by the model's own tokenizer.json."""

from collections.abc import Sequence
from pathlib import Path

import tokenizers
from tokenizers.decoders import DecodeStream

from chat.errors import ModelError


class Tokenizer:
    """A model's tokenizer. Safe to share between threads: it is never changed after loading."""

    def __init__(self, plain: tokenizers.Tokenizer, special: tokenizers.Tokenizer):
        # `plain` reads "<|end|>" in a text as ordinary characters, `special` as the token: what
        # people type goes through the first, the template's own words through the second.
        self._plain = plain
        self._special = special
        added = special.get_added_tokens_decoder().values()
        self.special_tokens = frozenset(token.content for token in added if token.special)

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a tokenizer.json.

        Raises:
            ModelError: there is no such file, or it isn't a tokenizer.
        """
        try:
            source = path.read_text(encoding="utf-8")
            plain, special = (tokenizers.Tokenizer.from_str(source) for _ in range(2))
        except Exception as error:  # the library raises bare Exception
            raise ModelError(f"{path.name} is not a tokenizer that can be read: {error}") from error
        for tokenizer in (plain, special):
            tokenizer.no_padding()
            tokenizer.no_truncation()
        plain.encode_special_tokens = True
        return cls(plain, special)

    @property
    def vocab_size(self) -> int:
        """The number of token ids, added tokens included."""
        return self._special.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        """Return the token ids of `text`; special tokens in it only count if `allow_special`."""
        tokenizer = self._special if allow_special else self._plain
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens left out."""
        return self._special.decode(list(ids), skip_special_tokens=True)

    def token_id(self, token: str) -> int | None:
        """Return the id of a token by its text, or None if there is no such token."""
        return self._special.token_to_id(token)

    def stream(self) -> "Detokenizer":
        """Return a decoder for one answer, fed token by token."""
        return Detokenizer(self._special)


class Detokenizer:
    """Turns a growing answer into text; bytes of an unfinished character wait for the rest."""

    def __init__(self, tokenizer: tokenizers.Tokenizer):
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def push(self, token_id: int) -> str:
        """Return the text that `token_id` completes: possibly none yet."""
        return self._stream.step(self._tokenizer, token_id) or ""
