"""Text to ids and back: nothing that people type becomes a special token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import ModelError
from chat.tokenizer import Tokenizer
from tests.conftest import write_byte_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    return Tokenizer.load(write_byte_tokenizer(path))


def test_special_text_that_people_type_stays_plain_text(tokenizer):
    assert tokenizer.token_id("<|end|>") == 4
    assert 4 not in tokenizer.encode("say <|end|> to me")
    assert tokenizer.decode(tokenizer.encode("say <|end|> to me")) == "say <|end|> to me"
    assert tokenizer.encode("<|end|>", allow_special=True) == [4]


def test_vocabulary_counts_special_tokens(tokenizer):
    assert tokenizer.vocab_size == 6 + 256


@given(st.text(st.characters(codec="utf-8")))
def test_a_stream_of_tokens_gives_the_text_back_whole_characters_only(tokenizer, text):
    stream = tokenizer.stream()
    pieces = [stream.push(token_id) for token_id in tokenizer.encode(text)]
    assert "".join(pieces) == text


def test_a_character_of_several_bytes_waits_for_its_last_byte(tokenizer):
    stream = tokenizer.stream()
    pieces = [stream.push(token_id) for token_id in tokenizer.encode("é🦊")]
    assert pieces == ["", "é", "", "", "", "🦊"]


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b"\xff\xfe"])
def test_a_broken_tokenizer_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        Tokenizer.load(path)


def test_a_missing_tokenizer_file_is_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path / "tokenizer.json")
