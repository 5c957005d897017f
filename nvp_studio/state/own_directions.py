"""A person's own directions on Explore: two groups of pictures, what is made of them, and their file."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand

from nvp_studio.direction_file import (
    MAX_NAME,
    OwnDirection,
    direction_file,
    free_name,
    merged,
    read_directions,
    write_directions,
)
from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.mixture import larger_text
from nvp_studio.state.other_model import fits_model
from nvp_studio.text import error_line
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.direction_messages import (
    DirectionMade,
    MakeDirection,
    PicturesRead,
    Preview,
    Previewed,
    ReadPictures,
)
from nvp_studio.worker.inspect_messages import Working
from nvp_studio.worker.messages import Answer, Failed

CLASSIFIED_FROM = 20
"""Pictures that both groups must have for a classifier (`explore.own_directions`)."""
MAX_PICTURES = 1000
"""Most pictures of a group."""
SHOWN = 24
"""Most pictures of a group that are shown."""

Directions = tuple[OwnDirection, ...]


class OwnDirectionsState(QObject):
    """The directions of the open model's file. Each change is an entry of Explore's undo history, and is written."""

    changed = Signal()
    """`directions`, `groups` or `progress` may have changed."""
    pictures_changed = Signal()
    """`pictures` has changed."""
    made = Signal(object)
    """A new `OwnDirection`."""

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self.explore = explore
        self.directions: Directions = ()
        self.groups: tuple[tuple[Recipe, ...], tuple[Recipe, ...]] = ((), ())
        """The pictures of A and B."""
        self.pictures: tuple[ImageBatch | None, ImageBatch | None] = (None, None)
        """Of the first `SHOWN` of each group, None while they are drawn."""
        self.progress = (0, 0)
        self._path: Path | None = None
        self._damaged = False
        self._to_read: list[tuple[int, tuple[str, ...]]] = []
        channel = explore.engine.explorer.channel
        self._reading, self._making = channel("direction pictures", self), channel("make direction", self)
        self._drawing = [channel(f"direction group {letter}", self) for letter in "AB"]
        explore.engine.model_opened.connect(self._on_model_opened)
        self._on_model_opened()

    # Groups

    @property
    def possible(self) -> bool:
        """Whether a direction can be made of the groups."""
        return all(self.groups) and self.progress[1] == 0 and self.explore.engine.explorer.state == "ready"

    @property
    def classified(self) -> bool:
        """Whether a classifier is used for the groups."""
        return min(map(len, self.groups)) >= CLASSIFIED_FROM

    def add_picture(self, group: int) -> None:
        """Add the picture on screen to a group, 0 or 1."""
        recipe = self.explore.picture_recipe
        if recipe is None:
            self.explore.failed.emit(self.tr("There is no picture yet."))
        elif recipe.enlarged > 1:
            self.explore.failed.emit(larger_text())
        else:
            self.add(group, [recipe])

    def add(self, group: int, recipes: Iterable[Recipe]) -> None:
        """Add pictures to a group: those that fit the model and are not there yet."""
        model = self.explore.model
        if model is None:
            return
        found = list(self.groups[group])
        for recipe in recipes:
            if fits_model(recipe, model) and recipe.enlarged == 1 and recipe not in found:
                found.append(recipe)
        if len(found) > MAX_PICTURES:
            self.explore.failed.emit(self.tr("A group has at most {0} pictures.").format(MAX_PICTURES))
        self._set_group(group, found[:MAX_PICTURES])

    def add_files(self, group: int, paths: Iterable[Path]) -> None:
        """Read image files, folders and archives, and add their pictures to a group."""
        self._to_read.append((group, tuple(map(str, paths))))
        if len(self._to_read) == 1:
            self._read_next()

    def remove(self, group: int, index: int) -> None:
        """Take one picture out of a group."""
        self._set_group(group, [recipe for place, recipe in enumerate(self.groups[group]) if place != index])

    def clear(self, group: int) -> None:
        """Take all pictures out of a group."""
        self._set_group(group, [])

    def _set_group(self, group: int, recipes: list[Recipe]) -> None:
        groups, pictures = list(self.groups), list(self.pictures)
        groups[group] = tuple(recipes)
        pictures[group] = None if not recipes else pictures[group]
        self.groups, self.pictures = (groups[0], groups[1]), (pictures[0], pictures[1])
        if recipes:
            self._drawing[group].ask(Preview(groups[group][:SHOWN]), lambda answer: self._on_drawn(group, answer))
        self.changed.emit()
        self.pictures_changed.emit()

    def _on_drawn(self, group: int, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, Previewed) and self.groups[group]:
            pictures = list(self.pictures)
            pictures[group] = answer.images
            self.pictures = (pictures[0], pictures[1])
            self.pictures_changed.emit()

    def _read_next(self) -> None:
        if self._to_read and not self._reading.ask(ReadPictures(self._to_read[0][1]), self._on_read):
            self._to_read.clear()

    def _on_read(self, answer: Answer | WorkerLost) -> None:
        if not self._to_read:
            return
        group, _ = self._to_read.pop(0)
        match answer:
            case PicturesRead(recipes=recipes):
                self.add(group, recipes)
            case Failed(reason=reason):
                self.explore.failed.emit(reason)
        self._read_next()

    # Directions

    def make(self, name: str) -> None:
        """Make a direction of the groups; one whose name is taken gets a number."""
        if self.possible and self._making.ask(MakeDirection(name.strip()[:MAX_NAME], *self.groups), self._on_made):
            self._set_progress((0, 1))

    def cancel(self) -> None:
        """Stop making a direction."""
        if self.progress[1]:
            self._making.cancel()
            self._set_progress((0, 0))

    def rename(self, index: int, name: str) -> None:
        """Give a direction another name; an empty one changes nothing."""
        name, direction = name.strip()[:MAX_NAME], self.directions[index]
        if name and name != direction.name:
            others = (*self.directions[:index], *self.directions[index + 1 :])
            renamed = replace(direction, name=free_name(name, others))
            self._edit(
                (*self.directions[:index], renamed, *self.directions[index + 1 :]), self.tr("name of a direction")
            )

    def delete(self, index: int) -> None:
        """Remove a direction; a picture that is moved along it stays."""
        directions = self.directions[:index] + self.directions[index + 1 :]
        self._edit(directions, self.tr("deletion of {0}").format(self.directions[index].name))

    def take_file(self, path: Path) -> None:
        """Add the directions of a file, which may come from anybody."""
        try:
            added = read_directions(path, self._dimensions)
            directions = merged(self.directions, added)
        except (OSError, ValueError) as error:
            self.explore.failed.emit(f"{path.name}: {error_line(error)}")
            return
        if directions == self.directions:
            self.explore.failed.emit(self.tr("{0} has no directions that are not here already.").format(path.name))
        else:
            self._edit(directions, self.tr("directions of {0}").format(path.name))

    @property
    def _dimensions(self) -> int:
        model = self.explore.model
        channels, height, width = model.image_shape if model is not None else (0, 0, 0)
        return channels * height * width

    def _on_made(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Working():
                self._set_progress((answer.done, answer.total))
                return
            case DirectionMade(direction=direction):
                self.progress = (0, 0)
                made = replace(direction, name=free_name(direction.name, self.directions))
                self._edit((*self.directions, made), self.tr("direction {0}").format(made.name))
                self.made.emit(made)
            case Failed(reason=reason):
                self.explore.failed.emit(reason)
        self._set_progress((0, 0))

    def _set_progress(self, progress: tuple[int, int]) -> None:
        self.progress = progress
        self.changed.emit()

    def _edit(self, directions: Directions, text: str) -> None:
        self.explore.undo.push(_DirectionsEdit(self, text, self.directions, directions))

    def apply(self, directions: Directions) -> None:
        """Make these the directions, without an undo entry; for undo commands."""
        if self._path is None:
            return
        try:
            if self._damaged:
                with suppress(FileNotFoundError):
                    self._path.replace(self._path.with_suffix(".damaged"))
                self._damaged = False
            write_directions(self._path, directions)
            self.directions = directions
        except (OSError, ValueError) as error:
            self.explore.lost.emit(self.tr("The directions cannot be written: {0}").format(error_line(error)))
        self.changed.emit()

    def _on_model_opened(self) -> None:
        model = self.explore.model
        for channel in (self._reading, self._making, *self._drawing):
            channel.cancel()
        self._to_read.clear()
        self.directions, self.groups, self.pictures = (), ((), ()), (None, None)
        self.progress = (0, 0)
        if model is not None:
            self._path = direction_file(model.path, model.digest)
            try:
                self.directions = read_directions(self._path, self._dimensions)
                self._damaged = False
            except (OSError, ValueError) as error:
                self._damaged = True
                text = self.tr("Your own directions cannot be read: {0}").format(error_line(error))
                self.explore.lost.emit(text)
        self.changed.emit()
        self.pictures_changed.emit()


class _DirectionsEdit(QUndoCommand):
    """A change of the directions."""

    def __init__(self, state: OwnDirectionsState, text: str, before: Directions, after: Directions) -> None:
        super().__init__(text)
        self._state, self._before, self._after = state, before, after

    def undo(self) -> None:
        self._state.apply(self._before)

    def redo(self) -> None:
        self._state.apply(self._after)
