"""Publishing a Space: exactly the project's files, never a secret, and all that it needs."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from chat.errors import InvalidRequest, PalaverError, SettingsError
from webapp.hub import deploy as deploying
from webapp.hub.deploy import Space, deploy_space, make_api
from webapp.hub.files import is_secret, list_files

ROOT = Path(__file__).parent.parent


@pytest.fixture
def url(hub, hub_server):
    return hub_server[1]


@pytest.fixture
def api(url):
    return make_api("hf_write", url)


FILES = {
    "app.py": "print('hello')",
    "README.md": "---\ntitle: Palaver\nsdk: gradio\n---\n",
    "webapp/é.py": "x = 1",
    "tests/test_x.py": "",
}
SECRETS = {".env": "KEY=1", "data/palaver.db": "chats", "cookie.key": "k", "notes.txt": "mine"}


@pytest.fixture
def project(tmp_path):
    """A project under git, with files that nobody asked to publish."""
    folder = tmp_path / "project"
    for name, content in {**FILES, **SECRETS}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    subprocess.run(["git", "init", "-q", folder], check=True)
    subprocess.run(["git", "-C", folder, "add", *FILES], check=True)
    return folder


def test_exactly_what_git_tracks_is_published(project, api, hub):
    done = deploy_space(Space("ada/palaver"), project, api=api)
    assert done.files == tuple(sorted(FILES))
    files = hub.repos["space", "ada/palaver"].files
    assert set(files) - {".gitattributes"} == set(FILES)
    assert files["webapp/é.py"] == b"x = 1"
    assert hub.repos["space", "ada/palaver"].settings["sdk"] == "gradio"


def refuse(project, match, **options):
    with pytest.raises(InvalidRequest, match=match) as caught:
        list_files(project, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".env.local", "a/.ENV", "space.env", "PROD.Env", "a/prod.env.bak", "cookie.key",
        "cookie.key.20261120T000000Z.old", "x.pem", "x.P12", "x.pfx", "chat.db", "chat.db.old",
        "x.db-wal", "x.sqlite3", "monday.tar", "monday.tar.gz", "chats.jsonl", "id_rsa",
        "a/id_ed25519", "credentials.json", "gcp-Credentials.txt", ".netrc", "data/x.txt",
        "mine/backups/x.txt", "mine/tests/assets/databases/v1.db",
    ],
)  # fmt: skip
def test_with_a_tracked_secret_nothing_is_published(project, api, hub, name):
    assert is_secret(name)
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("secret")
    subprocess.run(["git", "-C", project, "add", "-f", name], check=True)
    with pytest.raises(InvalidRequest, match=re.escape(name)):
        deploy_space(Space("ada/palaver"), project, api=api)
    assert not hub.repos


@pytest.mark.parametrize("holds", ["palaver.json", "changes/x.txt"])
def test_a_copy_of_the_chats_is_not_published(project, holds):
    for name in ("mine/copy/notes.txt", f"mine/copy/{holds}"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("chats")
    subprocess.run(["git", "-C", project, "add", "mine/copy/notes.txt"], check=True)
    refuse(project, "mine/copy/notes.txt")


def test_the_file_of_the_secrets_is_not_published_whatever_its_name(project):
    subprocess.run(["git", "-C", project, "add", "notes.txt"], check=True)
    assert "notes.txt" in list_files(project)
    refuse(project, "notes.txt", private=[project / "webapp" / ".." / "notes.txt"])


def test_a_link_to_what_git_does_not_track_is_not_published(project, tmp_path):
    (tmp_path / "outside.txt").write_text("mine")
    (project / "inside.py").symlink_to("app.py")
    subprocess.run(["git", "-C", project, "add", "inside.py"], check=True)
    assert "inside.py" in list_files(project)
    for target in (tmp_path / "outside.txt", "notes.txt"):
        (project / "link.txt").unlink(missing_ok=True)
        (project / "link.txt").symlink_to(target)
        subprocess.run(["git", "-C", project, "add", "link.txt"], check=True)
        refuse(project, r"link\.txt")


def test_without_git_nothing_is_published_and_git_says_why(project, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    subprocess.run(["rm", "-r", project / ".git"], check=True)
    assert "not a git repository" in refuse(project, "git says")
    subprocess.run(["git", "init", "-q", project], check=True)
    refuse(project, "tracks nothing")
    monkeypatch.setenv("PATH", "")
    refuse(project, "git isn't installed")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_that_git_does_not_trust_is_not_published(project):
    for path in [project, *project.rglob("*")]:
        os.chown(path, 1234, 1234)
    refuse(project, "dubious ownership")


def test_what_the_project_ignores_is_what_is_secret():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {".env*", "*.env", "*.key", "backups/", "/data/", "*.db"} <= set(ignored)


def test_the_projects_own_files_can_be_published():
    names = list_files(ROOT)
    assert {"app.py", "requirements.txt", "exported_models/palaver/model.onnx"} <= set(names)


def test_a_file_too_large_for_a_space_is_named(project, api, hub):
    (project / "model.onnx").write_bytes(b"0" * 10_000_001)
    subprocess.run(["git", "-C", project, "add", "model.onnx"], check=True)
    with pytest.raises(InvalidRequest, match=r"10 MB.*model\.onnx"):
        deploy_space(Space("ada/palaver"), project, api=api)
    assert not hub.repos


def test_a_folder_that_is_no_palaver_is_refused(tmp_path, api):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "x.py").write_text("")
    subprocess.run(["git", "-C", tmp_path, "add", "x.py"], check=True)
    with pytest.raises(InvalidRequest, match=r"app\.py"):
        deploy_space(Space("ada/palaver"), tmp_path, api=api)


@pytest.mark.parametrize("name", ["", "palaver", "a/b/c", "/x", "a b/c"])
def test_a_name_that_is_none_is_refused(project, api, name):
    with pytest.raises(InvalidRequest, match="ann/palaver"):
        deploy_space(Space(name), project, api=api)


def test_hardware_that_is_none_is_refused_with_what_there_is(project, api, hub):
    with pytest.raises(InvalidRequest, match=r"quantum.*cpu-basic"):
        deploy_space(Space("ada/palaver", hardware="quantum"), project, api=api)
    assert not hub.repos


@pytest.mark.filterwarnings("ignore:Use 'content=")  # the Hub's library asks its client so
def test_a_model_goes_the_way_of_large_files(project, api, hub, monkeypatch):
    # The Hub's own store for large files (Xet) has no stand-in; git's way to them has.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    content = bytes(range(256)) * 100
    (project / "model.onnx").write_bytes(content)
    subprocess.run(["git", "-C", project, "add", "model.onnx"], check=True)
    deploy_space(Space("ada/palaver"), project, api=api)
    assert hub.repos["space", "ada/palaver"].files["model.onnx"] == content
    assert any(line.startswith("PUT /lfs/") for line in hub.requests)


def test_a_space_gets_its_dataset_its_secrets_and_its_variables(project, api, hub):
    space = Space(
        "ada/palaver",
        is_private=True,
        hardware="t4-small",
        dataset="ada/palaver-chats",
        hub_token="hf_write",
        secrets={"PALAVER_ADMIN_PASSWORD": "open sesame"},
        variables={"PALAVER_POLICY": "strict"},
    )
    done = deploy_space(space, project, api=api)
    repo = hub.repos["space", "ada/palaver"]
    assert repo.is_private and repo.settings["hardware"] == "t4-small"
    secrets = {row["key"]: row["value"] for row in repo.settings["secrets"]}
    assert secrets == {"HF_TOKEN": "hf_write", "PALAVER_ADMIN_PASSWORD": "open sesame"}
    variables = {row["key"]: row["value"] for row in repo.settings["variables"]}
    assert variables == {"PALAVER_SYNC": "ada/palaver-chats", "PALAVER_POLICY": "strict"}
    assert hub.repos["dataset", "ada/palaver-chats"].is_private
    said = done.describe()
    assert "open sesame" not in said and "hf_write" not in said
    assert "https://ada-palaver.hf.space" in said and "ada/palaver-chats" in said


def test_the_first_start_has_its_secrets_because_files_come_last(project, api, hub):
    space = Space("ada/palaver", dataset="ada/chats", hub_token="hf_write")
    deploy_space(space, project, api=api)
    posts = [line for line in hub.requests if line.startswith("POST /api/spaces/ada/palaver/")]
    kinds = [line.rsplit("/", 2)[-1] for line in posts]
    assert kinds.index("secrets") < kinds.index("variables")
    assert posts[-1].endswith("commit/main")


def test_a_rehearsal_says_everything_and_changes_nothing(project, api, hub):
    space = Space("ada/palaver", dataset="ada/chats", hub_token="hf_write")
    done = deploy_space(space, project, api=api, is_rehearsal=True)
    assert done.is_rehearsal and done.is_new and set(done.files) == set(FILES)
    assert "would be created" in done.describe()
    assert not hub.repos


def test_published_again_it_is_brought_up_to_date(project, api, hub):
    deploy_space(Space("ada/palaver"), project, api=api)
    subprocess.run(["git", "-C", project, "rm", "-q", "-f", "tests/test_x.py"], check=True)
    (project / "app.py").write_text("print('again')")
    done = deploy_space(Space("ada/palaver"), project, api=api)
    assert not done.is_new and done.deleted == ("tests/test_x.py",)
    files = hub.repos["space", "ada/palaver"].files
    assert files["app.py"] == b"print('again')" and "tests/test_x.py" not in files


def test_a_large_project_goes_in_pieces_and_says_how_far_it_is(project, api, hub, monkeypatch):
    monkeypatch.setattr(deploying, "BATCH_BYTES", 1)
    seen = []
    deploy_space(
        Space("ada/palaver"),
        project,
        api=api,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert len(seen) == len(FILES)
    assert seen[-1][0] == seen[-1][1] and seen == sorted(seen)
    # What makes it build comes last.
    commits = hub.repos["space", "ada/palaver"].commits
    assert "README.md" in commits[-1] and "README.md" not in commits[-2]


@pytest.mark.parametrize("token", ["hf_read", "hf_other", "hf_unknown"])
def test_a_token_that_may_not_publish_is_said(project, url, token):
    with pytest.raises(SettingsError, match="token"):
        deploy_space(Space("ada/palaver"), project, api=make_api(token, url))


def test_without_a_token_the_way_to_one_is_told(monkeypatch):
    monkeypatch.setattr(deploying, "get_token", lambda: None)
    with pytest.raises(SettingsError, match="hf auth login"):
        make_api("", "http://localhost:1")


def test_a_public_dataset_is_refused_before_the_space_is_made(project, api, hub):
    hub.add("dataset", "ada/open", is_private=False)
    with pytest.raises(SettingsError, match="public"):
        deploy_space(Space("ada/palaver", dataset="ada/open"), project, api=api)
    assert ("space", "ada/palaver") not in hub.repos


def test_a_hub_that_is_not_there_is_one_sentence(project):
    with pytest.raises(PalaverError, match="can't be reached"):
        deploy_space(Space("ada/palaver"), project, api=make_api("hf_x", "http://127.0.0.1:9"))
