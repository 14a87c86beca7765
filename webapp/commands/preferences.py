"""`export preferences`: what people think of answers, as a data set to train on."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chat.errors import InvalidRequest
from webapp.commands.flags import add_consent, add_settings, use_settings
from webapp.commands.folder import check_replaceable, new_folder
from webapp.commands.paper import NEVER_AGREED, Progress, amount, print_table, tell

if TYPE_CHECKING:
    from preferences.drops import Options, Tally
    from preferences.exports import Part
    from preferences.formats import Format
    from preferences.samples import Record
    from webapp.settings import Settings

# Not asked of the package itself: to load it takes longer than to answer --help.
FORMATS = (
    "trl-preference",
    "trl-unpaired",
    "sft",
    "prompt-only",
    "openai-dpo",
    "arena",
    "rankings",
)
INCLUDED = ("weak", "truncated", "unsafe")
_MARGINS = ("none", "rank", "strength")
_SPLITS = ("train", "validation", "test")
_FILES = frozenset(
    {"README.md", "manifest.json"}
    | {f"{name}{suffix}" for name in _SPLITS for suffix in (".jsonl", ".parquet")}
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare what a data set can be like."""
    add = parser.add_argument
    add("--format", choices=FORMATS, required=True, help="what the rows are like")
    add(
        "--output",
        metavar="FOLDER",
        help="folder to make, with files, a data card and a manifest; - writes the rows as JSON "
        "lines to standard output",
    )
    add("--preview", action="store_true", help="say what would be in it, and write nothing")
    add("--parquet", action="store_true", help="write Parquet instead of JSON lines")
    add(
        "--split",
        metavar="SHARES",
        default="90/5/5",
        help="percent for training, validation and test (default: %(default)s)",
    )
    add(
        "--min-votes",
        metavar="NUMBER",
        type=int,
        default=1,
        help="people who have to judge before it counts (default: %(default)s)",
    )
    add(
        "--min-agreement",
        metavar="SHARE",
        type=float,
        default=0.0,
        help="share of them, 0 to 1, that have to be of one mind (default: %(default)s)",
    )
    add(
        "--margin",
        choices=_MARGINS,
        default="rank",
        help="what says how much better an answer is (default: %(default)s)",
    )
    add(
        "--include",
        metavar="WHAT",
        default="",
        help="what is left out otherwise: weak (edits and second tries), truncated (answers cut "
        "off), unsafe (refused, or with personal data); several with commas",
    )
    add_consent(parser)
    add(
        "--licence",
        metavar="NAME",
        default="other",
        help="the data set's, as the Hub calls it (default: %(default)s)",
    )
    add("--force", action="store_true", help="replace FOLDER if an export made it")
    add_settings(parser, "database_url", "data_dir")
    use_settings(parser, "cookie_key")


def run(arguments: Namespace, settings: "Settings") -> int:
    """Write the data set, or say what would be in it."""
    from preferences.formats import find_format
    from webapp.commands.database import open_for_reading
    from webapp.opinions import Reader, join_openings, make_pseudonym_key

    options = _read_options(arguments)
    file_format = find_format(arguments.format)
    _check_target(arguments, file_format)
    with open_for_reading(settings.database_url) as store:
        key = make_pseudonym_key(settings)
        join_openings(store, options.splits)
        reader = Reader(key, everything=arguments.everything)
        opinions = store.export_opinions(purpose=arguments.purpose)
        records = Progress("opinion").watch(reader.read(opinions))
        if arguments.preview:
            _preview(records, file_format, options)
        elif arguments.output == "-":
            _print_rows(records, file_format, options)
        else:
            _write(records, file_format, options, arguments)
    if arguments.everything:
        tell(NEVER_AGREED)
    return 0


def _check_target(arguments: Namespace, file_format: "Format") -> None:
    if arguments.preview:
        return
    if not arguments.output:
        raise InvalidRequest("Nothing says where to; add --output FOLDER, or --preview.")
    suffix = _suffix(arguments)
    if suffix not in file_format.suffixes:
        raise InvalidRequest(f"{file_format.name} has no Parquet files; leave out --parquet.")
    if arguments.output == "-":
        if arguments.parquet:
            raise InvalidRequest("Parquet can't go to standard output; name a folder.")
        return
    check_replaceable(Path(arguments.output).absolute(), _FILES, is_forced=arguments.force)


def _suffix(arguments: Namespace) -> str:
    return ".parquet" if arguments.parquet else ".jsonl"


def _read_options(arguments: Namespace) -> "Options":
    from preferences.drops import Options
    from preferences.splits import Splits

    included = {word.strip() for word in arguments.include.split(",")} - {""}
    if unknown := sorted(included - set(INCLUDED)):
        raise InvalidRequest(f"--include names {unknown[0]!r}; allowed is {', '.join(INCLUDED)}.")
    return Options(
        min_votes=arguments.min_votes,
        min_agreement=arguments.min_agreement,
        margin=arguments.margin,
        include_weak="weak" in included,
        include_truncated="truncated" in included,
        include_unsafe="unsafe" in included,
        require_consent=not arguments.everything,
        splits=Splits(_read_shares(arguments.split)),
    )


def _read_shares(text: str) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(part) / 100 for part in text.split("/"))
    except ValueError:
        train, validation, test = 0.0, 0.0, 0.0
    is_whole = abs(train + validation + test - 1) < 1e-9
    if not is_whole or not all(0 <= share <= 1 for share in (train, validation, test)):
        raise InvalidRequest(
            f"--split is {text!r}; allowed are three shares in percent that add up to 100, such "
            "as 90/5/5."
        )
    return train, validation, test


def _print_rows(records: Iterable["Record"], file_format: "Format", options: "Options") -> None:
    from preferences.drops import Tally
    from preferences.json_lines import to_line

    tally = Tally()
    num_rows = 0
    for row in file_format.rows(records, options, tally):
        sys.stdout.buffer.write(to_line(row, file_format.columns))
        num_rows += 1
    sys.stdout.buffer.flush()
    tell(f"{amount(num_rows, 'row')} exported.")
    _tell_drops(tally, file_format)


def _tell_drops(tally: "Tally", file_format: "Format") -> None:
    if tally.num:
        reasons = ", ".join(f"{name} {num:,}" for name, num in tally.by_reason.most_common())
        tell(f"{amount(tally.num, file_format.unit[:-1])} left out: {reasons}.")


def _preview(records: Iterable["Record"], file_format: "Format", options: "Options") -> None:
    from preferences.drops import MEANINGS
    from preferences.exports import preview_format

    preview = preview_format(records, file_format, options, most_shown=1)
    unit = file_format.unit
    print(
        f"{preview.num_out:,} of {preview.num_in:,} {unit} would be in "
        f"{amount(preview.num_rows, 'row')} of {file_format.name}."
    )
    if preview.dropped:
        ordered = sorted(preview.dropped.items(), key=lambda item: (-item[1], item[0]))
        titles = ("left out", unit, "because", "for example")
        rows = [
            (reason, f"{num:,}", MEANINGS[reason], *preview.examples[reason])
            for reason, num in ordered
        ]
        print_table([titles, *rows])


def _write(
    records: Iterable["Record"], file_format: "Format", options: "Options", arguments: Namespace
) -> None:
    from preferences.card import Card, write_card
    from preferences.drops import Tally
    from preferences.exports import export_format
    from webapp.commands.census import Census

    census = Census(arguments.everything)
    path, suffix, tally = Path(arguments.output), _suffix(arguments), Tally()
    with new_folder(path, _FILES, is_forced=arguments.force) as folder:
        part = export_format(census.watch(records), file_format, folder, suffix, options, tally)
        card = Card(
            title=f"Palaver, {file_format.name}",
            created_at=datetime.now(UTC),
            parts=(part,),
            options=options,
            consent=_consent_of(arguments),
            licence=arguments.licence,
            languages=tuple(sorted(census.languages - {""})),
            models=tuple(sorted(census.models - {""})),
            num_annotators=len(census.annotators - {""}),
            num_conversations=census.num_conversations,
        )
        write_card(card, folder)
    tell(_sum_up(part))
    _tell_drops(tally, file_format)


def _sum_up(part: "Part") -> str:
    unit = part.format.unit
    return f"{part.num_out:,} of {part.num_in:,} {unit} are in {amount(part.num_rows, 'row')}."


def _consent_of(arguments: Namespace) -> str:
    if arguments.everything:
        return "not asked for: people who never agreed are among them"
    return f"the people who asked agreed to {arguments.purpose}, in general or for the conversation"
