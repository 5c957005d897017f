"""The strip of samples of Explore, with an engine that answers at once or later."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from PySide6.QtCore import QObject, Signal

from nvp_studio.flow.config import FlowConfig
from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.state.explore import ExploreState
from nvp_studio.worker.messages import ModelInfo, RenderSheet, Sheet

pytestmark = pytest.mark.usefixtures("qapp")


class Channel:
    """Keeps what was asked last."""

    asking = False

    def ask(self, request: object, on_answer: Any) -> None:
        self.request, self.answer = request, on_answer


class FakeEngine(QObject):
    """As much of an engine as Explore asks."""

    model_opened = Signal(object)
    model_compiled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.model: ModelInfo | None = None
        self.goes_on = False
        self.channels: dict[str, Channel] = {}
        self.explorer = SimpleNamespace(state="ready", channel=self._channel)

    def _channel(self, name: str, _parent: QObject) -> Channel:
        return self.channels.setdefault(name, Channel())

    def open(self, digest: str) -> None:
        self.model = ModelInfo(
            name=digest,
            path=digest,
            digest=digest,
            image_shape=(1, 2, 2),
            latent_shapes=((1, 2, 2),),
            parameters=1,
            data_title="",
            validation=None,
            explained_variance=(),
            direction_names=(),
            preset="quick",
            flow=FlowConfig(image_shape=(1, 2, 2)),
            reference=(),
        )
        self.model_opened.emit(self.model)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def state(engine: FakeEngine) -> ExploreState:
    state = ExploreState(cast(Engine, engine))
    engine.open("one")
    answer(engine)
    return state


def answer(engine: FakeEngine) -> Sheet:
    """Answer the request for samples."""
    channel = engine.channels["samples"]
    request = channel.request
    assert isinstance(request, RenderSheet)
    count = len(request.recipes)
    sheet = Sheet(
        recipes=request.recipes, images=ImageBatch((count, 2, 2, 1), bytes(4 * count)), bits_per_dim=(3.0,) * count
    )
    channel.answer(sheet)
    return sheet


def test_the_samples_of_the_model_before_are_outdated_until_others_come(
    state: ExploreState, engine: FakeEngine
) -> None:
    told: list[str] = []
    state.samples.outdated.connect(lambda: told.append("outdated"))
    state.samples.changed.connect(lambda _: told.append("new"))
    state.picture_outdated.connect(lambda: told.append("picture"))
    engine.open("two")
    assert set(told) == {"outdated", "picture"}
    before = state.recipe
    state.pick_sample(3)
    assert state.recipe == before, "those pictures are of a model that is no longer open"
    answer(engine)
    assert told[-1] == "new"


def test_a_sample_that_is_picked_has_the_temperatures_it_is_shown_with(state: ExploreState) -> None:
    assert state.samples.sheet is not None
    shown = state.samples.sheet.recipes[5]
    state.recipe = Recipe(checkpoint="one", base=Seed(9), temperatures=(1.5,), offsets=((0, 2.0),))
    state.pick_sample(5)
    assert state.recipe == shown
    state.undo.undo()
    assert state.recipe.base == Seed(9)
