"""TensorBoard's event files, written by the tensorboard package's own writer, which is an optional extra."""

import struct
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunEvent, RunImages, RunStarted, StepMetrics
from nvp_studio.training.runs import read_record, sheet_name

FOLDER = "tensorboard"
"""Inside a run folder."""
_PNG_HEADER_BYTES = 24
"""Up to the end of width and height."""
_SCALARS = {
    "train": "bits_per_dim/train",
    "validation": "bits_per_dim/validation",
    "learning_rate": "optimizer/learning_rate",
    "gradient_norm": "optimizer/gradient_norm",
    "inverse_error": "inverse_error/images_and_samples",
    "noise_inverse_error": "inverse_error/noise",
}


def require_tensorboard() -> None:
    """Raise `RunError` unless the tensorboard package is there."""
    try:
        import tensorboard.summary.writer.event_file_writer  # noqa: F401
    except ImportError as error:
        raise RunError("TensorBoard's event files need tensorboard: pip install 'nvp-studio[tensorboard]'") from error


class EventFiles:
    """Event files in `folder`: scalars of steps, and sheets.

    The wall time of an event is the run's start plus its seconds of training.
    `first_step` makes TensorBoard drop earlier events from that step on: a resumed run takes these steps again.
    """

    def __init__(self, folder: Path, created: str, first_step: int = 0) -> None:
        require_tensorboard()
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._start = _moment(created)
        self._writer: Any = EventFileWriter(str(folder))
        self._last: StepMetrics | None = None
        self._times: dict[int, float] = {}
        if first_step:
            status = SessionLog(status=SessionLog.START)
            self._writer.add_event(Event(wall_time=time.time(), step=first_step, session_log=status))

    def step(self, metrics: StepMetrics) -> None:
        """Write the scalars of a step."""
        values = {tag: getattr(metrics, name) for name, tag in _SCALARS.items()}
        values["time/seconds"] = metrics.seconds
        for scale, bits in enumerate(metrics.scale_bits):
            values[f"bits_by_scale/{scale}"] = bits
        if self._last is not None and metrics.seconds > self._last.seconds:
            done, elapsed = metrics.images - self._last.images, metrics.seconds - self._last.seconds
            values["time/images_per_second"] = done / elapsed
        self._last = metrics
        scalars = [
            self._summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if value is not None
        ]
        if metrics.validation is not None:
            self._times[metrics.step] = metrics.seconds
        self._add(metrics.step, metrics.seconds, self._summary(value=scalars))

    def sheet(self, kind: str, step: int, png: bytes) -> None:
        """Write a sheet of images, the content of a PNG file; anything else is ignored."""
        if len(png) < _PNG_HEADER_BYTES or not png.startswith(b"\x89PNG"):
            return
        width, height = struct.unpack(">II", png[16:_PNG_HEADER_BYTES])
        image = self._summary.Image(width=width, height=height, colorspace=3, encoded_image_string=png)
        seconds = self._times.get(step, self._last.seconds if self._last else 0.0)
        self._add(step, seconds, self._summary(value=[self._summary.Value(tag=kind, image=image)]))

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()

    def _add(self, step: int, seconds: float, summary: Any) -> None:
        self._writer.add_event(self._event(wall_time=self._start + seconds, step=step, summary=summary))


class EventFollower:
    """Writes the event files of a run while it is trained, from the events that it reports."""

    def __init__(self) -> None:
        require_tensorboard()
        self._files: EventFiles | None = None
        self._folder = Path()

    def report(self, event: RunEvent) -> None:
        """Write one event of the run."""
        match event:
            case RunStarted(folder=folder, step=step):
                self.close()
                self._folder = Path(folder)
                created = read_record(self._folder, for_training=False).created
                self._files = EventFiles(self._folder / FOLDER, created, step + 1 if step else 0)
            case StepMetrics() if self._files is not None:
                self._files.step(event)
            case RunImages(kind=kind, step=step) if self._files is not None:
                try:
                    self._files.sheet(kind, step, (self._folder / "samples" / sheet_name(kind, step)).read_bytes())
                except OSError:
                    return  # a full disk kept the sheet away, which was reported already

    def close(self) -> None:
        """Close the files at the end of the run."""
        if self._files is not None:
            self._files.close()
            self._files = None


def _moment(created: str) -> float:
    try:
        return datetime.fromisoformat(created).timestamp()
    except ValueError:
        return time.time()
