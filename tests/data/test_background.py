"""Work in a thread is told of, and may be given up."""

import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.data import dataset
from nvp_studio.data.background import GivenUpError, in_thread, while_told
from nvp_studio.data.dataset import Split, digest_of
from nvp_studio.data.options import LoadOptions, Paced, Progress, no_progress
from nvp_studio.data.survey import survey_data


class StopError(Exception):
    """A person has stopped it."""


def test_the_result_is_returned_and_an_error_raised() -> None:
    assert while_told(lambda: 3, no_progress, "counting") == 3
    with pytest.raises(ZeroDivisionError):
        while_told(lambda: 1 // 0, no_progress, "dividing")


def test_what_takes_long_is_told_of_and_may_be_stopped() -> None:
    told: list[tuple[int, int, str]] = []
    go_on = threading.Event()

    def progress(*step: object) -> None:
        told.append(step)
        raise StopError

    try:
        with pytest.raises(StopError):
            while_told(go_on.wait, progress, "waiting")
        assert told == [(0, 0, "waiting")]
    finally:
        go_on.set()


def test_what_is_given_up_ends_as_soon_as_it_tells_of_anything() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def work(progress: Progress) -> None:
        progress(0, 0, "still wanted")
        go_on.wait()
        try:
            progress(0, 0, "")
        except GivenUpError:
            ended.set()
            raise

    with closing(in_thread(work, 0.001)) as steps:
        assert next(steps) is None
    go_on.set()
    assert ended.wait(20)


def test_many_steps_are_told_of_now_and_then() -> None:
    told: list[int] = []
    tell = Paced(lambda done, total, description: told.append(done))
    for done in range(10_000):
        tell(done, 10_000, "counting")
    assert told[0] == 0
    assert len(told) < 1000


def test_a_digest_is_told_of_and_may_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    split = Split(np.arange(4096, dtype=np.uint32).view(np.uint8).reshape(16, 32, 32, 1))
    whole = digest_of(split, None, split)
    monkeypatch.setattr(dataset, "_HASHED_BYTES", 5000)
    told: list[tuple[int, int]] = []
    assert digest_of(split, None, split, progress=lambda done, total, text: told.append((done, total))) == whole
    assert told == [(done, 32) for done in range(0, 33, 4)]

    def stop(done: int, total: int, text: str) -> None:
        raise StopError

    with pytest.raises(StopError):
        digest_of(split, progress=stop)


def test_reading_a_file_for_a_survey_may_be_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "set.npy", np.zeros((4, 8, 8), np.uint8))
    go_on = threading.Event()
    monkeypatch.setattr("nvp_studio.data.numpy_files.load_npy", lambda *given: go_on.wait())
    try:
        with closing(survey_data(str(tmp_path / "set.npy"), LoadOptions(), 0.001)) as steps:
            assert next(steps) == 0
    finally:
        go_on.set()
