"""Pictures that do not belong to the open model, or are larger than its images: they are refused, or it is said."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt

from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.state.other_model import changes_with_model, fits_model, other_pictures
from nvp_studio.views.notify import Notification, channel
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


@pytest.fixture
def told(page: ExplorePage) -> list[str]:
    texts: list[str] = []

    def add(notification: Notification) -> None:
        texts.append(notification.text)

    channel.sent.connect(add)
    page.destroyed.connect(lambda: channel.sent.disconnect(add))
    return texts


def open_other(page: ExplorePage, qtbot: Bot, model: Path) -> None:
    page.context.engine.open_model(str(model))
    qtbot.waitUntil(lambda: not page.context.engine.opening and settled(page))


@pytest.mark.parametrize("key", [Qt.Key.Key_B, Qt.Key.Key_A, Qt.Key.Key_1])
def test_a_larger_picture_is_refused_as_an_end(page: ExplorePage, qtbot: Bot, told: list[str], key: Qt.Key) -> None:
    page.larger.state.set_active(True)
    qtbot.waitUntil(lambda: settled(page))
    qtbot.keyClick(page, key)
    assert told[-1].startswith("The picture on screen is larger than the model's images: Alt+G brings it back")
    assert not any(page.blend.ends + page.corners.ends)
    qtbot.keyClick(page, Qt.Key.Key_G, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: settled(page))
    qtbot.keyClick(page, key)
    assert any(page.blend.ends + page.corners.ends)


def test_a_larger_picture_is_no_keyframe_and_in_no_group(page: ExplorePage, qtbot: Bot, told: list[str]) -> None:
    page.larger.state.set_active(True)
    qtbot.waitUntil(lambda: settled(page))
    page.tray.keep()
    page.animation.state.add_picture()
    assert told[-1].startswith("The picture on screen is larger")
    told.clear()
    page.directions.own.state.add_picture(0)
    assert told[-1].startswith("The picture on screen is larger")
    assert page.animation.state.animation.keyframes == ()
    assert page.directions.own.state.groups == ((), ())
    page.larger.state.set_active(False)
    qtbot.waitUntil(lambda: settled(page))
    page.tray.keep()
    page.animation.state.take_tray()
    assert told[-1] == "Left out: 1 picture of the tray that is not of this model's size."
    assert len(page.animation.state.animation.keyframes) == 1


def test_keyframes_of_another_model_are_told(page: ExplorePage, qtbot: Bot, told: list[str], other_model: Path) -> None:
    page.tray.keep()
    page.state.new_sample(7)
    qtbot.waitUntil(lambda: settled(page))
    page.tray.keep()
    page.animation.state.take_tray()
    assert page.animation.state.others == ""
    open_other(page, qtbot, other_model)
    text = "2 of 2 keyframes were made with other weights: with this model they are other pictures."
    assert page.animation.panel.status.text() == text
    page.animation.state.delete(0)
    page.animation.state.take_tray()
    assert told[-1] == text


def test_a_scale_is_taken_from_a_picture_of_another_model_by_its_pixels(
    page: ExplorePage, qtbot: Bot, other_model: Path
) -> None:
    page.tray.keep()
    assert page.tray.parts(9)[0][1] == Seed(0)
    assert page.state.picture is not None
    pixels = page.state.picture.image.pixels
    open_other(page, qtbot, other_model)
    base = page.tray.parts(9)[0][1]
    assert isinstance(base, Image)
    assert base.pixels == pixels


def test_seeds_that_stay_corners_of_another_model_are_told(
    page: ExplorePage, qtbot: Bot, told: list[str], other_model: Path, small_model: Path
) -> None:
    page.corners.take_seed(0, 4)
    qtbot.keyClick(page, Qt.Key.Key_2)
    assert isinstance(page.corners.ends[1], Image)
    open_other(page, qtbot, other_model)
    assert told == ["With this model these samples are other pictures than before: corner 1."]
    page.context.engine.open_model(str(other_model))
    qtbot.waitUntil(lambda: not page.context.engine.opening and settled(page))
    assert len(told) == 1, "the same model again"
    open_other(page, qtbot, small_model)
    assert len(told) == 1, "the pictures are those that were chosen"


def test_which_recipes_change_with_the_model(page: ExplorePage) -> None:
    model = page.state.model
    assert model is not None
    image = Image((8, 8, 1), bytes(64))
    kept = Recipe(checkpoint="another", base=replace(image, temperatures=(0.5, 0.7)), temperatures=(0.5, 0.7))
    plain = Recipe(checkpoint="another", base=image)
    moved = replace(plain, offsets=((0, 1.0),))
    seed = Recipe(checkpoint="another", base=Seed(1))
    assert [changes_with_model(one) for one in (kept, plain, moved, seed)] == [False, False, True, True]
    assert other_pictures((kept, plain, moved, seed, replace(seed, checkpoint=model.digest)), model) == 2
    assert fits_model(kept, model)
    assert not fits_model(replace(kept, temperatures=(0.5,)), model)
    assert not fits_model(replace(plain, base=replace(image, temperatures=(0.5,))), model)
    assert not fits_model(replace(plain, base=Image((4, 4, 1), bytes(16))), model)
    assert not fits_model(replace(seed, scales=((2, Seed(3)),)), model)
