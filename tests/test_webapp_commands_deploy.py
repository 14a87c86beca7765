"""Publishing from the command line, to a stand-in for the Hub."""

import subprocess

import pytest

from tests.commands_kit import desk_fixture
from tests.hub_stand_in import Hub, serve_hub

desk = desk_fixture()


@pytest.fixture
def hub(monkeypatch):
    made = Hub()
    with serve_hub(made) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", "hf_write")
        yield made


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small folder in the place of this one."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "app.py").write_text("print('hello')")
    (folder / "README.md").write_text("---\ntitle: Palaver\nsdk: gradio\n---\n")
    subprocess.run(["git", "init", "-q", folder], check=True)
    subprocess.run(["git", "-C", folder, "add", "."], check=True)
    monkeypatch.setattr("webapp.commands.deploy._ROOT", folder)
    return folder


def pairs(space, what):
    return {row["key"]: row["value"] for row in space.settings[what]}


def test_a_space_is_published_with_its_secrets_and_dataset(desk, hub, project, tmp_path):
    secrets = tmp_path / "space.env"
    secrets.write_text("# the Space's own\nHF_TOKEN=hf_write\n\nPALAVER_API_KEY='s3cret='\n")
    said = desk.run(
        "deploy", "space", "ada/palaver", "--private", "--dataset", "ada/chats",
        "--secrets", secrets, "--variable", "PALAVER_POLICY=strict",
    )  # fmt: skip
    space = hub.repos["space", "ada/palaver"]
    assert space.is_private and "app.py" in space.files
    assert pairs(space, "secrets") == {"HF_TOKEN": "hf_write", "PALAVER_API_KEY": "s3cret="}
    assert pairs(space, "variables") == {
        "PALAVER_SYNC": "ada/chats",
        "PALAVER_POLICY": "strict",
    }
    assert hub.repos["dataset", "ada/chats"].is_private
    assert "s3cret" not in said + desk.told and "hf_write" not in said + desk.told


def test_a_rehearsal_tells_all_and_changes_nothing(desk, hub, project):
    said = desk.run("deploy", "space", "ada/palaver", "--dataset", "ada/chats", "--dry-run")
    assert "would be created" in said and "ada/chats" in said
    assert "HF_TOKEN" in desk.told
    assert not hub.repos


def test_without_a_token_it_says_how_to_get_one(desk, hub, project, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("webapp.hub.deploy.get_token", lambda: None)
    assert "hf auth login" in desk.refuse("deploy", "space", "ada/palaver")


@pytest.mark.parametrize("line", ["s3cret", "palaver_port=s3cret", "=s3cret", "A B=s3cret"])
def test_a_wrong_line_is_told_by_its_number_alone(desk, hub, project, tmp_path, line):
    secrets = tmp_path / "space.env"
    secrets.write_text(f"PALAVER_PORT=80\n{line}\n")
    told = desk.refuse("deploy", "space", "ada/palaver", "--secrets", secrets)
    assert "Setting 2" in told and "s3cret" not in told
    assert "space.env" in told


def test_a_missing_file_of_secrets_is_named(desk, hub, project, tmp_path):
    told = desk.refuse("deploy", "space", "ada/palaver", "--secrets", tmp_path / "none.env")
    assert "none.env" in told


def test_a_wrong_name_or_hardware_is_one_sentence(desk, hub, project):
    assert "ann/palaver" in desk.refuse("deploy", "space", "palaver")
    assert "quantum" in desk.refuse("deploy", "space", "ada/p", "--hardware", "quantum")
    assert not hub.repos


def test_the_secrets_do_not_go_along_with_the_files(desk, hub, project):
    secrets = project / "settings.txt"
    secrets.write_text("PALAVER_API_KEY=s3cret\n")
    subprocess.run(["git", "-C", project, "add", "settings.txt"], check=True)
    told = desk.refuse("deploy", "space", "ada/palaver", "--secrets", secrets)
    assert "settings.txt" in told and "s3cret" not in told
    assert not hub.repos
