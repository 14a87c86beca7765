"""Examine this installation and say what is wrong, and what to do about it.

Every line is ok, warning or problem. A warning is something to know; a problem keeps Palaver from
working. Nothing is changed, nothing is sent anywhere, and no secret is printed, so you can show the
output to whoever helps you. Run it with the same settings as the server.
"""

from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import TYPE_CHECKING

from webapp.commands.flags import add_settings

if TYPE_CHECKING:
    from webapp.commands.checks.finding import Finding
    from webapp.settings import Settings

EXAMPLES: tuple[str, ...] = ("doctor", "doctor --json", "doctor --host 0.0.0.0 --port 80")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the form of the answer, and the settings that are examined."""
    parser.add_argument("--json", action="store_true", help="print a JSON object, for programs")
    add_settings(
        parser,
        "host",
        "port",
        "model",
        "device",
        "threads",
        "database_url",
        "data_dir",
        "moderators",
        "moderator_config",
        "policy",
    )


def run(arguments: Namespace, settings: "Settings") -> int:
    """Run every check; the exit status is 1 if there is a problem."""
    from webapp.commands.checks.round import examine

    findings: list[Finding] = []
    for finding in examine(settings):
        findings.append(finding)
        if not arguments.json:
            _print(finding)
    is_well = all(finding.level != "problem" for finding in findings)
    if arguments.json:
        _print_json(findings, is_well)
    else:
        _print_summary(findings)
    return 0 if is_well else 1


def _print(finding: "Finding") -> None:
    print(f"{finding.level:8} {finding.check:14} {finding.message}", flush=True)
    if finding.advice:
        print(f"{'':8} {'':14} -> {finding.advice}", flush=True)


def _print_summary(findings: "list[Finding]") -> None:
    counts = Counter(finding.level for finding in findings)
    num_warnings, num_problems = counts["warning"], counts["problem"]
    print()
    if num_warnings or num_problems:
        print(f"problems: {num_problems}, warnings: {num_warnings}")
    else:
        print("All is well.")


def _print_json(findings: "list[Finding]", is_well: bool) -> None:
    import json
    from dataclasses import asdict

    rows = [asdict(finding) for finding in findings]
    print(json.dumps({"ok": is_well, "findings": rows}, indent=2))
