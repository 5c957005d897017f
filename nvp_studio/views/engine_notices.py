"""What is said when an engine crashes, hangs, comes back, or cannot open a model."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from nvp_studio.worker.client import CrashReport, WorkerClient

if TYPE_CHECKING:
    from nvp_studio.views.main_window import MainWindow


class EngineNotices(QObject):
    """Turns the engine's bad moments into notices of the window."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._crash_report = ""
        engine = window.engine
        engine.crashed.connect(self._on_crashed)
        engine.hung.connect(self._on_hung)
        engine.model_failed.connect(self._on_model_failed)
        engine.explorer.state_changed.connect(self._on_explorer_state_changed)

    def _on_crashed(self, report: CrashReport) -> None:
        if report.role != "explorer":
            return  # the run's page says what that means for the run
        self._crash_report = report.text()
        self._window.notify(
            "warning",
            self.tr("The engine stopped: {0}. It is being restarted; your picture comes back.").format(report.reason),
            topic="crash-explorer",
            report=self._crash_report,
        )

    def _on_explorer_state_changed(self, state: str) -> None:
        if state == "failed":
            self._window.notify(
                "bad",
                self.tr("The engine crashed again and again, so it was left off."),
                topic="crash-explorer",
                action_text=self.tr("Start again"),
                action=self._window.engine.explorer.restart,
                report=self._crash_report,
            )
        elif state == "ready" and self._crash_report:
            self._window.notify(
                "good",
                self.tr("The engine is back."),
                topic="crash-explorer",
                report=self._crash_report,
            )
            self._crash_report = ""

    def _on_hung(self, client: WorkerClient, hung: bool) -> None:
        topic = f"hung-{client.role}"
        if not hung:
            self._window.notices.withdraw(topic)
            return
        self._window.notify(
            "bad",
            self.tr("The {0} engine gives no sign of life.").format(client.role),
            topic=topic,
            action_text=self.tr("Restart it"),
            action=client.restart,
        )

    def _on_model_failed(self, path: str, reason: str) -> None:
        name = Path(path).name if path else self.tr("the included model")
        text = self.tr("Cannot open {0}: {1}").format(name, reason)
        if path and reason.startswith(path):
            text = name + reason.removeprefix(path)  # it begins with the file already; its folder is no news
        self._window.notify("bad", text, topic="model")
