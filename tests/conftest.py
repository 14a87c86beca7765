"""What every test may lean on."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tokenizers
from hypothesis import settings
from tokenizers import decoders, models, pre_tokenizers

from chat.tokenizer import Tokenizer

if TYPE_CHECKING:
    from tests.hub_stand_in import Hub

# A shell that starts the tests in the background tells them to ignore Ctrl-C, and so would be told
# each program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The same examples each time, so that a red build means a change; `make prove` looks for new ones.
settings.register_profile("steady", derandomize=True)
settings.register_profile("explore", print_blob=True)
settings.load_profile("steady")

SPECIALS = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"]
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the person who runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith(("PALAVER_", "SPACE_", "SPACES_", "OAUTH_", "OPENID_", "HF_")):
            monkeypatch.delenv(name)
    yield


def write_byte_tokenizer(path: Path) -> Path:
    """Write a tokenizer.json with one token per byte, and the bundled model's special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate([*SPECIALS, *alphabet])}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.save(str(path))
    return path


@pytest.fixture
def byte_tokenizer(tmp_path: Path) -> Tokenizer:
    """A tokenizer with one token per byte."""
    return Tokenizer.load(write_byte_tokenizer(tmp_path / "tokenizer.json"))


@pytest.fixture(scope="module")
def hub_server() -> Iterator[tuple["Hub", str]]:
    """A stand-in of the Hub, and its address."""
    from tests.hub_stand_in import Hub, serve_hub

    hub = Hub()
    with serve_hub(hub) as url:
        yield hub, url


@pytest.fixture
def hub(hub_server: tuple["Hub", str]) -> "Hub":
    """A Hub in which nothing has happened yet."""
    hub_server[0].reset()
    return hub_server[0]
