"""Clocks that jump: a laptop that slept, a process that was held, a time of day that was set."""

from pathlib import Path

import pytest

from nvp_studio.training import clock
from nvp_studio.training.clock import Clock
from nvp_studio.training.events import RunEvent, StepMetrics
from nvp_studio.training.runs import read_metrics
from nvp_studio.training.start import start_run
from tests.faults.runs import Told, small_config, write_data

HOUR = 3600.0


class Time:
    """The module `time` with hands that a test moves."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = self.computed = 1000.0
        patch.setattr(clock, "time", self)

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.computed

    def work(self, seconds: float) -> None:
        self.now += seconds
        self.computed += seconds

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def test_sleep_is_not_counted_and_told_once(hands: Time) -> None:
    found = Clock(50.0)
    hands.work(10)
    assert found.seconds() == 60
    hands.sleep(8 * HOUR)
    hands.work(2)
    assert found.seconds() == 62
    assert found.take_slept() == 8 * HOUR
    assert found.take_slept() == 0


def test_a_long_step_and_a_slow_disk_are_counted(hands: Time) -> None:
    found = Clock()
    hands.work(HOUR)
    assert found.seconds() == HOUR
    hands.sleep(59)  # waiting for a disk
    assert found.seconds() == HOUR + 59
    assert found.take_slept() == 0


def test_sleep_during_a_pause_changes_nothing(hands: Time) -> None:
    found = Clock()
    hands.work(5)
    with found.paused():
        hands.sleep(HOUR)
    hands.work(5)
    assert found.seconds() == 10


def test_a_clock_that_goes_back_takes_nothing_away(hands: Time) -> None:
    found = Clock(10.0)
    hands.now -= HOUR
    assert found.seconds() == 10
    hands.work(1)
    assert found.seconds() == 11


@pytest.mark.slow
def test_a_run_by_minutes_does_not_end_early_by_sleep(tmp_path: Path, hands: Time) -> None:
    """Two minutes of training in steps of ten seconds, with a night in between."""
    config = small_config(write_data(tmp_path / "bars.npz"), steps=None, minutes=2.0, validation_every=1000)
    told = Told()

    def report(event: RunEvent) -> None:
        told(event)
        if isinstance(event, StepMetrics):
            if event.step == 4:
                hands.sleep(8 * HOUR)
            hands.work(10)

    run = start_run(config, tmp_path, "x", report=report)
    seconds = [one.seconds for one in read_metrics(run)]
    assert len(seconds) == 13
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(120)
    assert "the machine slept for 480 minutes, which are not counted" in told.notices
