"""The key/value buffers: growth, moves, addresses."""

import ctypes

import numpy as np

from inference.kv_cache import KVCache


def make_cache() -> KVCache:
    return KVCache(num_layers=2, num_kv_heads=2, max_length=8, head_dim=4)


def fill(cache: KVCache, slot: int, value: float) -> None:
    for layer in range(2):
        cache.view(layer, "key", slot)[:] = value
        cache.view(layer, "value", slot)[:] = -value


def test_cache_is_empty_until_slots_are_reserved():
    cache = make_cache()
    assert (cache.num_slots, cache.num_bytes) == (0, 0)


def test_growth_is_in_powers_of_two_and_keeps_contents():
    cache = make_cache()
    assert cache.reserve(1)
    fill(cache, 0, 5.0)
    assert not cache.reserve(1)
    assert cache.reserve(5)
    assert cache.num_slots == 8
    assert (cache.view(1, "key", 0) == 5.0).all()
    assert (cache.view(1, "value", 0) == -5.0).all()


def test_move_copies_only_the_tokens_in_use():
    cache = make_cache()
    cache.reserve(2)
    fill(cache, 0, 1.0)
    fill(cache, 1, 2.0)
    cache.move(1, 0, num_tokens=3)
    assert (cache.view(0, "key", 0)[:, :3] == 2.0).all()
    assert (cache.view(0, "key", 0)[:, 3:] == 1.0).all()
    assert (cache.view(1, "value", 0)[:, :3] == -2.0).all()


def test_addresses_are_those_of_the_slots():
    cache = make_cache()
    cache.reserve(3)
    for layer, part, slot in ((0, "key", 0), (0, "value", 2), (1, "key", 3), (1, "value", 1)):
        view = cache.view(layer, part, slot)
        view[:] = np.arange(view.size).reshape(view.shape)
        address = cache.address(layer, part, slot)
        found = (ctypes.c_float * view.size).from_address(address)
        assert list(found) == view.ravel().tolist()
