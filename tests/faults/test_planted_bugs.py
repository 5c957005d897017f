"""A test of the tests: bugs planted one by one, each of which a check of this suite must find."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from nvp_studio import checkpoints, files, locks
from nvp_studio.checkpoints import CheckpointError
from nvp_studio.flow.flow import Flow
from nvp_studio.training import batches, resume
from nvp_studio.training.batches import Batches
from nvp_studio.training.checkpoint_folder import CheckpointFolder
from nvp_studio.training.checkpointer import Checkpointer, SavedState
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.loop import Loop
from nvp_studio.training.train_state import Snapshot, TrainState
from tests.faults import checks

Patch = pytest.MonkeyPatch
Check = Callable[[TrainConfig, Path, Path, Patch], None]


def skip_fsync(patch: Patch) -> None:
    """The content is not flushed before the file gets its name."""

    @contextmanager
    def stream(path: Any, *, keep: Any = None, devices: bool = False) -> Iterator[BinaryIO]:
        target = Path(path)
        temporary = files._temporary(target)
        with getattr(files, "open", open)(temporary, "xb") as file:
            yield file
        if keep is not None:
            files._keep(target, Path(keep))
        files.os.replace(temporary, target)
        files.flush_folder(target.parent)

    patch.setattr(files, "stream_whole", stream)


def rename_before_write(patch: Patch) -> None:
    """The file has its name before it has its content."""

    @contextmanager
    def stream(path: Any, *, keep: Any = None, devices: bool = False) -> Iterator[BinaryIO]:
        target = Path(path)
        temporary = files._temporary(target)
        with getattr(files, "open", open)(temporary, "xb") as file:
            files.os.replace(temporary, target)
            yield file
            files.os.fsync(file.fileno())

    patch.setattr(files, "stream_whole", stream)


def skip_flushing_the_folder(patch: Patch) -> None:
    """The new name is not flushed, so that a checkpoint that was told of is gone after a power cut."""
    patch.setattr(files, "flush_folder", lambda folder: None)


def forget_the_key_of_noise(patch: Patch) -> None:
    """The noise of a step comes from a generator with a history."""
    generator = np.random.default_rng(0)

    def noise(seed: int, step: int, shape: tuple[int, ...], **others: int) -> np.ndarray:
        return generator.random(shape, dtype=np.float32)

    patch.setattr(batches, "step_noise", noise)


def flip_the_log_determinant(patch: Patch) -> None:
    """The couplings' part of the log-determinant has the wrong sign."""
    encode = Flow.encode

    def flipped(self: Flow, x: Any) -> Any:
        z, log_det = encode(self, x)
        return z, -log_det

    patch.setattr(Flow, "encode", flipped)


def shift_the_data(patch: Patch) -> None:
    """A resumed run takes its images one step too early."""
    go_on, take = Loop._restore, Batches.micro_batch

    def resumed(self: Loop, saved: SavedState) -> None:
        go_on(self, saved)
        patch.setattr(Batches, "micro_batch", lambda self, step, *more: take(self, max(0, step - 1), *more))

    patch.setattr(Loop, "_restore", resumed)


def _drop(patch: Patch, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    restore = TrainState.restore

    def lossy(self: TrainState, snapshot: Snapshot) -> None:
        restore(self, Snapshot(change(dict(snapshot.tensors)), snapshot.updates))

    patch.setattr(TrainState, "restore", lossy)


def drop_the_optimizer(patch: Patch) -> None:
    """The optimizer's memory is lost on resume."""
    _drop(patch, lambda all: {n: t.zero_() if n.startswith("optimizer.") else t for n, t in all.items()})


def drop_the_average(patch: Patch) -> None:
    """The average starts again from the weights on resume."""
    _drop(
        patch,
        lambda all: {n: all["weights." + n[8:]] if n.startswith("average.") else t for n, t in all.items()},
    )


def forget_the_updates(patch: Patch) -> None:
    """The number of updates, which the average's decay and the optimizer's bias depend on, is one short."""
    restore = TrainState.restore

    def short(self: TrainState, snapshot: Snapshot) -> None:
        restore(self, Snapshot(snapshot.tensors, max(1, snapshot.updates - 1)))

    patch.setattr(TrainState, "restore", short)


def trust_the_digest(patch: Patch) -> None:
    """The checksum is not compared."""
    read = checkpoints.read_tensors

    def believed(path: Any, check: Any) -> Any:
        metadata, tensors = read(path, check)
        return metadata | {"sha256": checkpoints._digest(metadata, tensors)}, tensors

    patch.setattr(checkpoints, "read_tensors", believed)


def take_no_lock(patch: Patch) -> None:
    """Every lock is free."""
    patch.setattr(locks, "_lock", lambda descriptor, path: True)


def keep_later_metrics(patch: Patch) -> None:
    """The journal is not cut back to the checkpoint."""
    patch.setattr(resume, "cut_metrics", lambda folder, last_step: None)


def keep_no_previous(patch: Patch) -> None:
    """Only one checkpoint is kept to go on from."""
    patch.setattr(files, "_keep", lambda target, kept: None)


def keep_a_damaged_last(patch: Patch) -> None:
    """A damaged last checkpoint takes the place of the whole one before."""
    init = CheckpointFolder.__init__

    def trusting(self: CheckpointFolder, run_folder: Path, *, last_is_whole: bool) -> None:
        init(self, run_folder, last_is_whole=True)

    patch.setattr(CheckpointFolder, "__init__", trusting)


def leave_leftovers(patch: Patch) -> None:
    """Temporary files of a killed process stay for ever."""
    patch.setattr(resume, "remove_leftovers", lambda folder, but: 0)


def accept_changed_data(patch: Patch) -> None:
    """The data's digest is not compared."""
    patch.setattr(resume, "_changed_data", lambda *_: "")


def save_seldom(patch: Patch) -> None:
    """The steps between checkpoints are not heeded."""
    patch.setattr(Checkpointer, "_save_due", lambda self, now, step: False)


def forget_the_unfinished_step(patch: Patch) -> None:
    """A run that ended between a step and its validation forgets that step's line."""
    restore = Loop._restore

    def restored(self: Loop, saved: SavedState) -> None:
        restore(self, saved)
        self.unfinished = None

    patch.setattr(Loop, "_restore", restored)


BUGS: list[tuple[Callable[[Patch], None], Check]] = [
    (skip_fsync, checks.check_power_cuts),
    (rename_before_write, checks.check_states_of_a_run),
    (skip_flushing_the_folder, checks.check_power_cuts),
    (forget_the_key_of_noise, checks.check_exact_resume),
    (flip_the_log_determinant, checks.check_log_determinant),
    (shift_the_data, checks.check_exact_resume),
    (drop_the_optimizer, checks.check_exact_resume),
    (drop_the_average, checks.check_exact_resume),
    (forget_the_updates, checks.check_exact_resume),
    (trust_the_digest, checks.check_flipped_bit),
    (take_no_lock, checks.check_second_trainer),
    (keep_later_metrics, checks.check_lost_metrics),
    (keep_no_previous, checks.check_damaged_last),
    (keep_a_damaged_last, checks.check_damaged_last),
    (leave_leftovers, checks.check_leftovers),
    (accept_changed_data, checks.check_changed_data),
    (save_seldom, checks.check_planned_saves),
    (forget_the_unfinished_step, checks.check_kills_in_validation),
]
FOUND = (AssertionError, CheckpointError, RunError, KeyError, pytest.fail.Exception)


@pytest.mark.slow
@pytest.mark.parametrize("check", dict.fromkeys(check for _, check in BUGS), ids=lambda check: check.__name__)
def test_the_program_as_it_is_passes(
    check: Check, config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    if check is not checks.check_states_of_a_run:  # which `test_operations` does at length
        check(config, whole, tmp_path, monkeypatch)


FAST = (forget_the_key_of_noise, flip_the_log_determinant, trust_the_digest, take_no_lock, keep_a_damaged_last)
"""One bug of each kind: randomness, mathematics, damage, locks, checkpoints that are kept. All others are for the long
tests."""


@pytest.mark.parametrize(
    ("plant", "check"),
    [pytest.param(*bug, marks=[] if bug[0] in FAST else pytest.mark.slow, id=bug[0].__name__) for bug in BUGS],
)
def test_a_planted_bug_is_found(
    plant: Callable[[Patch], None],
    check: Check,
    config: TrainConfig,
    whole: Path,
    tmp_path: Path,
    monkeypatch: Patch,
) -> None:
    plant(monkeypatch)
    with pytest.raises(FOUND):
        check(config, whole, tmp_path, monkeypatch)
    assert os.path.exists(whole), "the run to compare with is left alone"
