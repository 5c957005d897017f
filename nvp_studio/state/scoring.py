"""Scoring image files: what is asked of the engine, how far it is, and what another model or a crash does to it."""

import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from nvp_studio.data.scored_files import name_digest
from nvp_studio.file_labels import FileLabels
from nvp_studio.score_row import ScoreRow
from nvp_studio.state.engine import Engine
from nvp_studio.state.pace import Pace
from nvp_studio.state.paths import is_below, without_overlap
from nvp_studio.state.references import ReferenceState
from nvp_studio.state.score_options import ScoreOptions
from nvp_studio.state.score_watch import ScoreWatch
from nvp_studio.state.scores import DEFAULT_RATE, ScoresModel
from nvp_studio.state.stored_scores import MAX_ROWS, StoredScores, read_scores, write_scores
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Cancelled, Failed, ModelInfo
from nvp_studio.worker.score_messages import ImagesRead, ReadImages, ReferenceInfo, Score, ScoreDone, ScoreRows


class ScoreState(QObject):
    """What Score shows: the files asked for, their rows, how far it is, and by which model.

    One table holds scores of one model. When another model opens the table is `stale` until it is scored again; files
    added then have all scored again.
    """

    progressed = Signal()
    """Rows came, or `busy`, `done` or `total` changed."""
    model_changed = Signal()
    """Another model is open, or the table belongs to another one than before: look at `stale`."""
    failed = Signal(str)
    no_images = Signal(object)
    """What was asked for, a tuple of paths, holds no image."""
    interrupted = Signal()
    """The engine ended while scoring; `resume` continues."""
    preview_arrived = Signal(str, object)
    """(path, `ImageBatch`): exact pixels asked for by `ask_preview`."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.rows = ScoresModel(self)
        self.model: ModelInfo | None = None
        """The model of the scores in the table."""
        self.reference: ReferenceInfo | None = None
        """What the verdicts in the table compare with."""
        self.options = ScoreOptions()
        """How files are scored from now on."""
        self.scored_with = ScoreOptions()
        """How those in the table were."""
        self.labels = FileLabels(None)
        """What gives files their labels: the names of their folders, or a table."""
        self.done = 0
        self.total = 0
        self.counted = True
        self.busy = self._asking = False
        self.rate = DEFAULT_RATE
        """The false-alarm rate that is asked for; that of the rows may be higher."""
        self.left: int | None = None
        """How many files have no row because a person cancelled; None where that is not known."""
        self.pace = Pace()
        """Of the scoring under way."""
        self._asked: list[str] = []
        self._waiting: deque[tuple[str, ...]] = deque()
        self._current: tuple[str, ...] = ()
        self._cancelled: tuple[str, ...] = ()
        """What was asked for and not scored to its end because a person cancelled."""
        self._finished: set[str] = set()
        """What was scored to its end: every file of it has a row."""
        self._resumed = False
        self._taken: set[str] = set()
        """Paths of rows that were taken from a table; their files are not scored again."""
        self._continuing = False
        """Whether files that have a score are passed over by the next request."""
        engine.model_opened.connect(self._on_model_opened)
        self._channel = engine.explorer.channel("score", self)
        self._previews = engine.explorer.channel("score preview", self)
        self._images = engine.explorer.channel("score images", self)
        self.watching = ScoreWatch(lambda: not self.busy and not self._waiting, self)
        self.watching.arrived.connect(self._on_arrived)
        self.watching.changed.connect(self.progressed)
        self.references = ReferenceState(engine, self)
        self.references.changed.connect(self._on_reference)
        self.references.progressed.connect(self.progressed)
        self.rows.images_wanted.connect(lambda paths: self._images.ask(ReadImages(paths), self._on_images))

    @property
    def stale(self) -> bool:
        """Whether the table's scores are of another model, reference or options than those chosen now."""
        scored, opened = self.model, self.engine.model
        if not (scored and opened and self.rows.total):
            return False
        return scored.digest != opened.digest or self.other_reference or self.other_options

    @property
    def other_reference(self) -> bool:
        """Whether the verdicts in the table, if there are any, compare with another reference than the chosen one."""
        chosen = self.references
        if not chosen.settled or chosen.current is None:
            return False
        return self.reference != chosen.current

    @property
    def other_options(self) -> bool:
        """Whether the scores in the table, if there are any, are of other options than the chosen ones."""
        return self.rows.total > 0 and self.scored_with.same_scores != self.options.same_scores

    @property
    def waiting_for_model(self) -> bool:
        """Whether files wait for the engine to open a model."""
        return bool(self._waiting) and not self.busy

    @property
    def can_resume(self) -> bool:
        """Whether scoring was interrupted or cancelled and has something left to do."""
        return not self.busy and not self.waiting_for_model and bool(self._current or self._cancelled)

    def add(self, paths: Iterable[str | Path]) -> None:
        """Score files and folders, after what is being scored."""
        new = tuple(str(path) for path in paths)
        if not new:
            return
        self._ask_for(new)
        self._waiting.append(new)
        self._start_next()

    def score_again(self) -> None:
        """Score everything that was asked for with the model open now."""
        watched = self.watching.folders
        others = set(self._asked) - self._taken
        asked = [
            path
            for path in self._asked
            if Path(path) not in watched and not (path in self._taken and is_below(os.path.dirname(path), others))
        ]
        self.clear()
        self.add(asked)
        if watched:
            self.watch(watched)

    def watch(self, folders: Sequence[Path]) -> None:
        """Score the images in these folders, and those that arrive there, beside the folders that are watched."""
        every = tuple(dict.fromkeys((*self.watching.folders, *folders)))
        self._ask_for(tuple(map(str, every)))
        self.watching.watch(every, () if self.stale else self.rows.scored_paths())

    def resume(self) -> None:
        """Go on after an interruption; rows that are there already stay."""
        if self.can_resume:
            self._waiting.appendleft(self._current or self._cancelled)
            self._continuing = True
            self._current = self._cancelled = ()
            self._start_next()

    def cancel(self) -> None:
        """Score no more and watch no folder; `resume` scores what is left. Rows that are there stay."""
        self.watching.stop()
        waiting = [path for paths in self._waiting for path in paths if path not in self._finished]
        self.left = None
        if self.busy and self.counted and not waiting and without_overlap(self._current):
            self.left = max(0, self.total - self.rows.count_of(self._current))
        done = self._finished.issuperset(self._current) if self.left is None else self.left == 0
        left = [*(() if done else self._current), *waiting]
        self._cancelled = tuple(left) or self._cancelled
        self._waiting.clear()
        self._channel.cancel()
        self._reset_progress()
        self.references.cancel()
        self.progressed.emit()

    def clear(self) -> None:
        """Cancel and empty the table."""
        self._asked.clear()
        self._finished.clear()
        self._taken.clear()
        self.cancel()
        self._cancelled = ()
        self.rows.clear()
        self.model = self.reference = None
        self.done = self.total = 0
        self.counted = True
        self.progressed.emit()
        self.model_changed.emit()

    def use(self, options: ScoreOptions) -> None:
        """Score with these options from now on; what is in the table stays until it is scored again."""
        self.options = options
        self.model_changed.emit()

    def label_by(self, table: str) -> None:
        """Take labels from this CSV table, or of an empty path from folders; raises `LabelsError`."""
        self.labels = FileLabels(table or None, map(Path, self._asked))
        self.rows.relabel(self.labels.of)

    def judge_at(self, rate: float) -> None:
        """Give verdicts at this false-alarm rate, or the lowest one that the reference can keep."""
        least = self.reference.least_rate if self.reference is not None else 0.0
        self.rate = rate
        self.rows.judge_at(max(rate, least))

    @property
    def cancelled(self) -> bool:
        """Whether a person cancelled and something was left undone."""
        return bool(self._cancelled)

    def store(self, path: Path) -> None:
        """Write the table to a file, or delete that when the table is empty; raises `OSError`."""
        scores = self.stored(MAX_ROWS)
        if scores is None:
            path.unlink(missing_ok=True)
        else:
            write_scores(path, scores)

    def stored(self, most: int) -> StoredScores | None:
        """The table with up to `most` rows; None when it is empty."""
        if self.model is None or not self.rows.total:
            return None
        left = [one for paths in (self._current, *self._waiting, self._cancelled) for one in paths]
        rows = self.rows.small_rows(most)
        return StoredScores(
            model=self.model,
            asked=tuple(self._asked),
            unfinished=tuple(left),
            reference=self.reference,
            options=self.scored_with,
            rows=rows,
        )

    def restore(self, path: Path) -> None:
        """Show the table that `store` wrote, if there is one."""
        scores = read_scores(path)
        if scores is not None:
            self.show_stored(scores)

    def show_stored(self, scores: StoredScores) -> None:
        """Show this table, unless there is another by now."""
        if self.rows.total or self.busy or self._waiting:
            return
        self.model, self._asked, self._cancelled = scores.model, list(scores.asked), scores.unfinished
        self.reference, self.scored_with = scores.reference, scores.options
        self.judge_at(self.rate)
        self._finished = set(scores.asked).difference(scores.unfinished)
        self.left = None
        self.rows.show_below(self._asked)
        self.rows.restore(scores.rows)
        self.progressed.emit()
        self.model_changed.emit()

    def ask_preview(self, path: str) -> None:
        """Have the exact pixels of a file read once more."""
        self._previews.ask(ReadImages((path,)), self._on_preview)

    def take(self, rows: Sequence[ScoreRow]) -> None:
        """Put rows of the open model, its reference and the chosen options into the table; their files are done."""
        self.model, self.reference, self.scored_with = self.engine.model, self.references.current, self.options
        paths = [row.path for row in rows]
        self._asked += [path for path in paths if path not in self._taken]
        self._taken.update(paths)
        self._finished.update(paths)
        self.rows.add(rows)
        self.progressed.emit()

    def _known(self) -> bytes:
        """Digests of the files that are passed over."""
        scored = self.rows.scored_paths()
        return b"".join(name_digest(path) for path in scored if self._continuing or path in self._taken)

    def _ask_for(self, paths: tuple[str, ...]) -> None:
        self._asked = list(dict.fromkeys((*self._asked, *paths)))
        self.labels.add_bases(paths)
        self.rows.show_below(self._asked)

    def _on_arrived(self, paths: tuple[str, ...]) -> None:
        self._waiting.append(paths)
        self._start_next()

    def _start_next(self) -> None:
        """Score what waits; without an open model it waits until one opens."""
        engine = self.engine
        ready = engine.model is not None and engine.explorer.state == "ready" and not engine.opening
        if ready and self._waiting and not self.busy:
            if self.stale:
                self.score_again()
                return
            self._cancelled = ()
            self._current = self._waiting.popleft()
            self.busy, self.counted = True, False
            self.done = self.total = 0
            self._ask_scores()
        self.progressed.emit()

    def _ask_scores(self) -> None:
        """Ask for the scores of what is current, once it is known what verdicts compare with."""
        references = self.references
        if not references.settled:
            references.settle()
        elif self.stale:
            self.score_again()
        else:
            options, wanted = self.options, (self.engine.model, references.current, self.options)
            if wanted != (self.model, self.reference, self.scored_with):
                self.model, self.reference, self.scored_with = wanted
                self.judge_at(self.rate)
                self.model_changed.emit()
            self._asking = True
            self.pace.begin(time.monotonic())
            request = Score(
                self._current,
                samples=options.samples,
                weighted=options.weighted,
                against=options.against,
                reference=references.current_name,
                known=self._known(),
            )
            self._continuing = False
            self._channel.ask(request, self._on_answer)

    def _reset_progress(self) -> None:
        self.busy = self._asking = False
        self._current = ()

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case ScoreRows():
                self.rows.add(self._labelled(self.watching.settled(answer.rows)))
                self.pace.add(time.monotonic(), len(answer.rows))
                self.done, self.total, self.counted = answer.done, answer.total, answer.counted
                self.progressed.emit()
            case ScoreDone():
                asked, total = self._current, self.total
                self._finished.update(asked)
                self._on_ended()
                if not total:
                    self.no_images.emit(asked)
            case Cancelled():
                self._on_ended()
            case Failed(reason=reason):
                self.watching.stop()  # or it would fail again at every look
                self._on_ended()
                self.failed.emit(reason)
            case WorkerLost():
                self._on_lost()

    def _labelled(self, rows: Sequence[ScoreRow]) -> list[ScoreRow]:
        return [replace(row, label_name=self.labels.of(row.path)) for row in rows]

    def _on_preview(self, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, ImagesRead):
            for row in answer.rows:
                if row.pixels is not None:
                    self.preview_arrived.emit(row.path, row.pixels)

    def _on_images(self, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, ImagesRead):
            for row in answer.rows:
                self.rows.keep_image(row.path, row.pixels)

    def _on_reference(self) -> None:
        self.model_changed.emit()
        self._go_on()

    def _go_on(self) -> None:
        if self.busy and not self._asking:
            self._ask_scores()
        else:
            self._start_next()

    def _on_ended(self) -> None:
        self._reset_progress()
        self._resumed = False
        self._start_next()

    def _on_lost(self) -> None:
        """Go on by itself once; whether a file that ends the engine again is scored is left to the person."""
        self.busy = self._asking = False
        self._resumed = not self._resumed
        if self._resumed:
            self._continuing = True
            self._waiting.appendleft(self._current)
            self._current = ()
        else:
            self.watching.stop()
            self.interrupted.emit()
        self.progressed.emit()

    def _on_model_opened(self, model: ModelInfo) -> None:
        self.references.follow(model)
        self.model_changed.emit()
        self._go_on()
