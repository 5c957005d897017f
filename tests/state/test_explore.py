"""Explore's state: recipes, undo, coordinates, files, restarts; against a real engine."""

import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from msgspec.structs import replace

from nvp_studio.explore.model import open_model
from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.state import value_edit
from nvp_studio.state.edited_recipe import with_mean
from nvp_studio.state.engine import Engine
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.sample_strip import SHEET_IMAGES
from tests.qt import WAIT_SECONDS, Bot, delete_now, is_asking
from tests.small_model import random_images


def settled(state: ExploreState) -> bool:
    """Whether the picture shown is the one requested last, with its score, and no request is pending."""
    return (
        state.recipe is not None
        and state.picture_recipe == state.recipe
        and state.bits_per_dim is not None
        and state.samples.sheet is not None
        and not is_asking(state.engine.explorer)
    )


@pytest.fixture
def state(shared_engine: Engine, qtbot: Bot, small_model: Path) -> Iterator[ExploreState]:
    yield from explored(shared_engine, qtbot, small_model)


@pytest.fixture
def fragile_state(engine: Engine, qtbot: Bot, small_model: Path) -> Iterator[ExploreState]:
    """On an engine of its own, to be killed."""
    yield from explored(engine, qtbot, small_model)


def explored(engine: Engine, qtbot: Bot, model: Path) -> Iterator[ExploreState]:
    state = ExploreState(engine)
    engine.open_model(str(model))
    qtbot.waitUntil(lambda: not engine.opening and settled(state))
    yield state
    state.deleteLater()
    delete_now()


def test_the_first_picture_is_a_sample_with_its_score_and_place(state: ExploreState) -> None:
    assert state.recipe is not None
    assert state.recipe.base == Seed(0)
    assert state.picture is not None
    assert state.picture.image.shape == (1, 8, 8, 1)
    assert state.origin == state.picture.base_coordinates
    assert len(state.origin) == 12
    assert state.samples.sheet is not None
    assert state.samples.sheet.images.shape[0] == SHEET_IMAGES


def test_a_direction_goes_where_it_is_set_and_the_others_stay(state: ExploreState, qtbot: Bot) -> None:
    before = state.origin
    state.set_coordinate(3, 2.5)
    assert state.coordinates[3] == pytest.approx(2.5)
    qtbot.waitUntil(lambda: settled(state))
    assert state.origin == pytest.approx(before, abs=1e-3)
    others = [index for index in range(12) if index != 3]
    assert state.coordinates[3] == pytest.approx(2.5, abs=1e-3)
    assert [state.coordinates[i] for i in others] == pytest.approx([before[i] for i in others], abs=1e-3)

    state.reset_direction(3)
    assert state.recipe is not None
    assert state.recipe.offsets == ()


def test_a_gesture_is_one_entry_and_undo_brings_the_picture_back(state: ExploreState, qtbot: Bot) -> None:
    first, first_picture, first_score = state.recipe, state.picture, state.bits_per_dim
    state.begin_gesture()
    for step in range(30):
        state.set_coordinate(0, step / 10)
    state.end_gesture("direction 1")
    last = state.recipe
    assert state.undo.count() == 1
    qtbot.waitUntil(lambda: settled(state))
    assert state.picture is not None
    assert first_picture is not None
    assert state.picture.image != first_picture.image

    state.undo.undo()
    assert state.recipe == first
    qtbot.waitUntil(lambda: settled(state))
    assert state.picture.image == first_picture.image
    assert state.bits_per_dim == first_score
    state.undo.redo()
    assert state.recipe == last


def test_a_score_belongs_to_the_picture_shown(state: ExploreState, qtbot: Bot) -> None:
    scores: dict[bytes, float] = {}

    def on_scored(score: float) -> None:
        assert state.picture is not None
        assert state.bits_per_dim == score
        scores[state.picture.image.pixels] = score

    state.scored.connect(on_scored)
    state.picture_changed.connect(lambda _: scores.update(pending=state.bits_per_dim))
    for step in range(20):
        state.set_coordinate(0, step / 10)
        qtbot.waitUntil(lambda: state.picture_recipe == state.recipe)
    qtbot.waitUntil(lambda: settled(state))
    assert scores.pop("pending") is None
    model = open_model(state.model.path)
    for pixels, score in scores.items():
        image = np.frombuffer(pixels, np.uint8).reshape(1, 8, 8, 1).copy()
        assert score == pytest.approx(float(model.flow.bits_per_dim(image)[0]), abs=1e-6)


def test_a_recipe_that_cannot_be_drawn_leaves_a_scored_picture(state: ExploreState, qtbot: Bot) -> None:
    state.new_sample(6)
    drawable = state.recipe
    with qtbot.waitSignal(state.failed):
        state.show(replace(drawable, offsets=((0, 1e200),)), "too far")
    qtbot.waitUntil(lambda: state.picture_recipe == drawable and state.bits_per_dim is not None)


def test_a_gesture_that_ends_where_it_began_leaves_no_entry(state: ExploreState) -> None:
    state.begin_gesture()
    state.set_coordinate(0, 1.0)
    state.set_coordinate(0, state.origin[0])
    state.end_gesture("direction 1")
    assert state.undo.count() == 0


def test_quick_steps_of_one_slider_are_one_entry_and_of_two_sliders_two(
    state: ExploreState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_edit, "MERGE_SECONDS", WAIT_SECONDS)  # one entry, however slow the machine
    for value in (0.5, 0.6, 0.7):
        state.set_coordinate(1, value)
    for value in (0.5, 0.6):
        state.set_coordinate(2, value)
    assert state.undo.count() == 2
    state.undo.undo()
    assert dict(state.recipe.offsets).keys() == {1}
    monkeypatch.setattr(value_edit, "MERGE_SECONDS", -1.0)
    state.set_coordinate(1, 0.8)
    assert state.undo.count() == 2, "a later step is an entry of its own"


def test_undoing_everything_restores_the_first_picture(state: ExploreState, qtbot: Bot) -> None:
    first = state.recipe
    state.new_sample(5)
    qtbot.waitUntil(lambda: settled(state))
    state.set_coordinate(0, 1.0)
    state.set_temperature(0.5)
    qtbot.waitUntil(lambda: settled(state))
    state.set_temperature(0.7, scale=1)
    state.randomize()
    state.reset()
    while state.undo.canUndo():
        state.undo.undo()
    assert state.recipe == first


def test_temperature_moves_the_origin_and_offsets_stay(state: ExploreState, qtbot: Bot) -> None:
    state.set_coordinate(0, 3.0)
    offsets = state.recipe.offsets
    state.set_temperature(0.0)
    qtbot.waitUntil(lambda: settled(state))
    assert state.temperatures == (0.0, 0.0)
    assert state.recipe.offsets == offsets
    state.new_sample(99)
    qtbot.waitUntil(lambda: settled(state))
    cold = state.origin
    state.new_sample(100)
    qtbot.waitUntil(lambda: settled(state))
    assert state.origin == pytest.approx(cold), "at temperature 0 every sample is the same"


def test_per_scale_temperature_changes_that_scale_alone(state: ExploreState) -> None:
    state.set_temperature(0.25, scale=1)
    assert state.temperatures == (0.8, 0.25)
    state.set_temperature(1.0)
    assert state.recipe.temperatures == ()


def test_a_reset_shows_an_image_exactly_and_a_sample_at_its_temperature(
    state: ExploreState, qtbot: Bot, tmp_path: Path
) -> None:
    assert state.temperatures == (0.8, 0.8)
    pixels = random_images(1, seed=3)[0, :, :, 0]
    state.open_image(write_image(tmp_path / "shirt.png", pixels))
    qtbot.waitUntil(lambda: not state.busy and settled(state))
    assert state.temperatures == (1.0, 1.0)
    state.set_temperature(0.3)
    state.set_coordinate(0, 1.0)
    state.reset()
    qtbot.waitUntil(lambda: settled(state))
    assert state.picture is not None
    assert state.picture.image.pixels == pixels.tobytes()
    state.new_sample(1)
    assert state.temperatures == (0.8, 0.8)


def test_a_new_sample_has_the_temperatures_of_the_model(state: ExploreState, qtbot: Bot) -> None:
    assert state.model is not None
    model = replace(state.model, digest="f" * 64, sample_temperatures=(0.1, 0.7))
    state.engine.model = model
    state.engine.model_opened.emit(model)
    assert state.temperatures == (0.1, 0.7)
    state.set_temperature(0.5)
    state.new_sample(3)
    assert state.temperatures == pytest.approx((0.25, 0.75)), "as they were set: half in the mean"
    state.reset_temperature(0)
    assert state.temperatures == pytest.approx((0.1, 0.75))
    state.reset_temperature()
    assert state.temperatures == (0.1, 0.7)
    state.undo.undo()
    assert state.temperatures == pytest.approx((0.1, 0.75))


def test_percentile_counts_the_reference_images_below(state: ExploreState) -> None:
    assert state.model is not None
    assert state.bits_per_dim is not None
    below = sum(value < state.bits_per_dim for value in state.model.reference)
    assert state.percentile() == pytest.approx(100 * below / len(state.model.reference))


def write_image(path: Path, pixels: np.ndarray) -> Path:
    PIL.Image.fromarray(pixels).save(path)
    return path


def test_an_image_file_of_the_models_size_is_shown_exactly(state: ExploreState, qtbot: Bot, tmp_path: Path) -> None:
    pixels = random_images(1, seed=3)[0, :, :, 0]
    state.open_image(write_image(tmp_path / "shirt.png", pixels))
    assert state.busy
    qtbot.waitUntil(lambda: not state.busy and settled(state))
    assert state.recipe is not None
    assert isinstance(state.recipe.base, Image)
    assert state.picture is not None
    assert state.picture.image.pixels == pixels.tobytes()
    assert state.notes[0] == "shirt.png"


@pytest.mark.slow
def test_the_conversion_of_an_image_is_shown_until_another_base(
    state: ExploreState, qtbot: Bot, tmp_path: Path
) -> None:
    large = np.arange(40 * 30, dtype=np.uint16).reshape(30, 40).astype(np.uint8)
    state.open_image(write_image(tmp_path / "large.png", large))
    qtbot.waitUntil(lambda: not state.busy and settled(state))
    assert "40x30" in " ".join(state.notes)
    state.set_coordinate(0, 1.0)
    assert state.notes
    state.new_sample(1)
    assert state.notes == ()


@pytest.mark.slow
def test_a_file_that_is_no_image_fails_in_one_line(state: ExploreState, qtbot: Bot, tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    before = state.recipe
    with qtbot.waitSignal(state.failed) as failed:
        state.open_image(path)
    assert failed.args[0].startswith("broken.png: ")
    assert "\n" not in failed.args[0]
    assert state.recipe == before
    assert not state.busy


@pytest.mark.parametrize("scale", [1, 7])
def test_a_saved_picture_brings_its_recipe_back(state: ExploreState, qtbot: Bot, tmp_path: Path, scale: int) -> None:
    state.new_sample(77)
    qtbot.waitUntil(lambda: settled(state))
    state.set_coordinate(2, -1.5)
    qtbot.waitUntil(lambda: settled(state))
    wanted, picture = state.recipe, state.picture
    with qtbot.waitSignal(state.saved) as saved:
        state.save_picture(tmp_path / "picture.png", scale)
    with PIL.Image.open(saved.args[0]) as image:
        assert image.size == (8 * scale, 8 * scale)

    state.new_sample(3)
    state.open_image(Path(saved.args[0]))
    qtbot.waitUntil(lambda: not state.busy and settled(state))
    assert state.recipe == wanted
    assert state.picture is not None
    assert picture is not None
    assert state.picture.image == picture.image


@pytest.mark.slow
def test_a_crash_brings_back_recipe_undo_and_picture(fragile_state: ExploreState, qtbot: Bot) -> None:
    state = fragile_state
    state.new_sample(4)
    qtbot.waitUntil(lambda: settled(state))
    recipe, picture = state.recipe, state.picture
    pictures: list[object] = []
    state.picture_changed.connect(pictures.append)
    os.kill(state.engine.explorer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: state.engine.explorer.state == "restarting")
    state.set_coordinate(0, 9.0)
    state.undo.undo()
    qtbot.waitUntil(lambda: bool(pictures and settled(state)))
    assert state.recipe == recipe
    assert state.picture is not None
    assert picture is not None
    assert state.picture.image == picture.image
    state.undo.undo()
    assert state.recipe.base == Seed(0)


def test_another_model_keeps_the_seed_and_forgets_directions(
    state: ExploreState, qtbot: Bot, other_model: Path
) -> None:
    state.new_sample(12)
    qtbot.waitUntil(lambda: settled(state))
    state.set_coordinate(11, 1.0)
    state.engine.open_model(str(other_model))
    qtbot.waitUntil(lambda: len(state.origin) == 5 and settled(state))
    assert state.recipe is not None
    assert state.recipe.base == Seed(12)
    assert state.recipe.offsets == ()
    assert state.recipe.checkpoint == state.model.digest
    assert not state.undo.canUndo()


def test_a_remembered_recipe_is_shown_once_its_model_is_open(
    shared_engine: Engine, qtbot: Bot, small_model: Path
) -> None:
    engine = shared_engine
    engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: not engine.opening)
    assert engine.model is not None
    wanted = Recipe(checkpoint=engine.model.digest, base=Seed(8), offsets=((1, 0.5),))
    state = ExploreState(engine, wanted.to_json())
    qtbot.waitUntil(lambda: settled(state))
    assert state.recipe == wanted


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "{", '{"checkpoint": 1}'])
def test_a_damaged_memory_of_a_recipe_is_ignored(shared_engine: Engine, qtbot: Bot, text: str) -> None:
    engine = shared_engine
    state = ExploreState(engine, text)
    qtbot.waitUntil(lambda: settled(state))
    assert state.recipe.base == Seed(0)


def test_the_python_code_makes_the_same_picture(state: ExploreState, qtbot: Bot) -> None:
    state.new_sample(21)
    qtbot.waitUntil(lambda: settled(state))
    state.set_coordinate(1, 2.0)
    qtbot.waitUntil(lambda: settled(state))
    names: dict[str, object] = {}
    exec(state.python_code(), names)
    rendering = names["rendering"]
    assert state.picture is not None
    assert rendering.images[0].tobytes() == state.picture.image.pixels
    assert rendering.bits_per_dim[0] == pytest.approx(state.bits_per_dim, abs=1e-6)


@pytest.mark.parametrize("own", [(0.0, 0.06, 0.24, 0.55), (0.8, 0.8), (0.0, 0.0), (1.0, 1.0, 1.0), (0.3,)])
def test_all_temperatures_together_rise_without_one_falling(own: tuple[float, ...]) -> None:
    means = [k / 20 for k in range(31)]
    lists = [with_mean(own, mean) for mean in means]
    for mean, values in zip(means, lists, strict=True):
        assert sum(values) / len(values) == pytest.approx(mean)
    for lower, higher in pairwise(lists):
        assert all(a <= b + 1e-12 for a, b in zip(lower, higher, strict=True))
    assert with_mean(own, sum(own) / len(own)) == pytest.approx(own)
    assert with_mean(own, 1.0) == pytest.approx([1.0] * len(own))
