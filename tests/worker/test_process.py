"""The worker as the tests speak to it: what is expected in vain is said, whatever else it tells."""

from pathlib import Path

import pytest

from nvp_studio.worker.messages import Cancelled, Pong
from tests.worker import process
from tests.worker.process import EXPECT_SECONDS, WorkerProcess


class Chatter:
    """A queue with an answer every second, without end; and the clock to it."""

    def __init__(self) -> None:
        self._now = 1000.0

    def get(self, timeout: float) -> Pong:
        self._now += 1
        return Pong(7)

    def monotonic(self) -> float:
        return self._now


def test_other_answers_without_end_do_not_hold_up_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chatter = Chatter()
    monkeypatch.setattr(process, "time", chatter)
    worker = WorkerProcess.__new__(WorkerProcess)  # without a process
    worker.stderr_file = tmp_path / "stderr.txt"
    worker.stderr_file.write_text("the last words")
    worker._answers = chatter  # type: ignore[assignment]
    with pytest.raises(AssertionError) as failure:
        worker.expect(Cancelled, request_id=2)
    said = str(failure.value)
    assert said.startswith("waited in vain for Cancelled {'request_id': 2}; it said ")
    assert f"{EXPECT_SECONDS:.0f} Pong\n" in said
    assert "Pong(number=7" in said
    assert said.endswith("the last words")
