"""The model in exported_models/palaver: what a newcomer meets first."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from chat.types import GenerationConfig, Message
from inference.backend import GenerationFinished, LocalBackend, TextPiece
from training.generator import Args, generate
from training.generator.probes import run_probes

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "exported_models" / "palaver"


@pytest.fixture(scope="module")
def backend():
    backend = LocalBackend.load(MODEL)
    yield backend
    backend.close()


async def write(backend, messages, config):
    events = [event async for event in backend.generate(messages, config)]
    assert isinstance(events[-1], GenerationFinished)
    return "".join(event.text for event in events if isinstance(event, TextPiece))


def greedy(num_tokens=120):
    return GenerationConfig(max_new_tokens=num_tokens, temperature=0.0, repetition_penalty=1.0)


def test_its_folder_is_whole_small_and_says_what_it_is():
    manifest = json.loads((MODEL / "manifest.json").read_text())
    assert manifest["name"] == "palaver"
    files = [path for path in MODEL.iterdir() if path.is_file()]
    assert set(manifest["files"]) | {"manifest.json", "MODEL_CARD.md"} == {p.name for p in files}
    assert sum(path.stat().st_size for path in files) <= 30_000_000
    card = (MODEL / "MODEL_CARD.md").read_text()
    for word in ("Licence", "CC-BY", "Limits", "loss"):
        assert word in card


def test_its_export_agreed_with_torch():
    parity = json.loads((MODEL / "manifest.json").read_text())["parity"]
    assert parity["has_passed"]


def test_it_does_what_it_was_made_for(backend):
    """Mechanical probes; the bar is what a newcomer would forgive so small a model."""
    loop = asyncio.new_event_loop()

    def answer(messages):
        conversation = [Message(m["role"], m["content"]) for m in messages]
        return loop.run_until_complete(write(backend, conversation, greedy()))

    results = run_probes(answer)
    loop.close()
    shares = {category: passed / total for category, (passed, total) in results.items()}
    bars = {
        "greeting": 0.9,
        "farewell": 0.9,
        "identity": 0.9,
        "capital": 0.9,
        "name memory": 0.85,
        "refusal": 0.8,
        "over-refusal": 0.75,
        "story": 0.8,
        "unknown": 0.7,
        "arithmetic": 0.6,
    }
    low = {c: shares[c] for c, bar in bars.items() if shares[c] < bar}
    assert not low, low


async def test_a_seed_gives_the_same_text_alone_and_with_fifteen_others(backend):
    """int8 weights are quantised by block, never by a scale shared across a batch."""
    rows = generate(Args(conversations=200, seed=5, split="held_out"))
    conversations = [[Message(**m) for m in row["messages"]] for row in rows]
    # Up to the first question, with the system message where there is one.
    prompts = [[m for m in c[:2] if m.role != "assistant"] for c in conversations]
    jobs = [
        (prompt, GenerationConfig(max_new_tokens=24, seed=i)) for i, prompt in enumerate(prompts)
    ]
    alone = [await write(backend, *job) for job in jobs]
    crowd = []
    for start in range(0, len(jobs), 16):
        crowd += await asyncio.gather(*(write(backend, *job) for job in jobs[start : start + 16]))
    agreed = sum(a == b for a, b in zip(alone, crowd, strict=True))
    assert len(jobs) == 200
    assert agreed >= 198


def test_serving_it_loads_no_torch_and_stays_small():
    check = """
import sys
from pathlib import Path
from webapp.server import create_app
from webapp.settings import read_settings
create_app(read_settings(sys.argv[1:]))
assert "torch" not in sys.modules and "transformers" not in sys.modules
# VmHWM and not ru_maxrss, which starts with the size of whoever started this process.
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""
    flags = ["--database-url=sqlite://", f"--data-dir={ROOT / '.pytest_cache'}"]
    done = subprocess.run(
        [sys.executable, "-c", check, *flags], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 500_000  # kB
