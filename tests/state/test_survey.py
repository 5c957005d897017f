"""Looking at a folder or file by a real engine."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.state.engine import Engine
from nvp_studio.state.survey import USUAL_SIDE, DataSurveyor
from tests.qt import Bot, stop_engine
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
    surveyor.look_at("")
    qtbot.waitUntil(lambda: not shared_engine.explorer.asking)
    surveyor.deleteLater()


def test_counts_the_images_of_a_folder(surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path) -> None:
    surveyor.look_at(str(paint(tmp_path / "a", 20)))
    assert surveyor.looking
    qtbot.waitUntil(lambda: not surveyor.looking)
    assert surveyor.found is not None
    assert surveyor.found.images == 20
    assert surveyor.train_images == surveyor.found.train
    assert 10 < surveyor.found.train < 20
    assert surveyor.suggested_side() is None


@pytest.mark.parametrize("sizes", [((8, 8), (9, 8)), ((80, 8),)])
def test_a_side_is_suggested_for_large_images_and_different_ones(
    surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path, sizes: tuple[tuple[int, int], ...]
) -> None:
    for size in sizes:
        paint(tmp_path / "a", 3, size)
    surveyor.look_at(str(tmp_path / "a"))
    qtbot.waitUntil(lambda: not surveyor.looking)
    assert surveyor.suggested_side() == USUAL_SIDE


def test_what_is_no_path_is_not_asked_about(surveyor: DataSurveyor, tmp_path: Path) -> None:
    for data in ("fashion-mnist", "", str(tmp_path / "gone")):
        surveyor.look_at(data)
        assert not surveyor.looking


def test_a_data_file_is_read(surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=random_images(20, seed=3))
    surveyor.look_at(str(tmp_path / "set.npz"))
    qtbot.waitUntil(lambda: not surveyor.looking)
    assert surveyor.found is not None
    assert surveyor.found.images == 20
    assert surveyor.found.largest == (8, 8)


def test_a_file_that_is_no_data_has_a_problem(surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"no archive")
    surveyor.look_at(str(tmp_path / "set.npz"))
    qtbot.waitUntil(lambda: not surveyor.looking)
    assert "set.npz cannot be read" in surveyor.problem


def test_a_path_of_another_machine_is_not_looked_for_here(far_engine: Engine, tmp_path: Path) -> None:
    surveyor = DataSurveyor(far_engine)
    far_engine.run_on("gpu-box")
    surveyor.look_at(str(tmp_path))
    assert not surveyor.looking
    far_engine.run_on("")
    surveyor.look_at(str(tmp_path))
    assert surveyor.looking


def test_only_the_last_folder_is_told_of(surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path) -> None:
    first, second = paint(tmp_path / "a", 20), paint(tmp_path / "b", 3)
    told: list[tuple[str, int]] = []
    surveyor.changed.connect(lambda: told.append((surveyor.data, surveyor.found.images if surveyor.found else -1)))
    surveyor.look_at(str(first))
    surveyor.look_at(str(second))
    surveyor.look_at(str(first))
    surveyor.look_at(str(second))
    qtbot.waitUntil(lambda: not surveyor.looking)
    assert (str(second), 3) in told
    assert (str(second), 20) not in told
    surveyor.look_at(str(first))
    surveyor.look_at("fashion-mnist")
    qtbot.waitUntil(lambda: not surveyor._engine.explorer.asking)
    assert (surveyor.data, surveyor.found) == ("", None)


def test_a_folder_is_counted_again_when_it_is_chosen_again(surveyor: DataSurveyor, qtbot: Bot, tmp_path: Path) -> None:
    folder = paint(tmp_path / "a", 3)
    surveyor.look_at(str(folder))
    qtbot.waitUntil(lambda: not surveyor.looking)
    paint(folder, 4, (9, 9))
    surveyor.look_at(str(folder))
    assert surveyor.found is not None
    surveyor.look_at(str(folder), again=True)
    qtbot.waitUntil(lambda: surveyor.found is not None)
    assert surveyor.found.images == 7


@pytest.mark.slow
def test_is_asked_once_the_engine_is_there(qapp: object, qtbot: Bot, tmp_path: Path, small_model: Path) -> None:
    engine = Engine()
    surveyor = DataSurveyor(engine)
    surveyor.look_at(str(paint(tmp_path / "a", 3)))
    engine.start(str(small_model))
    qtbot.waitUntil(lambda: surveyor.found is not None)
    stop_engine(qtbot, engine)
