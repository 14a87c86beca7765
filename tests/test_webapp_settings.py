"""Settings come from flags, then the environment, then defaults; a wrong one is named."""

import pytest

from chat.errors import SettingsError
from webapp.settings import read_settings


def test_defaults_serve_this_machine_alone():
    settings = read_settings([])
    assert settings.host == "127.0.0.1"
    assert settings.moderators == ("rules", "pii", "limits")


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
        ("port", "many", "integer"),
        ("device", "tpu", "'auto', 'cuda' or 'cpu'"),
        ("moderators", ",", "at least one"),
        ("moderation_mode", "none", "'window' or 'buffer_all'"),
        ("moderation_timeout_s", "0", "greater than 0"),
    ],
)
def test_a_wrong_value_is_refused_by_name_value_and_what_is_allowed(
    monkeypatch, name, value, allowed
):
    monkeypatch.setenv(f"PALAVER_{name.upper()}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings([])
    assert f"PALAVER_{name.upper()}" in str(caught.value)
    assert allowed in str(caught.value)


def test_a_wrong_secret_is_not_repeated(monkeypatch):
    monkeypatch.setenv("PALAVER_API_KEY", "s3cret")
    monkeypatch.setenv("PALAVER_PORT", "x")
    with pytest.raises(SettingsError) as caught:
        read_settings([])
    assert "s3cret" not in str(caught.value)


def test_a_space_is_reachable_from_outside_its_container(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "somebody/palaver")
    assert read_settings([]).host == "0.0.0.0"


def test_a_model_is_a_name_in_exported_models_or_a_path():
    assert read_settings([]).model_dir.parts[-2:] == ("exported_models", "palaver")
    assert read_settings(["--model", "./elsewhere/mine"]).model_dir.parts == ("elsewhere", "mine")
