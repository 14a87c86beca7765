"""Names become moderators: built in, from an installed package, or from a file."""

import os
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from chat.errors import ModeratorError
from chat.types import Message
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.conformance import check_named
from moderation.policy import Policy
from moderation.registry import (
    available,
    close_moderators,
    find_manifest,
    load_in_process,
    load_moderators,
    read_config,
)
from moderation.workers.keeper import WorkerLimits
from moderation.workers.remote import RemoteModerator

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "palaver-no-spoilers"

# A plugin as somebody would write it: it imports nothing.
SPOILERS = """
class NoSpoilers:
    manifest = {"name": "%s", "categories": ["spoilers"], "stages": ["output"]}

    def __init__(self, words=("the butler",)):
        self.words = words

    def check(self, context):
        text = context.normalised.text
        return {"scores": {"spoilers": float(any(word in text for word in self.words))}}
"""

PID_PLUGIN = """
class NoSpoilers:
    manifest = {"name": "spoilers"}

    def check(self, context):
        return {"scores": {str(PID): 0.5}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def load():
    """Load moderators whose workers end with the test."""
    loaded = []

    def load(*arguments, **keywords):
        moderators = load_moderators(*arguments, **keywords)
        loaded.extend(moderators)
        return moderators

    yield load
    close_moderators(loaded)


def install(folder: Path, package: str, entry: str, source: str = SPOILERS % "spoilers"):
    module = package.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[palaver.moderators]\n{entry} = {module}:NoSpoilers\n")


async def refuses(moderator, text: str) -> bool:
    context = ModerationContext((Message("assistant", text),), "output")
    return (await Chain((moderator,), Policy.load("standard")).check(context)).is_refused


def test_built_ins_are_available_and_load_by_name():
    assert {"limits", "rules", "pii"} <= set(available())
    loaded = load_moderators(["pii", "limits"])
    assert [moderator.manifest.name for moderator in loaded] == ["pii", "limits"]


def test_nothing_named_loads_nothing():
    assert load_moderators([]) == ()


async def test_file_beside_the_app_is_a_moderator(folder: Path, load):
    (folder / "my_rules.py").write_text(SPOILERS % "no-spoilers")
    (moderator,) = load(["my_rules:NoSpoilers"])
    assert await refuses(moderator, "It was The But\u200bler")
    assert not await refuses(moderator, "It was raining")


async def test_installed_package_is_a_moderator_and_gets_its_configuration(folder: Path, load):
    install(folder, "palaver-spoilers", "spoilers")
    assert available()["spoilers"] == "the package palaver-spoilers"
    (moderator,) = load(["spoilers"], {"spoilers": {"words": ["rosebud"]}})
    assert await refuses(moderator, "Rosebud!")


def test_installed_is_not_active(folder: Path):
    install(folder, "palaver-broken", "broken", "raise RuntimeError('imported')")
    assert len(load_moderators(["limits"])) == 1
    assert "palaver_broken" not in sys.modules


def test_unknown_name_lists_what_there_is():
    with pytest.raises(ModeratorError, match=r"'ruls'.*limits.* pii.* rules.*install that package"):
        load_moderators(["ruls"])


def test_two_packages_with_one_name_are_both_named(folder: Path):
    install(folder, "spoilers-one", "spoilers")
    install(folder, "spoilers-two", "spoilers")
    with pytest.raises(ModeratorError) as caught:
        load_moderators(["spoilers"])
    assert "spoilers-one" in str(caught.value)
    assert "spoilers-two" in str(caught.value)


def test_package_that_claims_a_built_in_name_is_refused(folder: Path):
    install(folder, "evil-rules", "rules")
    with pytest.raises(ModeratorError, match=r"Palaver itself and the package evil-rules"):
        load_moderators(["rules"])


def test_same_manifest_name_under_two_names_is_refused(folder: Path):
    install(folder, "spoilers-one", "one")
    install(folder, "spoilers-two", "two")
    with pytest.raises(ModeratorError, match=r"'one' and 'two'.*'spoilers'"):
        load_moderators(["one", "two"])


def test_what_was_loaded_before_an_error_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch):
    ended = []
    close = RemoteModerator.close
    monkeypatch.setattr(RemoteModerator, "close", lambda self: (ended.append(self), close(self)))
    install(folder, "palaver-spoilers", "spoilers")
    with pytest.raises(ModeratorError, match="'ruls'"):
        load_moderators(["spoilers", "ruls"])
    assert [moderator.health()["state"] for moderator in ended] == ["closed"]


def test_built_ins_run_here_and_all_others_apart(folder: Path, load):
    install(folder, "palaver-spoilers", "spoilers", f"import os\nPID = os.getpid()\n{PID_PLUGIN}")
    here, apart = load(["limits", "spoilers"])
    assert not isinstance(here, RemoteModerator)
    context = ModerationContext((Message("user", "x"),), "input")
    assert apart.check(context).scores.keys().isdisjoint({str(os.getpid())})
    assert "palaver_spoilers" not in sys.modules
    alike = load_in_process("spoilers")
    assert set(alike.check(context)["scores"]) == {str(os.getpid())}


def test_the_environment_and_the_limits_reach_the_worker(folder: Path, load):
    source = "import os\nassert os.environ['TZ'] == 'UTC' and 'HF_TOKEN' not in os.environ\n"
    install(folder, "palaver-spoilers", "spoilers", source + SPOILERS % "spoilers")
    environment = {"TZ": "UTC", "HF_TOKEN": "secret"}
    load(["spoilers"], environment=environment)
    install(
        folder, "palaver-hungry", "hungry", "import time\nx = bytearray(200 << 20)\ntime.sleep(600)"
    )
    with pytest.raises(ModeratorError, match=r"package palaver-hungry.*more than 100 MB"):
        load(["hungry"], limits=WorkerLimits(memory_mb=100))


def install_example(folder: Path) -> None:
    """Put the example package where pip would, as its pyproject.toml says."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copytree(EXAMPLE / "src" / "palaver_no_spoilers", folder / "palaver_no_spoilers")
    info = folder / "palaver_no_spoilers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n"
    )
    lines = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


async def test_the_example_package_is_found_acts_and_keeps_the_contract(folder: Path, load):
    install_example(folder)
    (moderator,) = load(["no-spoilers"])
    assert await refuses(moderator, "In the end, Th\u0435 But\u200bler d1d it")
    assert not await refuses(moderator, "In the end, it rained")
    assert check_named("no-spoilers", samples=["The butler did it!"]) == []
    (other,) = load(["no-spoilers"], {"no-spoilers": {"words": ["it rained"]}})
    assert await refuses(other, "In the end, it rained")


def test_the_example_package_refuses_settings_that_make_no_sense(folder: Path):
    install_example(folder)
    with pytest.raises(ModeratorError, match=r"package palaver-no-spoilers.*words must have"):
        load_moderators(["no-spoilers"], {"no-spoilers": {"words": [""]}})


def test_the_example_is_told_as_it_is():
    told = (ROOT / "docs" / "moderators.md").read_text(encoding="utf-8")
    with pytest.raises(ModeratorError) as caught:
        load_moderators(["no-spoilers"])
    assert str(caught.value) in told
    assert (EXAMPLE / "src/palaver_no_spoilers/__init__.py").read_text(encoding="utf-8") in told
    assert (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8") in told


def test_name_given_twice_is_refused():
    with pytest.raises(ModeratorError, match="twice"):
        load_moderators(["pii", "pii"])


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("raise RuntimeError('no model here')", "RuntimeError: no model here"),
        ("import module_that_is_not_there", "module_that_is_not_there"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(1)", "SystemExit"),
        ("x = 1", "NoSpoilers"),
        ("class NoSpoilers:\n def __init__(self): raise OSError('disk full')", "disk full"),
        ("NoSpoilers = 3", "not callable"),
        ("class NoSpoilers: pass", "manifest"),
        ("class NoSpoilers:\n manifest = {'name': 'x'}", "check"),
    ],
)
def test_broken_plugin_is_named_with_its_cause_and_no_traceback(
    folder: Path, source: str, cause: str
):
    install(folder, "palaver-spoilers", "spoilers", source)
    with pytest.raises(ModeratorError) as caught:
        load_moderators(["spoilers"])
    assert cause in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_setting_of_a_moderator_is_named(folder: Path, load):
    with pytest.raises(ModeratorError, match=r"'limits'.*settings don't fit.*max_charz"):
        load(["limits"], {"limits": {"max_charz": 5}})
    install(folder, "palaver-spoilers", "spoilers")
    with pytest.raises(ModeratorError, match=r"'spoilers'.*settings don't fit.*wordz"):
        load(["spoilers"], {"spoilers": {"wordz": 5}})


# Its weights are nowhere, so it must not be constructed to be described.
HEAVY = """
class NoSpoilers:
    manifest = {"name": "heavy", "version": "7", "categories": ["spoilers"]}

    def __init__(self):
        raise OSError("the weights are nowhere")

    def check(self, context):
        return {"scores": {}}
"""


def test_a_manifest_is_read_without_loading_the_model(folder: Path, load):
    install(folder, "palaver-heavy", "heavy", HEAVY)
    manifest = find_manifest("heavy")
    assert (manifest.name, manifest.version, manifest.categories) == ("heavy", "7", ("spoilers",))
    assert "palaver_heavy" not in sys.modules  # a worker read it
    with pytest.raises(ModeratorError, match="weights are nowhere"):
        load(["heavy"])


def test_a_manifest_that_is_made_by_the_constructor_is_read_from_what_it_makes(folder: Path):
    source = (
        (SPOILERS % "x")
        .replace("manifest =", "other =")
        .replace("self.words = words", "self.manifest = {**self.other, 'version': words[0]}")
    )
    install(folder, "palaver-spoilers", "spoilers", source)
    assert find_manifest("spoilers", {"words": ["abc"]}).version == "abc"
    assert find_manifest("pii").categories


def test_built_in_classifiers_say_what_they_are_without_their_weights(monkeypatch):
    def refuse(*_arguments, **_keywords):
        raise AssertionError("weights were opened")

    monkeypatch.setattr("moderation.classifiers.artifact.Artifact.open", refuse)
    for name in ("fast", "jailbreak", "mini"):
        manifest = find_manifest(name)
        assert manifest.name == name and manifest.categories


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("raise RuntimeError('no model here')", "RuntimeError: no model here"),
        ("class NoSpoilers:\n manifest = {}", "no name"),
        ("class NoSpoilers: pass", "manifest"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_explained(folder: Path, source: str, cause: str):
    install(folder, "palaver-spoilers", "spoilers", source)
    with pytest.raises(ModeratorError, match=cause):
        find_manifest("spoilers")
    with pytest.raises(ModeratorError, match="'ruls'"):
        find_manifest("ruls")


def test_missing_file_is_named():
    with pytest.raises(ModeratorError, match=r"'nowhere_at_all:X'"):
        load_moderators(["nowhere_at_all:X"])


def test_settings_of_moderators_are_read_from_a_file(tmp_path):
    path = tmp_path / "moderators.toml"
    path.write_text("[limits]\nmax_chars = 5\n")
    [limits] = load_moderators(["limits"], read_config(path))
    verdict = limits.check(ModerationContext((Message("user", "far too long"),), "input"))
    assert max(verdict.scores.values()) >= 0.5


@pytest.mark.parametrize("text", ["max_chars = 5", "[limits", "\x00"])
def test_a_file_of_settings_that_cannot_be_used_is_named(tmp_path, text):
    path = tmp_path / "moderators.toml"
    path.write_text(text)
    with pytest.raises(ModeratorError, match=r"moderators\.toml"):
        read_config(path)
    with pytest.raises(ModeratorError, match=r"absent\.toml"):
        read_config(tmp_path / "absent.toml")
