"""Looking at models, moderators and keys, and trying them."""

import json
import subprocess
import sys

import pytest

from storage.store import Store
from tests.commands_kit import PROGRAM, ROOT, desk_fixture
from tests.tiny_model import TinyModel

desk = desk_fixture()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return TinyModel.random().save(tmp_path_factory.mktemp("model") / "tiny")


def test_the_models_are_listed_with_the_one_in_use(desk):
    said = desk.run("model", "list")
    assert str(ROOT / "exported_models") in said
    assert any(line.startswith("*  palaver") for line in said.splitlines())


def test_a_model_elsewhere_is_named_as_the_one_in_use(desk, model):
    said = desk.run("model", "list", "--model", model)
    assert f"The model in use is {model}." in said
    assert "*  palaver" not in said


def test_a_broken_model_is_listed_as_such(desk, monkeypatch, tmp_path):
    (tmp_path / "shelf" / "broken").mkdir(parents=True)
    (tmp_path / "shelf" / "broken" / "manifest.json").write_text("{")
    monkeypatch.setattr(
        "webapp.commands.model.find_model", lambda _s, name: tmp_path / "shelf" / name
    )
    assert "broken  cannot be used" in desk.run("model", "list")


def test_a_model_says_what_it_is(desk, model):
    said = desk.run("model", "show", model)
    assert "context length  128 tokens" in said
    assert "model.onnx" in said


def test_a_model_is_checked_by_answering(desk, model):
    said = desk.run("model", "check", model, "--max-new-tokens", 5, "--question", "Well?")
    assert "runs on" in said and "CPUExecutionProvider" in said
    assert "Well?" in said
    assert "tokens/s" in said


def test_a_tampered_model_is_no_model(desk, tmp_path):
    folder = TinyModel.random().save(tmp_path / "tiny")
    path = folder / json.loads((folder / "manifest.json").read_text())["tokenizer_file"]
    content = path.read_text()
    path.write_text(content.replace("a", "b", 1))
    assert "checksum" in desk.refuse("model", "check", folder)


@pytest.mark.parametrize("action", ["show", "check"])
def test_a_missing_model_is_named(desk, action):
    assert "nope" in desk.refuse("model", action, "nope")


@pytest.mark.parametrize("number", ["0", "-3"])
def test_an_answer_of_no_tokens_is_refused(desk, model, number):
    assert number in desk.refuse("model", "check", model, "--max-new-tokens", number)


def test_moderators_are_listed_with_what_they_look_for(desk):
    lines = desk.run("moderators", "list", "--moderators", "rules,pii").splitlines()
    rows = {line.split()[0]: line for line in lines}
    assert rows["pii"].split()[1] == "yes" and "pii/email" in rows["pii"]
    assert rows["limits"].split()[1] == "no" and "Palaver itself" in rows["limits"]


def test_a_moderator_that_cannot_be_loaded_is_listed_as_such(desk):
    said = desk.run("moderators", "list", "--moderators", "rules,nowhere:Nobody")
    assert "can't be loaded" in said and "a file beside app.py" in said


def test_a_moderator_that_is_not_active_is_not_even_imported():
    check = (
        "import sys; from importlib import metadata; from webapp.__main__ import main\n"
        "point = metadata.EntryPoint('plug', 'webapp_commands_plug:Plug', 'palaver.moderators')\n"
        "import moderation.registry as registry\n"
        "registry.entry_points = lambda group: (point,)\n"
        "main(['moderators', 'list'])"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert any("plug" in line and " no " in line for line in done.stdout.splitlines()), done


def test_a_moderator_that_keeps_to_the_contract_passes(desk):
    said = desk.run("moderators", "check", "pii", "--sample", "Write to ann@example.org")
    assert "keeps to the contract" in said


def test_a_moderator_that_breaks_the_contract_fails(desk, tmp_path, monkeypatch):
    (tmp_path / "commands_bad.py").write_text(
        "class Bad:\n"
        "    manifest = {'name': 'bad', 'categories': ['spam']}\n"
        "    def check(self, context):\n"
        "        return {'scores': {'spam': 7}}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    said = desk.run("moderators", "check", "commands_bad:Bad", status=1)
    assert "not from 0 to 1" in said


def test_a_sample_must_be_found(desk):
    assert "Nothing is found" in desk.run(
        "moderators", "check", "pii", "--sample", "nothing here", status=1
    )


def test_a_text_is_judged_as_the_chat_would(desk):
    said = desk.run("moderators", "check", "--text", "how do I build a bomb")
    assert "illicit/violent" in said and "refuses this text" in said
    said = desk.run("moderators", "check", "--text", "Good morning!")
    assert said.count("nothing found") == 3 and "lets this text pass" in said


def test_the_policy_decides_and_says_what_it_takes_out(desk, tmp_path):
    policy = tmp_path / "ours.toml"
    policy.write_text('name = "ours"\n[output]\npii = { threshold = 0.5, action = "redact" }\n')
    said = desk.run(
        "moderators", "check", "pii", "--text", "ann@example.org!", "--stage", "output",
        "--policy", policy,
    )  # fmt: skip
    assert "'ours' lets it pass as: [EMAIL]!" in said


def test_a_text_is_read_from_standard_input():
    done = subprocess.run(
        [*PROGRAM, "moderators", "check", "pii", "--text", "-"],
        cwd=ROOT,
        input="ann@example.org",
        capture_output=True,
        text=True,
    )
    assert "pii/email" in done.stdout


def test_there_must_be_something_to_check(desk):
    assert "--text" in desk.refuse("moderators", "check")
    assert "'nobody'" in desk.refuse("moderators", "check", "nobody", "--text", "x")


def test_a_text_and_a_sample_are_two_questions(desk):
    said = desk.refuse("moderators", "check", "pii", "--text", "x", "--sample", "y")
    assert "--text" in said and "--sample" in said


def test_settings_of_moderators_that_cannot_be_read_are_one_error(desk):
    for words in (("list",), ("check", "pii"), ("check", "--text", "x")):
        said = desk.refuse("moderators", *words, "--moderator-config", desk.folder / "nope.toml")
        assert "nope.toml" in said


@pytest.mark.parametrize("name", ["my_rules:", ":NoSpoilers", "my rules:X", "my_rules:No-Spoilers"])
def test_half_a_name_is_told_what_is_missing(desk, name):
    assert "module:Class" in desk.run("moderators", "check", name, status=1)
    assert "module:Class" in desk.refuse("moderators", "check", name, "--text", "x")


def test_a_key_is_shown_once_and_can_be_revoked(desk):
    secret = desk.run("keys", "create", "the  school").strip()
    assert len(secret) > 30
    assert secret not in desk.told
    said = desk.run("keys", "list")
    assert secret not in said and "the school" in said
    key_id = said.splitlines()[1].split()[0]
    desk.run("keys", "revoke", key_id)
    assert len(desk.run("keys", "list").splitlines()[1].split()) > 5
    with Store.open(desk.url) as store:
        assert store.list_api_keys()[0].revoked_at


def test_a_key_made_beside_the_server_counts_at_once(desk):
    from webapp.keys import Keys

    with Store.open(desk.url) as store:
        secret = desk.run("keys", "create", "now").strip()
        found = Keys(store).find(secret)
        assert found is not None and found.name == "now"
        desk.run("keys", "revoke", found.id)
        assert Keys(store).find(secret) is None


@pytest.mark.parametrize("words", [("create", ""), ("create", "x" * 101), ("revoke", "nobody")])
def test_a_wrong_key_is_one_sentence(desk, words):
    desk.refuse("keys", *words)


def test_no_keys_is_no_error(desk):
    with Store.open(desk.url):
        pass
    assert desk.run("keys", "list") == ""
    assert "no keys yet" in desk.told
