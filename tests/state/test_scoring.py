"""Scoring files by a real engine: streamed, cancelled, by another model, after a crash."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from nvp_studio.state.engine import Engine
from nvp_studio.state.evidence import EvidenceState
from nvp_studio.state.score_texts import progress_text
from nvp_studio.state.scoring import ScoreState
from nvp_studio.worker.score_messages import ScoreRows
from tests.qt import Bot, is_asking, start_engine, stop_engine
from tests.small_model import random_images


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Twelve images, one of them too large, and a file that is no image."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number, pixels in enumerate(random_images(12, seed=3)):
        image = Image.fromarray(pixels[:, :, 0])
        (image.resize((30, 20)) if number == 5 else image).save(folder / f"{number:02d}.png")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def state(shared_engine: Engine, qtbot: Bot) -> Iterator[ScoreState]:
    state = ScoreState(shared_engine)
    yield state
    state.clear()
    qtbot.waitUntil(lambda: not is_asking(shared_engine.explorer))
    state.deleteLater()


def test_scores_a_folder_with_a_row_for_every_file(state: ScoreState, files: Path, qtbot: Bot) -> None:
    state.add([files])
    assert state.busy
    qtbot.waitUntil(lambda: not state.busy)
    rows = {Path(row.path).name: row for row in state.rows.files()}
    assert len(rows) == 13
    assert "not an image" in rows["broken.png"].error
    assert all(
        row.bits_per_dim is not None and row.percentile is not None for name, row in rows.items() if name[0] in "01"
    )
    assert rows["05.png"].notes[0].startswith("resized from 30")
    assert progress_text(state) == "12 scored, 1 not readable"
    assert state.model is not None


def test_a_folder_without_images_to_score_is_reported(
    state: ScoreState, files: Path, tmp_path: Path, qtbot: Bot
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    empty_paths: list[tuple[str, ...]] = []
    state.no_images.connect(empty_paths.append)
    state.add([empty])
    state.add([files])
    qtbot.waitUntil(lambda: not state.busy)
    assert empty_paths == [(str(empty),)]
    assert state.rows.rowCount() == 13


def test_files_added_meanwhile_are_scored_after_and_once(state: ScoreState, files: Path, qtbot: Bot) -> None:
    state.add([files / "03.png", files / "04.png"])
    state.add([files / "03.png", files / "07.png"])
    qtbot.waitUntil(lambda: not state.busy)
    assert sorted(Path(row.path).name for row in state.rows.files()) == ["03.png", "04.png", "07.png"]


def test_a_score_does_not_depend_on_its_neighbours(state: ScoreState, files: Path, qtbot: Bot) -> None:
    state.add([files])
    qtbot.waitUntil(lambda: not state.busy)
    together = state.rows.file(state.rows.row_of(str(files / "03.png"))).bits_per_dim
    state.clear()
    assert state.rows.rowCount() == 0
    state.add([files / "03.png"])
    qtbot.waitUntil(lambda: not state.busy)
    alone = state.rows.file(0).bits_per_dim
    assert together is not None
    assert alone == pytest.approx(together, abs=1e-4)


def test_cancelling_keeps_what_is_there_and_takes_no_late_rows(
    state: ScoreState, shared_engine: Engine, files: Path, qtbot: Bot
) -> None:
    state.add([files] * 3)
    qtbot.waitUntil(lambda: state.rows.rowCount() > 0)
    state.cancel()
    assert not state.busy
    count = state.rows.rowCount()
    qtbot.waitUntil(lambda: not is_asking(shared_engine.explorer))
    assert state.rows.rowCount() == count
    state.clear()
    assert state.rows.rowCount() == 0
    state.add([files / "01.png"])
    qtbot.waitUntil(lambda: not state.busy)
    assert state.rows.rowCount() == 1


def test_what_a_cancel_left_undone_is_said_and_can_be_continued(
    state: ScoreState, shared_engine: Engine, files: Path, qtbot: Bot, tmp_path: Path
) -> None:
    state.add([files, files / "03.png"])
    state.add([files / "01.png"])
    state.cancel()
    assert "cancelled" in progress_text(state)
    assert state.can_resume
    state.resume()
    qtbot.waitUntil(lambda: not state.busy)
    assert state.rows.row_of(str(files / "03.png")) >= 0
    assert "cancelled" not in progress_text(state)
    assert not state.can_resume


def test_a_cancel_counts_only_files_without_a_row(state: ScoreState, files: Path, qtbot: Bot, tmp_path: Path) -> None:
    state.add([files])
    qtbot.waitUntil(lambda: not state.busy)
    state.store(tmp_path / "scores")
    for counted, total, left in ((False, 0, 0), (True, 13, 0), (True, 20, 7)):
        state.add([files])
        state._on_answer(ScoreRows((), done=5, total=total, counted=counted))
        state.cancel()
        text = "12 scored, 1 not readable"
        assert progress_text(state) == (f"{text}, cancelled: {left} left" if left else text)
        assert state.can_resume == bool(left)
    state.clear()
    state.restore(tmp_path / "scores")
    state.add([files])
    state.cancel()
    assert progress_text(state) == "12 scored, 1 not readable"


def test_no_number_is_said_where_files_were_asked_for_twice(state: ScoreState, files: Path) -> None:
    state.add([files, files / "03.png"])
    state._on_answer(ScoreRows((), done=5, total=14, counted=True))
    state.cancel()
    assert progress_text(state) == "0 scored, cancelled before the end"


def test_a_table_that_cannot_be_read_is_left_out(state: ScoreState, tmp_path: Path) -> None:
    state.restore(tmp_path / "missing")
    path = tmp_path / "window.scores"
    path.write_bytes(b"\x93no table")
    state.restore(path)
    assert state.rows.rowCount() == 0
    assert state.model is None
    state.store(path)
    assert not path.exists()


def test_another_model_makes_the_table_stale_until_it_is_scored_again(
    state: ScoreState, shared_engine: Engine, files: Path, small_model: Path, other_model: Path, qtbot: Bot
) -> None:
    state.add([files / "03.png"])
    qtbot.waitUntil(lambda: not state.busy)
    before, first = state.rows.file(0).bits_per_dim, state.model
    shared_engine.open_model(str(other_model))
    qtbot.waitUntil(lambda: state.stale)
    assert state.model is first
    state.score_again()
    assert not state.stale
    qtbot.waitUntil(lambda: not state.busy and state.rows.rowCount() == 1)
    assert state.rows.file(0).bits_per_dim != before
    shared_engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: state.stale)
    state.add([files / "04.png"])
    qtbot.waitUntil(lambda: not state.busy and state.rows.rowCount() == 2)
    assert state.rows.file(state.rows.row_of(str(files / "03.png"))).bits_per_dim == pytest.approx(before)


def test_exact_pixels_can_be_asked_for_again(state: ScoreState, files: Path, qtbot: Bot) -> None:
    state.add([files / "03.png"])
    qtbot.waitUntil(lambda: not state.busy)
    with qtbot.waitSignal(state.preview_arrived) as arrived:
        state.ask_preview(str(files / "03.png"))
    assert arrived.args == [str(files / "03.png"), state.rows.file(0).pixels]


@pytest.mark.slow
@pytest.mark.timeout(600)  # four engines start
def test_a_killed_engine_goes_on_with_the_scores_once_and_then_asks(files: Path, small_model: Path, qtbot: Bot) -> None:
    engine = start_engine(qtbot, small_model)
    state = ScoreState(engine)
    asked: list[bool] = []
    state.interrupted.connect(lambda: asked.append(True))

    def kill() -> None:
        os.kill(engine.explorer.pid, signal.SIGSTOP)  # so that it cannot be faster than the test
        state.add([files])
        os.kill(engine.explorer.pid, signal.SIGKILL)

    kill()
    qtbot.waitUntil(lambda: not state.busy and not state.waiting_for_model and state.rows.rowCount() == 13)
    assert not asked
    state.clear()
    killed: list[int] = []

    def kill_again() -> None:
        if state.busy and engine.explorer.pid != first and not killed:
            killed.append(engine.explorer.pid)
            os.kill(killed[0], signal.SIGKILL)

    first = engine.explorer.pid
    state.progressed.connect(kill_again)  # comes in the moment the question is asked, before any answer
    kill()
    qtbot.waitUntil(lambda: bool(asked))
    assert state.can_resume
    qtbot.waitUntil(lambda: engine.explorer.state == "ready" and not engine.opening)
    state.resume()
    qtbot.waitUntil(lambda: not state.busy and state.rows.rowCount() == 13)
    stop_engine(qtbot, engine)


def test_verdicts_need_a_reference_which_can_be_made_of_a_folder(
    state: ScoreState, files: Path, small_model: Path, qtbot: Bot, tmp_path: Path
) -> None:
    good = tmp_path / "good"
    good.mkdir()
    for number, pixels in enumerate(random_images(90, seed=5)):
        Image.fromarray(pixels[:, :, 0]).save(good / f"{number}.png")
    state.add([files])
    qtbot.waitUntil(lambda: not state.busy)
    assert state.references.problem
    assert {row.verdict for row in state.rows.files()} == {""}
    state.references.make([good], "good parts")
    assert state.references.making is not None
    qtbot.waitUntil(lambda: state.references.settled)
    assert state.references.names == ("good parts",)
    assert state.stale
    state.score_again()
    qtbot.waitUntil(lambda: not state.busy)
    assert not state.stale
    assert state.reference == state.references.current
    assert all(row.verdict for row in state.rows.files() if not row.error)
    evidence = EvidenceState(state, state)
    file = next(row for row in state.rows.files() if not row.error)
    with qtbot.waitSignal(evidence.changed):
        assert evidence.map_of(file.path, "total") is None
    total = evidence.map_of(file.path, "total")
    assert total is not None
    assert file.bits_per_dim is not None
    assert abs(total.values.sum() / total.values.size - file.bits_per_dim) < 1e-3
    assert evidence.map_of(file.path, "gradient") is not None
    shutil.rmtree(small_model.with_suffix(".references"))
