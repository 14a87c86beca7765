"""Text as it comes from outside, made safe to store, tokenise and show."""

import re

# Lone surrogates cannot be encoded as UTF-8; PostgreSQL refuses NUL and SQLite's tools cut at it.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Return `text` with NULs and lone surrogates replaced by U+FFFD and line ends as ``\\n``."""
    return (
        _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text).replace("\r\n", "\n").replace("\r", "\n")
    )
