"""Looking at a folder or file by a real engine."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.state.engine import Engine
from nvp_studio.state.survey import USUAL_SIDE, DataSurveyor
from tests.qt import Bot, is_asking, stop_engine
from tests.small_model import random_images


def paint(folder: Path, count: int, size: tuple[int, int] = (8, 8)) -> Path:
    folder.mkdir(exist_ok=True)
    for number, pixels in enumerate(random_images(count, seed=3)):
        Image.fromarray(pixels[:, :, 0]).resize(size).save(folder / f"{size[0]}-{number:02d}.png")
    return folder


@pytest.fixture
def surveyor(shared_engine: Engine, qtbot: Bot) -> Iterator[DataSurveyor]:
    surveyor = DataSurveyor(shared_engine)
    yield surveyor
    surveyor.survey("")
    qtbot.waitUntil(lambda: not is_asking(shared_engine.explorer))
    surveyor.deleteLater()


def test_counts_the_images_of_a_folder(surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path) -> None:
    surveyor.survey(str(paint(tmp_path / "a", 20)))
    assert surveyor.running
    qtbot.waitUntil(lambda: not surveyor.running)
    assert surveyor.result is not None
    assert surveyor.result.images == 20
    assert 10 < surveyor.result.train < 20
    assert surveyor.suggested_side() is None


@pytest.mark.parametrize("sizes", [((8, 8), (9, 8)), ((80, 8),)])
def test_a_side_is_suggested_for_large_images_and_different_ones(
    surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path, sizes: tuple[tuple[int, int], ...]
) -> None:
    for size in sizes:
        paint(tmp_path / "a", 3, size)
    surveyor.survey(str(tmp_path / "a"))
    qtbot.waitUntil(lambda: not surveyor.running)
    assert surveyor.suggested_side() == USUAL_SIDE


def test_a_name_that_is_no_path_is_not_surveyed(surveyor: DataSurveyor, tmp_path: Path) -> None:
    for data in ("fashion-mnist", "", str(tmp_path / "gone")):
        surveyor.survey(data)
        assert not surveyor.running


def test_a_data_file_is_read(surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=random_images(20, seed=3))
    surveyor.survey(str(tmp_path / "set.npz"))
    qtbot.waitUntil(lambda: not surveyor.running)
    assert surveyor.result is not None
    assert surveyor.result.images == 20
    assert surveyor.result.largest == (8, 8)


def test_a_file_without_data_has_a_problem(surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"no archive")
    surveyor.survey(str(tmp_path / "set.npz"))
    qtbot.waitUntil(lambda: not surveyor.running)
    assert "set.npz cannot be read" in surveyor.error


def test_a_remote_path_is_not_surveyed_here(far_engine: Engine, tmp_path: Path) -> None:
    surveyor = DataSurveyor(far_engine)
    far_engine.run_on("gpu-box")
    surveyor.survey(str(tmp_path))
    assert not surveyor.running
    far_engine.run_on("")
    surveyor.survey(str(tmp_path))
    assert surveyor.running


def test_only_the_last_folder_is_reported(surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path) -> None:
    first, second = paint(tmp_path / "a", 20), paint(tmp_path / "b", 3)
    told: list[tuple[str, int]] = []
    surveyor.changed.connect(lambda: told.append((surveyor.data, surveyor.result.images if surveyor.result else -1)))
    surveyor.survey(str(first))
    surveyor.survey(str(second))
    surveyor.survey(str(first))
    surveyor.survey(str(second))
    qtbot.waitUntil(lambda: not surveyor.running)
    assert (str(second), 3) in told
    assert (str(second), 20) not in told
    surveyor.survey(str(first))
    surveyor.survey("fashion-mnist")
    qtbot.waitUntil(lambda: not is_asking(surveyor._engine.explorer))
    assert (surveyor.data, surveyor.result) == ("", None)


def test_a_folder_is_counted_again_when_it_is_chosen_again(surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path) -> None:
    folder = paint(tmp_path / "a", 3)
    surveyor.survey(str(folder))
    qtbot.waitUntil(lambda: not surveyor.running)
    paint(folder, 4, (9, 9))
    surveyor.survey(str(folder))
    assert surveyor.result is not None
    surveyor.survey(str(folder), again=True)
    qtbot.waitUntil(lambda: surveyor.result is not None)
    assert surveyor.result.images == 7


@pytest.mark.slow
def test_the_survey_waits_for_the_engine(qapp: object, qtbot: Bot, tmp_path: Path, small_model: Path) -> None:
    engine = Engine()
    surveyor = DataSurveyor(engine)
    surveyor.survey(str(paint(tmp_path / "a", 3)))
    engine.start(str(small_model))
    qtbot.waitUntil(lambda: surveyor.result is not None)
    stop_engine(qtbot, engine)
