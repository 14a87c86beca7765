"""A moderator in a process of its own can do what it likes: it costs its process, not the chat."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from chat.errors import ModeratorError
from chat.types import Message
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.workers.keeper import WorkerLimits
from moderation.workers.remote import CheckFailed, RemoteModerator

ROOT = Path(__file__).parent.parent
# Every plugin here has this around its `check`, which does what the text asks for.
FRAME = """
import ctypes, os, re, signal, subprocess, sys, threading, time
from pathlib import Path
FOLDER = Path(__file__).parent
def say(line):
    # into every pipe there is, the protocol's among them
    for fd in range(3, 20):
        try:
            is_pipe = 'pipe' in os.readlink(f'/proc/self/fd/{fd}')
            rest = memoryview(line)
            while is_pipe and rest:
                rest = rest[os.write(fd, rest):]
        except OSError:
            pass
%s
class Plugin:
    manifest = {"name": "plugin", "categories": ["hate"]}
    def __init__(self, **settings):
        self.settings = settings
    def check(self, context):
        text = context.text
        bad = {"scores": {"hate": 1.0}}
        fine = {"scores": {"hate": 0.0}}
%s
        return bad if text.startswith("bad") else fine
"""


def indent(code: str) -> str:
    return "\n".join(" " * 8 + line for line in code.splitlines())


class Bench:
    """Makes moderators of sources, and ends their workers at last."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.made: list[RemoteModerator] = []

    def load(self, check="", top="", *, config=None, environment=None, **limits):
        number = len(list(self.folder.glob("plugin_*.py")))
        (self.folder / f"plugin_{number}.py").write_text(FRAME % (top, indent(check)))
        moderator = RemoteModerator(
            "plugin",
            f"plugin_{number}",
            "Plugin",
            config or {},
            environment=environment or {},
            path=(str(self.folder), *sys.path),
            limits=WorkerLimits(**limits),
        )
        self.made.append(moderator)
        return moderator


@pytest.fixture
def bench(tmp_path: Path):
    bench = Bench(tmp_path)
    yield bench
    for moderator in bench.made:
        pid = moderator.health()["pid"]
        moderator.close()
        moderator.close()
        assert moderator.health() == {**moderator.health(), "pid": None, "state": "closed"}
        assert pid is None or not Path(f"/proc/{pid}").exists()  # nor a zombie


def ask(text: str, stage: str = "output") -> ModerationContext:
    return ModerationContext((Message("user", "Hi"), Message("assistant", text)), stage)


def chain_of(moderator, **settings) -> Chain:
    settings = {"timeout_s": 20.0, "max_failures": 99, **settings}
    return Chain((moderator,), Policy.load("standard"), **settings)


async def reasons(chain: Chain, *texts: str) -> list[str]:
    """Return for each text what went wrong, or whether it is refused."""
    decisions = await asyncio.gather(*(chain.check(ask(text)) for text in texts))
    return [
        decision.verdicts[0].reason or ("bad" if decision.is_refused else "fine")
        for decision in decisions
    ]


async def until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_it_judges_as_it_would_in_this_process(bench):
    chain = chain_of(bench.load())
    assert await reasons(chain, "bad", "fine", "") == ["bad", "fine", "fine"]
    (health,) = chain.health()
    assert health["worker"]["state"] == "working"
    assert health["worker"]["restarts"] == 0
    assert (health["checks"], health["errors"]) == (3, 0)


@pytest.mark.parametrize(
    "text", ["", "é\u200b😀\x00", "\ud800 alone", "\n\r\u2028", "a" * 1_000_000]
)
async def test_any_text_arrives_as_it_is(bench, text):
    codes = "spans = [(i, i + 1, f'c{ord(c):x}') for i, c in enumerate(text[:9])]\n"
    whole = (
        "spans += [(0, len(text), 'all')] if text else []\nreturn {'scores': {}, 'spans': spans}"
    )
    verdict = bench.load(codes + whole).check(ask(text))
    found = [(span.start, span.end, span.category) for span in verdict.spans]
    expected = [(i, i + 1, f"c{ord(char):x}") for i, char in enumerate(text[:9])]
    assert set(found) == {*expected, *([(0, len(text), "all")] if text else [])}


def test_the_whole_context_arrives(bench):
    moderator = bench.load(
        "said = [f'{m.role}-{m.content}' for m in context.messages]\n"
        "flags = [context.stage, str(context.is_partial), context.locale]\n"
        "return {'scores': dict.fromkeys([*said, *flags, context.normalised.text], 0.5)}"
    )
    messages = (Message("system", "a"), Message("user", "b"), Message("assistant", "C"))
    verdict = moderator.check(ModerationContext(messages, "output", True, "de-CH"))
    expected = {"system-a", "user-b", "assistant-C", "output", "True", "de-CH", "c"}
    assert set(verdict.scores) == expected


def test_settings_arrive_dates_too(bench):
    config = {"day": date(1979, 5, 27), "words": ["a", "é"], "deep": {"x": 1.5, "y": True}}
    moderator = bench.load(
        "return {'scores': {repr(v)[:60]: 1 for v in self.settings.values()}}", config=config
    )
    assert set(moderator.check(ask("x")).scores) == {repr(value) for value in config.values()}


def test_settings_that_cannot_be_passed_on_are_refused(bench):
    with pytest.raises(ModeratorError, match="object"):
        bench.load(config={"x": object()})


def test_no_secret_is_in_its_environment(bench):
    environment = {"HOME": "/h", "PALAVER_API_KEY": "1", "HF_TOKEN": "2", "AWS_SECRET": "3"}
    moderator = bench.load(
        "return {'scores': dict.fromkeys(os.environ, 1)}", environment=environment
    )
    names = set(moderator.check(ask("x")).scores)
    assert "HOME" in names
    assert not names & {"PALAVER_API_KEY", "HF_TOKEN", "AWS_SECRET"}


async def test_what_hangs_is_killed_at_its_deadline_and_costs_nobody_else(bench):
    moderator = bench.load("if text == 'hang': time.sleep(600)")
    chain = chain_of(moderator, timeout_s=1.0)
    first = moderator.health()["pid"]
    said = await reasons(chain, "hang", *["bad", "fine"] * 6)
    assert said == ["timeout", *["bad", "fine"] * 6]
    await until(lambda: moderator.health()["state"] == "working")
    assert moderator.health()["restarts"] == 1
    assert moderator.health()["pid"] != first
    assert not Path(f"/proc/{first}").exists()


async def test_sixteen_checks_at_once_run_eight_at_a_time_and_are_not_mixed_up(bench):
    moderator = bench.load(
        "with LOCK: RUNNING.append(text); most = len(RUNNING)\n"
        "time.sleep(0.02)\n"
        "with LOCK: RUNNING.remove(text)\n"
        "return {'scores': {text: 1.0, f'most/{most}': 0.1}}",
        "RUNNING, LOCK = [], threading.Lock()",
    )
    texts = [f"text {number}" for number in range(16)]
    chain = chain_of(moderator, timeout_s=30.0)
    decisions = await asyncio.gather(*(chain.check(ask(text)) for text in texts))
    scores = [decision.verdicts[0].scores for decision in decisions]
    assert [text in found for text, found in zip(texts, scores, strict=True)] == [True] * 16
    most = max(int(name[5:]) for found in scores for name in found if name.startswith("most/"))
    assert 1 < most <= 8


def test_what_hangs_while_loading_is_given_up(bench):
    with pytest.raises(ModeratorError, match=r"longer than 0\.3 s"):
        bench.load(top="time.sleep(600)", start_s=0.3)


@pytest.mark.parametrize(
    ("top", "cause"),
    [
        ("os._exit(3)", "exit status 3"),
        ("ctypes.string_at(0)", f"signal {signal.SIGSEGV.value}"),
        ("os.kill(os.getpid(), 9)", "signal 9"),
        ("sys.exit('no model')", "SystemExit: no model"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("say(b'what?\\n'); time.sleep(600)", "no sense"),
        ("say(b'{\"manifest\":{}}\\n'); time.sleep(600)", "no sense"),
        ("x = bytearray(400 << 20); time.sleep(600)", "more than 200 MB"),
    ],
)
def test_what_dies_while_loading_is_named_with_its_cause(bench, top, cause):
    with pytest.raises(ModeratorError, match=cause):
        bench.load(top=top, memory_mb=200)


@pytest.mark.parametrize(
    ("crime", "reason"),
    [
        ("os._exit(3)", "exited"),
        ("ctypes.string_at(0)", "exited"),
        ("os.closerange(3, 30); time.sleep(600)", "exited"),
        ("os.fork() or time.sleep(600); os._exit(1)", "exited"),  # a child keeps the pipe open
        ("say(b'what?\\n')", "garbled"),
        ("say(b'{\"began\":[]}\\n')", "garbled"),
        ('say(b\'{"done":1,"verdict":{"scores":{"hate":7}}}\\n\')', "garbled"),
        ("say(b'[' * 500_000 + b'\\n')", "garbled"),
        ("[say(b'x' * 1_000_000) for _ in range(100)]", "garbled"),
        ("[say(b'{}\\n') for _ in range(10_000)]; time.sleep(600)", "garbled"),
        ("x = bytearray(400 << 20); time.sleep(600)", "memory"),
    ],
)
async def test_a_crime_costs_the_worker_and_refuses_its_own_text_alone(bench, crime, reason):
    moderator = bench.load(
        f"if text == 'crime':\n    {crime}",
        memory_mb=200,
    )
    chain = chain_of(moderator)
    assert await reasons(chain, "bad", "crime", "fine") == ["bad", reason, "fine"]
    assert await reasons(chain, "bad", "fine") == ["bad", "fine"]
    assert moderator.health()["restarts"] == 2  # asked again alone, to be sure
    (health,) = chain.health()
    assert (health["errors"], health["last_error"]) == (1, reason)


async def test_what_it_raises_or_answers_wrong_leaves_the_worker_alone(bench):
    moderator = bench.load(
        "if text == 'raise': raise type('I live in Elm Street', (Exception,), {})()\n"
        "if text == 'value': raise ValueError('x')\n"
        "if text == 'exit': sys.exit(3)\n"
        "if text == 'nonsense': return 7\n"
        "if text == 'async':\n"
        "    async def answer(): pass\n"
        "    return answer()\n"
        "if text == 'long': return {'scores': {}, 'spans': LONG}\n",
        "LONG = [(0, 1, f'{number:060}') for number in range(20_000)]",
    )
    chain = chain_of(moderator)
    said = await reasons(chain, "raise", "value", "exit", "nonsense", "async", "long", "bad")
    expected = ["Exception", "ValueError", "SystemExit", "NonsenseAnswer", "NonsenseAnswer"]
    assert said == [*expected, "TooLong", "bad"]
    assert moderator.health()["restarts"] == 0


async def test_its_prints_go_nowhere(bench, capfd, caplog):
    caplog.set_level("DEBUG")
    moderator = bench.load(
        "print(text); print(text, file=sys.stderr); os.write(1, b'Elm'); os.system('echo Elm')\n"
        "sys.stdin.read()",
        "print('loading')",
    )
    assert await reasons(chain_of(moderator), "bad Elm Street", "fine") == ["bad", "fine"]
    printed = capfd.readouterr()
    assert "Elm" not in caplog.text + printed.out + printed.err


async def test_logs_and_health_never_quote(bench, caplog):
    caplog.set_level("DEBUG")
    chain = chain_of(bench.load("if text: os._exit(1)"))
    await reasons(chain, "I live in Elm Street")
    assert "exited" in caplog.text
    assert "Elm" not in caplog.text + repr(chain.health())


async def test_a_worker_killed_from_outside_is_replaced_and_its_checks_asked_again(bench):
    moderator = bench.load(
        "marks = len(list(FOLDER.glob(f'{text}-*')))\n"
        "(FOLDER / f'{text}-{os.getpid()}').touch()\n"
        "if not marks: time.sleep(600)"
    )
    chain = chain_of(moderator)
    asked = asyncio.create_task(reasons(chain, "bad", "fine"))
    await until(lambda: len(list(bench.folder.glob("*-*"))) == 2)
    os.kill(moderator.health()["pid"], signal.SIGKILL)
    assert await asked == ["bad", "fine"]
    idle = moderator.health()["pid"]
    os.kill(idle, signal.SIGKILL)
    await until(lambda: moderator.health()["pid"] not in (idle, None))
    assert await reasons(chain, "bad", "fine") == ["bad", "fine"]


async def test_a_reader_who_leaves_leaves_nothing_behind(bench):
    moderator = bench.load(
        "with (FOLDER / 'begun').open('a') as file: file.write('x')\n"
        "while not (FOLDER / 'open').exists(): time.sleep(0.01)"
    )
    chain = chain_of(moderator)
    begun = bench.folder / "begun"
    tasks = [asyncio.create_task(chain.check(ask(str(number)))) for number in range(30)]
    await until(lambda: begun.exists() and len(begun.read_text()) == 8)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    last = asyncio.create_task(reasons(chain, "bad"))
    (bench.folder / "open").touch()
    assert await last == ["bad"]
    assert len(begun.read_text()) == 9  # the 22 that waited were never begun
    assert moderator.health()["restarts"] == 0
    assert chain.health()[0]["checks"] == 1


async def test_a_hang_whose_reader_left_ends_all_the_same(bench):
    moderator = bench.load("if text == 'hang': (FOLDER / 'begun').touch(); time.sleep(600)")
    chain = chain_of(moderator, timeout_s=0.3)
    task = asyncio.create_task(chain.check(ask("hang")))
    await until((bench.folder / "begun").exists)
    task.cancel()
    await until(lambda: moderator.health()["restarts"] == 1)
    assert await reasons(chain_of(moderator), "bad") == ["bad"]


async def test_one_that_dies_at_each_start_is_started_ever_less_often(bench):
    moderator = bench.load(
        "os._exit(1)",
        "with (FOLDER / 'starts').open('a') as file: file.write('x')\n"
        "if len((FOLDER / 'starts').read_text()) > 2: os._exit(1)",
    )
    chain = chain_of(moderator)
    began = time.monotonic()
    assert set(await reasons(chain, "x", "y")) <= {"exited", "down"}
    await until(lambda: moderator.health()["restarts"] >= 4)
    assert time.monotonic() - began >= 0.25 + 0.5 + 1.0
    assert len((bench.folder / "starts").read_text()) <= moderator.health()["restarts"] + 1
    await until(lambda: moderator.health()["state"] == "resting")
    assert await reasons(chain, "z") == ["down"]  # at once: nobody waits for a long rest


async def test_the_breaker_counts_what_the_worker_costs(bench):
    chain = chain_of(bench.load("os._exit(1)"), max_failures=1, cool_down_s=1000)
    assert await reasons(chain, "x") == ["exited"]
    assert await reasons(chain, "x") == ["out"]
    assert chain.health()[0]["state"] == "out"


async def test_fail_open_is_obeyed(bench, tmp_path):
    path = tmp_path / "trial.toml"
    path.write_text('[on_error.moderators]\nplugin = "open"\n')
    chain = chain_of(bench.load("os._exit(1)")).under(Policy.load(path))
    decision = await chain.check(ask("x"))
    assert not decision.is_refused
    assert decision.verdicts[0].outcome == "error"


async def test_closed_fails_what_runs_waits_and_comes(bench):
    moderator = bench.load("(FOLDER / 'begun').touch(); time.sleep(600)", num_checks=1)
    chain = chain_of(moderator)
    asked = asyncio.create_task(reasons(chain, "runs", "waits"))
    await until((bench.folder / "begun").exists)
    chain.under(Policy.load("strict")).close()
    assert await asked == ["closed", "closed"]
    assert await reasons(chain, "comes") == ["closed"]
    with pytest.raises(CheckFailed, match="closed"):
        moderator.check(ask("x"))


async def test_what_it_started_ends_with_it(bench):
    moderator = bench.load(
        "child = subprocess.Popen(['sleep', '600'])\n(FOLDER / 'child').write_text(str(child.pid))"
    )
    await reasons(chain_of(moderator), "x")
    moderator.close()
    child = int((bench.folder / "child").read_text())
    await until(lambda: is_gone(child))


async def test_chains_of_several_event_loops_may_ask(bench):
    moderator = bench.load()
    for _ in range(3):
        said = await asyncio.to_thread(lambda: asyncio.run(reasons(chain_of(moderator), "bad")))
        assert said == ["bad"]


def is_gone(pid: int) -> bool:
    """Say if a process that isn't our child has ended; its new parent may be slow to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


PARENT = """
import asyncio, sys
from chat.types import Message
from moderation.base import ModerationContext
from moderation.workers.keeper import WorkerLimits
from moderation.workers.remote import RemoteModerator
moderator = RemoteModerator("plugin", "plugin", "Plugin", {}, environment={},
    path=(sys.argv[1], *sys.path), limits=WorkerLimits(stuck_s=1.0))
print(moderator.health()["pid"], flush=True)
moderator.check(ModerationContext((Message("user", "x"),), "input"), timeout_s=600)
"""


@pytest.mark.parametrize(
    "hang",
    ["time.sleep(600)", "re.match('(a+)+b', 'a' * 60)"],  # the second lets no other thread run
    ids=["sleeping", "stuck"],
)
async def test_a_parent_killed_leaves_no_worker(tmp_path, hang):
    (tmp_path / "plugin.py").write_text(FRAME % ("", indent(f"(FOLDER / 'begun').touch()\n{hang}")))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    worker = int(parent.stdout.readline())
    await until((tmp_path / "begun").exists)
    assert not is_gone(worker)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    await until(lambda: is_gone(worker))


async def test_a_worker_that_changes_its_version_is_recorded_with_the_one_that_judged(bench):
    # In place, and because another release is on the disk when the worker starts again.
    check = (
        "if text == 'die': os._exit(1)\n"
        "if text == 'learn': type(self).manifest = {**self.manifest, 'version': '2'}"
    )
    release = "import re"
    moderator = bench.load(check, release)
    chain = chain_of(moderator)

    async def version(text: str) -> str:
        return (await chain.check(ask(text))).verdicts[0].version

    assert [await version(text) for text in ("x", "learn", "x")] == ["0", "2", "2"]
    path = next(bench.folder.glob("plugin_*.py"))
    source = path.read_text().replace('"name": "plugin"', '"name": "plugin", "version": "3"')
    path.write_text(source)
    assert await reasons(chain, "die") == ["exited"]
    assert await version("x") == "3"
    assert chain.health()[0]["version"] == "3"


async def test_a_worker_that_comes_back_as_another_is_not_trusted(bench):
    moderator = bench.load("if text == 'die': os._exit(1)")
    chain = chain_of(moderator)
    path = next(bench.folder.glob("plugin_*.py"))
    path.write_text(path.read_text().replace('"categories": ["hate"]', '"hold_back": 99'))
    assert await reasons(chain, "die") == ["down"]
    assert moderator.manifest.hold_back == 0


BATCHES = """
import time

class Plugin:
    manifest = {"name": "plugin", "categories": ["hate"]}
    sizes = []

    def check(self, context):
        if context.text == "sizes":
            return {"scores": {f"size {size}": 0.1 for size in self.sizes}}
        if context.text == "slow":
            time.sleep(0.5)
        return {"scores": {"hate": float(context.text == "bad")}}

    def check_batch(self, contexts):
        self.sizes.append(len(contexts))
        if any(context.text == "poison" for context in contexts):
            raise ValueError
        return [self.check(context) for context in contexts]
"""


async def test_a_worker_judges_as_a_batch_what_waits_for_it(bench):
    (bench.folder / "batches.py").write_text(BATCHES)
    path = (str(bench.folder), *sys.path)
    moderator = RemoteModerator("plugin", "batches", "Plugin", {}, environment={}, path=path)
    bench.made.append(moderator)
    chain = chain_of(moderator)
    for texts in (["slow", "slow", "bad", "fine", "bad"], ["slow", "slow", "bad", "poison"]):
        found = await reasons(chain, *texts)
        assert found == ["bad" if text == "bad" else "fine" for text in texts]
    (verdict,) = (await chain.check(ask("sizes"))).verdicts
    assert max(int(name.split()[1]) for name in verdict.scores) >= 2
