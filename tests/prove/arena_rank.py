"""arena-rank itself reads exported battles and ranks the models as they are.

    python -m tests.prove.arena_rank [--wheel arena_rank.whl] [--venv READY_ENVIRONMENT]

It asks for exact versions of jax and numpy, so it gets an environment of its own (about 1 GB,
through pip). Made-up votes between four models with known strengths are exported to JSON lines and
to Parquet; arena-rank reads each file unchanged, fits its ratings, and has to find the same order,
with the true differences inside its intervals.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from chat.types import Comparison, Message, Ranking
from preferences.drops import Options
from preferences.exports import export_format
from preferences.formats import ARENA
from preferences.judgement import Candidate, Judgement
from preferences.splits import Splits

NUM_VOTES = 6_000
# Differences of these are log-odds.
STRENGTHS = {"granite": 0.9, "marble": 0.3, "chalk": -0.3, "sand": -0.9}
READ = """
import json, sys
import pandas as pd
from arena_rank.models.bradley_terry import BradleyTerry
from arena_rank.utils.data_utils import PairDataset

path = sys.argv[1]
lines = path.endswith(".jsonl")
frame = pd.read_json(path, lines=True) if lines else pd.read_parquet(path)
pairs = PairDataset.from_pandas(frame)
found = BradleyTerry(n_competitors=len(pairs.competitors)).compute_ratings_and_cis(
    pairs, significance_level=0.001
)
names = ("competitors", "ratings", "rating_lower", "rating_upper")
print(json.dumps({name: [x if isinstance(x, str) else float(x) for x in found[name]]
                  for name in names}))
"""


def main() -> int:
    """Prove it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", default="arena-rank==0.1.1", help="what to install")
    parser.add_argument("--venv", type=Path, help="an environment that was made like this before")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="palaver-arena-"))
    try:
        venv = arguments.venv or build(folder / "venv", arguments.wheel)
        for suffix in (".jsonl", ".parquet"):
            prove(folder, venv, suffix)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def build(venv: Path, wheel: str) -> Path:
    """Install arena-rank with what it needs, and a reader of Parquet for pandas."""
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [venv / "bin/python", "-m", "pip", "install", "--quiet", wheel, "pyarrow"]
    subprocess.run(pip, check=True)
    return venv


def prove(folder: Path, venv: Path, suffix: str) -> None:
    """Export, let arena-rank read it, and hold its ratings against the truth."""
    options = Options(splits=Splits((1.0, 0.0, 0.0)))
    part = export_format(make_votes(), ARENA, folder / suffix[1:], suffix, options)
    assert part.num_rows == NUM_VOTES
    command = [venv / "bin/python", "-c", READ, part.files["train"].path]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    ratings = dict(zip(found["competitors"], found["ratings"], strict=True))
    order = sorted(ratings, key=lambda name: -ratings[name])
    assert order == list(STRENGTHS), order
    centre = sum(ratings.values()) / len(ratings)
    for place, name in enumerate(found["competitors"]):
        truth = centre + STRENGTHS[name] * 400 / math.log(10)
        assert found["rating_lower"][place] < truth < found["rating_upper"][place], name
    print(f"{suffix}: {', '.join(f'{name} {ratings[name]:.0f}' for name in order)}")  # noqa: T201


def make_votes() -> Iterator[Judgement]:
    """Yield votes of people who follow Bradley and Terry to the letter."""
    rng = Random(3)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(NUM_VOTES):
        models = rng.sample(sorted(STRENGTHS), 2)
        ids = (f"{number}a", f"{number}b")
        candidates = tuple(
            Candidate(name, model, f"{model} says {number}", {})
            for name, model in zip(ids, models, strict=True)
        )
        lead = STRENGTHS[models[0]] - STRENGTHS[models[1]]
        has_first_won = rng.random() < 1 / (1 + math.exp(-lead))
        groups = ((ids[0],), (ids[1],)) if has_first_won else ((ids[1],), (ids[0],))
        comparison = Comparison(f"c{number}", f"v{number}", f"q{number}", ids)
        ranking = Ranking(comparison.id, f"{number % 90:016x}", groups)
        prompt = (Message("user", f"Question {number}?"),)
        yield Judgement(comparison, ranking, prompt, candidates, at, consent=True)


if __name__ == "__main__":
    sys.exit(main())
