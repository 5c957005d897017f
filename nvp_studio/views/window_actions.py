"""The actions that belong to no page: models, undo, themes, log, palette, help."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QApplication

from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.state.paths import MODEL_SUFFIX
from nvp_studio.views.about_dialog import AboutDialog
from nvp_studio.views.command_palette import CommandPalette, ShortcutSheet
from nvp_studio.views.context import WindowContext
from nvp_studio.views.figures_dialog import FiguresDialog
from nvp_studio.views.help_dialog import HelpDialog
from nvp_studio.views.history_dialog import HistoryDialog
from nvp_studio.views.notification_history import NotificationHistory
from nvp_studio.views.page_help import page_help
from nvp_studio.views.theme import apply_theme


class WindowActions(QObject):
    """Registers the window's own actions and performs them."""

    def __init__(
        self,
        context: WindowContext,
        pages: list[tuple[str, str, str]],
        current_page: Callable[[], str],
        log: QAction,
        history: NotificationHistory,
    ) -> None:
        """`pages` are (key, title, icon), `current_page` tells the key of the one that is shown.

        `log` shows and hides the log, `history` holds the messages.
        """
        super().__init__(context)
        self._context = context
        self._window = context.window
        self._current_page = current_page
        self._history = history
        self._add_actions(pages, log)

    def set_theme(self, choice: str) -> None:
        """Apply a theme and remember it."""
        self._context.registry[f"view.theme-{choice}"].setChecked(True)
        self._context.settings.values.theme = choice
        self._context.settings.save()
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, choice)

    def _add_actions(self, pages: list[tuple[str, str, str]], log: QAction) -> None:
        add = self._context.registry.add
        tip = self.tr("Open a checkpoint file")
        text = self.tr("Open &model…")
        add("file.open-model", text, self._ask_model, "Ctrl+Shift+O", "box", tip=tip, place=20, separator=True)
        add("file.open-run", self.tr("Open &run folder…"), self._ask_run, icon="folder-open", place=20)
        for name, title in INCLUDED_MODELS.items():
            text = self.tr("Open the included {0} model").format(title)
            add(f"file.open-{name}", text, partial(self._context.engine.open_model, name), place=20)
        add("file.quit", self.tr("&Quit"), self._window.close, "Ctrl+Q", "log-out", separator=True, place=90)
        undo = self._context.undo.createUndoAction(self._window, self.tr("&Undo"))
        undo.setShortcut("Ctrl+Z")
        redo = self._context.undo.createRedoAction(self._window, self.tr("&Redo"))
        redo.setShortcuts([QKeySequence("Ctrl+Shift+Z"), QKeySequence("Ctrl+Y")])
        self._context.registry.adopt("edit.undo", undo, "undo-2")
        self._context.registry.adopt("edit.redo", redo, "redo-2")
        for number, (key, title, icon) in enumerate(pages, 1):
            add(f"view.page-{key}", title, partial(self._context.page_requested.emit, key), f"Ctrl+{number}", icon)
        self._add_theme_actions()
        log.setText(self.tr("L&og"))
        log.setShortcut(QKeySequence("Ctrl+L"))
        self._context.registry.adopt("view.log", log, "square-terminal", separator=True)
        add("view.messages", self.tr("&Messages"), self._show_messages, "Ctrl+M", "bell")
        add("view.full-screen", self.tr("&Full screen"), self._toggle_full_screen, "F11")
        add("help.palette", self.tr("&Commands…"), self._show_palette, "Ctrl+K", "command")
        add("help.page", self.tr("&Help for this page"), self._show_help, "F1", "circle-help")
        add("help.shortcuts", self.tr("&Keyboard shortcuts"), self._show_shortcuts, "Ctrl+F1", "keyboard")
        add("help.figures", self.tr("What the &figures mean"), self._show_figures, "Shift+F1", "info")
        restart = self._context.engine.explorer.restart
        add("help.restart-explorer", self.tr("&Restart the engine"), restart, icon="refresh-cw", separator=True)
        add("help.about", self.tr("&About NVP Studio"), self._show_about, icon="info", separator=True)

    def _add_theme_actions(self) -> None:
        group = QActionGroup(self)
        for choice, text, icon in (
            ("system", self.tr("Theme of the &system"), "monitor"),
            ("light", self.tr("&Light theme"), "sun"),
            ("dark", self.tr("&Dark theme"), "moon"),
        ):
            first = choice == "system"
            apply = partial(self.set_theme, choice)
            action = self._context.registry.add(
                f"view.theme-{choice}", text, apply, icon=icon, checkable=True, separator=first
            )
            action.setChecked(self._context.settings.values.theme == choice)
            group.addAction(action)

    def _ask_model(self) -> None:
        filters = self.tr("Models") + f" (*{MODEL_SUFFIX})"
        for path in self._context.ask_files("models", self.tr("Open a model"), filters):
            self._context.open_requested.emit([path])

    def _ask_run(self) -> None:
        folder = self._context.ask_folder("runs", self.tr("Open a run folder"))
        if folder is not None:
            self._context.open_requested.emit([folder])

    def _show_palette(self) -> None:
        palette = CommandPalette(self._context.registry, self._window)
        palette.move(self._window.geometry().center().x() - palette.width() // 2, self._window.geometry().top() + 80)
        palette.open()

    def _show_help(self) -> None:
        dialog = HelpDialog(page_help(self._current_page()), self._context.registry, self._window)
        dialog.add_button(self.tr("All shortcuts"), self._show_shortcuts)
        dialog.add_button(self.tr("All figures"), self._show_figures)
        dialog.open()

    def _show_shortcuts(self) -> None:
        ShortcutSheet(self._context.registry, self._window).open()

    def _show_messages(self) -> None:
        HistoryDialog(self._history, self._window).open()

    def _show_figures(self) -> None:
        FiguresDialog(self._window).open()

    def _show_about(self) -> None:
        AboutDialog(self._context, self._window).open()

    def _toggle_full_screen(self) -> None:
        self._window.setWindowState(self._window.windowState() ^ Qt.WindowState.WindowFullScreen)
