"""What the documents say is so."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from pydantic_core import PydanticUndefined

from moderation.registry import available
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings
from webapp.settings import Settings, read_settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = [name for name in done.stdout.split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def document(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(name):
    field = Settings.model_fields[name]
    start = f"| `PALAVER_{name.upper()}`"
    rows = [row for row in document("settings.md").splitlines() if row.startswith(start)]
    assert len(rows) == 1
    assert field.description
    default = field.default
    assert default is not PydanticUndefined
    shown = ",".join(default) if isinstance(default, tuple) else str(default or "")
    if default == 0:
        shown = "0"
    assert f"`{shown}`" in rows[0] if shown else "| none |" in rows[0]


def test_no_setting_is_documented_that_is_not_there():
    for text in (README, *(path.read_text() for path in (ROOT / "docs").glob("*.md"))):
        for name in re.findall(r"PALAVER_([A-Z_]+)", text):
            assert name.lower() in Settings.model_fields


def test_every_route_of_ours_is_documented(tmp_path):
    app = create_app(make_settings(tmp_path), backend=ScriptedBackend())
    for path in app.openapi()["paths"]:
        assert path in document("api.md"), path


def test_every_built_in_moderator_is_documented():
    for name in available():
        assert f"`{name}`" in document("moderators.md"), name


def test_the_commands_of_the_readme_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_folders_of_the_readme_are_the_real_ones():
    listing = README.split("## The house")[1].split("```")[1]
    named = set(re.findall(r"^(\w+)/", listing, re.MULTILINE))
    real = {path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT}
    assert named == {name for name in real if not name.startswith(".")}


def test_links_between_documents_lead_somewhere():
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_front_matter_makes_a_space_that_these_requirements_allow():
    front = yaml.safe_load(README.split("---")[1])
    assert (front["sdk"], front["app_file"], front["python_version"]) == (
        "gradio",
        "app.py",
        "3.12",
    )
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    gradio = next(Requirement(line) for line in lines if line.startswith("gradio"))
    assert gradio.specifier.contains(front["sdk_version"])


def test_requirements_stand_alone_and_bring_no_torch():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    for line in lines:
        if line and not line.startswith("#"):
            assert Requirement(line).name != "torch"


def test_torch_is_named_exactly_wherever_it_is_named():
    for path in [*ROOT.glob("requirements*.txt"), ROOT / "Makefile", ROOT / "pyproject.toml"]:
        for match in re.findall(r"(?<![\w-])torch([=<>~!]=?[\w.]+)", path.read_text()):
            assert match == "==2.13.0", path.name


def test_no_file_is_too_large_for_plain_git_hosting_of_a_space():
    for path in tracked():
        assert path.stat().st_size <= 10 * 1024 * 1024, path.name


def test_the_readme_calls_the_python_that_serves():
    assert not re.search(r"(?<!\.venv/bin/)python (-m webapp|app\.py)", README)


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_prose_fits_a_terminal(path):
    is_code = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        is_code ^= line.startswith("```")
        is_prose = not is_code and not line.startswith(("|", "#")) and " " in line
        assert not is_prose or len(line) <= 104, f"{path.name}:{number}"


def test_sections_that_are_linked_are_there():
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        for target, section in re.findall(r"\]\((?!http)([^)#\s]*)#([^)\s]+)\)", text):
            linked = path.parent / target if target else path
            heads = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            names = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert section in names, f"{path.name} links to {target}#{section}"


def test_help_names_every_flag(capsys):
    with pytest.raises(SystemExit):
        read_settings(["--help"])
    said = capsys.readouterr().out
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in said
