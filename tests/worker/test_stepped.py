"""Work that reports its progress, taken step by step."""

from collections.abc import Callable
from contextlib import closing

import pytest

from nvp_studio.worker.stepped import stepped


def test_progress_is_yielded_and_the_result_returned() -> None:
    def work(report: Callable[[int, int], None]) -> str:
        for done in (1, 2):
            report(done, 2)
        return "made"

    steps = stepped(work)
    assert [next(steps), next(steps)] == [(1, 2), (2, 2)]
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "made"


def test_what_the_work_raises_is_raised_here() -> None:
    def work(report: Callable[[int, int], None]) -> None:
        report(0, 1)
        raise ValueError("too few")

    steps = stepped(work)
    next(steps)
    with pytest.raises(ValueError, match="too few"):
        next(steps)


def test_work_that_nobody_waits_for_ends_at_its_next_report() -> None:
    passed = []

    def work(report: Callable[[int, int], None]) -> None:
        for done in range(1000):
            passed.append(done)
            report(done, 1000)

    with closing(stepped(work)) as steps:
        next(steps)
    assert passed == [0]


def test_work_that_reports_while_it_clears_away_ends_too() -> None:
    def work(report: Callable[[int, int], None]) -> None:
        try:
            report(0, 2)
        finally:
            report(1, 2)

    with closing(stepped(work)) as steps:
        next(steps)
