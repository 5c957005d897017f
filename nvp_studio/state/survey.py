"""The contents of the folder or file that the form names, surveyed by the explorer, which is free during a run too."""

import os

from PySide6.QtCore import QObject, Signal

from nvp_studio.data.catalogue import CATALOGUE, TOO_FEW
from nvp_studio.data.hugging_face import is_hugging_face
from nvp_studio.data.report import DataReport
from nvp_studio.state.engine import Engine
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, Survey, Surveying

LARGEST_SIDE = 64
"""Longest side, in pixels, of images that are trained as they are; for others `USUAL_SIDE` is suggested."""
USUAL_SIDE = 32


class DataSurveyor(QObject):
    """Surveys one folder or file at a time."""

    changed = Signal()
    """`result`, `images_counted` or `error` changed."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
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
    def problem(self) -> str:
        """Why a run cannot learn from these data, in the words that a run would refuse them with; empty: it can."""
        result = self.result
        if self.missing:
            return f"there is no folder and no file {self.missing}"
        if self.error or result is None or result.unread:
            return self.error
        if result.images == 0:
            return "there are no images in this folder"
        if result.largest is None:
            return f"none of the {result.images} images can be read"
        return TOO_FEW.format(os.path.basename(self.data), 1) if result.images == 1 else ""

    def survey(self, data: str, *, again: bool = False) -> None:
        """Survey `data` if it is a path on this machine and runs are trained here; the same path only if `again`."""
        elsewhere = data in CATALOGUE or self._engine.trainer_host
        here = bool(data) and not elsewhere and not is_hugging_face(data)
        self.missing = data if here and not os.path.exists(os.path.expanduser(data)) else ""
        path = data if here and not self.missing else ""
        if path == self.data and not again:
            return
        self._channel.cancel()
        self.data, self.images_counted, self.result, self.error = path, 0, None, ""
        self._ask()
        self.changed.emit()

    def suggested_side(self) -> int | None:
        """The side to resize the images to, None where they can be trained as they are."""
        result = self.result
        if result is None or result.largest is None or (result.alike and max(result.largest) <= LARGEST_SIDE):
            return None
        return USUAL_SIDE

    def _ask(self) -> None:
        if self.data and self._engine.explorer.state == "ready":
            self._channel.ask(Survey(self.data), self._on_answer)

    def _on_state_changed(self, state: str) -> None:
        if state == "ready" and self.running:
            self._ask()

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Surveying(images=images):
                self.images_counted = images
            case DataReport():
                self.result = answer
            case Failed(reason=reason):
                self.error = reason
            case _:
                return
        self.changed.emit()
