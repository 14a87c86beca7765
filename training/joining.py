"""Short conversations joined into long ones, so that a model learns to stay itself in those too."""

import re
from collections.abc import Iterable, Iterator

from chat.types import Message
from training.documents import Document

# What a person says of themselves could contradict what a person said in the conversation before.
_PERSONAL = re.compile(
    r"\b(?:my|mine|our|we|i['’]?m|i am|call me|remember|told|forg[eo]t)\b", re.IGNORECASE
)


def join_conversations(documents: Iterable[Document], most: int) -> Iterator[Document]:
    """Yield conversations made of 2 to `most` of `documents` in a row.

    A personal conversation can only be the last part, so nothing in a joined conversation is at
    odds with what came before. Those with a system message are left out.
    """
    messages: list[Message] = []
    num_parts = 0
    for document in documents:
        if not document.messages or document.messages[0].role == "system":
            continue
        messages += document.messages
        num_parts += 1
        # Lengths vary with the text, so that the same file always gives the same conversations.
        is_full = num_parts >= 2 + int(document.hash_fraction() * (most - 1))
        if is_full or is_personal(document):
            if num_parts > 1:
                yield Document(messages=tuple(messages))
            messages, num_parts = [], 0


def is_personal(document: Document) -> bool:
    """Say whether a person speaks of themselves, or of what they said."""
    return any(_PERSONAL.search(m.content) for m in document.messages if m.role == "user")
