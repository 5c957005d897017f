"""The region of Explore's picture that is to be redrawn, and the picture with that region drawn anew."""

import random
import zlib

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.stored_session import StoredRegion
from nvp_studio.state.value_edit import ValueEdit
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed
from nvp_studio.worker.redraw_messages import Redraw, RedrawDone, RedrawProgress

_MAX_SEED = 10**6


class RedrawState(QObject):
    """Holds the region, asks for it to be redrawn, and gives the result to `ExploreState` as one edit."""

    region_changed = Signal()
    region_restored = Signal()
    """Undo or redo has changed the region."""
    changed = Signal()
    """`running`, `progress` or `result` may have changed."""
    stepped = Signal(object)
    """The picture after some steps, an `ImageBatch`."""
    stopped = Signal()
    """Redrawing ended without a result: the picture is the one before."""

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self.explore = explore
        self.region: npt.NDArray[np.bool_] = np.zeros((0, 0), np.bool_)
        """(H, W): which pixels are redrawn."""
        self.progress = (0, 0)
        """How many of how many steps are done."""
        self.before: ImageBatch | None = None
        """The picture that was redrawn last."""
        self._before_stroke: npt.NDArray[np.bool_] | None = None
        """The region when the stroke began that is under way."""
        self._result: RedrawDone | None = None
        self._random = random.Random()
        self._channel = explore.engine.explorer.channel("redraw", self)
        explore.recipe_changed.connect(self._on_recipe_changed)
        explore.engine.model_opened.connect(self._on_model_opened)
        self._on_model_opened()

    @property
    def running(self) -> bool:
        """Whether a region is being redrawn."""
        return self.progress[1] > 0

    @property
    def result(self) -> RedrawDone | None:
        """What the last redrawing gave, while its picture is shown."""
        shown = self._result is not None and self._result.recipe.base == self.explore.recipe.base
        return self._result if shown else None

    @property
    def possible(self) -> bool:
        """Whether there is a region, and a model that can redraw it now."""
        explore = self.explore
        ready = explore.model is not None and explore.engine.explorer.state == "ready"
        return bool(self.region.any()) and ready and explore.recipe.enlarged == 1

    # The region

    def stroke(self, start: tuple[float, float], end: tuple[float, float], width: float, *, erase: bool) -> None:
        """Add to the region, or take from it, the pixels less than half of `width` from a line, as one undo step.

        Between `begin_stroke` and `end_stroke` all of them are one step.

        Places are (x, y) in pixels, the first pixel's middle at (0.5, 0.5). A stroke takes at least the pixels that its
        ends lie in.
        """
        high, across = self.region.shape
        rows, columns = np.mgrid[:high, :across] + 0.5
        way = np.subtract(end, start)
        along = (columns - start[0]) * way[0] + (rows - start[1]) * way[1]
        share = np.clip(along / max(float(way @ way), 1e-12), 0, 1)
        distance = np.hypot(columns - start[0] - share * way[0], rows - start[1] - share * way[1])
        touched = distance < width / 2
        for x, y in (start, end):
            if 0 <= x < across and 0 <= y < high:
                touched[int(y), int(x)] = True
        self._edit_region(self.region & ~touched if erase else self.region | touched, self.tr("stroke of the brush"))

    def begin_stroke(self) -> None:
        """What is painted until `end_stroke` is one undo step."""
        self.end_stroke()
        self._before_stroke = self.region

    def end_stroke(self) -> None:
        """The stroke is complete."""
        before, self._before_stroke = self._before_stroke, None
        if before is not None:
            self._push_region(before, self.tr("stroke of the brush"))

    def clear(self) -> None:
        """Take all pixels out of the region."""
        self._edit_region(np.zeros_like(self.region), self.tr("clearing of the region"))

    def invert(self) -> None:
        """Take the other pixels as the region."""
        self._edit_region(~self.region, self.tr("inversion of the region"))

    @property
    def stored(self) -> StoredRegion | None:
        """The region for a file; None while no model is open."""
        height, width = self.region.shape
        return StoredRegion((height, width), np.packbits(self.region).tobytes()) if self.region.size else None

    def restore(self, stored: StoredRegion | None, title: str) -> bool:
        """Paint the region of another session, where there is one; False where it has another size.

        `title` is that of the undo step; empty: there is none.
        """
        if stored is None:
            return True
        if stored.shape != self.region.shape:
            return False
        bits = np.unpackbits(np.frombuffer(stored.bits, np.uint8), count=self.region.size)
        before = self.region
        self._set_region(bits.reshape(stored.shape).astype(np.bool_))
        if title:
            self._push_region(before, title)
        return True

    def _edit_region(self, region: npt.NDArray[np.bool_], text: str) -> None:
        before = self.region
        self._set_region(region)
        if self._before_stroke is None:
            self._push_region(before, text)

    def _push_region(self, before: npt.NDArray[np.bool_], text: str) -> None:
        if before.shape == self.region.shape and not np.array_equal(before, self.region):
            self.explore.undo.push(ValueEdit(self._restore_region, text, _packed(before), _packed(self.region), ""))

    def _restore_region(self, packed: bytes) -> None:
        """Undo or redo; nothing happens where an edit was just made."""
        region = _unpacked(packed, self.region.shape)
        if not np.array_equal(region, self.region):
            self._before_stroke = None
            self.cancel()
            self._set_region(region)
            self.region_restored.emit()

    def _set_region(self, region: npt.NDArray[np.bool_]) -> None:
        if region.shape != self.region.shape or not np.array_equal(region, self.region):
            self.region = region
            self.region_changed.emit()
            self.changed.emit()

    # Redrawing

    def start(self, seed: int | None = None) -> None:
        """Redraw the region of the picture, with a random or given seed."""
        if not self.possible:
            return
        explore = self.explore
        shown = explore.picture is not None and explore.picture_recipe == explore.recipe
        self.before = explore.picture.image if explore.picture is not None and shown else None
        seed = self._random.randrange(_MAX_SEED) if seed is None else seed
        if self._channel.ask(Redraw(explore.recipe, self.region.tobytes(), seed), self._on_answer):
            self._set_progress((0, 1))

    def cancel(self) -> None:
        """Stop redrawing; the picture stays as it was."""
        if self.running:
            self._channel.cancel()
            self._stop()

    def _stop(self) -> None:
        self._set_progress((0, 0))
        self.stopped.emit()

    def _set_progress(self, progress: tuple[int, int]) -> None:
        self.progress = progress
        self.changed.emit()

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case RedrawProgress():
                self._set_progress((answer.done, answer.total))
                self.stepped.emit(answer.image)
            case RedrawDone():
                self._result = answer
                self.progress = (0, 0)
                self.explore.show(answer.recipe, self.tr("redrawn region"))
                self.changed.emit()
            case Failed(reason=reason):
                self._stop()
                self.explore.failed.emit(reason)
            case _:
                self._stop()

    def _on_recipe_changed(self, recipe: Recipe) -> None:
        self.cancel()
        self.changed.emit()

    def _on_model_opened(self) -> None:
        self.cancel()
        model = self.explore.model
        if model is not None and self.region.shape != model.image_shape[1:]:
            self._set_region(np.zeros(model.image_shape[1:], np.bool_))
        self._result = None
        self.changed.emit()


def _packed(region: npt.NDArray[np.bool_]) -> bytes:
    """A region in few bytes, for the undo history, which may hold hundreds."""
    return zlib.compress(np.packbits(region).tobytes(), 1)


def _unpacked(packed: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    bits = np.frombuffer(zlib.decompress(packed), np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(np.bool_)
