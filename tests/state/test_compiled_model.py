"""What the window does once the worker has compiled the open model: pictures and scores are those of the compiled one.

A picture that was decoded before is stood for by one that differs by a grey level, as not every processor makes one.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from nvp_studio.explore.model import open_model
from nvp_studio.explore.rendering import Rendering, render
from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Recipe, Seed
from nvp_studio.state.compare import Side
from nvp_studio.state.engine import Engine
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.inspect import InspectState
from nvp_studio.state.original import OriginalState
from tests.qt import Bot, delete_now, is_asking


def changed(images: ImageBatch) -> ImageBatch:
    """The same images with another grey level at the first pixel."""
    array = images.array().copy()
    array[:, 0, 0] ^= 1
    return ImageBatch.of(array)


def by_command_line(path: Path, recipe: Recipe) -> Rendering:
    """What `nvp-studio render` and the copied Python code make of a recipe."""
    model = open_model(path)
    model.flow.compile()
    return render(model, [recipe])


@pytest.fixture
def state(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> Iterator[ExploreState]:
    """Of a model that is compiled."""
    state = ExploreState(shared_engine)
    shared_engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: not shared_engine.opening and state.bits_per_dim is not None)
    with qtbot.waitSignal(state.saved):
        state.save_picture(tmp_path / "waits.png", 1)  # which waits until it is
    qtbot.waitUntil(lambda: state.samples.sheet is not None and not is_asking(shared_engine.explorer))
    yield state
    state.deleteLater()
    delete_now()


def make_old(state: ExploreState) -> ImageBatch:
    """Have a picture and samples shown that differ by a grey level; returns the picture that is right."""
    assert state.picture is not None
    assert state.samples.sheet is not None
    right = state.picture.image
    state.picture = replace(state.picture, image=changed(right))
    state.bits_per_dim = 9.0
    state.samples.sheet = replace(state.samples.sheet, images=changed(state.samples.sheet.images))
    return right


@pytest.mark.slow
def test_a_new_worker_tells_that_it_has_compiled_and_everything_agrees_then(
    engine: Engine, qtbot: Bot, small_model: Path
) -> None:
    state = ExploreState(engine)
    with qtbot.waitSignal(engine.model_compiled):
        engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: state.bits_per_dim is not None and not is_asking(engine.explorer))
    expected = by_command_line(small_model, state.recipe)
    assert state.picture is not None
    assert state.picture.image == ImageBatch.of(expected.images)
    assert state.bits_per_dim == expected.bits_per_dim[0]
    assert state.samples.sheet is not None
    assert state.samples.sheet.images.one(0) == ImageBatch.of(
        by_command_line(small_model, state.samples.sheet.recipes[0]).images
    )
    assert state.undo.count() == 0


def test_the_picture_is_shown_again_together_with_its_score(state: ExploreState, qtbot: Bot, small_model: Path) -> None:
    right, before = make_old(state), state.recipe
    told: list[object] = []
    state.picture_changed.connect(lambda picture: told.append(picture.image))
    state.scored.connect(told.append)
    state.samples.outdated.connect(lambda: told.append("samples are dimmed"))
    with qtbot.waitSignal(state.samples.changed):
        state.engine.model_compiled.emit()
    qtbot.waitUntil(lambda: not is_asking(state.engine.explorer) and len(told) >= 2)
    score = by_command_line(small_model, state.recipe).bits_per_dim[0]
    assert told == [right, score]
    assert state.recipe == before
    assert state.undo.count() == 0


def test_a_picture_that_is_the_same_is_not_shown_again(state: ExploreState, qtbot: Bot) -> None:
    shown: list[object] = []
    state.picture_changed.connect(shown.append)
    with qtbot.waitSignal(state.scored):
        state.engine.model_compiled.emit()
    assert shown == []


def test_a_held_slider_is_not_disturbed(state: ExploreState, qtbot: Bot) -> None:
    right = make_old(state)
    shown: list[object] = []
    state.begin_gesture()
    state.picture_changed.connect(lambda picture: shown.append(picture.image))
    with qtbot.waitSignal(state.samples.changed):
        state.engine.model_compiled.emit()
    qtbot.waitUntil(lambda: not is_asking(state.engine.explorer))
    assert shown == []
    with qtbot.waitSignal(state.scored):
        state.end_gesture("")
    assert shown == [right]


def test_a_newer_picture_is_not_replaced_by_the_one_before(state: ExploreState, qtbot: Bot) -> None:
    make_old(state)
    state.engine.model_compiled.emit()
    state.new_sample(11)
    qtbot.waitUntil(lambda: not is_asking(state.engine.explorer) and state.picture_recipe == state.recipe)
    qtbot.waitUntil(lambda: state.bits_per_dim is not None)
    assert state.recipe.base == Seed(11)


def test_pictures_beside_it_are_decoded_again(state: ExploreState, qtbot: Bot) -> None:
    original, side = OriginalState(state), Side(state, "a")
    inspect = InspectState(state.engine, state)
    original.want(True)
    side.show(state.recipe, "")
    inspect.show_sample(3)
    qtbot.waitUntil(lambda: original.image is not None and inspect.inspection is not None)
    assert side.image is not None
    assert original.image is not None
    assert inspect.inspection is not None
    right = side.image, original.image, inspect.inspection
    side.image, original.image = changed(side.image), changed(original.image)
    inspect.first.inspection = replace(inspect.inspection, values=changed(inspect.inspection.values))
    state.engine.model_compiled.emit()
    qtbot.waitUntil(lambda: (side.image, original.image, inspect.inspection) == right)


def test_a_saved_picture_is_the_one_that_its_recipe_gives(
    state: ExploreState, qtbot: Bot, small_model: Path, tmp_path: Path
) -> None:
    from PIL import Image

    with qtbot.waitSignal(state.saved):
        state.save_picture(tmp_path / "a.png", 1)
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert np.array_equal(pixels, by_command_line(small_model, state.recipe).images[0, :, :, 0])
