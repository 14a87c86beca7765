"""What is made once is made once, whoever asks, and nobody waits for what isn't theirs."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from moderation.lazy import Lazy


class Text:
    """Makes a value of itself, when it may."""

    def __init__(self):
        self.lock = threading.RLock()
        self.may = threading.Event()
        self.num_made = 0

    @Lazy
    def value(self) -> int:
        """A value."""
        self.may.wait(20)
        time.sleep(0.01)
        self.num_made += 1
        return self.num_made

    @Lazy
    def twice(self) -> int:
        return self.value * 2

    @Lazy
    def broken(self) -> int:
        raise ValueError


def test_many_threads_get_one_value():
    text = Text()
    text.may.set()
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: text.twice, range(32)))
    assert values == [2] * 32
    assert text.num_made == 1


def test_one_object_does_not_wait_for_another():
    slow, quick = Text(), Text()
    quick.may.set()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: slow.value)
        assert quick.value == 1
        assert not waiting.done()
        slow.may.set()
        assert waiting.result() == 1


def test_what_raises_raises_again_and_keeps_no_lock():
    text = Text()
    text.may.set()
    for _ in range(2):
        with pytest.raises(ValueError):
            _ = text.broken
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: text.value).result(timeout=20) == 1
    assert Text.value.__doc__ == "A value."
