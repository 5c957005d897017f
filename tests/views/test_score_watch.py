"""Watching a folder in the window, on a real engine."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data.watching import PATIENCE
from nvp_studio.state import score_watch
from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.score.page import ScorePage
from tests.qt import Bot
from tests.score_page import open_score, score_page
from tests.small_model import random_images


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScorePage:
    monkeypatch.setattr(score_watch, "LOOK_MILLISECONDS", 20)
    return score_page(open_score(qtbot, shared_engine, tmp_path))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[int], Path]:
    """Writes an image of that number into the folder, and returns its path."""
    images = random_images(10, seed=3)
    (tmp_path / "incoming").mkdir()

    def write_image(number: int, name: str = "") -> Path:
        path = tmp_path / "incoming" / (name or f"{number}.png")
        Image.fromarray(images[number, :, :, 0]).save(path)
        return path

    return write_image


def names(page: ScorePage) -> list[str]:
    return [Path(row.path).name for row in page.state.rows.all_files()]


def test_files_are_scored_as_they_arrive_until_the_watching_stops(
    page: ScorePage, write: Callable[..., Path], tmp_path: Path, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = page.context.registry
    first = write(0)
    page.state.add([first])
    qtbot.waitUntil(lambda: page.state.rows.total == 1 and not page.state.busy)
    assert not registry["score.stop-watching"].isVisible()
    monkeypatch.setattr(page.context, "ask_folder", lambda name, title: tmp_path / "incoming")
    registry["score.watch"].trigger()
    assert registry["score.stop-watching"].isVisible()
    write(1)
    qtbot.waitUntil(lambda: names(page) == ["0.png", "1.png"])
    qtbot.waitUntil(lambda: page.pace_label.text() == "Watching incoming: 1 came")
    write(2)
    qtbot.waitUntil(lambda: page.pace_label.text() == "Watching incoming: 2 came")
    registry["score.stop-watching"].trigger()
    assert page.pace_label.text() == ""
    assert not registry["score.stop-watching"].isVisible()
    write(3)
    qtbot.wait(200)
    assert names(page) == ["0.png", "1.png", "2.png"]


def test_a_half_written_file_waits_and_a_changed_one_is_scored_again(
    page: ScorePage, write: Callable[..., Path], tmp_path: Path, qtbot: Bot
) -> None:
    folder = tmp_path / "incoming"
    whole = write(1).read_bytes()
    (folder / "1.png").unlink()
    half = folder / "half.png"
    half.write_bytes(whole[:30])
    page.state.watch([folder])
    reads = []
    page.state.watching.arrived.connect(reads.append)
    qtbot.waitUntil(lambda: len(reads) >= 2)
    assert page.state.rows.total == 0, "it may be half-written"
    assert page.table.placeholder == "Images that arrive in the folder appear here."
    qtbot.waitUntil(lambda: page.pace_label.text() == "Watching incoming: 0 came, 1 not readable yet")
    half.write_bytes(whole)
    qtbot.waitUntil(lambda: page.state.rows.total == 1 and not page.state.busy)
    before = page.state.rows.file(0)
    assert before.bits_per_dim is not None
    write(5, "half.png")
    qtbot.waitUntil(lambda: page.state.rows.file(0).bits_per_dim != before.bits_per_dim)
    now = page.state.rows.file(0)
    assert now.pixels is not None
    assert np.array_equal(now.pixels.array()[0], random_images(10, seed=3)[5]), "the picture is the new one too"
    (folder / "never.png").write_bytes(b"no image")
    qtbot.waitUntil(lambda: page.state.rows.total == 2, timeout=20_000)
    assert page.state.rows.failed == 1
    tries = sum(any("never" in path for path in paths) for paths in reads)
    assert 1 < tries <= PATIENCE + 1
    write(6)
    qtbot.waitUntil(lambda: page.state.rows.total == 3)
    assert sum(any("never" in path for path in paths) for paths in reads) == tries, "it is left alone now"


def test_a_folder_that_vanishes_is_waited_for(
    page: ScorePage, write: Callable[..., Path], tmp_path: Path, qtbot: Bot
) -> None:
    folder = tmp_path / "incoming"
    write(0)
    page.state.watch([folder])
    qtbot.waitUntil(lambda: page.state.rows.total == 1 and not page.state.busy)
    shutil.rmtree(folder)
    qtbot.waitUntil(lambda: page.pace_label.text() == "incoming is missing; waiting for it")
    folder.mkdir()
    write(1)
    qtbot.waitUntil(lambda: page.state.rows.total == 2 and not page.state.busy)
    qtbot.waitUntil(lambda: page.pace_label.text() == "Watching incoming: 2 came")


def test_everything_fits_into_the_smallest_window_while_watched_files_are_scored(
    page: ScorePage, write: Callable[..., Path], tmp_path: Path, qtbot: Bot
) -> None:
    write(0)
    page.window().resize(page.window().minimumSize())
    page.state.watch([tmp_path / "incoming"])
    qtbot.waitUntil(lambda: page.state.busy)
    page.progress_label.setText("Scoring 1,234 of 2,048")
    page.pace_label.setText("1,234 images/s, 12 min 05 s left")
    qtbot.waitUntil(lambda: page.window().width() == page.window().minimumWidth())
    toolbar = page.progress_label.parentWidget()
    assert toolbar is not None
    assert toolbar.sizeHint().width() <= page.width()
    assert page.window().minimumSizeHint().width() <= page.window().minimumWidth()


def test_an_empty_folder_can_be_watched_and_cancelling_ends_it(
    page: ScorePage, write: Callable[..., Path], tmp_path: Path, qtbot: Bot
) -> None:
    page.state.watch([tmp_path / "incoming"])
    assert page.table.isVisible()
    assert page.pace_label.text() == "Watching incoming: 0 came"
    page.state.cancel()
    assert not page.state.watching.folders
    assert page.empty_label.isVisible()


def test_another_model_scores_what_came_again_and_goes_on_watching(
    page: ScorePage, write: Callable[..., Path], tmp_path: Path, small_model: Path, other_model: Path, qtbot: Bot
) -> None:
    write(0)
    page.state.watch([tmp_path / "incoming"])
    qtbot.waitUntil(lambda: page.state.rows.total == 1 and not page.state.busy)
    before = page.state.rows.file(0).bits_per_dim
    page.context.engine.open_model(str(other_model))
    qtbot.waitUntil(page.stale.isVisible)
    write(1)
    qtbot.waitUntil(lambda: page.state.rows.total == 2 and not page.state.busy)
    assert not page.stale.isVisible()
    assert page.state.rows.file(page.state.rows.row_of(str(tmp_path / "incoming" / "0.png"))).bits_per_dim != before
    assert page.state.watching.folders == (tmp_path / "incoming",)
    page.context.engine.open_model(str(small_model))
    qtbot.waitUntil(page.stale.isVisible)


def test_watching_goes_on_after_a_restart_of_the_program(
    page: ScorePage, write: Callable[..., Path], shared_engine: Engine, tmp_path: Path, qtbot: Bot
) -> None:
    write(0)
    page.state.watch([tmp_path / "incoming"])
    qtbot.waitUntil(lambda: page.state.rows.total == 1 and not page.state.busy)
    page.window().close()  # which keeps the table and the settings
    write(1)
    again = score_page(open_score(qtbot, shared_engine, tmp_path))
    assert again.state.watching.folders == (tmp_path / "incoming",)
    qtbot.waitUntil(lambda: names(again) == ["0.png", "1.png"])
    qtbot.waitUntil(lambda: again.pace_label.text() == "Watching incoming: 1 came")
    again.context.registry["score.stop-watching"].trigger()
    again.save_state()
    assert again.context.settings.values.score_watched == []
