"""Which models can be compared at all: the connected parts of the graph of battles."""

import numpy as np

from preferences.arrays import Flags, Ints


def adjacency(size: int, sources: Ints, targets: Ints) -> Flags:
    """Return a matrix that says from which of `size` nodes an edge leads to which."""
    matrix = np.zeros((size, size), dtype=np.bool_)
    matrix[sources, targets] = True
    return matrix


def connected(size: int, one: Ints, other: Ints) -> Ints:
    """Return the number of each node's component, counted from the first node on."""
    edges = adjacency(size, one, other)
    return strongly_connected(edges | edges.T)


def strongly_connected(edges: Flags) -> Ints:
    """Return the number of each node's strongly connected component.

    The strengths of Bradley and Terry's model have finite estimates exactly where each model can
    be reached from each other along "has beaten or tied with" (Ford 1957, American Mathematical
    Monthly 64).
    """
    part = np.full(len(edges), -1, dtype=np.int64)
    for node in range(len(edges)):
        if part[node] < 0:
            both = _reached(edges, node) & _reached(edges.T, node)
            part[both] = part.max() + 1
    return part


def _reached(edges: Flags, start: int) -> Flags:
    seen = np.zeros(len(edges), dtype=np.bool_)
    seen[start] = True
    frontier = seen
    while frontier.any():
        frontier = edges[frontier].any(axis=0) & ~seen
        seen = seen | frontier
    return seen
