"""What the leaderboard costs at size, and whether its intervals hold what they promise.

    python -m benchmarks.leaderboard [--runs 500] [--rankings 300000] [--models 50]

First the time of a refit from arrays, with and without control for length; then, for crowds whose
truth is known, how often the 95 % intervals cover it. A crowd's truth is what the fit would find
with endless annotators (see `preferences.synthetic.population_thetas`).
"""

import argparse
import time
from dataclasses import replace

import numpy as np

from preferences.battles import collect_battles
from preferences.leaderboard import SCALE, rank_models
from preferences.standings import Options
from preferences.synthetic import Crowd, make_battles, make_judgements, population_thetas

TEN = tuple(np.linspace(-1.2, 1.2, 10))
BASE = Crowd(TEN, num_annotators=50, num_rankings=3000, taste_sd=0.5, first_place=0.2)
CROWDS = {
    "50 annotators": BASE,
    "20 annotators": replace(BASE, num_annotators=20),
    "100 annotators": replace(BASE, num_annotators=100),
    "50, very unequally active": replace(BASE, activity_sd=1.0),
    "20, unequally active": replace(BASE, num_annotators=20, activity_sd=0.7),
    "50, strong tastes": replace(BASE, taste_sd=1.0),
    "50, few votes": replace(BASE, num_rankings=600),
    "50, one in five a spammer": replace(BASE, spammers=(0.1, 0.05, 0.05)),
    "50, rankings of 4": replace(BASE, num_shown=4, first_place=0.0, num_rankings=1000),
    "1000, independent votes": replace(BASE, num_annotators=1000, taste_sd=0.0),
}


def main() -> None:
    """Measure, and print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rankings", type=int, default=300_000)
    parser.add_argument("--models", type=int, default=50)
    arguments = parser.parse_args()
    time_refits(arguments.models, arguments.rankings)
    for name, crowd in CROWDS.items():
        covered, width = measure_coverage(crowd, arguments.runs)
        print(
            f"{name:28} {covered.mean():6.1%} of 95 % intervals hold the truth "
            f"(models {covered.min():.1%} to {covered.max():.1%}; "
            f"half width {width:.0f} points; {arguments.runs} runs)",
            flush=True,
        )


def time_refits(num_models: int, num_rankings: int) -> None:
    """Print how long a refit takes, the best of three."""
    strengths = tuple(np.linspace(-1.5, 1.5, num_models))
    crowd = Crowd(strengths, 1000, num_rankings, taste_sd=0.4, first_place=0.1, activity_sd=1.0)
    for name, num_shown in {"pairs": 2, "rankings of 4": 4}.items():
        battles = make_battles(replace(crowd, num_shown=num_shown), seed=0)
        time_collecting(replace(crowd, num_shown=num_shown, num_rankings=num_rankings // 30), name)
        for controls in ((), ("words",)):
            times = []
            for _ in range(3):
                begin = time.perf_counter()
                rank_models(battles, Options(controls=controls))
                times.append(time.perf_counter() - begin)
            also = f", controlled for {controls[0]}" if controls else ""
            what = f"{num_models} models from {num_rankings} {name}{also}"
            print(f"refit of {what}: {min(times):.2f} s", flush=True)


def time_collecting(crowd: Crowd, name: str) -> None:
    """Print how long it takes to turn a crowd's judgements into arrays."""
    judgements = list(make_judgements(crowd, seed=0))
    begin = time.perf_counter()
    collect_battles(judgements)
    each_us = (time.perf_counter() - begin) / len(judgements) * 1e6
    print(f"arrays from judgements: {each_us:.1f} us for each of {name}", flush=True)


def measure_coverage(crowd: Crowd, runs: int) -> tuple[np.ndarray, float]:
    """Return for each model the share of runs that cover its truth, and the mean half width."""
    truth = SCALE * population_thetas(crowd)
    covered = np.zeros(len(truth))
    width = 0.0
    for seed in range(runs):
        board = rank_models(make_battles(crowd, seed))
        for name, value in zip(crowd.names, truth, strict=True):
            standing = board.standing(name)
            covered[crowd.names.index(name)] += standing.lower <= value <= standing.upper
            width += (standing.upper - standing.lower) / 2 / len(truth)
    return covered / runs, width / runs


if __name__ == "__main__":
    main()
