"""Long texts in pieces that overlap, so that a classifier never judges too much at once."""

_WORD_REACH = 40


def cut_windows(text: str, size: int, overlap: int) -> list[str]:
    """Return `text` in windows of at most `size` characters, each beginning `overlap` before the
    end of the one before.

    A window begins and ends between words where a space is near. What fits stays whole.
    """
    assert 0 <= overlap <= size // 2 and size >= 4 * _WORD_REACH
    windows = []
    start = 0
    while len(text) - start > size:
        end = _between_words(text, start + size)
        windows.append(text[start:end])
        start = _between_words(text, end - overlap)
    return [*windows, text[start:]]


def _between_words(text: str, place: int) -> int:
    space = text.rfind(" ", place - _WORD_REACH, place)
    return space + 1 if space >= 0 else place
