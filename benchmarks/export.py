"""How fast an export of preferences is, and how much memory it takes: each format on its own.

    python -m benchmarks.export [--rankings 300000] [--formats trl-preference,arena]

Made-up rankings (three of four compare two answers, the others four; answers of about 600
characters) stream through the same code as real ones, each format in a process of its own. Prints
rows a second (by the clock with the time it takes to make the rankings, then without; and by the
processor's time without it, which a busy machine distorts less) and the peak of resident memory
(VmHWM).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from chat.types import Comparison, Message, Ranking
from preferences.drops import Options
from preferences.exports import export_format
from preferences.formats import FORMATS, find_format
from preferences.judgement import Candidate, Judgement

NUM_RANKINGS = 300_000
_TEXT = "when we met at the station it was late and the train café über 列車 had left us so"
_START = datetime(2026, 1, 1, tzinfo=UTC)
_LENGTH = 600
_TITLES = ("rows", "rows/s", "writing/s", "by CPU/s", "MB peak", "MB file")


def main() -> None:
    """Measure every format, or one of them where this is the process for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rankings", type=int, default=NUM_RANKINGS)
    parser.add_argument("--formats", help="which ones, separated by commas")
    parser.add_argument("--one", nargs=2, metavar=("FORMAT", "SUFFIX"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.one[0], arguments.one[1], arguments.rankings)
        return
    chosen = arguments.formats.split(",") if arguments.formats else list(FORMATS)
    print(f"{'format':22}" + "".join(f"{title:>10}" for title in _TITLES))
    for name in chosen:
        for suffix in find_format(name).suffixes if find_format(name).make else ():
            command = [sys.executable, "-m", "benchmarks.export", "--one", name, suffix]
            subprocess.run([*command, "--rankings", str(arguments.rankings)], check=True)


def measure(name: str, suffix: str, num: int) -> None:
    """Export once, and print a line."""
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    for _ in make_rankings(num // 10):
        pass
    making_s = 10 * (time.perf_counter() - start_s)
    making_cpu_s = 10 * (time.process_time() - start_cpu_s)
    with tempfile.TemporaryDirectory() as folder:
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        part = export_format(make_rankings(num), find_format(name), Path(folder), suffix, Options())
        took_s = time.perf_counter() - start_s
        took_cpu_s = time.process_time() - start_cpu_s
    assert part.num_in == part.num_out + sum(part.dropped.values())
    times = took_s, took_s - making_s, took_cpu_s - making_cpu_s
    size = sum(file.num_bytes for file in part.files.values()) / 1e6
    numbers = [part.num_rows, *(part.num_rows / each for each in times), peak_mb(), size]
    print(f"{name + suffix:22}" + "".join(f"{each:10,.0f}" for each in numbers), flush=True)


def make_rankings(num: int) -> Iterator[Judgement]:
    """Yield rankings of made-up answers; some questions have three annotators."""
    rng = Random(0)
    text = " ".join(rng.choices(_TEXT.split(), k=20_000))
    question = 0
    while num > 0:
        question += 1
        num_answers = 4 if question % 4 == 0 else 2
        candidates = tuple(
            Candidate(f"a{question}-{place}", f"model-{rng.randrange(50)}", _slice(text, rng), {})
            for place in range(num_answers)
        )
        prompt = (Message("user", f"Question {question}: {text[question % 9999 :][:80]}?"),)
        for voter in range(min(num, 3 if question % 10 == 0 else 1)):
            yield _judge(question, voter, prompt, candidates, rng)
            num -= 1


def _slice(text: str, rng: Random) -> str:
    start = rng.randrange(len(text) - _LENGTH)
    return text[start : start + _LENGTH]


def _judge(
    question: int,
    voter: int,
    prompt: tuple[Message, ...],
    candidates: tuple[Candidate, ...],
    rng: Random,
) -> Judgement:
    ids = tuple(candidate.answer_id for candidate in candidates)
    comparison = Comparison(f"c{question}-{voter}", f"v{question}", f"q{question}", ids)
    order = rng.sample(ids, len(ids))
    groups = tuple((name,) for name in order) if rng.random() < 0.9 else (tuple(order),)
    ranking = Ranking(comparison.id, f"{rng.randrange(500):016x}", groups, frozenset(order[:1]))
    at = _START + timedelta(seconds=question)
    return Judgement(comparison, ranking, prompt, candidates, at, consent=True)


def peak_mb() -> float:
    """Return the most memory that this process held so far, in megabytes (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


if __name__ == "__main__":
    main()
