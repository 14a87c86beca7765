"""How often each model beat each other one, as counted: what a heat map shows."""

from dataclasses import dataclass

import numpy as np

from preferences.arrays import Flags, Ints, Json
from preferences.battles import Battles


@dataclass(frozen=True, slots=True)
class WinRates:
    """Raw counts: ``wins[i][j]`` is how often model i beat model j; the others are symmetric."""

    models: tuple[str, ...]
    wins: tuple[tuple[int, ...], ...]
    ties: tuple[tuple[int, ...], ...]
    both_bad: tuple[tuple[int, ...], ...]

    def num_battles(self, one: int, other: int) -> int:
        """Return how often two models met, both-bads included."""
        decided = self.wins[one][other] + self.wins[other][one]
        return decided + self.ties[one][other] + self.both_bad[one][other]

    def share(self, one: int, other: int) -> float | None:
        """Return the share of `one`'s wins over `other`, a tie as half; None without a battle."""
        won, lost, tied = self.wins[one][other], self.wins[other][one], self.ties[one][other]
        total = won + lost + tied
        return (won + tied / 2) / total if total else None

    def to_json(self) -> Json:
        """Return it as JSON can hold it."""
        size = range(len(self.models))
        return {
            "models": list(self.models),
            "wins": [list(row) for row in self.wins],
            "ties": [list(row) for row in self.ties],
            "both_bad": [list(row) for row in self.both_bad],
            "shares": [[self.share(one, other) for other in size] for one in size],
        }


def count_wins(battles: Battles) -> WinRates:
    """Count all battles; models in the order of ``battles.models``."""
    fair = ~battles.both_bad
    won, lost = fair & (battles.outcome == 1), fair & (battles.outcome == 0)
    wins = _cells(battles, won) + _cells(battles, lost).T
    ties = _cells(battles, fair & ~won & ~lost)
    bad = _cells(battles, battles.both_bad)
    return WinRates(battles.models, _rows(wins), _rows(ties + ties.T), _rows(bad + bad.T))


def _cells(battles: Battles, chosen: Flags) -> Ints:
    size = len(battles.models)
    cell = battles.first[chosen] * size + battles.second[chosen]
    counts: Ints = np.bincount(cell, minlength=size * size).reshape(size, size)
    return counts


def _rows(counts: Ints) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in counts.tolist())
