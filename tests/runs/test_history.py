"""Curves: what is kept of each step, and reading them from a folder that is being written."""

import math
from pathlib import Path

import msgspec
import numpy as np

from nvp_studio.runs.history import MetricsTail, RunHistory
from nvp_studio.training.events import StepMetrics


def step(number: int, train: float = 3.0, validation: float | None = None, rollbacks: int = 0) -> StepMetrics:
    return StepMetrics(
        step=number,
        epoch=number / 10,
        seconds=float(number),
        images=8 * number,
        train=train,
        learning_rate=1e-3,
        gradient_norm=1.0,
        validation=validation,
        rollbacks=rollbacks,
    )


def write(path: Path, steps: list[StepMetrics], rest: bytes = b"", mode: str = "ab") -> None:
    with (path / "metrics.jsonl").open(mode) as file:
        for one in steps:
            file.write(msgspec.json.encode(one) + b"\n")
        file.write(rest)


def test_keeps_every_step_beyond_the_first_buffer_and_the_best_validation() -> None:
    history = RunHistory()
    for number in range(1, 2001):
        history.append(step(number, train=4.0, validation=5 - number / 1000 if number % 500 == 0 else None))
    history.append(step(2001, validation=3.5))
    assert history.steps.values.tolist() == list(range(1, 2002))
    assert history.validation_steps.values.tolist() == [500, 1000, 1500, 2000, 2001]
    assert history.best == (2000, 3.0)


def test_the_smoothed_curve_has_no_bias_and_less_noise() -> None:
    history = RunHistory()
    noise = np.random.default_rng(0).normal(0, 0.5, 3000)
    for number, value in enumerate(noise, 1):
        history.append(step(number, train=3.0 + value))
    assert history.smoothed.values[0] == history.train.values[0]
    late = history.smoothed.values[500:]
    assert abs(late.mean() - 3.0) < 0.05
    assert late.std() < 0.25 * noise.std()


def test_a_step_told_twice_counts_once_and_one_that_is_no_number_has_no_place() -> None:
    history = RunHistory()
    for one in (step(1), step(2, train=math.nan), step(2), step(3, train=math.inf), step(4)):
        history.append(one)
    assert history.steps.values.tolist() == [1, 4]
    assert history.last is not None
    assert history.last.step == 4


def test_a_rollback_takes_back_the_steps_that_are_taken_again() -> None:
    history = RunHistory()
    for number in range(1, 21):
        history.append(step(number, validation=2.0 if number == 15 else None))
    history.append(step(11, train=7.0, rollbacks=1))
    assert history.steps.values.tolist() == list(range(1, 12))
    assert history.train.values[-1] == 7.0
    assert history.best is None


def test_reads_a_growing_file_to_its_last_whole_line(tmp_path: Path) -> None:
    history = RunHistory()
    tail = MetricsTail(tmp_path, history)
    tail.read_all()
    assert len(history.steps) == 0
    whole = msgspec.json.encode(step(3)) + b"\n"
    write(tmp_path, [step(1), step(2)], whole[:20])
    tail.read_all()
    assert history.steps.values.tolist() == [1, 2]
    write(tmp_path, [], whole[20:])
    tail.read_all()
    assert history.steps.values.tolist() == [1, 2, 3]


def test_passes_over_damaged_lines(tmp_path: Path) -> None:
    history = RunHistory()
    write(tmp_path, [step(1)], b'{"step": "x"}\n\xff\xfe\n\n')
    write(tmp_path, [step(2)])
    MetricsTail(tmp_path, history).read_all()
    assert history.steps.values.tolist() == [1, 2]


def test_a_history_written_anew_replaces_what_was_read(tmp_path: Path) -> None:
    history = RunHistory()
    tail = MetricsTail(tmp_path, history)
    write(tmp_path, [step(number) for number in range(1, 30)])
    tail.read_all()
    (tmp_path / "new").mkdir()
    write(tmp_path / "new", [step(number, train=1.0) for number in range(1, 60)])
    (tmp_path / "new" / "metrics.jsonl").replace(tmp_path / "metrics.jsonl")
    tail.read_all()
    assert history.steps.values.tolist() == list(range(1, 60))
    assert set(history.train.values) == {1.0}


def test_reads_long_histories_in_pieces(tmp_path: Path) -> None:
    history = RunHistory()
    tail = MetricsTail(tmp_path, history)
    write(tmp_path, [step(number) for number in range(1, 12_001)])
    pieces = 1
    while tail.read():
        pieces += 1
    assert pieces > 1
    assert len(history.steps) == 12_000


def test_a_spike_does_not_lift_the_smoothed_curve_and_a_lasting_rise_does() -> None:
    history, noise = RunHistory(), np.random.default_rng(0).normal(0, 0.1, 1000)
    for number, value in enumerate(noise, 1):
        level = 1e4 if number == 300 else 3.0 if number < 600 else 5.0
        history.append(step(number, train=level + value))
    assert history.smoothed.values[299:].max() < 5.2
    assert abs(history.smoothed.values[310] - 3.0) < 0.2
    assert abs(history.smoothed.values[-1] - 5.0) < 0.1


def test_a_state_that_does_not_invert_is_not_the_best() -> None:
    history = RunHistory()
    for number, score, invertible in ((1, 4.0, True), (2, 3.0, False), (3, 5.0, None)):
        history.append(msgspec.structs.replace(step(number, validation=score), invertible=invertible))
    assert history.best == (1, 4.0)
    history = RunHistory()
    history.append(msgspec.structs.replace(step(1, validation=68.863), invertible=False))
    assert history.best is None, "as in the run's record"
