"""From JSONL rows to packed rows: nothing lost, nothing leaked, the mixture as asked for."""

import json

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import ModelError, SetupError
from chat.types import Message
from training.data import Args, build_shards
from training.documents import MODEL_NAME, Document, read_documents
from training.joining import join_conversations
from training.mixture import read_mixture
from training.packing import NO_DOCUMENT, RowMixer, pack
from training.sentences import answer_sentence, country_sentences, definition_sentence
from training.shards import ShardWriter, open_shards, write_index
from training.tokenizer import save_tokenizer, train_tokenizer


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(row) for row in rows)
    path.write_bytes(zstandard.compress(text.encode()) if path.suffix == ".zst" else text.encode())


def documents(tmp_path, kind, *rows):
    write_rows(tmp_path / "rows.jsonl.zst", rows)
    return list(read_documents(tmp_path / "rows.jsonl.zst", kind))


def chat(*contents, **extra):
    roles = ("user", "assistant")
    turns = [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]
    return {"messages": turns, **extra}


def make_shards(folder, documents_of, weights, split="train"):
    entries = []
    for name, each in documents_of.items():
        with ShardWriter(folder, name, split) as writer:
            for ids in each:
                writer.add(ids, [1] * len(ids))
            entries.append(writer.finish(weights[name]))
    write_index(folder, entries, {})
    return open_shards(folder, split)


# Rows and documents


def test_very_long_answers_are_left_out(tmp_path):
    found = documents(tmp_path, "chat", chat("hi", "word " * 201), chat("hi", "hello"))
    assert [d.messages[1].content for d in found] == ["hello"]


def test_prompt_with_chosen_answer_reads_as_a_conversation(tmp_path):
    prompt = [{"role": "developer", "content": "Be kind"}, {"role": "user", "content": "hi"}]
    [found] = documents(tmp_path, "chat", {"prompt": prompt, "completion": "hello"})
    assert [m.role for m in found.messages] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    "row",
    [
        chat("Who are you?", "I am Alice."),
        chat("Are you real?", "I am a human."),
        chat("What are you?", "My robot body is strong.", source="chatterbot-corpus/ai"),
        chat("Do you lie?", "Sometimes.", source="chatterbot-corpus/psychology"),
    ],
)
def test_lines_of_other_personas_are_left_out(tmp_path, row):
    assert documents(tmp_path, "persona", row) == []


def test_alternative_answers_are_not_read_as_turns(tmp_path):
    row = chat("Hello", "Hi", "Hey", source="chatterbot-corpus/greetings")
    [found] = documents(tmp_path, "persona", row)
    assert [m.content for m in found.messages] == ["Hello", "Hi"]


def test_identity_slots_are_filled(tmp_path):
    [found] = documents(tmp_path, "identity", chat("Who?", "I am {{NAME}} by {{MAKER}}."))
    assert found.messages[1].content == f"I am {MODEL_NAME} by the Palaver project."


def test_explanations_of_choices_are_dropped(tmp_path):
    [found] = documents(tmp_path, "choice", chat("Where?", "House. Because it rains fish."))
    assert "House" in found.messages[1].content
    assert "fish" not in found.messages[1].content


def test_sense_rows_teach_yes_as_often_as_no(tmp_path):
    row = chat('Does this make sense? "He drinks apple."', "No. Apples are eaten.", good="He eats.")
    assert [d.messages[1].content[:3] for d in documents(tmp_path, "sense", row)] == ["No.", "Yes"]


@pytest.mark.parametrize("word", ["New York", "A1", "DNA", "pneumonoultramicroscopic"])
def test_only_plain_words_are_defined(tmp_path, word):
    row = {"words": [word], "pos": "noun", "definition": "a thing", "examples": []}
    assert documents(tmp_path, "definition", row) == []


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("text", '{"words": 1}'),
        ("chat", '{"messages": [{"role": "wizard", "content": "x"}]}'),
        ("text", "not json"),
        ("chat", '{"messages": 3}'),
    ],
)
def test_broken_row_is_named_by_file_and_line(tmp_path, kind, line):
    (tmp_path / "rows.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(SetupError, match=r"Line 1 of rows\.jsonl"):
        list(read_documents(tmp_path / "rows.jsonl", kind))


def test_empty_texts_are_no_documents(tmp_path):
    assert documents(tmp_path, "text", {"text": "  \n"}, {"text": "x"}) == [Document(text="x")]


# Sentences


@pytest.mark.parametrize("answer", ["Yes.", "no", "True.", "It was built by the old king."])
def test_answers_that_are_sentences_stay(answer):
    assert answer_sentence("Is it?", answer) == answer


@given(st.sampled_from(["Who is it?", "When?", "Where?", "What?", "?", ""]), st.text(max_size=30))
def test_answer_sentence_keeps_the_answer(question, answer):
    bare = answer.strip().rstrip(".").strip()
    assert bare in answer_sentence(question, answer)


def test_same_answer_always_gets_the_same_sentence():
    assert len({answer_sentence("Who?", "Ada Lovelace.") for _ in range(5)}) == 1


def test_definition_has_word_meaning_and_example():
    row = {
        "words": ["able", "capable"],
        "pos": "adj",
        "definition": "(usually followed by 'to') having the means",
        "examples": ["able to swim"],
    }
    text = definition_sentence(row)
    assert "having the means" in text
    assert "usually" not in text
    assert text.endswith("For example: able to swim.")


def test_country_sentences_drop_brackets_and_missing_fields():
    text = country_sentences({"name": "Norway", "capital": "Oslo (Kristiania)", "currency": None})
    assert text == "The capital of Norway is Oslo. Oslo is the capital of Norway."


# Mixture


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no \\[\\[source\\]\\]"),
        ("[[source]]\nname='a'", "incomplete"),
        ("[[source]]\nname='a'\nkind='poem'\nfiles=[]\nweight=1", "poem"),
        ("[[source]]\nname='a'\nkind='text'\nfiles=[]\nweight=-1", "at least 0"),
        ("[[source]]\nname='a'\ncolour='red'", "colour"),
        ("[[source", "cannot be read"),
    ],
)
def test_broken_mixture_says_what_is_wrong(tmp_path, text, said):
    (tmp_path / "mix.toml").write_text(text)
    with pytest.raises(SetupError, match=said):
        read_mixture(tmp_path / "mix.toml")


# Long conversations


def conversation(*contents, system=False):
    found = [Message(("user", "assistant")[i % 2], text) for i, text in enumerate(contents)]
    return Document(messages=(*([Message("system", "x")] if system else []), *found))


def test_joined_conversations_never_go_on_after_a_personal_one():
    plain = [conversation(f"What is {i}?", f"It is {i}.") for i in range(50)]
    personal = [conversation(f"My name is {i}.", "Hello!") for i in range(50)]
    mixed = [each for pair in zip(plain, personal, strict=True) for each in pair]
    found = list(join_conversations(mixed, 8))
    assert found
    for document in found:
        asked = [m.content for m in document.messages if m.role == "user"]
        assert len(asked) > 1
        assert not any(text.startswith("My") for text in asked[:-1])


def test_joined_conversations_have_no_system_message_and_at_most_so_many_parts():
    short = [conversation(f"{i}?", str(i), system=i % 3 == 0) for i in range(300)]
    found = list(join_conversations(short, 5))
    sizes = {len(document.messages) // 2 for document in found}
    assert min(sizes) == 2
    assert 3 <= max(sizes) <= 5
    assert all(m.role != "system" for document in found for m in document.messages)
    assert list(join_conversations(short, 5)) == found


# Shards


@pytest.fixture
def built(tmp_path):
    texts = [f"Story number {i} is about a cat." for i in range(300)]
    write_rows(tmp_path / "data/a.jsonl.zst", [{"text": text} for text in texts])
    write_rows(tmp_path / "data/b.jsonl", [chat(f"What is {i}?", f"It is {i}.") for i in range(99)])
    (tmp_path / "mix.toml").write_text(
        "[[source]]\nname='stories'\nkind='text'\nfiles=['*.zst']\nweight=3\n"
        "[[source]]\nname='chat'\nkind='chat'\nfiles=['b.jsonl']\nweight=1\n"
    )
    save_tokenizer(train_tokenizer(texts, 300), tmp_path / "tokenizer")
    args = Args((tmp_path / "data",), tmp_path / "mix.toml", tmp_path / "tokenizer",
                tmp_path / "shards", validation=0.1)  # fmt: skip
    return args, build_shards(args)


def test_every_document_is_in_exactly_one_split(built):
    _, entries = built
    counts = {(e.source, e.split): e.num_documents for e in entries}
    assert counts["stories", "train"] + counts["stories", "validation"] == 300
    assert counts["chat", "train"] + counts["chat", "validation"] == 99
    assert 5 < counts["stories", "validation"] < 70


def test_shards_built_twice_are_identical(built):
    args, entries = built
    assert build_shards(args) == entries


def test_missing_files_are_named(built):
    args, _ = built
    args.mixture.write_text("[[source]]\nname='x'\nkind='text'\nfiles=['no.txt']\nweight=1\n")
    with pytest.raises(SetupError, match=r"no\.txt"):
        build_shards(args)


def test_missing_tokenizer_is_an_error_of_its_own(built, tmp_path):
    (tmp_path / "tokenizer/tokenizer.json").unlink()
    with pytest.raises(ModelError):
        build_shards(built[0])


def test_folder_without_shards_says_how_to_make_them(tmp_path):
    with pytest.raises(SetupError, match=r"training\.data"):
        open_shards(tmp_path, "train")


def test_missing_shard_file_says_so(built, tmp_path):
    (tmp_path / "shards/stories.train.tokens").unlink()
    with pytest.raises(SetupError, match="stories"):
        open_shards(tmp_path / "shards", "train")


# Packing


@given(st.lists(st.integers(1, 32), max_size=200))
def test_packing_keeps_every_item_once_and_never_overfills(sizes):
    groups = pack(range(len(sizes)), sizes, 32)
    assert sorted(i for group in groups for i in group) == list(range(len(sizes)))
    assert all(0 < sum(sizes[i] for i in group) <= 32 for group in groups)


@given(st.lists(st.integers(1, 70), min_size=1, max_size=20), st.integers(2, 16))
def test_pieces_predict_every_token_of_every_document_once(tmp_path_factory, lengths, length):
    folder = tmp_path_factory.mktemp("shards")
    [shard] = make_shards(folder, {"a": [[7] * n for n in lengths] + [[7, 7]]}, {"a": 1.0})
    pieces = shard.pieces(length)
    predicted = [i for start, stop in pieces.tolist() for i in range(start + 1, stop)]
    starts = set(shard.starts.tolist())
    assert sorted(predicted) == [i for i in range(len(shard.tokens)) if i not in starts]


def test_rows_come_in_proportion_to_the_weights(tmp_path):
    of = {"a": [[6] * 9] * 50, "b": [[7] * 9] * 5, "c": [[8] * 9] * 5}
    mixer = RowMixer(make_shards(tmp_path, of, {"a": 6.0, "b": 3.0, "c": 0.0}), 8, 1, 5)
    first = mixer.next_batch(90).inputs[:, 0]
    assert (np.count_nonzero(first == 6), np.count_nonzero(first == 7)) == (60, 30)


def test_a_small_source_is_repeated_in_a_new_order(tmp_path):
    of = {"a": [[10 + i] * 9 for i in range(20)]}
    mixer = RowMixer(make_shards(tmp_path, of, {"a": 1.0}), 8, 1, 5)
    epochs = [mixer.next_batch(20).inputs[:, 0].tolist() for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10, 30))
    assert epochs[0] != epochs[1]
    assert mixer.epochs() == {"a": 2}


def test_documents_in_a_row_do_not_predict_each_other(tmp_path):
    of = {"a": [[6, 6, 0], [7, 7, 0]]}
    mixer = RowMixer(make_shards(tmp_path, of, {"a": 1.0}), 8, 1, 5)
    batch = mixer.next_batch(1)
    assert batch.is_predicted.sum() == 4
    assert batch.documents[0].tolist() == [0, 0, 0, 1, 1, 1, NO_DOCUMENT, NO_DOCUMENT]
    assert batch.inputs[0, 6:].tolist() == [5, 5]


def test_restored_mixer_goes_on_with_the_same_rows(tmp_path):
    of = {"a": [[i] * 5 for i in range(6, 40)], "b": [[i] * 3 for i in range(50, 70)]}
    shards = make_shards(tmp_path, of, {"a": 2.0, "b": 1.0})
    mixer = RowMixer(shards, 8, 3, 5)
    for _ in range(7):
        mixer.next_batch(5)
    other = RowMixer(shards, 8, 3, 5)
    other.restore(json.loads(json.dumps(mixer.state())))
    for _ in range(10):
        np.testing.assert_array_equal(mixer.next_batch(5).inputs, other.next_batch(5).inputs)
