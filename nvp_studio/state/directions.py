"""Directions on Explore that are not the model's: what can change most from a picture, and which ones are locked."""

from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace
from PySide6.QtCore import QCoreApplication, QObject, Signal

from nvp_studio.recipe import Move, Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.own_directions import OwnDirectionsState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.direction_messages import DirectionsFound, FindDirections
from nvp_studio.worker.inspect_messages import Working
from nvp_studio.worker.messages import Answer, Failed

Kind = Literal["model", "local", "own"]
"""Directions of the model, those found at a picture, and a person's own."""


_LOCAL = "local "
"""What the stored names of local directions begin with; a number follows."""


def local_number(move: Move) -> str:
    """The number of a local direction; empty for another one."""
    return move.name.removeprefix(_LOCAL) if move.name.startswith(_LOCAL) else ""


def move_title(move: Move) -> str:
    """What a direction is called in a sentence."""
    number = local_number(move)
    return QCoreApplication.translate("Directions", "local direction {0}").format(number) if number else move.name


class DirectionsState(QObject):
    """Finds local directions, and edits moves along directions; each edit is one of Explore's."""

    changed = Signal()
    """Directions, offsets, locks or `progress` may have changed."""

    def __init__(self, explore: ExploreState, own: OwnDirectionsState) -> None:
        super().__init__(explore)
        self.explore = explore
        self._own = own
        self.found: DirectionsFound | None = None
        self.progress = (0, 0)
        """How many of how many steps of finding local directions are done."""
        self._found_at: Recipe | None = None
        self._channel = explore.engine.explorer.channel("directions", self)
        explore.recipe_changed.connect(self.changed)
        own.changed.connect(self.changed)
        explore.engine.model_opened.connect(self._on_model_opened)

    # What there is

    @property
    def running(self) -> bool:
        """Whether local directions are being found."""
        return self.progress[1] > 0

    @property
    def local(self) -> tuple[Move, ...]:
        """The directions that were found last, then others that the recipe moves along; with their present offsets."""
        found = self.found.moves if self.found is not None else ()
        vectors = {move.vector for move in found} | {direction.vector for direction in self._own.directions}
        return self.present((*found, *(move for move in self.explore.recipe.moves if move.vector not in vectors)))

    @property
    def own(self) -> tuple[Move, ...]:
        """The person's own directions, with their present offsets."""
        return self.present([direction.move for direction in self._own.directions])

    def present(self, moves: Sequence[Move]) -> tuple[Move, ...]:
        """These moves as they are in the present recipe."""
        known = {move.vector: move for move in self.explore.recipe.moves}
        return tuple(
            replace(move, offset=known[move.vector].offset, locked=known[move.vector].locked)
            if move.vector in known
            else replace(move, offset=0.0, locked=False)
            for move in moves
        )

    @property
    def outdated(self) -> bool:
        """Whether what was found belongs to another picture than the present one, moved along it or not."""
        return self.found is not None and self._place(self.explore.recipe, self.found) != self._found_at

    # Local directions

    def find(self) -> None:
        """Find what can change most from the present picture."""
        recipe = self.explore.recipe
        if self.explore.model is None or self.explore.engine.explorer.state != "ready":
            return
        if self._channel.ask(FindDirections(recipe), lambda answer: self._on_answer(recipe, answer)):
            self._set_progress((0, 1))

    def cancel(self) -> None:
        """Stop finding."""
        if self.running:
            self._channel.cancel()
            self._set_progress((0, 0))

    def _on_answer(self, recipe: Recipe, answer: Answer | WorkerLost) -> None:
        match answer:
            case Working():
                self._set_progress((answer.done, answer.total))
                return
            case DirectionsFound():
                self.found, self._found_at = answer, self._place(recipe, answer)
            case Failed(reason=reason):
                self.explore.failed.emit(reason)
        self._set_progress((0, 0))

    def _set_progress(self, progress: tuple[int, int]) -> None:
        self.progress = progress
        self.changed.emit()

    @staticmethod
    def _place(recipe: Recipe, found: DirectionsFound) -> Recipe:
        """The recipe without what moves along these directions, and without locks."""
        vectors = {move.vector for move in found.moves}
        moves = (replace(move, locked=False) for move in recipe.moves if move.vector not in vectors and move.offset)
        return replace(recipe, moves=tuple(moves), locked=())

    def _on_model_opened(self) -> None:
        self._channel.cancel()
        self.found = self._found_at = None
        self._set_progress((0, 0))

    # Edits

    def set_offset(self, move: Move, offset: float) -> None:
        """Move along a direction, by so many times its vector."""
        self._edit(replace(move, offset=offset), move_title(move), f"move-{hash(move.vector)}")

    def reset(self, move: Move) -> None:
        """Move along a direction no more."""
        self._edit(replace(move, offset=0.0), self.tr("reset of {0}").format(move_title(move)))

    def lock(self, direction: int | Move, locked: bool) -> None:
        """Make moves along all other directions orthogonal to this one, or no longer."""
        if isinstance(direction, Move):
            self._edit(replace(direction, locked=locked), self.tr("lock of {0}").format(move_title(direction)))
        else:
            text = self.tr("lock of {0}").format(self.explore.direction_title(direction))
            self._show(self.explore.recipe.with_locked(direction, locked), text)

    def _edit(self, move: Move, text: str, merge_key: str = "") -> None:
        try:
            self._show(self.explore.recipe.with_move(move), text, merge_key)
        except ValueError as error:
            self.explore.failed.emit(str(error))
            self.changed.emit()

    def _show(self, recipe: Recipe, text: str, merge_key: str = "") -> None:
        self.explore.show(recipe, text, self.explore.notes, merge_key)
