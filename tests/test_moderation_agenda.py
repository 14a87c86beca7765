"""Checks are begun in order, so many at a time, and asked again once when a worker is lost."""

from chat.types import Message
from moderation.base import Manifest, ModerationContext
from moderation.workers.agenda import Agenda, Check

MANIFEST = Manifest("m", "1")
FINE = MANIFEST.verdict("input", scores={"hate": 0.0})


def check(text: str = "x", timeout_s: float = 100.0) -> Check:
    return Check(ModerationContext((Message("user", text),), "input"), timeout_s)


def take_all(agenda: Agenda) -> list[tuple[int, Check]]:
    taken = []
    while one := agenda.take():
        taken.append(one)
    return taken


def filled(*checks: Check, max_running: int = 8, begin_s: float = 100.0) -> Agenda:
    agenda = Agenda(max_running, begin_s)
    for one in checks:
        agenda.add(one)
    return agenda


def reason(one: Check) -> str:
    return one.verdict.result(timeout=0).reason


def test_checks_go_in_order_and_no_more_than_there_is_room_for():
    checks = [check() for _ in range(5)]
    agenda = filled(*checks, max_running=2)
    first, second = take_all(agenda)
    assert [first[1], second[1]] == checks[:2]
    agenda.begin(first[0])
    agenda.finish(first[0], FINE)
    assert checks[0].verdict.result(timeout=0).outcome == "judged"
    assert take_all(agenda)[0][1] is checks[2]


def test_a_check_nobody_waits_for_is_never_taken():
    left, stays = check(), check()
    agenda = filled(left, stays)
    left.verdict.cancel()
    assert [one for _, one in take_all(agenda)] == [stays]
    dropped = check()
    agenda.add(dropped)
    agenda.drop(dropped)
    agenda.drop(dropped)
    assert agenda.take() is None


def test_the_clock_starts_when_a_check_begins():
    agenda = filled(check(timeout_s=0.0))
    ((number, one),) = take_all(agenda)
    assert agenda.overdue() == []
    agenda.begin(number)
    assert agenda.overdue() == [one]
    assert agenda.next_deadline() == one.began_at


def test_one_that_is_never_begun_is_overdue_too():
    agenda = filled(check(), begin_s=0.0)
    ((_, one),) = take_all(agenda)
    assert agenda.overdue() == [one]
    assert one.began_at is None


def test_the_guilty_fail_and_the_others_are_asked_again_side_by_side():
    checks = [check() for _ in range(3)]
    agenda = filled(*checks)
    take_all(agenda)
    agenda.return_running(MANIFEST, "timeout", [checks[1]])
    assert reason(checks[1]) == "timeout"
    assert [one for _, one in take_all(agenda)] == [checks[0], checks[2]]
    agenda.return_running(MANIFEST, "timeout", [])
    assert reason(checks[0]) == reason(checks[2]) == "timeout"
    assert agenda.take() is None


def test_where_nobody_knows_who_is_guilty_each_goes_alone_and_before_those_who_wait():
    checks = [check() for _ in range(3)]
    late = check()
    agenda = filled(*checks)
    take_all(agenda)
    agenda.add(late)
    agenda.return_running(MANIFEST, "exited", None)
    ((number, alone),) = take_all(agenda)
    assert alone is checks[0]
    agenda.finish(number, FINE)
    ((_, alone),) = take_all(agenda)
    assert alone is checks[1]
    agenda.return_running(MANIFEST, "exited", None)  # the second time, alone: it was the one
    assert reason(checks[1]) == "exited"
    ((number, alone),) = take_all(agenda)
    assert alone is checks[2]
    agenda.finish(number, FINE)
    assert take_all(agenda)[0][1] is late


def test_those_who_waited_too_long_fail_and_the_others_stay():
    old, new = check(), check()
    old.asked_at -= 50
    agenda = filled(old, new)
    agenda.fail_waiting(MANIFEST, "down", 20)
    assert reason(old) == "down"
    assert [one for _, one in take_all(agenda)] == [new]
