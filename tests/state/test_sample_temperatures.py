"""The temperatures of samples that replace the picture on Explore, and of the strip; against a real engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from nvp_studio.recipe import Blend, Corners, Image, Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.state.explore import ExploreState
from tests.qt import Bot
from tests.small_model import random_images
from tests.state.test_explore import explored, settled


@pytest.fixture
def state(shared_engine: Engine, qtbot: Bot, small_model: Path) -> Iterator[ExploreState]:
    yield from explored(shared_engine, qtbot, small_model)


def test_a_sample_after_images_begins_with_the_temperatures_of_the_model(state: ExploreState, qtbot: Bot) -> None:
    """From the strip, by New sample and after undo, unless a temperature was set."""
    first, second = (Image((8, 8, 1), pixels.tobytes()) for pixels in random_images(2, seed=3))
    painted = replace(first, temperatures=(1.0, 1.0))
    for base in (first, Blend(first, second, 0.5), Corners((first, second, Seed(1), Seed(2))), painted):
        state.show(Recipe(checkpoint="", base=base), "images")
        qtbot.waitUntil(lambda: settled(state))
        assert state.temperatures == (1.0, 1.0)
        state.pick_sample(2)
        assert state.temperatures == (0.8, 0.8), "from the strip"
        state.new_sample(5)
        assert state.temperatures == (0.8, 0.8)
        state.undo.undo()
        state.undo.undo()
        assert state.recipe.base == base
        state.more_samples()
        state.new_sample(6)
        assert state.temperatures == (0.8, 0.8)
        state.show(Recipe(checkpoint="", base=base), "images")
        state.set_temperature(0.3, scale=1)
        qtbot.waitUntil(lambda: settled(state))
        state.pick_sample(1)
        assert state.temperatures == (0.8, 0.3), "one was set"
    state.show(Recipe(checkpoint="", base=Blend(Seed(1), Seed(2), 0.5)), "samples at 1")
    state.new_sample(7)
    assert state.temperatures == (1.0, 1.0), "as they were for the samples of the blend"


def test_the_strip_follows_the_temperature_through_undo_and_redo(state: ExploreState, qtbot: Bot) -> None:
    state.set_temperature(0.5)
    for step, temperature in ((state.undo.undo, 0.8), (state.undo.redo, 0.5)):
        step()
        qtbot.waitUntil(lambda: settled(state))
        assert state.samples.sheet is not None
        assert state.samples.sheet.recipes[0].temperatures == (temperature, temperature)
