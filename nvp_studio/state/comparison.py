"""Two groups of image files, scored by the open model and compared by every score."""

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from nvp_studio.score_row import unusualness
from nvp_studio.scores.separation import Interval, auroc_interval
from nvp_studio.state.engine import Engine
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Cancelled, Failed
from nvp_studio.worker.score_messages import Score, ScoreDone, ScoreRows

Floats = npt.NDArray[np.float64]


class Comparison(QObject):
    """Scores group A, then group B; then every score has an AUROC with its interval (`found`)."""

    progressed = Signal()
    finished = Signal()
    """`found` is there."""
    failed = Signal(str)
    _computed = Signal(object)

    def __init__(self, engine: Engine, parent: QObject) -> None:
        super().__init__(parent)
        self._channel = engine.explorer.channel("compare", self)
        self._groups: tuple[str, ...] = ()
        self._reference = self._against = ""
        self.busy = False
        self.done = self.total = 0
        self.failures = [0, 0]
        """Files of each group without a score."""
        self.found: dict[str, Interval] = {}
        """AUROC of each score: that of B is more unusual than that of A."""
        self._values: list[dict[str, list[float]]] = [{}, {}]
        self._group = 0
        self._computed.connect(self._on_computed)

    def start(self, a: Path, b: Path, reference: str, against: str = "") -> None:
        """Compare the images under two paths, with verdicts by the reference of this name; empty: without.

        `against` is a second model for the likelihood ratio, by path or name.
        """
        self.cancel()
        self._groups, self._reference, self._against = (str(a), str(b)), reference, against
        self._values, self.failures, self.found = [{}, {}], [0, 0], {}
        self.busy, self._group = True, 0
        self._ask()

    def cancel(self) -> None:
        """Score no more."""
        self._channel.cancel()
        self.busy = False
        self.progressed.emit()

    def values(self, name: str) -> tuple[Floats, Floats]:
        """A score of the images of A and of B, turned so that a larger one is more unusual."""
        a, b = (np.array(group.get(name, []), np.float64) for group in self._values)
        return a, b

    def _ask(self) -> None:
        self.done = self.total = 0
        request = Score((self._groups[self._group],), reference=self._reference, against=self._against)
        self._channel.ask(request, self._on_answer)
        self.progressed.emit()

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case ScoreRows():
                group = self._values[self._group]
                for row in answer.rows:
                    self.failures[self._group] += row.bits_per_dim is None
                    for name, value in unusualness(row).items():
                        group.setdefault(name, []).append(value)
                self.done, self.total = answer.done, answer.total if answer.counted else 0
                self.progressed.emit()
            case ScoreDone() if self._group == 0:
                self._group = 1
                self._ask()
            case ScoreDone():
                self._compute()
            case Failed(reason=reason):
                self._end(reason)
            case Cancelled():
                self._end("")
            case WorkerLost():
                self._end(self.tr("The engine stopped while scoring."))

    def _compute(self) -> None:
        counts = [len(group.get("bits_per_dim", [])) for group in self._values]
        if min(counts) < 2:
            text = self.tr("{0} has {1} images that could be scored; two are the fewest.")
            self._end(text.format(Path(self._groups[counts.index(min(counts))]).name, min(counts)))
            return
        pairs = {name: self.values(name) for name in self._values[0] if name in self._values[1]}

        def compute() -> None:
            rounds = max(50, min(500, 2_000_000 // max(counts)))
            self._computed.emit({name: auroc_interval(a, b, rounds) for name, (a, b) in pairs.items()})

        threading.Thread(target=compute, name="compare", daemon=True).start()

    def _on_computed(self, found: dict[str, Interval]) -> None:
        if self.busy:
            self.found, self.busy = found, False
            self.progressed.emit()
            self.finished.emit()

    def _end(self, reason: str) -> None:
        self.busy = False
        self.progressed.emit()
        if reason:
            self.failed.emit(reason)
