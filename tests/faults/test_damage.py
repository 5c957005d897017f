"""Damaged files: checkpoints cut short or with a bit flipped at many offsets, metrics cut anywhere."""

from pathlib import Path

import numpy as np
import pytest

from nvp_studio.checkpoints import CheckpointError, read_checkpoint
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import RunNotice
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import cut_metrics, read_metrics
from nvp_studio.training.start import start_run
from tests.faults import checks
from tests.faults.runs import LONG, Told, assert_same_run, finish, history, small_config, write_data

OFFSETS = 400


def offsets(size: int) -> list[int]:
    """The first bytes, the last, and some in between; in the long suite all."""
    if LONG:
        return list(range(size))
    between = np.random.default_rng(0).integers(0, size, OFFSETS)
    return sorted({*range(64), *range(size - 16, size), *between.tolist()})


def test_a_checkpoint_cut_short_is_refused_at_every_length(whole: Path, tmp_path: Path) -> None:
    data = (whole / "checkpoints" / "last.safetensors").read_bytes()
    path = tmp_path / "cut.safetensors"
    for length in offsets(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError) as refused:
            read_checkpoint(path)
        assert "\n" not in str(refused.value)


def test_a_flipped_bit_is_noticed_wherever_it_is(whole: Path, tmp_path: Path) -> None:
    data = (whole / "checkpoints" / "last.safetensors").read_bytes()
    path = tmp_path / "flipped.safetensors"
    for offset in offsets(len(data)):
        flipped = bytearray(data)
        flipped[offset] ^= 1 << offset % 8
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError) as refused:
            read_checkpoint(path)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "missing", "a folder"])
def test_resume_falls_back_to_the_checkpoint_before(how: str, config: TrainConfig, whole: Path, tmp_path: Path) -> None:
    run = checks.stopped_run(config, tmp_path)
    path = run / "checkpoints" / "last.safetensors"
    data = bytearray(path.read_bytes())
    path.unlink()
    if how == "flipped":
        data[len(data) // 2] ^= 4
    if how == "a folder":
        path.mkdir()
    elif how != "missing":
        path.write_bytes(data[:2000] if how == "cut" else b"" if how == "empty" else data)
    told = Told()
    if how == "a folder":  # which no file can replace
        with pytest.raises(RuntimeError, match="could not be written"):
            resume_run(run, report=told)
    else:
        resume_run(run, report=told)
        assert_same_run(whole, run)
    notice = next(event for event in told if isinstance(event, RunNotice))
    assert notice.level == "warning"
    assert "going on from the one before, of step" in notice.text
    assert notice.text in (run / "log.txt").read_text()


def test_two_damaged_checkpoints_are_refused_with_both_reasons(config: TrainConfig, tmp_path: Path) -> None:
    run = checks.stopped_run(config, tmp_path)
    for name in ("last", "previous"):
        (run / "checkpoints" / f"{name}.safetensors").write_bytes(b"none")
    with pytest.raises(CheckpointError, match=r"last\.safetensors is not .*previous\.safetensors is not"):
        resume_run(run)


def test_a_damaged_best_is_told_and_made_anew(config: TrainConfig, tmp_path: Path) -> None:
    run = checks.stopped_run(config, tmp_path, 4)
    path = run / "checkpoints" / "best.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    told = Told()
    finish(run, config, told)
    assert "the next validation makes a new best" in told.notices
    assert read_checkpoint(path).info.test is not None


def test_metrics_cut_at_any_byte_are_what_came_before(whole: Path, tmp_path: Path) -> None:
    data = (whole / "metrics.jsonl").read_bytes()
    run = tmp_path / "run"
    run.mkdir()
    for length in range(0, len(data), 1 if LONG else 7):
        (run / "metrics.jsonl").write_bytes(data[:length])
        complete = data[:length].count(b"\n")
        found = history(run)
        assert found[:complete] == history(whole)[:complete]
        assert len(found) - complete in (0, 1)
        cut_metrics(run, 3)
        assert (run / "metrics.jsonl").read_bytes() == b"".join(data.splitlines(keepends=True)[: min(3, len(found))])


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_run_whose_metrics_were_cut_goes_on_exactly(
    cut: int, config: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    """Killed in the middle of a line that came after the checkpoint."""
    run = checks.stopped_run(config, tmp_path)
    later = (whole / "metrics.jsonl").read_bytes().splitlines(keepends=True)[3]
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(later[:-cut])
    assert_same_run(whole, finish(run, config))


def test_changed_data_are_refused_with_both_digests(
    config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks.check_changed_data(config, whole, tmp_path, monkeypatch)


def test_force_goes_on_with_changed_data(tmp_path: Path) -> None:
    data = write_data(tmp_path / "bars.npz")
    run = checks.stopped_run(small_config(data), tmp_path, 4)
    before = read_checkpoint(run / "checkpoints" / "best.safetensors").info
    write_data(data, seed=5)
    told = Told()
    resume_run(run, force=True, report=told)
    assert "have changed since x was started" in told.notices
    assert [one.step for one in read_metrics(run)] == [1, 2, 3, 4, 5]
    kept = next((run / "checkpoints").glob("best-before-step-*.safetensors"))
    assert read_checkpoint(kept).info == before
    resume_run(run, steps=7)  # with the data as they are now, without a word


def test_milestones_are_thinned_and_the_newest_two_kept(tmp_path: Path) -> None:
    config = small_config(
        write_data(tmp_path / "bars.npz"), steps=20, validation_every=1000, checkpoint_steps=1, warmup_steps=0
    )
    run = start_run(config, tmp_path, "x")
    for steps in (40, 80):
        resume_run(run, steps=steps)
    found = sorted(int(path.stem[5:]) for path in (run / "checkpoints").glob("step-*.safetensors"))
    assert len(found) == 16
    assert found[0] == 2
    assert found[-1] == 72


def test_a_second_trainer_is_refused_with_who_holds_the_folder(
    config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks.check_second_trainer(config, whole, tmp_path, monkeypatch)
