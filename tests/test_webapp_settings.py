"""Settings come from flags, then the environment, then defaults; a wrong one is named."""

import pytest

from chat.errors import SettingsError
from webapp.settings import find_mistakes, find_unknown, read_settings


def test_defaults_serve_this_machine_alone():
    settings = read_settings([])
    assert settings.host == "127.0.0.1"
    assert settings.moderators == ("limits", "rules", "pii", "secrets", "fast", "jailbreak", "mini")


def test_a_flag_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("PALAVER_PORT", "1000")
    assert read_settings([]).port == 1000
    assert read_settings(["--port", "2000"]).port == 2000


def test_lists_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("PALAVER_MODERATORS", "rules, my_rules:NoSpoilers")
    assert read_settings([]).moderators == ("rules", "my_rules:NoSpoilers")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("port", "99999", "65535"),
        ("port", "many", "a whole number"),
        ("port", "", "a whole number"),
        ("host", "", "is empty"),
        ("device", "tpu", "'auto', 'cuda' or 'cpu'"),
        ("moderators", ",", "at least one"),
        ("moderators", "rules,limits, rules", "rules is in it twice; name each moderator once"),
        ("moderation_mode", "none", "'window' or 'buffer_all'"),
        ("moderation_timeout_s", "0", "more than 0"),
        ("moderation_timeout_s", "301", "at most 300"),
        ("max_body_bytes", "1", "at least 1024"),
        ("allowed_origins", "https://a.example/", "'https://a.example/'"),
        ("allowed_origins", "a.example", "http://localhost:3000"),
        ("allowed_origins", "https://a.example,https://b.example/x", "'https://b.example/x'"),
        ("forwarded_allow_ips", "proxy", "10.0.0.0/8"),
        ("forwarded_allow_ips", "127.0.0.1,10.0.0.1/8", "'10.0.0.1/8'"),
        ("api_key", "schlüssel", "ASCII"),
        ("api_key", "   ", "ASCII"),
        ("admin_password", "a\tb", "ASCII"),
        ("cookie_key", "short", "64 characters"),
    ],
)
def test_a_wrong_value_is_refused_by_name_value_and_what_is_allowed(
    monkeypatch, name, value, allowed
):
    monkeypatch.setenv(f"PALAVER_{name.upper()}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings([])
    said = str(caught.value)
    assert f"PALAVER_{name.upper()}" in said
    assert allowed in said
    assert said.count("\n") == 0 and "Value error" not in said and "Input should" not in said


def test_a_wrong_secret_is_not_repeated(monkeypatch):
    monkeypatch.setenv("PALAVER_API_KEY", "s3cret ")
    monkeypatch.setenv("PALAVER_ADMIN_PASSWORD", "s3crét")
    monkeypatch.setenv("PALAVER_COOKIE_KEY", "s3cret")
    monkeypatch.setenv("PALAVER_PORT", "x")
    with pytest.raises(SettingsError) as caught:
        read_settings([])
    assert "s3cr" not in str(caught.value)
    assert str(caught.value).count("\n") == 3


def test_a_space_is_reachable_from_outside_its_container(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "somebody/palaver")
    assert read_settings([]).host == "0.0.0.0"


def test_a_model_is_a_name_in_exported_models_or_a_path():
    assert read_settings([]).model_dir.parts[-2:] == ("exported_models", "palaver")
    assert read_settings(["--model", "./elsewhere/mine"]).model_dir.parts == ("elsewhere", "mine")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_origins", "*"),
        ("allowed_origins", "https://a.example, http://[::1]:3000"),
        ("forwarded_allow_ips", "*"),
        ("forwarded_allow_ips", ""),
        ("forwarded_allow_ips", "10.0.0.0/8, ::1,192.168.1.2"),
        ("api_key", "pal-~!"),
        ("api_key", ""),
        ("admin_password", "correct horse battery staple"),
    ],
)
def test_what_is_allowed_is_taken(monkeypatch, name, value):
    monkeypatch.setenv(f"PALAVER_{name.upper()}", value)
    read_settings([])


def test_a_name_that_is_no_setting_is_told_with_the_nearest_that_is():
    environment = {"PALAVER_MODERATOR": "x", "PALAVER_PORT": "1", "PALAVER_QQQQ": "", "PATH": ""}
    near, far = find_unknown(environment)
    assert near.startswith("PALAVER_MODERATOR is no") and "PALAVER_MODERATORS?" in near
    assert far.startswith("PALAVER_QQQQ is no") and "settings.md" in far
    assert find_unknown({"PALAVER_HOST": "", "palaver_port": "1"}) == []


def test_a_wrong_setting_that_does_not_matter_gives_way_to_its_default(monkeypatch):
    monkeypatch.setenv("PALAVER_PORT", "many")
    monkeypatch.setenv("PALAVER_DATA_DIR", "elsewhere")
    settings = read_settings(["--threads", "3"], needed=["database_url"])
    assert (settings.port, settings.threads, str(settings.data_dir)) == (7860, 3, "elsewhere")
    assert len(find_mistakes()) == 1
    for arguments, needed in ((["--threads=x"], ["database_url"]), ([], ["port"])):
        with pytest.raises(SettingsError, match=r"PALAVER_(PORT|THREADS)"):
            read_settings(arguments, needed=needed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prot", "3"], "--prot, did you mean --port?"),
        (["--xyzzy"], "no flag --xyzzy"),
        (["--port"], "expected one argument"),
        (["8000"], "'8000'"),
    ],
)
def test_a_mistyped_flag_is_one_line(capsys, words, said):
    with pytest.raises(SystemExit) as ended:
        read_settings(words, program="python app.py")
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in told and told.count("\n") == 1 and told.startswith("python app.py: ")


@pytest.mark.parametrize("program", ["python app.py", "python -m webapp serve"])
def test_help_shows_values_and_defaults_as_they_are_typed(capsys, program):
    with pytest.raises(SystemExit) as ended:
        read_settings(["--help"], program=program)
    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert said.startswith(f"usage: {program} [-h] [--host ADDRESS] [--port NUMBER]")
    for part in (
        "--device auto|cuda|cpu",
        "--moderators NAMES",
        "(default: limits,rules,pii,secrets,fast,jailbreak,mini)",
        "(default: 2)",
        "(default: sqlite:///data/palaver.db)",
    ):
        assert part in said
    for part in ("PathLike", "Path |", "None", "tuple", "('", "Annotated", "{"):
        assert part not in said
