"""The data card and the manifest: what was written, and why the rest wasn't."""

import hashlib
import json
import math
from typing import get_args

import pytest
import yaml

from chat.errors import InvalidRequest
from preferences.card import Card, to_markdown, write_card
from preferences.drops import MEANINGS, Dropped, Options, Reason
from preferences.exports import export_format, preview_format
from preferences.formats import FORMATS, find_format
from preferences.splits import Splits
from tests.preferences_made import NOON, candidate, judgement


@pytest.fixture
def exported(tmp_path):
    """The parts of an export in two formats, with drops of three kinds."""
    made = [judgement(question=str(n)) for n in range(40)]
    made += [judgement("a=b", question="tie"), judgement("a>b>c", question="no", consent=False)]
    made += [judgement(question="pii", candidates=[candidate("a", has_pii=True)])]
    options = Options(splits=Splits((0.6, 0.2, 0.2), "salt"))
    return options, tuple(
        export_format(made, find_format(name), tmp_path / name, suffix, options)
        for name, suffix in (("trl-preference", ".parquet"), ("openai-dpo", ".jsonl"))
    )


def make_card(exported, **changes):
    options, parts = exported
    fields = {"title": "Votes", "created_at": NOON, "parts": parts, "options": options}
    return Card(**(fields | changes))


def test_the_manifest_says_why_each_dropped_row_was_dropped(tmp_path, exported):
    readme, path = write_card(make_card(exported), tmp_path)
    manifest = json.loads(path.read_text(encoding="utf-8"))
    trl = manifest["formats"][0]
    assert trl["dropped"] == {"no_consent": 3, "pii": 1, "tie": 1}
    assert trl["num_in"] == 45 == trl["num_out"] + sum(trl["dropped"].values())
    assert manifest["options"]["split_shares"] == [0.6, 0.2, 0.2]
    assert readme.exists()


def test_the_manifest_knows_every_file_by_its_hash(tmp_path, exported):
    _, path = write_card(make_card(exported), tmp_path)
    manifest = json.loads(path.read_text(encoding="utf-8"))
    files = [file for one in manifest["formats"] for file in one["files"]]
    assert len(files) == 6
    for file in files:
        content = (tmp_path / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert len(content) == file["num_bytes"]


def test_the_front_matter_is_what_the_hub_reads(tmp_path, exported):
    card = make_card(exported, licence="cc-by-4.0", languages=("en", "zh-Hant", "?"))
    front = yaml.safe_load(to_markdown(card, tmp_path).split("---")[1])
    assert front["license"] == "cc-by-4.0" and front["language"] == ["en"]
    assert front["size_categories"] == ["n<1K"]
    trl = front["configs"][0]
    assert trl["config_name"] == "trl-preference"
    assert trl["data_files"][0] == {"split": "train", "path": "trl-preference/train.parquet"}
    listed = [file["path"] for config in front["configs"] for file in config["data_files"]]
    assert all((tmp_path / path).exists() for path in listed)


def test_the_card_says_counts_consent_licence_and_drops(tmp_path, exported):
    card = make_card(exported, consent="Version 2: for training.", num_annotators=7)
    text = to_markdown(card, tmp_path)
    for said in ("Annotators: 7", "Version 2: for training.", "Licence: other", "`no_consent` | 3",
                 MEANINGS["pii"], "`margin`"):  # fmt: skip
        assert said in text


def test_names_in_a_card_command_nothing(tmp_path, exported):
    title = 'a: "b"\n---\n# <script>alert(1)</script> | [x](javascript:1)'
    card = make_card(exported, title=title, models=("x|y\n# z", "\ud800"), licence="a\nb: c")
    _, front, body = to_markdown(card, tmp_path).split("---\n", 2)
    assert yaml.safe_load(front)["pretty_name"] == title
    assert yaml.safe_load(front)["license"] == "a\nb: c"
    assert "<script>" not in body and "\n# z" not in body and "[x](" not in body
    write_card(card, tmp_path)


def test_an_export_of_nothing_has_a_card_too(tmp_path):
    part = export_format([], find_format("sft"), tmp_path / "sft", ".parquet", Options())
    text = to_markdown(make_card((Options(), (part,))), tmp_path)
    assert "configs" not in yaml.safe_load(text.split("---")[1])
    assert "nothing." in text


def test_a_preview_is_what_the_export_will_be(tmp_path):
    made = [judgement(question=str(n)) for n in range(9)]
    made += [judgement("a=b", question=f"tie{n}") for n in range(7)]
    trl = find_format("trl-preference")
    preview = preview_format(made, trl, Options(), most_shown=3)
    part = export_format(made, trl, tmp_path, ".jsonl", Options())
    assert (preview.num_in, preview.num_out, preview.num_rows) == (16, 9, 9)
    assert (part.num_in, part.num_out, part.num_rows) == (16, 9, 9)
    assert preview.dropped == part.dropped == {"tie": 7}
    assert len(preview.rows) == 3
    assert preview.examples == {"tie": ("tie0:a:b", "tie1:a:b", "tie2:a:b")}


@pytest.mark.parametrize(
    "wrong",
    [{"min_votes": 0}, {"min_agreement": 1.5}, {"min_agreement": math.nan}, {"margin": "x"}],
)
def test_options_beyond_what_is_allowed_are_refused(wrong):
    with pytest.raises(InvalidRequest, match=next(iter(wrong))):
        Options(**wrong)


def test_every_reason_has_a_meaning():
    assert set(get_args(Reason)) == set(MEANINGS)
    assert all(one.columns and one.description for one in FORMATS.values())
    assert Dropped("id", "tie").num == 1
