"""Reports of the table of scores: the maps that they show are drawn by the engine."""

from functools import partial

from PySide6.QtCore import QObject, Signal

from nvp_studio.runs.score_report import ReportFacts, extremes, report_html
from nvp_studio.state.scoring import ScoreState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, ModelInfo
from nvp_studio.worker.score_messages import DrawMaps, MapsDrawn, ReferenceInfo


class ReportMaker(QObject):
    """Gathers what a report needs; `ready` carries a function that makes the HTML file's content, in any thread."""

    ready = Signal(object)
    failed = Signal(str)

    def __init__(self, state: ScoreState, parent: QObject) -> None:
        super().__init__(parent)
        self._state = state
        self._channel = state.engine.explorer.channel("score report", self)

    def make(self) -> None:
        """Make a report of the whole table."""
        state = self._state
        model, reference = state.model, state.reference
        if model is None:
            return
        rows, rate = state.rows.all_files(), state.rows.rate

        def finish(pictures: dict[str, bytes]) -> None:
            named = [] if reference is None else _reference(reference)
            facts = ReportFacts(_card(model), named, model.reference, rate, pictures)
            self.ready.emit(partial(report_html, rows, facts))

        paths = tuple(row.path for group in extremes(rows) for row in group)
        opened = self._state.engine.model
        if reference is None or opened is None or opened.digest != model.digest or not paths:
            finish({})
            return

        def take(answer: Answer | WorkerLost) -> None:
            if isinstance(answer, MapsDrawn):
                finish(dict(zip(paths, answer.pictures, strict=True)))
            elif isinstance(answer, Failed):
                self.failed.emit(answer.reason)
            elif isinstance(answer, WorkerLost):
                finish({})

        self._channel.ask(DrawMaps(paths, reference.name), take)


def _card(model: ModelInfo) -> list[tuple[str, str]]:
    channels, height, width = model.image_shape
    validation = [] if model.validation is None else [("validation", f"{model.validation:.4f} bits/dim")]
    return [
        ("name", model.name),
        ("file", model.path),
        ("SHA-256", model.digest),
        ("trained on", model.data_title),
        ("images", f"{width}x{height}, {'grey' if channels == 1 else 'colour'}"),
        ("flow", f"{model.preset or 'custom'}, {model.parameters:,} parameters"),
        *validation,
    ]


def _reference(reference: ReferenceInfo) -> list[tuple[str, str]]:
    return [
        ("reference", reference.name),
        ("made of", f"{reference.images:,} images of {reference.source}"),
        ("calibration images", f"{reference.calibration:,}"),
        ("made", reference.created),
    ]
