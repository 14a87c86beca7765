"""Names become moderators: built in, from an installed package, or from a file."""

import sys
from pathlib import Path

import pytest

from chat.errors import ModeratorError
from chat.types import Message
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.policy import Policy
from moderation.registry import available, load_moderators, read_config

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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


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


async def test_file_beside_the_app_is_a_moderator(folder: Path):
    (folder / "my_rules.py").write_text(SPOILERS % "no-spoilers")
    (moderator,) = load_moderators(["my_rules:NoSpoilers"])
    assert await refuses(moderator, "It was The But\u200bler")
    assert not await refuses(moderator, "It was raining")


async def test_installed_package_is_a_moderator_and_gets_its_configuration(folder: Path):
    install(folder, "palaver-spoilers", "spoilers")
    assert available()["spoilers"] == "the package palaver-spoilers"
    (moderator,) = load_moderators(["spoilers"], {"spoilers": {"words": ["rosebud"]}})
    assert await refuses(moderator, "Rosebud!")


def test_installed_is_not_active(folder: Path):
    install(folder, "palaver-broken", "broken", "raise RuntimeError('imported')")
    assert len(load_moderators(["limits"])) == 1
    assert "palaver_broken" not in sys.modules


def test_unknown_name_lists_what_there_is():
    with pytest.raises(ModeratorError, match=r"'ruls'.*limits, pii, rules"):
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


def test_unknown_setting_of_a_moderator_is_named(folder: Path):
    with pytest.raises(ModeratorError, match=r"'limits'.*max_charz"):
        load_moderators(["limits"], {"limits": {"max_charz": 5}})


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
