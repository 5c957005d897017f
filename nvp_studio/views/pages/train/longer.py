"""Training a finished run for longer."""

from pathlib import Path

from PySide6.QtCore import QCoreApplication

from nvp_studio.runs.labels import shown_name
from nvp_studio.state.run import LiveRun
from nvp_studio.text import duration
from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import RunSummary, read_record
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.resume_dialogs import TrainLongerDialog


def train_longer(context: WindowContext, run: RunSummary, steps_per_epoch: int | None) -> None:
    """Ask how much longer a finished run is to train, and let it go on for that."""
    try:
        config = read_record(Path(run.folder)).config
    except RunError as error:
        notify.refuse(str(error), topic="run")
        return
    trained = QCoreApplication.translate("Train", "{0} ({1} steps)").format(duration(run.seconds), f"{run.step:,}")
    dialog = TrainLongerDialog(shown_name(Path(run.folder), run.name), trained, config, context.window)
    dialog.accepted.connect(lambda: _go_on(context.live, run, *dialog.more, steps_per_epoch or 1))
    dialog.open()


def _go_on(live: LiveRun, run: RunSummary, kind: str, more: float, steps_per_epoch: int) -> None:
    """Add to what the run has behind it."""
    if kind == "steps":
        live.resume(run.folder, steps=run.step + int(more))
    elif kind == "minutes":
        live.resume(run.folder, minutes=run.seconds / 60 + more)
    else:
        live.resume(run.folder, epochs=run.step / steps_per_epoch + more)
