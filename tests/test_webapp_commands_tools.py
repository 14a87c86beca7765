"""Looking at models, moderators and keys, and trying them."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from chat.review import OperatorRule
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
    names = "limits,rules,pii,secrets"
    said = desk.run("moderators", "check", "--text", "Good morning!", "--moderators", names)
    assert said.count("nothing found") == 4 and "lets this text pass" in said


def test_the_policy_decides_and_says_what_it_takes_out(desk, tmp_path):
    policy = tmp_path / "ours.toml"
    policy.write_text('name = "ours"\n[output]\npii = { threshold = 0.5, action = "redact" }\n')
    said = desk.run(
        "moderators", "check", "pii", "--text", "ann@example.org!", "--stage", "output",
        "--policy", policy,
    )  # fmt: skip
    assert "'ours' lets it pass as: [EMAIL]!" in said


def test_rules_of_the_database_judge_and_the_policy_may_name_what_they_look_for(desk, tmp_path):
    policy = tmp_path / "house.toml"
    policy.write_text('[both]\nhouse = { threshold = 0.5, action = "block" }\n')
    judge = ("moderators", "check", "--text", "Buy acme.", "--policy", policy)
    assert "'house'" in desk.refuse(*judge, "--moderators", "rules")
    with Store.open(desk.url) as store:
        ours = OperatorRule("a", "Ours", "house", patterns=("acme",), is_active=True)
        store.save_rule(ours)
        store.save_rule(replace(ours, id="b", patterns=("x+",)))
    said = desk.run(*judge, "--moderators", "rules")
    assert "'house.toml' refuses this text (block: house)" in said
    assert "house" in desk.run(*judge, "--moderators", "limits,rules", "rules")
    assert "lets this text pass" in desk.run(*judge, "limits")
    desk.run(
        "moderators", "bench", "--lengths", "10", "--checks", "1", "limits", "--policy", policy
    )
    with Store.open(desk.url) as store:
        assert len(store.list_rules()) == 2


def test_a_database_that_cannot_be_read_costs_its_rules_alone(desk):
    desk.data_dir.mkdir()
    desk.database.write_text("no database")
    said = desk.run("moderators", "check", "--text", "Hi", "--moderators", "limits")
    assert "lets this text pass" in said and "rules are left out" in desk.told


def test_a_shadow_is_shown_as_such(desk, tmp_path):
    policy = tmp_path / "ours.toml"
    policy.write_text('name = "ours"\nshadow = ["pii"]\n')
    said = desk.run(
        "moderators", "check", "--moderators", "pii,limits", "--text", "ann@example.org",
        "--policy", policy,
    )  # fmt: skip
    row = next(line for line in said.splitlines() if "pii/email" in line)
    assert row.startswith("pii (shadow)") and row.endswith("only recorded")
    assert "'ours' lets this text pass." in said


def test_the_speed_of_the_moderators_is_a_table(desk):
    said = desk.run(
        "moderators", "bench", "limits", "pii", "--lengths", "10,2000", "--checks", "3"
    ).splitlines()
    assert said[0].split() == ["moderator", "characters", "p50", "ms", "p95", "ms"]
    rows = [line.replace("(all together)", "all").split() for line in said[1:]]
    assert [row[:2] for row in rows] == [
        [name, chars]
        for chars in ("10", "2,000")
        for name in ("(normaliser)", "limits", "pii", "all")
    ]
    assert all(0 <= float(row[2]) <= float(row[3]) for row in rows)
    assert "\r" not in desk.told  # nobody watches


def test_a_moderator_that_only_judges_questions_is_not_measured_on_answers(desk):
    said = desk.run(
        "moderators", "bench", "limits", "pii", "--stage", "output", "--lengths", "9", "--checks", 2
    )
    assert "pii" in said and "limits" not in said


def test_a_moderator_that_fails_while_it_is_measured_is_a_failure(desk):
    name = "tests.broken_moderator:Broken"
    said = desk.run("moderators", "bench", name, "--lengths", "9", "--checks", "2", status=1)
    assert "4 failed" in said


@pytest.mark.parametrize(
    "words",
    [
        ("--lengths", "0"),
        ("--lengths", "10,,20"),
        ("--lengths", "1000001"),
        ("--lengths", "9" * 5000),
        ("--lengths", "²"),
        ("--checks", "-1"),
        ("--checks", "10001"),
        ("--checks", "many"),
    ],
)
def test_what_cannot_be_measured_is_refused(desk, words, capsys):
    with pytest.raises(SystemExit) as ended:
        desk.run("moderators", "bench", "limits", *words)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert words[0] in said and len(said) < 400


def test_a_moderator_that_is_not_there_is_not_measured(desk):
    assert "'nobody'" in desk.refuse("moderators", "bench", "nobody")


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
