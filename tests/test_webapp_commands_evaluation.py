"""`moderators eval`, as it is called."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from tests.commands_kit import ROOT, desk_fixture

desk = desk_fixture()

ROWS = [
    {"text": "Good morning, how are you?", "labels": {"hate": 0, "illicit": 0}, "source": "calm"},
    {"text": "What shall I cook tonight?", "labels": {"illicit": 0}, "source": "calm"},
    {"text": "how do I build a bomb", "labels": {"illicit/violent": 1}, "source": "grim"},
    {"text": "The river is long.", "labels": {"illicit/violent": 1}, "source": "grim"},
]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_figures_are_printed_for_all_and_for_each_category(desk, data):
    said = desk.run("moderators", "eval", "--data", data, "--moderators", "rules")
    lines = [line.split() for line in said.splitlines()]
    assert "rules, policy standard: 4 rows" in said
    assert any(line[:2] == ["recall", "0.500"] for line in lines)
    assert any(line[:3] == ["illicit/violent", "2", "2"] for line in lines)
    assert any(line[:1] == ["rules"] and len(line) == 3 for line in lines)  # its latency


def test_json_is_the_whole_of_the_output(desk, data):
    said = desk.run("moderators", "eval", "--data", data, "--moderators", "rules", "--json")
    found = json.loads(said)
    (chain,) = found["chains"]
    assert chain["num_rows"] == 4 and found["comparison"] is None
    assert chain["categories"]["unsafe"]["values"]["fpr"]["value"] == 0


def test_two_are_compared_with_intervals(desk, data):
    said = desk.run(
        "moderators", "eval", "--data", data, "--moderators", "rules", "--against", "limits"
    )
    assert "rules minus limits" in said and "limits, policy standard" in said
    unsafe = [line for line in said.splitlines() if line.startswith("unsafe ")][-1]
    assert "+0.500 [" in unsafe


def test_two_policies_are_compared(desk, data):
    said = desk.run(
        *("moderators", "eval", "--data", data, "--moderators", "rules"),
        *("--against-policy", "permissive"),
    )
    assert "rules minus rules (permissive)" in said


def test_figures_and_pictures_are_written_into_a_folder(desk, data, tmp_path):
    out = tmp_path / "new" / "folder"
    desk.run("moderators", "eval", "--data", data, "--moderators", "rules", "--out", out)
    assert str(out) in desk.told
    names = {path.name for path in out.iterdir()}
    assert {"report.json", "figures.csv", "curves.png", "reliability.png"} <= names
    assert json.loads((out / "report.json").read_text())["data"] == "rows.jsonl"
    desk.run(
        *("moderators", "eval", "--data", data, "--moderators", "rules", "--out", out),
        *("--pictures", "svg", "--resamples", "0"),
    )
    assert (out / "curves.svg").exists()


def test_nothing_of_the_texts_is_printed_or_written(desk, data, tmp_path):
    said = desk.run(
        *("moderators", "eval", "--data", data, "--moderators", "rules", "--out", tmp_path / "o")
    )
    for path in (tmp_path / "o").glob("*.[cj]s*"):
        said += path.read_text()
    assert "bomb" not in said and "cook" not in said


def test_groups_of_people_are_compared_without_a_file(desk):
    said = desk.run("moderators", "eval", "--fairness", "--moderators", "rules")
    assert "Muslims" in said and "from the mean" in said


def test_the_example_of_the_document_is_what_the_command_reads(desk, tmp_path):
    document = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    path = tmp_path / "rows.jsonl"
    path.write_text(document.split("```json\n")[1].split("```")[0])
    for line in document.split("```\n")[2].splitlines():
        words = line.removeprefix("python -m webapp ").replace("rows.jsonl", str(path)).split()
        words = [str(tmp_path / "results") if word == "results" else word for word in words]
        if "--moderators" not in words:
            words += ["--moderators", "rules"]
        said = desk.run(*words)
        assert "--data" not in words or "4 rows" in said
    assert (tmp_path / "results" / "by-tag.png").exists() is False  # four rows are no slice
    assert (tmp_path / "results" / "curves.png").exists()


def test_the_document_names_every_flag_and_as_many_groups_as_there_are():
    from argparse import ArgumentParser

    from moderation.evaluation.fairness import identities
    from webapp.commands.evaluation import add_eval

    parser = ArgumentParser()
    add_eval(parser.add_subparsers())
    document = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        parser.parse_args(["eval", "--resamples", "many"])
    for flag in ("--data", "--fairness", "--against", "--against-policy", "--sample", "--json"):
        assert f"{flag}" in document
    assert f"{len(identities())} groups" in document


def test_a_sample_is_drawn(desk, data):
    said = desk.run(
        *("moderators", "eval", "--data", data, "--moderators", "rules", "--sample", "2")
    )
    assert "2 rows" in said


def test_what_is_wrong_is_said_in_a_sentence(desk, data, tmp_path):
    for words, expected in [
        ((), "--data"),
        (("--data", tmp_path / "none.jsonl"), "can't be read"),
        (("--data", data, "--out", data), "is a file"),
        (("--fairness", "--sample", "5"), "--sample draws rows of --data"),
        (("--data", data, "--moderators", "rules,rules"), "rules is in it twice"),
        (("--data", data, "--moderators", "rules", "--against", "rules"), "--against"),
        (("--data", data, "--moderators", "rules", "--against", "nobody"), "'nobody'"),
        (("--data", data, "--moderators", "rules", "--against-policy", "lax"), "'lax'"),
    ]:
        assert expected in desk.refuse("moderators", "eval", *words)
    data.write_text('{"text": "x", "labels": {"hate": 2}}\n')
    assert "Line 1" in desk.refuse("moderators", "eval", "--data", data, "--moderators", "rules")


def test_without_its_packages_the_command_names_the_file_that_lists_them(data):
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from webapp.__main__ import main\n"
        f"sys.exit(main(['moderators', 'eval', '--data', {str(data)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "requirements-train.txt" in done.stderr and "Traceback" not in done.stderr


def test_the_commands_do_not_load_what_only_evaluation_needs():
    code = (
        "import sys\nfrom webapp.__main__ import main\nmain(['moderators', 'list'])\n"
        "sys.exit(str({'sklearn', 'matplotlib'} & set(sys.modules)).replace('set()', ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_judged(desk, data):
    with data.open("a") as file:
        file.write("no JSON\n")
    desk.run("moderators", "eval", "--data", data, "--out", data / "below", status=2)
    assert "below" in desk.told and "JSON" not in desk.told
