"""Notifications about the engine: it crashed, hangs, is ready again, or cannot open a model."""

from pathlib import Path

from PySide6.QtCore import QObject

from nvp_studio.state.engine import Engine
from nvp_studio.views import notify
from nvp_studio.worker.client import CrashReport, WorkerClient


class EngineNotifications(QObject):
    """Listens to the engine and sends the notifications."""

    def __init__(self, engine: Engine, parent: QObject) -> None:
        super().__init__(parent)
        self._engine = engine
        self._crash_report = ""
        engine.crashed.connect(self._on_crashed)
        engine.hung.connect(self._on_hung)
        engine.model_failed.connect(self._on_model_failed)
        engine.model_opened.connect(lambda: notify.settle("model"))
        engine.explorer.state_changed.connect(self._on_explorer_state_changed)

    def _on_crashed(self, report: CrashReport) -> None:
        if report.role != "explorer":
            return  # the Train page notifies of a crash of the trainer
        self._crash_report = report.text()
        notify.warning(
            self.tr("The engine stopped: {0}. It is being restarted; the picture will be restored.").format(
                report.reason
            ),
            topic="crash-explorer",
            report=self._crash_report,
        )

    def _on_explorer_state_changed(self, state: str) -> None:
        if state == "failed":
            notify.error(
                self.tr("The engine crashed repeatedly and was not restarted."),
                topic="crash-explorer",
                actions=[(self.tr("Start again"), self._engine.explorer.restart)],
                report=self._crash_report,
            )
        elif state == "ready" and self._crash_report:
            notify.success(
                self.tr("The engine is ready again."),
                topic="crash-explorer",
                report=self._crash_report,
            )
            self._crash_report = ""

    def _on_hung(self, client: WorkerClient, hung: bool) -> None:
        topic = f"hung-{client.role}"
        if not hung:
            notify.withdraw(topic)
            return
        notify.error(
            self.tr("The {0} engine does not respond.").format(client.role),
            topic=topic,
            actions=[(self.tr("Restart it"), client.restart)],
        )

    def _on_model_failed(self, path: str, reason: str) -> None:
        name = Path(path).name if path else self.tr("the included model")
        text = self.tr("Cannot open {0}: {1}").format(name, reason)
        if path and reason.startswith(path):
            text = name + reason.removeprefix(path)  # it begins with the file already; its folder is no news
        notify.refuse(text, topic="model")
