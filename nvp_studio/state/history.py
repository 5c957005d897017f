"""The pictures that the undo steps of Explore lead to, one after the other, each with a small image."""

from dataclasses import dataclass
from typing import TypeGuard

from PySide6.QtCore import QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QUndoCommand
from shiboken6 import isValid

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.qimages import qimage
from nvp_studio.state.value_edit import ValueEdit
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, RenderSheet, Sheet

SIDE = 64
"""Longest side of a small image, in pixels."""
_MOST_MISSING = 24
"""Small images that are asked for at once."""
_WAIT_MILLISECONDS = 400


@dataclass(frozen=True)
class Step:
    """A picture of the history."""

    title: str
    """What was done, as the undo menu names it; empty for the picture at the beginning."""
    recipe: Recipe
    first: int
    """Number of undo steps, from the beginning, after which this picture is shown; `last`: the largest such number."""
    last: int


class HistoryState(QObject):
    """Follows the undo stack. What changes no picture, such as a change of the tray, is no step of its own.

    Small images are made of pictures that were decoded to be shown. Where one was overtaken by the next it is decoded
    for this, while the strip is wanted and no slider is held.
    """

    changed = Signal()

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self.explore = explore
        self.steps: tuple[Step, ...] = ()
        """From the beginning to the newest, undone ones included."""
        self._images: dict[Recipe, QImage] = {}
        self._asked: set[Recipe] = set()
        self._wanted = False
        self._channel = explore.engine.explorer.channel("history", self)
        self._missing = QTimer(self, singleShot=True, interval=_WAIT_MILLISECONDS)
        self._missing.timeout.connect(self._ask_missing)
        explore.undo.indexChanged.connect(self._follow)
        explore.recipe_changed.connect(self._on_recipe_changed)
        explore.picture_changed.connect(self._keep_image)
        explore.gesture_ended.connect(self._keep_image)
        self._follow()

    @property
    def current(self) -> int:
        """Which of `steps` is shown."""
        done = self.explore.undo.index()
        return next(number for number, step in enumerate(self.steps) if done <= step.last)

    @property
    def start(self) -> Recipe:
        """The picture at the beginning."""
        return self.steps[0].recipe

    def image(self, recipe: Recipe) -> QImage | None:
        """The small image of a step, None while there is none."""
        return self._images.get(recipe)

    def go(self, number: int) -> None:
        """Show the picture of a step: undo or redo all between."""
        if 0 <= number < len(self.steps) and not self.explore.in_gesture:
            step, done = self.steps[number], self.explore.undo.index()
            self.explore.undo.setIndex(min(max(done, step.first), step.last))

    def want(self, wanted: bool) -> None:
        """Decode missing pictures from now on, or no longer."""
        self._wanted = wanted
        if wanted:
            self._missing.start()

    def _follow(self) -> None:
        undo = self.explore.undo
        if not isValid(undo):
            return  # the page is being deleted, which empties the stack
        edits = [(place, edit) for place in range(undo.count()) if is_recipe_edit(edit := undo.command(place))]
        start = edits[0][1].before if edits else self.explore.recipe
        firsts = [0, *(place + 1 for place, _ in edits)]
        lasts = [*(place for place, _ in edits), undo.count()]
        titles, recipes = ["", *(edit.text() for _, edit in edits)], [start, *(edit.after for _, edit in edits)]
        self.steps = tuple(map(Step, titles, recipes, firsts, lasts))
        if len(self._images) > 2 * len(self.steps) + SIDE:
            kept = {step.recipe for step in self.steps}
            self._images = {recipe: image for recipe, image in self._images.items() if recipe in kept}
            self._asked &= kept
        self._keep_image()
        self.changed.emit()

    def _on_recipe_changed(self) -> None:
        """A model was opened, or another recipe became the first one: there is nothing to undo."""
        if self.explore.undo.count() == 0 and not self.explore.in_gesture and self.start != self.explore.recipe:
            self._follow()

    def _keep_image(self) -> None:
        explore = self.explore
        recipe = explore.picture_recipe
        if explore.in_gesture or explore.picture is None or recipe is None or recipe != explore.recipe:
            return
        if recipe not in self._images:
            self._images[recipe] = small_image(explore.picture.image)
            self.changed.emit()
        if self._wanted:
            self._missing.start()

    def _ask_missing(self) -> None:
        engine = self.explore.engine
        if not self._wanted or engine.model is None or engine.explorer.state != "ready" or self._channel.asking:
            return
        if self.explore.in_gesture:
            self._missing.start()
            return
        known = self._images.keys() | self._asked
        missing = list(dict.fromkeys(step.recipe for step in reversed(self.steps) if step.recipe not in known))
        missing = missing[:_MOST_MISSING]
        if missing:
            self._asked.update(missing)
            self._channel.ask(RenderSheet(tuple(missing), scores=False), self._on_answer)

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, Sheet):
            for place, recipe in enumerate(answer.recipes):
                self._images[recipe] = small_image(answer.images.one(place))
            self.changed.emit()
            self._missing.start()
        elif isinstance(answer, WorkerLost):
            self._asked.clear()


def is_recipe_edit(command: QUndoCommand) -> TypeGuard[ValueEdit]:
    """Whether an entry of the undo history changes the recipe."""
    return isinstance(command, ValueEdit) and isinstance(command.after, Recipe)


def small_image(batch: ImageBatch) -> QImage:
    """The first image, at most `SIDE` pixels along its longer side."""
    image = qimage(batch)
    if max(image.width(), image.height()) <= SIDE:
        return image
    return image.scaled(
        QSize(SIDE, SIDE), Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
