"""Sessions of Explore: their actions and messages."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from nvp_studio.state.session import SessionState
from nvp_studio.state.stored_session import SUFFIX, Arrangement, encoded
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.file_writing import write_file
from nvp_studio.views.page import Page
from nvp_studio.views.pages.explore.arrangement import PageArrangement
from nvp_studio.views.pages.explore.tools import Tools

_TOPIC = "session"


class SessionTool(QObject):
    """Saves and opens sessions."""

    def __init__(self, context: WindowContext, page: Page, state: SessionState) -> None:
        super().__init__(page)
        self._context, self.state = context, state
        self._tools: Tools | None = None
        self._arrangement: PageArrangement | None = None
        add = partial(context.registry.add, page=page, menu="file")
        text, tip = self.tr("Save session…"), self.tr("Save what you do on Explore to one file: model, history, tools")
        add("explore.save-session", text, self._save, "Ctrl+Alt+S", "save", tip=tip, separator=True)
        text, tip = self.tr("Open session…"), self.tr("Open a saved session of Explore; undo leads back from it")
        add("explore.open-session", text, self._ask, "Ctrl+Alt+O", "folder-open", tip=tip)
        state.failed.connect(lambda reason: notify.refuse(reason, topic=_TOPIC))
        state.told.connect(lambda text: notify.warning(text, topic=_TOPIC))
        state.restored.connect(self._on_restored)

    def show_on(self, tools: Tools, arrangement: PageArrangement) -> None:
        """Open in `tools` what was open, and restore the arrangement of the page."""
        self._tools, self._arrangement = tools, arrangement

    def keep(self) -> None:
        """Keep the session for the next start."""
        self.state.keep(self._shown, self._arranged)

    def is_session(self, path: Path) -> bool:
        """Whether the name is that of a session."""
        return path.suffix.lower() == SUFFIX and path.is_file()

    @property
    def _shown(self) -> str:
        return self._tools.shown if self._tools is not None else ""

    @property
    def _arranged(self) -> Arrangement:
        return self._arrangement.take() if self._arrangement is not None else Arrangement()

    @property
    def _filter(self) -> str:
        return self.tr("Session of Explore") + f" (*{SUFFIX})"

    def _save(self) -> None:
        session = self.state.take(self._shown, self._arranged)
        if session is None:
            return
        title, name = self.tr("Save the session"), f"{session.model_name or 'session'}{SUFFIX}"
        path = self._context.ask_save("sessions", title, name, self._filter)
        if path is not None:
            write_file(path, partial(encoded, session))

    def _ask(self) -> None:
        for path in self._context.ask_files("sessions", self.tr("Open a session"), self._filter):
            self.state.open(path)

    def _on_restored(self, tool: str, arrangement: Arrangement) -> None:
        if self._tools is not None and self._tools.shown != tool:
            if tool in self._tools.panels:
                self._tools.show_tool(tool, True)
            elif self._tools.shown:
                self._tools.show_tool(self._tools.shown, False)
        if self._arrangement is not None:  # later: others have still to be told of a model that was just opened
            QTimer.singleShot(0, self, partial(self._arrangement.restore, arrangement))
