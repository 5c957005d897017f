"""Opens the model of a run; one on another machine is copied to this one, with its progress in a notification."""

from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from nvp_studio.state.fetch import ModelCopy, megabytes
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext

_TOPIC = "fetch"
_POLL_MILLISECONDS = 200


class RemoteModel(QObject):
    """Copies one model at a time."""

    def __init__(self, context: WindowContext, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self._name = ""
        self._host = ""
        self.copy: ModelCopy | None = None
        self._poll = QTimer(self, interval=_POLL_MILLISECONDS)
        self._poll.timeout.connect(self._on_poll)
        context.closing.connect(self.cancel)

    def explore(self, folder: str, host: str = "", name: str = "") -> None:
        """Open the model of the run `name` in `folder` on `host` (empty: on this machine) on Explore.

        It is copied from a host, which must be where runs are trained.
        """
        notify.withdraw("run")
        if not host:
            self._context.open_requested.emit([Path(folder)])
            return
        if not self.check_host(name, host):
            return
        if self.copy is None:
            self._name, self._host = name, host
            self.copy = ModelCopy(host, self._context.engine.trainer_command, folder)
            self.copy.start()
            self._poll.start()
        notify.info(self._progress_text(self.copy), topic=_TOPIC, actions=[(self.tr("Cancel"), self.cancel)])

    def cancel(self) -> None:
        """End the copy, if there is one."""
        if self.copy is not None:
            self.copy.cancel()
            self._end()

    def check_host(self, name: str, host: str) -> bool:
        """Whether runs are trained on `host` (empty: on this machine), where the run `name` is; says so if not."""
        here = host == self._context.engine.trainer_host
        if not here:
            text = self.tr("{0} is on {1}; choose that as the machine to train on first.")
            notify.refuse(text.format(name, host or self.tr("this machine")), topic="run")
        return here

    def _progress_text(self, copy: ModelCopy) -> str:
        if copy.size is None:
            return self.tr("Asking {0} for the model of {1}…").format(self._host, self._name)
        text = self.tr("The model of {0} is on its way from {1}: {2} of {3} MB.")
        return text.format(self._name, self._host, megabytes(copy.done), megabytes(copy.size))

    def _end(self) -> None:
        self.copy = None
        self._poll.stop()

    def _on_poll(self) -> None:
        copy = self.copy
        if copy is None:
            return
        if not copy.over:
            notify.reword(_TOPIC, self._progress_text(copy))
            return
        self._end()
        if copy.problem:
            text = self.tr("Cannot bring the model of {0} here: {1}")
            notify.error(text.format(self._name, copy.problem), topic=_TOPIC)
        else:
            notify.withdraw(_TOPIC)
            self._context.open_requested.emit([copy.path])
