"""Files of rows: whole or not at all, readable by others, and honest about what is broken."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pyarrow.json as pj
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from chat.types import Message
from preferences.drops import Options, Tally
from preferences.exports import export_format
from preferences.files import read_rows, write_rows, write_splits
from preferences.formats import FORMATS, RANKINGS, find_format
from preferences.formats.format import Column
from preferences.imports import check_file, read_records
from preferences.samples import question_of
from tests.preferences_made import HOSTILE, NOON, TEXTS, candidate, judgement, judgements, mark

SUFFIXES = (".jsonl", ".parquet")
TEXT = (Column("text", "text", ""),)
EACH_SUFFIX = pytest.mark.parametrize("suffix", SUFFIXES)
ROOT = Path(__file__).parent.parent
# Each example has a file of its own name, written anew.
REUSED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)


def leftovers(folder):
    return [path.name for path in folder.rglob("*") if path.is_file()]


# -- there and back


@EACH_SUFFIX
@REUSED
@given(made=st.lists(judgements(), max_size=4))
def test_rankings_come_back_from_a_file_as_they_were(tmp_path, suffix, made):
    made = sorted((replace(one, consent=True) for one in made), key=question_of)
    options = Options(include_unsafe=True)
    path = tmp_path / f"rankings{suffix}"
    write_rows(RANKINGS.rows(made, options, Tally()), path, RANKINGS.columns)
    assert [record for _, record in read_records(path, RANKINGS, NOON)] == made


@EACH_SUFFIX
@REUSED
@given(texts=st.lists(TEXTS, max_size=5))
def test_texts_come_back_but_for_half_pairs(tmp_path, suffix, texts):
    path = tmp_path / f"texts{suffix}"
    written = write_rows([{"text": text} for text in texts], path, TEXT)
    whole = ["".join("�" if "\ud800" <= c <= "\udfff" else c for c in text) for text in texts]
    assert [row["text"] for _, row in read_rows(path)] == whole
    assert written.num_rows == len(texts)
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert written.num_bytes == path.stat().st_size


@EACH_SUFFIX
def test_hostile_texts_survive_every_format(tmp_path, suffix):
    made = [
        judgement(question=str(n), candidates=[candidate("a", text)], acceptable=frozenset("a"),
                  comment=text, prompt=(Message("user", text),))
        for n, text in enumerate(HOSTILE)
    ]  # fmt: skip
    for one in FORMATS.values():
        if one.make and suffix in one.suffixes:
            part = export_format(made, one, tmp_path / one.name, suffix, Options())
            assert part.num_out and part.num_in == part.num_out + sum(part.dropped.values())
            for file in part.files.values():
                assert check_file(file.path, one).num_broken == 0
    back = [
        record
        for split in ("train", "validation", "test")
        for _, record in read_records(tmp_path / f"rankings/{split}{suffix}", RANKINGS, NOON)
    ]
    assert sorted(back, key=question_of) == made


def test_json_lines_are_lines_to_every_reader(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"text": text} for text in HOSTILE]
    write_rows(rows, path, TEXT)
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) == text.count("\n") == len(rows)
    # pyarrow's reader, which `datasets` uses, refuses a whole file for one lone surrogate.
    assert pj.read_json(path).num_rows == len(rows)


def test_parquet_files_have_typed_columns_and_several_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr("preferences.parquet._GROUP_BYTES", 10_000)
    path = tmp_path / "rows.parquet"
    made = [judgement(question=str(n), comment="x" * 100) for n in range(1_200)]
    write_rows(RANKINGS.rows(made, Options(), Tally()), path, RANKINGS.columns)
    file = pq.ParquetFile(path)
    assert file.metadata.num_row_groups > 1 and file.metadata.num_rows == 1_200
    assert [name for name, *_ in read_rows(path)] == list(range(1, 1_201))
    assert str(file.schema_arrow.field("probability").type) == "double"


@EACH_SUFFIX
def test_no_rows_make_a_file_without_rows(tmp_path, suffix):
    written = write_rows([], tmp_path / f"none{suffix}", TEXT)
    assert written.num_rows == 0 and list(read_rows(written.path)) == []


@EACH_SUFFIX
def test_rows_land_in_the_file_of_their_split(tmp_path, suffix):
    made = [judgement(question=str(n)) for n in range(200)]
    trl = find_format("trl-preference")
    files = write_splits(trl.entries(made, Options(), Tally()), tmp_path, suffix, trl.columns)
    assert sum(file.num_rows for file in files.values()) == 200
    assert files["train"].num_rows > 150
    for split, file in files.items():
        assert {row["split"] for _, row in read_rows(file.path)} <= {split}


def test_a_table_of_cells_is_not_offered(tmp_path):
    with pytest.raises(InvalidRequest, match=r"'.csv'.*jsonl"):
        write_rows([], tmp_path / "rows.csv", TEXT)
    with pytest.raises(InvalidRequest, match="openai-dpo"):
        export_format([], find_format("openai-dpo"), tmp_path, ".parquet", Options())


# -- whole or not at all


@EACH_SUFFIX
def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    old = write_rows([{"text": "old"}], path, TEXT)

    def rows():
        yield from ({"text": "x" * 1000} for _ in range(5_000))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rows(rows(), path, TEXT)
    assert leftovers(tmp_path) == [path.name]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == old.sha256


@EACH_SUFFIX
def test_splits_that_fail_leave_none_of_them(tmp_path, suffix):
    def entries():
        trl = find_format("trl-preference")
        yield from trl.entries([judgement()], Options(), Tally())
        raise OSError("the database is gone")

    with pytest.raises(OSError, match="database"):
        write_splits(entries(), tmp_path, suffix, find_format("trl-preference").columns)
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
@EACH_SUFFIX
def test_an_export_that_is_killed_leaves_no_file_of_that_name(tmp_path, suffix):
    program = f"""
        from pathlib import Path
        from preferences.files import write_rows
        from preferences.formats.format import Column
        def rows():
            for n in range(20_000):
                yield {{"text": "x" * 500}}
            print("half", flush=True)
            while True:
                yield {{"text": "x"}}
        path = Path({str(tmp_path)!r}) / "rows{suffix}"
        write_rows(rows(), path, (Column("text", "text", ""),))
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)
    path = tmp_path / f"rows{suffix}"
    assert not path.exists()
    assert write_rows([{"text": "again"}], path, TEXT).num_rows == 1


@pytest.mark.skipif(os.name != "posix", reason="limits of files are POSIX's")
@EACH_SUFFIX
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, suffix):
    program = f"""
        import os, resource
        from pathlib import Path
        from chat.errors import InvalidRequest
        from preferences.files import write_rows
        from preferences.formats.format import Column
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        path = Path({str(tmp_path)!r}) / "rows{suffix}"
        rows = ({{"text": os.urandom(5_000).hex()}} for _ in range(5_000))
        try:
            write_rows(rows, path, (Column("text", "text", ""),))
        except InvalidRequest as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, capture_output=True, text=True
    )
    assert "cannot be read or written (File too large)" in done.stdout
    assert not done.stderr
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InvalidRequest, match="file"):
        write_rows([], tmp_path / "file" / "rows.jsonl", TEXT)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        list(read_rows(tmp_path / "missing.jsonl"))


# -- broken files


def broken_file(folder, *lines):
    path = folder / "import.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


def good_line(question):
    [row] = RANKINGS.rows([judgement(question=question)], Options(), Tally())
    return json.dumps(row).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut off', "isn't JSON"),
        (b'{"text": "caf\xe9"}', "byte 14 isn't UTF-8"),
        (b"[1, 2]", "no JSON object"),
        (b'{"probability": NaN}', "NaN is no number"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "too long"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"text": "no ranking"}', "'comparison_id' is missing"),
    ],
)
def test_a_file_broken_in_the_middle_names_file_and_line(tmp_path, line, reason):
    path = broken_file(tmp_path, good_line("1"), b"", good_line("2"), line, good_line("3"))
    with pytest.raises(InvalidRequest, match=rf"import\.jsonl, line 4: .*{reason}"):
        list(read_records(path, RANKINGS, NOON))
    check = check_file(path, RANKINGS)
    assert (check.num_rows, check.num_broken) == (3, 1)
    assert check.broken[0].number == 4


def test_an_import_goes_on_behind_the_broken_line_by_choice(tmp_path):
    path = broken_file(tmp_path, good_line("1"), b"{", good_line("2"))
    done, told = [], []
    with pytest.raises(InvalidRequest, match="line 2"):
        for number, record in read_records(path, RANKINGS, NOON):
            done.append((number, question_of(record)))
    assert done == [(1, "1")]
    rest = read_records(path, RANKINGS, NOON, start=2, on_broken=told.append)
    assert [(number, question_of(record)) for number, record in rest] == [(3, "2")]
    assert [one.number for one in told] == [2]


def test_another_encoding_is_recognised(tmp_path):
    path = tmp_path / "import.jsonl"
    path.write_text('{"text": "hi"}\n', encoding="utf-16")
    with pytest.raises(InvalidRequest, match="UTF-16"):
        list(read_records(path, RANKINGS, NOON))
    path.write_bytes(b"\xef\xbb\xbf" + good_line("1"))
    assert check_file(path, RANKINGS).num_rows == 1


def test_an_endless_line_is_refused_without_reading_it_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("preferences.json_lines._LONGEST_LINE", 1_000)
    path = broken_file(tmp_path, b'{"text": "' + b"x" * 5_000 + b'"}', b'{"text": "ok"}')
    first, second = read_rows(path)
    assert first[0] == 1 and "longer" in first[1]
    assert second == (2, {"text": "ok"})


def test_parquet_that_is_none_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    for content in (b"", b"PAR1", b"no parquet at all" * 100):
        path.write_bytes(content)
        with pytest.raises(InvalidRequest, match=r"rows\.parquet, row 1: it cannot be read"):
            list(read_records(path, RANKINGS, NOON))


def test_parquet_cut_in_the_middle_is_refused_before_anything_is_read(tmp_path):
    path = tmp_path / "rows.parquet"
    made = [judgement(question=str(n)) for n in range(50)]
    write_rows(RANKINGS.rows(made, Options(), Tally()), path, RANKINGS.columns)
    path.write_bytes(path.read_bytes()[:-500])
    check = check_file(path, RANKINGS)
    assert (check.num_rows, check.num_broken) == (0, 1)


def test_an_import_of_marks_reads_what_the_export_wrote(tmp_path):
    unpaired = find_format("trl-unpaired")
    part = export_format([mark("a"), mark("b", False)], unpaired, tmp_path, ".parquet", Options())
    records = [
        replace(record, consent=True)
        for file in part.files.values()
        for _, record in read_records(file.path, unpaired, NOON)
    ]
    assert records == [mark("a"), mark("b", False)]
