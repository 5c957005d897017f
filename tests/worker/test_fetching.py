"""A model on its way out of the worker: what may be read, in which parts, and how it ends."""

import hashlib
import os
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvp_studio import tensor_file
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import RunStarted, StepMetrics
from nvp_studio.worker.fetching import ModelSender
from nvp_studio.worker.messages import (
    MOST_MODEL_BYTES,
    PART_BYTES,
    PARTS_AHEAD,
    Cancel,
    Cancelled,
    Failed,
    FetchModel,
    FetchMore,
    ModelFound,
    ModelPart,
    ModelSent,
    RunCommand,
    StartRun,
)
from tests.small_model import random_images
from tests.worker.process import HANG_SECONDS, WorkerProcess

LONG = 10 * PART_BYTES + 17


class Window:
    """What a sender says, and the words to it."""

    def __init__(self) -> None:
        self.said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.sender = ModelSender(self.said.put)

    def next(self) -> Any:
        return self.said.get(timeout=HANG_SECONDS)

    def ask(self, folder: Path | str, stamp: int = 1) -> Any:
        self.sender.start(FetchModel("fetch", stamp, str(folder)))
        return self.next()

    def take_all(self) -> tuple[bytes, Any]:
        """The parts until the end, each taken at once, and the end."""
        data = b""
        while isinstance(answer := self.next(), ModelPart):
            assert 0 < len(answer.data) <= PART_BYTES
            data += answer.data
            self.sender.proceed(FetchMore("fetch", 1))
        return data, answer


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Window:
    monkeypatch.setenv("NVP_STUDIO_RUNS", str(tmp_path / "runs"))
    return Window()


def make_run(folder: Path, **sizes: int) -> Path:
    """A folder with what a run is known by, and model files of random bytes."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    for name, size in sizes.items():
        (folder / "checkpoints" / f"{name}.safetensors").write_bytes(os.urandom(size))
    return folder.resolve()


def test_the_best_comes_whole_with_its_digest(window: Window, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs" / "one", best=LONG, last=5)
    assert window.ask(folder) == ModelFound("fetch", 1, LONG)
    data, end = window.take_all()
    assert data == (folder / "checkpoints" / "best.safetensors").read_bytes()
    assert end == ModelSent("fetch", 1, LONG, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("name", ["last", "previous"])
def test_without_a_best_it_is_the_last(window: Window, tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path / "runs" / "one", **{name: 7})
    assert window.ask(folder) == ModelFound("fetch", 1, 7)
    assert window.take_all()[0] == (folder / "checkpoints" / f"{name}.safetensors").read_bytes()


def test_no_more_parts_are_ahead_than_agreed(window: Window, tmp_path: Path) -> None:
    window.ask(make_run(tmp_path / "runs" / "one", best=LONG))
    for _ in range(PARTS_AHEAD):
        assert isinstance(window.next(), ModelPart)
    with pytest.raises(queue.Empty):
        window.said.get(timeout=0.3)
    window.sender.proceed(FetchMore("fetch", 99))
    with pytest.raises(queue.Empty):
        window.said.get(timeout=0.3)
    window.sender.proceed(FetchMore("fetch", 1))
    assert isinstance(window.next(), ModelPart)
    window.sender.cancel("fetch")
    assert window.next() == Cancelled("fetch", 1)


def test_a_newer_request_takes_the_place_of_the_one_before(window: Window, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs" / "one", best=LONG)
    window.ask(folder)
    for _ in range(PARTS_AHEAD):
        window.next()
    said = {window.ask(folder, 2), window.next()}
    while Cancelled("fetch", 1) not in said:
        said.add(window.next())
    assert ModelFound("fetch", 2, LONG) in said
    window.sender.cancel("fetch")


def test_a_model_that_is_replaced_meanwhile_is_the_one_that_was_opened(window: Window, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs" / "one", best=LONG)
    best = folder / "checkpoints" / "best.safetensors"
    before = best.read_bytes()
    window.ask(folder)
    newer = best.with_name("newer")
    newer.write_bytes(b"newer")
    newer.replace(best)
    assert window.take_all()[0] == before


def test_a_model_that_is_cut_short_meanwhile_is_said(window: Window, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs" / "one", best=LONG)
    window.ask(folder)
    os.truncate(folder / "checkpoints" / "best.safetensors", PART_BYTES)
    _, end = window.take_all()
    assert isinstance(end, Failed)
    assert "cut short" in end.reason


def test_a_run_elsewhere_must_have_been_trained_in(window: Window, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "elsewhere" / "one", best=7)
    assert "no run of this engine" in window.ask(folder).reason
    assert "no run of this engine" in window.ask(tmp_path / "runs" / ".." / "elsewhere" / "one").reason
    window.sender.allow(str(folder))
    assert window.ask(folder) == ModelFound("fetch", 1, 7)
    window.take_all()


def test_a_folder_that_is_no_run_is_refused(window: Window, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs" / "one", best=7)
    (folder / "run.json").unlink()
    assert "no run of this engine" in window.ask(folder).reason
    assert "no run of this engine" in window.ask("/").reason


def _link(folder: Path) -> None:
    (folder / "secret").write_bytes(b"secret")
    (folder / "checkpoints" / "best.safetensors").symlink_to(folder / "secret")


def _link_folder(folder: Path) -> None:
    make_run(folder.parent.parent / "other", best=7)
    (folder / "checkpoints").rmdir()
    (folder / "checkpoints").symlink_to(folder.parent.parent / "other" / "checkpoints")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "checkpoints" / "best.safetensors")


def _too_large(folder: Path) -> None:
    path = folder / "checkpoints" / "best.safetensors"
    path.touch()
    os.truncate(path, MOST_MODEL_BYTES + 1)


def _empty(folder: Path) -> None:
    (folder / "checkpoints" / "best.safetensors").touch()


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_link, "is a link"),
        (_link_folder, "is a link"),
        (_pipe, "not a regular file"),
        (_too_large, "the most is 4,294,967,296"),
        (_empty, "has 0 bytes"),
        (lambda folder: None, "there is none yet"),
    ],
    ids=["link", "linked folder", "pipe", "too large", "empty", "none"],
)
def test_what_is_no_model_of_the_run_is_refused(
    window: Window, tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    folder = make_run(tmp_path / "runs" / "one")
    spoil(folder)
    answer = window.ask(folder)
    assert isinstance(answer, Failed)
    assert reason in answer.reason


def test_what_can_be_sent_can_be_read() -> None:
    assert MOST_MODEL_BYTES == tensor_file.MAX_FILE_BYTES


@pytest.mark.timeout(600)
def test_steps_are_told_while_a_model_waits_to_be_taken(
    start_worker: Callable[[], WorkerProcess], tmp_path: Path
) -> None:
    np.savez(tmp_path / "toys.npz", images=random_images(80))
    config = TrainConfig(
        data=str(tmp_path / "toys.npz"),
        preset="quick",
        steps=10**6,
        batch_size=8,
        device="cpu",
        validation_images=8,
        validation_every=10**6,  # a validation would put a best of its own in the place of the long one
    )
    worker = start_worker()
    worker.greet()
    worker.send(StartRun(config, str(tmp_path / "somewhere"), "far"))
    folder = Path(worker.expect(RunStarted).folder)
    worker.expect(StepMetrics, step=2)
    (folder / "checkpoints" / "best.safetensors").write_bytes(bytes(LONG))
    worker.send(FetchModel("fetch", 1, str(folder)))
    assert worker.expect(ModelFound).size == LONG
    for _ in range(PARTS_AHEAD):
        worker.expect(ModelPart)
    step = worker.expect(StepMetrics).step
    worker.expect(StepMetrics, step=step + 2)
    worker.send(*[FetchMore("fetch", 1)] * 20)
    assert worker.expect(ModelSent).sha256 == hashlib.sha256(bytes(LONG)).hexdigest()
    worker.send(FetchModel("fetch", 2, str(folder)))
    worker.expect(ModelFound, stamp=2)
    worker.send(Cancel("fetch"))
    worker.expect(Cancelled, stamp=2)
    worker.send(RunCommand("stop"))
