"""Copies the model of a run on another machine to this one, with its progress in a notification, and opens it."""

from pathlib import Path

from PySide6.QtCore import QObject

from nvp_studio.state.fetch import ModelFetch, megabytes
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext

_TOPIC = "fetch"


class RemoteModel(QObject):
    """Copies one model at a time."""

    def __init__(self, context: WindowContext, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self._name = ""
        self._host = ""
        self.fetch = ModelFetch(self)
        self.fetch.progressed.connect(self._show_progress)
        self.fetch.fetched.connect(self._on_fetched)
        self.fetch.failed.connect(self._on_failed)
        context.closing.connect(self.fetch.cancel)

    def bring(self, host: str, folder: str, name: str) -> None:
        """Copy the model of the run `name` in `folder` on `host`, which must be where runs are trained."""
        if host != self._context.engine.trainer_host:
            self.notify_elsewhere(name, host)
        elif self.fetch.active:
            self._show_notice()
        else:
            self._name, self._host = name, host
            self.fetch.start(host, self._context.engine.trainer_command, folder)
            self._show_notice()

    def notify_elsewhere(self, name: str, host: str) -> None:
        """Say that the run `name` is on `host` (empty: on this machine), and runs are trained elsewhere."""
        place = host or self.tr("this machine")
        text = self.tr("{0} is on {1}; choose that as the machine to train on first.")
        notify.error(text.format(name, place), topic="run")

    def _progress_text(self) -> str:
        fetch = self.fetch
        if fetch.size is None:
            return self.tr("Asking {0} for the model of {1}…").format(self._host, self._name)
        text = self.tr("The model of {0} is on its way from {1}: {2} of {3} MB.")
        return text.format(self._name, self._host, megabytes(fetch.done), megabytes(fetch.size))

    def _show_notice(self) -> None:
        if self.fetch.active:
            cancel = self.tr("Cancel")
            notify.info(self._progress_text(), topic=_TOPIC, actions=[(cancel, self.fetch.cancel)])

    def _show_progress(self) -> None:
        notify.reword(_TOPIC, self._progress_text())

    def _on_fetched(self, path: str) -> None:
        notify.withdraw(_TOPIC)
        self._context.open_in_explore([Path(path)])

    def _on_failed(self, reason: str) -> None:
        text = self.tr("Cannot bring the model of {0} here: {1}")
        notify.error(text.format(self._name, reason), topic=_TOPIC)
