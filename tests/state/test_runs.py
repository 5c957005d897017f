"""The list of runs, a run opened from its folder, discarding and bringing back."""

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPersistentModelIndex

from nvp_studio.runs.labels import LABELS
from nvp_studio.runs.snapshots import read_sheet
from nvp_studio.runs.trash import discard_run, restore_run
from nvp_studio.state.opened_run import OpenedRun
from nvp_studio.state.runs import RunsModel
from nvp_studio.state.timelapse import Timelapse
from nvp_studio.text import duration
from nvp_studio.training.changes import CHANGES, REQUEST_FILE, take_request
from nvp_studio.training.errors import RunError
from nvp_studio.training.evaluation import contact_sheet
from nvp_studio.training.lock import run_lock
from nvp_studio.training.runs import METRICS, RECORD, SHEET_COLUMNS, read_metrics, read_record
from tests.qt import Bot
from tests.runs.folders import make_run
from tests.runs.test_history import step, write

pytestmark = pytest.mark.usefixtures("qapp")


def cells(model: RunsModel, row: int) -> list[str]:
    return [model.index(row, column).data() for column in range(model.columnCount())]


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    make_run(tmp_path / "old", step=100, best=3.25, seconds=75)
    make_run(tmp_path / "new", "2026-01-02T10:00:00+00:00", phase="training", step=7)
    (tmp_path / "no-run").mkdir()
    model = RunsModel(tmp_path)
    model.refresh()
    assert cells(model, 0)[:7] == ["new", "interrupted", "Toys", "quick", "–", "7 / 100", "0 s"]
    assert cells(model, 1)[:7] == ["old", "finished", "Toys", "quick", "3.250", "100 / 100", "1 min 15 s"]


def test_a_run_that_someone_trains_is_not_interrupted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "busy", phase="training")
    model = RunsModel(tmp_path)
    with run_lock(run):
        model.refresh()
        assert cells(model, 0)[1] == "training"
        with pytest.raises(RunError, match="stop it first"):
            discard_run(run)
    model.refresh()
    assert cells(model, 0)[1] == "interrupted"


def test_refreshing_keeps_what_points_at_a_run(tmp_path: Path) -> None:
    first = make_run(tmp_path / "first")
    model = RunsModel(tmp_path)
    model.refresh()
    kept = QPersistentModelIndex(model.index(0, 0))
    make_run(tmp_path / "second", "2026-05-01T10:00:00+00:00")
    model.refresh()
    assert (kept.row(), kept.data()) == (1, "first")
    discard_run(first)
    model.refresh()
    assert not kept.isValid()


def test_discarded_runs_lie_in_the_trash_and_can_come_back(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one")
    place = discard_run(run)
    assert place == tmp_path / ".trash" / "one"
    make_run(tmp_path / "one", "2026-02-01T10:00:00+00:00")
    again = discard_run(run)
    assert again == tmp_path / ".trash" / "one-2"
    restore_run(again, run)
    assert (run / "run.json").is_file()
    with pytest.raises(RunError, match="another one"):
        restore_run(place, run)


def test_opens_a_run_with_its_curves_and_its_last_images(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", best=3.0)
    write(run, [step(number, validation=3.0 if number == 40 else None) for number in range(1, 101)])
    cells_before = np.arange(16 * 64, dtype=np.uint8).reshape(2, 8, 8, 8)
    sheet = cells_before.transpose(0, 2, 1, 3).reshape(16, 64)
    Image.fromarray(np.zeros((16, 64), np.uint8)).save(run / "samples" / "step-00000050.png")
    Image.fromarray(sheet).save(run / "samples" / "step-00000100.png")
    Image.fromarray(sheet).save(run / "samples" / "reconstructions-00000100.png")
    opened = OpenedRun(str(run))
    opened.read()
    assert len(opened.history.steps) == 100
    assert opened.history.best == (40, 3.0)
    assert opened.steps_per_epoch == 10
    samples = opened.images["samples"]
    assert samples.step == 100
    assert samples.images.shape == (16, 8, 8, 1)
    assert samples.images.pixels == cells_before.tobytes()
    assert opened.images["reconstructions"].images.shape == (10, 8, 8, 1)  # 5 images and 5 below, without the filling


@pytest.mark.slow
def test_follows_a_run_that_goes_on_elsewhere(tmp_path: Path, qtbot: Bot) -> None:
    run = make_run(tmp_path / "one", phase="training")
    write(run, [step(1)])
    with run_lock(run):
        opened = OpenedRun(str(run))
        opened.read()
        assert opened.summary.state == "training"
        write(run, [step(2)])
        qtbot.waitUntil(lambda: len(opened.history.steps) == 2)
    qtbot.waitUntil(lambda: opened.summary.state == "interrupted")
    opened.close()


@pytest.mark.slow
def test_follows_a_run_whose_lock_is_not_seen_here(tmp_path: Path, qtbot: Bot) -> None:
    run = make_run(tmp_path / "one", phase="training")
    write(run, [step(1)])
    opened = OpenedRun(str(run))
    opened.read()
    assert opened.summary.state == "interrupted", "it may have ended just now"
    write(run, [step(2)])
    qtbot.waitUntil(lambda: len(opened.history.steps) == 2)
    write(run, [step(3)])
    qtbot.waitUntil(lambda: opened.summary.state == "training")
    opened.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_named_pipes_in_a_folder_do_not_block(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", phase="training")
    for name in (
        METRICS,
        CHANGES,
        REQUEST_FILE,
        LABELS,
        "samples/step-00000050.png",
        "samples/reconstructions-00000050.png",
    ):
        os.mkfifo(run / name)
    opened = OpenedRun(str(run))
    opened.read()
    opened.close()
    timelapse = Timelapse()
    timelapse.show_run(str(run))
    assert (opened.images, timelapse.batch()) == ({}, None)
    assert read_metrics(run) == []
    assert take_request(run) is None
    model = RunsModel(tmp_path)
    model.refresh()
    (run / RECORD).unlink()
    os.mkfifo(run / RECORD)
    model.refresh()
    assert model.runs == []


def test_other_files_among_the_sheets_are_ignored(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one")
    Image.fromarray(np.zeros((16, 64), np.uint8)).save(run / "samples" / "step-00000050.png")
    for name in ("step-abc.png", "step-\u00b2.png", "step-00000060.png.png"):
        (run / "samples" / name).write_bytes((run / "samples" / "step-00000050.png").read_bytes())
    opened = OpenedRun(str(run))
    opened.read()
    assert opened.images["samples"].step == 50


def test_a_folder_without_a_record_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        OpenedRun(str(tmp_path))


def test_colour_sheets_are_cut_and_others_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one")
    record = read_record(run)
    assert record.config.flow is not None
    flow = msgspec.structs.replace(record.config.flow, image_shape=(3, 4, 8))
    record = msgspec.structs.replace(record, config=msgspec.structs.replace(record.config, flow=flow))
    cells_before = np.random.default_rng(0).integers(0, 256, (8, 4, 8, 3), np.uint8)
    sheet = cells_before.transpose(1, 0, 2, 3).reshape(4, 64, 3)
    path = run / "samples" / "step-00000050.png"
    for pixels, images in ((sheet, cells_before), (sheet[:3], None), (sheet[..., 0], None), (sheet[:, 8:], None)):
        Image.fromarray(np.ascontiguousarray(pixels)).save(path)
        batch = read_sheet(path, "samples", record)
        assert (batch and batch.pixels) == (None if images is None else images.tobytes())
    path.write_bytes(b"no image")
    assert read_sheet(path, "samples", record) is None


@pytest.mark.parametrize("pairs", [16, 8, 2])
def test_the_black_that_fills_a_sheet_is_no_reconstruction(tmp_path: Path, pairs: int) -> None:
    run = make_run(tmp_path / "one")
    record = read_record(run)
    assert record.config.flow is not None
    _, height, width = record.config.flow.image_shape
    record = msgspec.structs.replace(record, data=msgspec.structs.replace(record.data, validation_images=100))
    images = np.full((2 * pairs, height, width, 1), 200, np.uint8)
    path = run / "samples" / "reconstructions-00000050.png"
    path.write_bytes(contact_sheet(images, columns=SHEET_COLUMNS))
    batch = read_sheet(path, "reconstructions", record)
    assert batch is not None
    assert batch.pixels == images.tobytes()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min 00 s"), (725, "12 min 05 s"), (2400, "40 min"), (12000, "3 h 20 min")],
)
def test_durations_are_written_with_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_record_is_what_the_engine_writes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one")
    assert msgspec.json.decode((run / "run.json").read_bytes())["config"]["batch_size"] == 8


def test_a_stopped_run_says_why_in_the_list(tmp_path: Path) -> None:
    make_run(tmp_path / "one", phase="stopped", reason="SIGTERM")
    make_run(tmp_path / "two", phase="failed", reason="a long story")
    model = RunsModel(tmp_path)
    model.refresh()
    column = RunsModel.COLUMNS.index("state")
    shown = {run.name: model.index(row, column).data() for row, run in enumerate(model.runs)}
    assert shown == {"one": "stopped: SIGTERM", "two": "failed"}
