"""Four corners on Explore: the paper's manifold through four pictures, and the place on it."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal

from nvp_studio.recipe import Base, Corners, Seed, Source
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.mixture import MixtureState, Place
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.inspect_messages import Working
from nvp_studio.worker.messages import Answer, Failed, GridSaved, SaveGrid

GRID_SIDE = 5
"""Pictures along each side of the grid behind the pad."""


class CornersState(MixtureState):
    """Corners 1 to 4: top left, top right, bottom left, bottom right. Once all are there the picture is a `Corners`."""

    key = "corners"
    letters = "1234"
    middle = (0.5, 0.5)
    strip_places = tuple(
        (row / (GRID_SIDE - 1), column / (GRID_SIDE - 1)) for row in range(GRID_SIDE) for column in range(GRID_SIDE)
    )

    progress_changed = Signal()

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self.progress = (0, 0)
        """Pictures of the grid that are drawn, and all of them, while one is saved; else (0, 0)."""
        self._saving = explore.engine.explorer.channel("save grid", self)

    @property
    def title(self) -> str:
        return self.tr("place between the corners")

    def end_title(self, end: int) -> str:
        return self.tr("corner {0}").format(end + 1)

    def base_at(self, ends: Sequence[Source], place: Place) -> Base:
        one, two, three, four = ends
        return Corners((one, two, three, four), *place)

    def taken_apart(self, base: Base) -> tuple[tuple[Source, ...], Place] | None:
        return (base.z, (base.phi, base.phi_prime)) if isinstance(base, Corners) else None

    def take_samples(self) -> None:
        """Make the first four samples of the strip the corners."""
        sheet = self.explore.samples.sheet
        if sheet is None or len(sheet.recipes) < len(self.letters):
            self.explore.told.emit(self.tr("The samples are not drawn yet."))
            return
        seeds = tuple(recipe.base for recipe in sheet.recipes if isinstance(recipe.base, Seed))
        self._set_ends(seeds[: len(self.letters)], self.tr("four samples as corners"))

    def take_seed(self, end: int, seed: int) -> None:
        """Make the sample of a seed a corner."""
        self._set_end(end, Seed(seed))

    def save_grid(self, path: Path, side: int, pixel_size: int) -> None:
        """Write a PNG of side times side pictures of the manifold, in steps; the recipe of the picture is inside."""
        recipe = self._recipe(self.place)
        if recipe is not None and self._saving.ask(
            SaveGrid(recipe, str(path), side, side, max(1, pixel_size)), self._on_saved
        ):
            self._show_progress((0, side * side))

    def cancel_grid(self) -> None:
        """Stop saving a grid; no file is left."""
        self._saving.cancel()
        self._show_progress((0, 0))

    def _show_progress(self, progress: tuple[int, int]) -> None:
        self.progress = progress
        self.progress_changed.emit()

    def _on_saved(self, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, Working):
            self._show_progress((answer.done, answer.total))
            return
        self._show_progress((0, 0))
        match answer:
            case GridSaved(path=path):
                self.explore.saved.emit(path)
            case Failed(reason=reason):
                self.explore.lost.emit(reason)
