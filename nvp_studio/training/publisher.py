"""The output of the training loop: events, and the files of the run folder; write errors are reported as notices."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from nvp_studio.checkpoints import Checkpoint, CheckpointError
from nvp_studio.data.report import DataReport
from nvp_studio.files import write_whole
from nvp_studio.image_batch import ImageBatch
from nvp_studio.memory import is_out_of_memory
from nvp_studio.text import escaped
from nvp_studio.training.checkpoint_folder import CheckpointFolder, CheckpointKind
from nvp_studio.training.errors import RunError
from nvp_studio.training.evaluation import Images, contact_sheet
from nvp_studio.training.events import (
    CheckpointSaved,
    RunEvent,
    RunImages,
    RunNotice,
    RunPhase,
    RunState,
    SheetKind,
    StepMetrics,
)
from nvp_studio.training.journal import Journal
from nvp_studio.training.runs import (
    DATA_REPORT,
    DATA_SHEET,
    LOG,
    METRICS,
    SHEET_COLUMNS,
    RunRecord,
    can_resume,
    encode_report,
    sheet_name,
    write_record,
)

Report = Callable[[RunEvent], None]

_REPEAT_SECONDS = 60.0
"""Shortest time between two notices of the same write error."""
_COUNT_SECONDS = 0.5
_END_PAUSES = (0.5, 2.0)
"""Seconds before each further try at the end of a run."""


def retry(write: Callable[[], bool]) -> bool:
    """Call `write` until it returns True, at most three times with pauses; for the end of a run, which has no later."""
    for pause in _END_PAUSES:
        if write():
            return True
        time.sleep(pause)
    return write()


class Publisher:
    """Reports events to `report` and writes to `folder`; a write error becomes a notice, and the run continues."""

    def __init__(self, folder: Path, record: RunRecord, report: Report, *, last_is_whole: bool = False) -> None:
        self.folder = folder
        self.record = record
        self.report = report
        self.checkpoints = CheckpointFolder(folder, last_is_whole=last_is_whole)
        self._metrics = Journal(folder / METRICS)
        self._log = Journal(folder / LOG)
        self._reported: dict[str, float] = {}

    def close(self) -> None:
        """Write the last lines and close the files."""
        self._flush()
        self._metrics.close()
        self._log.close()

    def enter(self, phase: RunPhase, reason: str = "") -> None:
        """Report that the run is in a new phase, and write that to its record."""
        self.report(self.end(RunState(phase, reason)))

    def end(self, state: RunState) -> RunState:
        """Write `state` to record and log; the caller reports it, once the folder is unlocked."""
        self.log(f"{state.phase}: {state.reason}" if state.reason else state.phase)
        changes: dict[str, object] = {"phase": state.phase, "reason": state.reason, "scoring": False}
        if state.phase in ("finished", "stopped", "failed"):
            retry(lambda: self.update_record(**changes))
        else:
            self.update_record(**changes)
        return state

    def counter(
        self, what: str, total: int, *, at_once: bool = True, left: Callable[[int], float | None] = lambda images: None
    ) -> Callable[[int], None]:
        """Make a function that reports how many of `total` images are done, twice a second and at the end.

        It reports a `RunState` with that as its reason; the run's record is not written. Unless `at_once`, what is
        done within half a second is not reported. `left` gives the seconds to the end of the run when so many images
        are left.
        """
        reported_at = -_COUNT_SECONDS if at_once else time.monotonic()
        reported = at_once

        def count(done: int) -> None:
            nonlocal reported_at, reported
            now = time.monotonic()
            if total and (now - reported_at >= _COUNT_SECONDS or (reported and done == total)):
                reported_at, reported = now, True
                text = f"{what}: {done:,} of {total:,}"
                self.report(RunState("training", text, fraction=done / total, seconds_left=left(total - done)))

        return count

    def notice(self, level: Literal["info", "warning", "error"], text: str) -> None:
        """Report a notice and write it to the log."""
        self.log(f"{level}: {text}")
        self.report(RunNotice(level, text))

    def metrics(self, metrics: StepMetrics) -> None:
        """Publish one step."""
        self._append(self._metrics, msgspec.json.encode(metrics))
        self._report_trouble()
        self.report(metrics)

    def begin_scoring(self) -> None:
        """Write to the record that the last step is taken, after the metrics of all steps."""
        self._flush()
        self.update_record(scoring=True)

    def update_record(self, **changes: object) -> bool:
        """Write the record with these fields of its status changed; False when it could not be written."""
        self.record = msgspec.structs.replace(
            self.record, status=msgspec.structs.replace(self.record.status, **changes)
        )
        return self._attempt("run.json", lambda: write_record(self.folder, self.record))

    def checkpoint(self, kind: CheckpointKind, step: int, make: Callable[[], Checkpoint]) -> bool:
        """Write what `make` gives as the run's checkpoint of this kind.

        False when it could not be written, or there was no memory for it; the earlier file is unchanged then.
        """
        path = self.checkpoints.path(kind, step)
        self._flush()
        if not self._attempt(f"the checkpoint {path.name}", lambda: self.checkpoints.write(kind, step, make())):
            return False
        self.log(f"saved {path.name} at step {step}")
        self.report(CheckpointSaved(str(path), step, kind))
        return True

    def unwritten(self) -> RunError:
        """The error of a run that ended without its files, with what can be done."""
        advice = "resume the run" if can_resume(self.folder) else "start it again, as it has no checkpoint"
        return RunError(f"the trained model could not be written; make room for it and {advice}")

    def sheet(self, kind: SheetKind, step: int, images: Images) -> None:
        """Publish images (N, H, W, C) and keep them as a contact sheet."""
        name = sheet_name(kind, step)
        data = contact_sheet(images, columns=SHEET_COLUMNS)
        self._attempt(f"samples/{name}", lambda: write_whole(self.folder / "samples" / name, data))
        self.report(RunImages(kind=kind, step=step, images=ImageBatch.of(images)))

    def data(self, report: DataReport) -> None:
        """Keep what the run trains on: the report, and its samples as a contact sheet."""
        content = encode_report(report)
        self._attempt(DATA_REPORT, lambda: write_whole(self.folder / DATA_REPORT, content))
        if report.samples is not None:
            sheet = contact_sheet(report.samples.array(), columns=SHEET_COLUMNS)
            self._attempt(DATA_SHEET, lambda: write_whole(self.folder / DATA_SHEET, sheet))

    def log(self, text: str) -> None:
        """Write one line with date and time to the log."""
        self._append(self._log, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {escaped(text)}".encode())

    def _append(self, journal: Journal, line: bytes) -> None:
        journal.append(line + b"\n")

    def _flush(self) -> None:
        self._metrics.flush()
        self._log.flush()
        self._report_trouble()

    def _report_trouble(self) -> None:
        if trouble := self._metrics.trouble or self._log.trouble:
            self._write_error(trouble)

    def _attempt(self, what: str, write: Callable[[], object]) -> bool:
        try:
            write()
            return True
        except OSError as error:
            self._write_error(f"{what} could not be written: {error.strerror}", str(error.strerror))
        except CheckpointError as error:
            self._write_error(str(error))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self._write_error(f"{what} could not be written: out of memory", "memory")
        return False

    def _write_error(self, text: str, cause: str = "") -> None:
        """Report a write error, once a minute for the same cause."""
        now = time.monotonic()
        key = cause or text
        if now - self._reported.get(key, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
            self._reported[key] = now
            self.notice("error", f"{text}; training goes on and tries again")
