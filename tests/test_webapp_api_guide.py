"""The commands of docs/api.md do what they promise, and its tables say what the code says."""

import re
import shlex
from pathlib import Path

import httpx
import pytest

from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve
from webapp.api.rankings import RankingRequest
from webapp.api.schemas import MOST_ANSWERS, UNSUPPORTED, ChatCompletionRequest
from webapp.archive import BAD_TAGS, GOOD_TAGS
from webapp.keys import PREFIX

GUIDE = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```\n(curl .*?)```", GUIDE, re.DOTALL)


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    settings = make_settings(tmp_path_factory.mktemp("guide"))
    with (
        serve(create_app(settings, backend=ScriptedBackend())) as address,
        httpx.Client(base_url=address) as http,
    ):
        yield http


def do(http, command, **known):
    """Do what `curl` would do, with its -H and -d."""
    for name, value in known.items():
        command = command.replace(f"${name}", value)
    _, url, *rest = shlex.split(command.replace("\\\n", ""))
    given = list(zip(rest[::2], rest[1::2], strict=True))
    headers = dict(value.split(": ", 1) for flag, value in given if flag == "-H")
    bodies = [value for flag, value in given if flag == "-d"]
    path = url.removeprefix("http://127.0.0.1:7860")
    if bodies:
        return http.post(path, content=bodies[0], headers=headers)
    return http.get(path, headers=headers)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_guide_works(http, command):
    messages = [{"role": "user", "content": "Hi"}]
    completion = http.post("/v1/chat/completions", json={"messages": messages}).json()
    two = http.post("/v1/chat/completions", json={"messages": messages, "n": 2}).json()
    response = do(http, command, ID=completion["id"], TWO=two["id"], KEY="none")
    assert response.status_code == 200, response.text


def test_there_are_commands():
    assert len(COMMANDS) == 6


def test_every_field_and_every_tag_is_in_the_guide():
    fields = (*ChatCompletionRequest.model_fields, *RankingRequest.model_fields)
    for name in (*fields, *UNSUPPORTED, *GOOD_TAGS, *BAD_TAGS):
        assert f"`{name}`" in GUIDE or f"`{name}." in GUIDE, name
    assert f"1 to {MOST_ANSWERS} answers" in GUIDE and f"`{PREFIX}`" in GUIDE
