"""The arrows between the packages, and the habits of the house, held by reading the sources."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("chat", "inference", "moderation", "preferences", "storage", "webapp", "training")
# Which of our packages each package may import, itself aside.
ARROWS = {
    "chat": set(),
    "inference": {"chat"},
    "moderation": {"chat"},
    "preferences": {"chat"},
    "storage": {"chat"},
    "webapp": {"chat", "inference", "moderation", "preferences", "storage"},
    "training": {"chat", "inference", "moderation", "preferences"},
}
# One third-party library, one home: the files or folders that may import it.
HOMES = {
    "gradio": ["webapp/ui"],
    "fastapi": ["webapp"],
    "starlette": ["webapp"],
    "uvicorn": ["webapp/server.py", "webapp/stopping.py"],
    "pydantic": ["webapp"],
    "pydantic_settings": ["webapp/settings.py"],
    "itsdangerous": ["webapp/auth.py"],
    "huggingface_hub": ["webapp/hub"],
    "spaces": ["webapp/hub/zero_gpu.py"],
    "sqlalchemy": ["storage"],
    "alembic": ["storage"],
    "psycopg": ["storage"],
    "onnxruntime": [
        "inference/model_runner.py",
        "moderation/classifiers/encoder.py",
        "training",
    ],
    "onnx": ["training"],
    "torch": ["training"],
    "transformers": ["training"],
    "accelerate": ["training"],
    "tokenizers": ["chat/tokenizer.py", "moderation/classifiers/encoder.py", "training"],
    "sklearn": ["moderation/evaluation", "training/moderators"],
    "scipy": ["training/moderators"],
    "safetensors": ["training"],
    "matplotlib": ["moderation/evaluation", "training"],
    "jinja2": ["chat/template.py"],
    "markdown_it": ["webapp/ui"],
    "pygments": ["webapp/ui"],
    "re2": ["moderation"],
    "httpcore": ["moderation/guards"],
    "pyarrow": ["preferences/parquet.py"],
}


def sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or "", node.lineno


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_along_the_arrows(package):
    for path in sources(package):
        for name, line in imports(path):
            top = name.split(".")[0]
            if top in PACKAGES and top != package:
                assert top in ARROWS[package], f"{relative(path)}:{line} imports {name}"


def test_in_webapp_only_the_turn_and_what_puts_it_together_know_the_worlds_below():
    worlds = {"inference", "moderation", "storage", "preferences"}
    knowing = {
        f"webapp/{name}.py"
        for name in (
            "service",
            "arena",
            "votes",
            "intake",
            "judgement",
            "keys",
            "drafting",
            "guard",
            "guard_model",
            "loading",
            "memory",
            "opinions",
            "preflight",
            "recording",
            "review",
            "server",
        )
    }
    for path in sources("webapp"):
        for name, line in imports(path):
            is_below = name.split(".")[0] in worlds
            knows = relative(path) in knowing or ROOT / "webapp/commands" in path.parents
            assert not is_below or knows, f"{relative(path)}:{line}: {name}"


def test_the_page_and_the_api_do_not_know_each_other():
    doors = [*sources("webapp/ui"), *sources("webapp/api")]
    for path in doors:
        for name, line in imports(path):
            other = "webapp.api" if "ui" in path.parts else "webapp.ui"
            assert not name.startswith(other), f"{relative(path)}:{line} imports {name}"


@pytest.mark.parametrize("library", HOMES)
def test_a_library_stays_in_its_home(library):
    for path in [ROOT / "app.py", *sources(*PACKAGES)]:
        homes = [ROOT / home for home in HOMES[library]]
        at_home = any(path == home or home in path.parents for home in homes)
        for name, line in imports(path):
            assert at_home or name.split(".")[0] != library, f"{relative(path)}:{line}"


def test_the_environment_is_read_in_the_settings_alone():
    for path in [ROOT / "app.py", *sources(*PACKAGES)]:
        if relative(path) != "webapp/settings.py":
            text = path.read_text(encoding="utf-8")
            assert "os.environ" not in text and "getenv" not in text, relative(path)


def test_every_module_says_what_it_is():
    for path in [ROOT / "app.py", *sources(*PACKAGES), *sources("tests")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not tree.body or ast.get_docstring(tree), f"{relative(path)} has no docstring"


def test_no_top_level_folder_takes_a_librarys_name():
    taken = {"datasets", "tokenizers", "evaluate", "onnx", "types", "logging", "torch"}
    assert not taken & {path.name for path in ROOT.iterdir()}


def test_serving_imports_neither_torch_nor_transformers():
    check = (
        "import sys, webapp.server;"
        "loaded = {'torch', 'transformers', 'onnx', 'datasets'} & set(sys.modules);"
        "sys.exit(f'{loaded} were imported' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_wrong_flag_is_answered_without_loading_the_application():
    done = subprocess.run(
        [sys.executable, "app.py", "--port", "0"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "PALAVER_PORT" in done.stderr and "Traceback" not in done.stderr
