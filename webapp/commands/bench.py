"""`moderators bench`: how long the moderators take on this machine."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

from webapp.commands.flags import add_action, add_settings, use_settings
from webapp.commands.paper import Bar, print_table, tell

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from moderation.speed import Speed
    from webapp.settings import Settings

_LENGTHS = (100, 1_000, 10_000)
_MOST_CHARS = 1_000_000
_MOST_CHECKS = 10_000


def add_bench(actions: "_SubParsersAction[ArgumentParser]") -> None:
    """Declare the action."""
    parser = add_action(actions, "bench", "measure how long the moderators take")
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="which moderators (default: those that run)"
    )
    parser.add_argument(
        "--lengths",
        metavar="NUMBERS",
        type=_lengths,
        default=_LENGTHS,
        help="characters of the texts, separated by commas (default: 100,1000,10000)",
    )
    parser.add_argument(
        "--checks",
        metavar="NUMBER",
        type=_checks,
        default=50,
        help="texts of each length (default: %(default)s)",
    )
    parser.add_argument(
        "--stage",
        choices=("input", "output"),
        default="input",
        help="judge them as questions or as answers (default: %(default)s)",
    )
    add_settings(parser, "moderators", "moderator_config", "policy")
    use_settings(parser, "moderation_timeout_s", "moderator_memory_mb", "database_url")


def _lengths(text: str) -> tuple[int, ...]:
    return tuple(_number(part, _MOST_CHARS) for part in text.split(","))


def _checks(text: str) -> int:
    return _number(text, _MOST_CHECKS)


def _number(text: str, most: int) -> int:
    # Of digits there may be too many for int(), and some that it takes are none of ASCII's.
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) < 9 and 1 <= int(digits) <= most):
        raise ArgumentTypeError(f"{text[:20]!r} isn't allowed; write a number from 1 to {most:,}")
    return int(digits)


def run_bench(arguments: Namespace, settings: "Settings") -> int:
    """Measure and print; the exit status is 1 if a moderator failed meanwhile."""
    from moderation.speed import measure_speed
    from webapp.commands.judges import open_moderators

    speeds: list[Speed] = []
    with open_moderators(settings, arguments.names, arguments.stage) as (moderators, chain):
        rows = measure_speed(
            moderators,
            chain,
            lengths=arguments.lengths,
            num_checks=arguments.checks,
            stage=arguments.stage,
        )
        total = (len(moderators) + 2) * len(arguments.lengths)
        speeds.extend(Bar(total).watch(rows))
    speeds.sort(key=lambda speed: speed.num_chars)
    lines = [_line(speed) for speed in speeds]
    print_table([("moderator", "characters", "p50 ms", "p95 ms", ""), *lines])
    tell("Each alone on one thread; texts that are normalised once for all are measured apart.")
    return int(any(speed.num_errors for speed in speeds))


def _line(speed: "Speed") -> tuple[str, ...]:
    failed = f"{speed.num_errors} failed" if speed.num_errors else ""
    times = (f"{value:.2f}" for value in (speed.p50_ms, speed.p95_ms))
    return speed.name, f"{speed.num_chars:,}", *times, failed
