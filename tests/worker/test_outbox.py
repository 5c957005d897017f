"""The outbox: order, bursts, a reader that is slow or gone."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from nvp_studio.training.events import StepMetrics
from nvp_studio.worker import outbox
from nvp_studio.worker.framing import FrameReader
from nvp_studio.worker.messages import Pong, WorkerMessage
from nvp_studio.worker.outbox import Outbox

HANG_SECONDS = 60.0


class _Pipe:
    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.closed = threading.Event()
        self.outbox = Outbox(self.writing, self.closed.set)


@pytest.fixture
def pipe() -> Iterator[_Pipe]:
    pipe = _Pipe()
    with ExitStack() as stack:
        stack.callback(os.close, pipe.writing)
        stack.callback(pipe.outbox.close, 0)
        yield pipe


def _step(number: int) -> StepMetrics:
    return StepMetrics(step=number, epoch=0.0, seconds=0.0, images=0, train=0.0, learning_rate=0.0, gradient_norm=0.0)


def test_order_is_kept_and_steps_travel_together(pipe: _Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BATCH_SECONDS", HANG_SECONDS)  # however slowly they come, they wait for each other
    for number in range(50):
        pipe.outbox.send(_step(number))
    pipe.outbox.send(Pong(1))
    reader = FrameReader[WorkerMessage](WorkerMessage)
    chunks = []
    while not chunks or not isinstance(chunks[-1][-1], Pong):
        chunks.append(reader.feed(os.read(pipe.reading, 2**20)))
    os.close(pipe.reading)
    messages = [message for chunk in chunks for message in chunk]
    assert messages == [*map(_step, range(50)), Pong(1)]
    assert len(chunks) < 25


def test_steps_alone_are_written_too(pipe: _Pipe) -> None:
    pipe.outbox.send(_step(1))
    assert FrameReader(WorkerMessage).feed(os.read(pipe.reading, 2**20)) == [_step(1)]
    os.close(pipe.reading)


def test_closing_writes_what_waits(pipe: _Pipe) -> None:
    for number in range(20):
        pipe.outbox.send(_step(number))
    assert pipe.outbox.close(HANG_SECONDS)
    pipe.outbox.send(Pong(1))
    assert FrameReader(WorkerMessage).feed(os.read(pipe.reading, 2**20)) == [*map(_step, range(20))]
    os.close(pipe.reading)


def test_a_slow_reader_holds_up_nobody(pipe: _Pipe) -> None:
    """Far more than a pipe holds is taken at once; it arrives when somebody reads."""
    for number in range(20_000):
        pipe.outbox.send(_step(number))
    reader = FrameReader[WorkerMessage](WorkerMessage)
    received: list[WorkerMessage] = []
    while len(received) < 20_000:
        received += reader.feed(os.read(pipe.reading, 2**20))
    os.close(pipe.reading)
    assert received == [*map(_step, range(20_000))]


def test_closing_does_not_wait_for_ever(pipe: _Pipe) -> None:
    for number in range(20_000):
        pipe.outbox.send(_step(number))
    assert not pipe.outbox.close(0.1)
    os.close(pipe.reading)
    assert pipe.closed.wait(HANG_SECONDS), "the writing thread is told, before another pipe gets its descriptor"


def test_a_writing_thread_that_has_no_turn_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import of torch may hold up all other threads for longer than a reader gets."""
    turn, take, write, hours = threading.Event(), Outbox._take, Outbox._write, [0]

    def late(self: Outbox) -> bytes | None:
        assert turn.wait(HANG_SECONDS)
        return take(self)

    def slowly(self: Outbox, data: bytes) -> None:
        time.sleep(0.2)  # for who waits to look at the clock
        write(self, data)

    def pass_by() -> None:
        hours.append(1)
        turn.set()

    monkeypatch.setattr(outbox, "time", SimpleNamespace(monotonic=lambda: 3600.0 * hours[-1]))
    monkeypatch.setattr(Outbox, "_take", late)
    monkeypatch.setattr(Outbox, "_write", slowly)
    pipe = _Pipe()
    pipe.outbox.send(Pong(1))
    threading.Timer(0.2, pass_by).start()
    assert pipe.outbox.close(HANG_SECONDS)
    assert FrameReader(WorkerMessage).feed(os.read(pipe.reading, 2**20)) == [Pong(1)]
    os.close(pipe.reading)
    os.close(pipe.writing)


def test_a_reader_that_is_gone_is_told_once(pipe: _Pipe) -> None:
    os.close(pipe.reading)
    pipe.outbox.send(Pong(1))
    assert pipe.closed.wait(HANG_SECONDS)
    pipe.outbox.send(Pong(2))
    assert pipe.outbox.close(HANG_SECONDS)
