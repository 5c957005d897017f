"""Previews of Explore's sliders: the picture with a slider at -2, 0 and +2, and how much each direction changes it."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer, Signal

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Move, Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.direction_messages import Preview, Previewed
from nvp_studio.worker.messages import Answer, Failed

PREVIEWED = (-2.0, 0.0, 2.0)
"""Where a slider is in its previews, in standard deviations."""
_WAIT_MS = 40
"""How long nothing changes before previews are asked for: longer than from one key press held down to the next."""
_MOST_KEPT = 256
"""Directions whose previews are kept, those that came last."""

Direction = int | Move
Recipes = tuple[Recipe, ...]


class PreviewsState(QObject):
    """Asks for the previews that are wanted, and only while no slider is held: a drag waits for none of them."""

    changed = Signal()
    """Previews have come, or those that are there are no longer of the present picture."""
    effects_changed = Signal()

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self.explore = explore
        self.effects: tuple[float, ...] = ()
        """By how many grey levels the picture changed from -2 to +2 along each of the model's directions when that was
        measured, the root of the mean square; empty before."""
        self._images: dict[int | bytes, tuple[Recipes, ImageBatch]] = {}
        self._outdated: set[int | bytes] = set()
        """Directions whose previews are to be decoded again."""
        self._wanted: tuple[Direction, ...] = ()
        self._held = False
        self._timer = QTimer(self, singleShot=True, interval=_WAIT_MS)
        self._timer.timeout.connect(self._ask)
        self._channel = explore.engine.explorer.channel("previews", self)
        self._effects = explore.engine.explorer.channel("effects of directions", self)
        explore.recipe_changed.connect(self._on_recipe_changed)
        explore.picture_changed.connect(self._on_picture)
        explore.gesture_ended.connect(self._on_gesture_ended)
        explore.engine.model_opened.connect(self._on_model_opened)
        explore.engine.model_compiled.connect(self._draw_again)

    def want(self, directions: Sequence[Direction]) -> None:
        """Keep previews of these directions, the sliders in view."""
        self._wanted = tuple(directions)
        if directions:
            self._timer.start()
        else:
            self._timer.stop()
            self._channel.cancel()

    def images(self, direction: Direction) -> tuple[ImageBatch | None, bool]:
        """The previews of a direction, None before they came, and whether they are of the present picture."""
        kept = self._images.get(_key(direction))
        return (kept[1], kept[0] == self._recipes(direction)) if kept is not None else (None, False)

    def measure_effects(self) -> None:
        """Find `effects` at the present picture."""
        model, origin = self.explore.model, self.explore.origin
        if model is None or not origin or self.explore.engine.explorer.state != "ready":
            return
        recipes = [self._recipes(direction)[end] for direction in range(len(origin)) for end in (0, -1)]
        self._effects.ask(Preview(tuple(recipes)), self._on_effects)

    def _recipes(self, direction: Direction) -> Recipes:
        """The recipes of a direction's previews; none where they cannot be told yet."""
        recipe, origin = self.explore.recipe, self.explore.origin
        if isinstance(direction, Move):
            try:
                return tuple(recipe.with_move(replace(direction, offset=value)) for value in PREVIEWED)
            except ValueError:
                return ()
        if direction >= len(origin):
            return ()
        return tuple(recipe.with_offset(direction, value - origin[direction]) for value in PREVIEWED)

    def _ask(self) -> None:
        explore = self.explore
        if not self._wanted or explore.in_gesture or explore.model is None or explore.engine.explorer.state != "ready":
            return
        needed = {
            _key(one): self._recipes(one)
            for one in self._wanted
            if not self.images(one)[1] or _key(one) in self._outdated
        }
        needed = {key: recipes for key, recipes in needed.items() if recipes}
        if needed:
            recipes = tuple(recipe for some in needed.values() for recipe in some)
            self._channel.ask(Preview(recipes), partial(self._on_answer, needed))

    def _on_answer(self, asked: dict[int | bytes, Recipes], answer: Answer | WorkerLost) -> None:
        match answer:
            case Previewed(images=images):
                size = len(PREVIEWED)
                for place, (key, recipes) in enumerate(asked.items()):
                    array = images.array()[place * size : (place + 1) * size]
                    self._images.pop(key, None)
                    self._outdated.discard(key)
                    self._images[key] = recipes, ImageBatch.of(array)
                while len(self._images) > _MOST_KEPT:
                    del self._images[next(iter(self._images))]
                self.changed.emit()
            case Failed():
                pass  # the picture itself says why, where it cannot be drawn

    def _on_effects(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Previewed(images=images):
                values = images.array().astype(np.float64)
                values = values.reshape(len(values) // 2, 2, -1)
                self.effects = tuple(np.sqrt(((values[:, 1] - values[:, 0]) ** 2).mean(1)).tolist())
                self.effects_changed.emit()
            case Failed(reason=reason):
                self.explore.failed.emit(reason)

    def _on_recipe_changed(self) -> None:
        """Only the first change of a slider that is held tells that other previews are outdated: a drag is quick."""
        if not self._wanted or (self._held and self.explore.in_gesture):
            return
        self._held = self.explore.in_gesture
        self._channel.cancel()
        self.changed.emit()
        self._timer.start()

    def _on_picture(self) -> None:
        if self._wanted and not self.explore.in_gesture:
            self._timer.start()

    def _on_gesture_ended(self) -> None:
        self._held = False
        self._timer.start()

    def _draw_again(self) -> None:
        """Those that are shown stay until the same ones, decoded by the compiled model, are there."""
        self._images = {key: kept for key, kept in self._images.items() if key in {_key(one) for one in self._wanted}}
        self._outdated = set(self._images)
        self._timer.start()

    def _on_model_opened(self) -> None:
        self._channel.cancel()
        self._effects.cancel()
        self._images.clear()
        self.effects = ()
        self.effects_changed.emit()
        self._timer.start()


def _key(direction: Direction) -> int | bytes:
    return direction.vector if isinstance(direction, Move) else direction
