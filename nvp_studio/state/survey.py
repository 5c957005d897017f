"""The contents of the folder or file that the form names, surveyed by the explorer, which is free during a run too."""

import os
from typing import Literal

from PySide6.QtCore import QObject, Signal

from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.data.hugging_face import is_hugging_face
from nvp_studio.data.image_size import ImageSize
from nvp_studio.data.reading import UNDECIDED, Reading
from nvp_studio.data.report import DataReport
from nvp_studio.state.engine import Engine
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, Survey, Surveying

LARGEST_SIDE = 64
"""Longest side, in pixels, of images that are trained as they are; for others `USUAL_SIDE` is suggested."""
USUAL_SIDE = 32


class DataSurveyor(QObject):
    """Surveys one folder or file at a time, or a `named` set of the catalogue."""

    changed = Signal()
    """`result`, `images_counted` or `error` changed."""

    def __init__(self, engine: Engine, parent: QObject | None = None, *, named: bool = False) -> None:
        """Sets of the catalogue are surveyed only if `named`, as reading one takes seconds."""
        super().__init__(parent)
        self._engine = engine
        self._named = named
        self._wanted: Survey | None = None
        self._due = False
        """Whether `_wanted` has no answer yet."""
        self.data = ""
        """The path that is surveyed; empty: none."""
        self.missing = ""
        """The path that was to be surveyed and is not there."""
        self.images_counted = 0
        """Images counted so far."""
        self.result: DataReport | None = None
        self.error = ""
        """Why it cannot be surveyed, in one line."""
        self._channel = engine.explorer.channel("survey", self)
        engine.explorer.state_changed.connect(self._on_state_changed)

    @property
    def running(self) -> bool:
        """Whether the survey goes on."""
        return bool(self.data) and self.result is None and not self.error

    @property
    def report(self) -> DataReport | None:
        """The report on the data as they are to be read now, None until it is there."""
        return None if self._due else self.result

    @property
    def outdated(self) -> bool:
        """Whether `result` is of the format or reading of before, as the survey in the present one goes on."""
        return self._due and self.result is not None

    @property
    def problem(self) -> str:
        """Why a run cannot learn from these data, in the words that a run would refuse them with; empty: it can."""
        result = self.result
        if self.missing:
            return f"there is no folder and no file {self.missing}"
        if self.error or result is None or self._due:
            return self.error
        return result.problem

    def survey(
        self,
        data: str,
        *,
        again: bool = False,
        image_format: tuple[ImageSize | None, Literal[1, 3] | None] = (None, None),
        data_root: str | None = None,
        reading: Reading = UNDECIDED,
    ) -> None:
        """Survey `data`, if runs are trained here, as images of this format and read so; the same only if `again`.

        While the same data are surveyed in another format or reading, the report of before stays.
        """
        elsewhere = (data in CATALOGUE and not self._named) or self._engine.trainer_host
        here = bool(data) and not elsewhere and not is_hugging_face(data)
        there = data in CATALOGUE or os.path.exists(os.path.expanduser(data))
        self.missing = data if here and not there else ""
        path = data if here and there else ""
        wanted = Survey(path, *image_format, data_root, reading) if path else None
        if wanted == self._wanted and not again:
            return
        self._channel.cancel()
        if path != self.data or again or self.error:
            self.images_counted, self.result, self.error = 0, None, ""
        self.data, self._wanted, self._due = path, wanted, wanted is not None
        self._ask()
        self.changed.emit()

    def suggested_side(self) -> int | None:
        """The side to resize the images to, None where they can be trained as they are."""
        result = self.result
        if result is None or result.largest is None or (result.alike and max(result.largest) <= LARGEST_SIDE):
            return None
        return USUAL_SIDE

    def _ask(self) -> None:
        if self._wanted is not None and self._due and self._engine.explorer.state == "ready":
            self._channel.ask(self._wanted, self._on_answer)

    def _on_state_changed(self, state: str) -> None:
        if state == "ready":
            self._ask()

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Surveying(images=images):
                self.images_counted = images
            case DataReport():
                self.result, self._due = answer, False
            case Failed(reason=reason):
                self.result, self.error, self._due = None, reason, False
            case _:
                return
        self.changed.emit()
