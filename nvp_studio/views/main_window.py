"""The main window: page buttons, pages, run strip, menus, log, notifications and drops of files."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pkgutil import resolve_name

from PySide6.QtCore import QByteArray, QCoreApplication, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDropEvent, QKeyEvent, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QMainWindow, QStackedWidget, QWidget

from nvp_studio.state.engine import Engine
from nvp_studio.state.paths import is_model
from nvp_studio.state.settings import SettingsStore
from nvp_studio.views.context import WindowContext
from nvp_studio.views.dialogs import FRAME
from nvp_studio.views.engine_notifications import EngineNotifications
from nvp_studio.views.importer import Importer
from nvp_studio.views.key_reasons import heed
from nvp_studio.views.lessons.lessons import Lessons
from nvp_studio.views.lost_focus import FocusKeeper
from nvp_studio.views.notification_history import NotificationHistory
from nvp_studio.views.page import Page
from nvp_studio.views.registry_menu import RegistryMenu
from nvp_studio.views.tab_order import move_focus
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.drag_out import PictureMime
from nvp_studio.views.widgets.drop_overlay import DropOverlay, local_paths
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.layout import hbox, vbox
from nvp_studio.views.widgets.log_dock import LogDock
from nvp_studio.views.widgets.message_button import MessageButton
from nvp_studio.views.widgets.notification_stack import NotificationStack
from nvp_studio.views.widgets.rail import Rail
from nvp_studio.views.window_actions import WindowActions

_LEAST = QSize(800, 600)
"""The smallest window; `fit_screen` allows a smaller one on a screen that has no room for it."""
_MAX_STATUS = 60 * SPACE
_MODEL_MILLISECONDS = 3000
"""How long the pages that are not shown wait for the first model, whose picture they would delay."""
_PICTURE_MILLISECONDS = 150
"""How long they wait from then on for the picture."""


@dataclass(frozen=True)
class PageEntry:
    """A page of the window, built when it is first shown or when the window has nothing else to do."""

    key: str
    title: str
    icon: str
    class_path: str
    """Where its class is, below `nvp_studio.views.pages`; importing it takes long."""

    def load(self) -> type[Page]:
        """Import the page's module."""
        page_class: type[Page] = resolve_name(f"nvp_studio.views.pages.{self.class_path}")
        return page_class


def page_entries() -> tuple[PageEntry, ...]:
    """The pages, in their order on screen."""
    tr = partial(QCoreApplication.translate, "MainWindow")
    return (
        PageEntry("train", tr("Train"), "graduation-cap", "train.page:TrainPage"),
        PageEntry("explore", tr("Explore"), "compass", "explore.page:ExplorePage"),
        PageEntry("score", tr("Score"), "gauge", "score.page:ScorePage"),
        PageEntry("runs", tr("Runs"), "chart-line", "runs.page:RunsPage"),
        PageEntry("inspect", tr("Inspect"), "scan-search", "inspect.page:InspectPage"),
        PageEntry("lab", tr("Lab"), "flask-conical", "lab.page:LabPage"),
    )


class _Corner(QWidget):
    """A widget whose wanted width is the one it was given, for the menu bar places it by that."""

    def sizeHint(self) -> QSize:
        return self.minimumSize()


class MainWindow(QMainWindow):
    """Shows the pages and what surrounds them. Pages are made with `context` and reach the window by its signals."""

    painted = Signal()
    """Once, after the first paint."""

    def __init__(self, engine: Engine, settings: SettingsStore) -> None:
        super().__init__()
        self.engine = engine
        self.settings = settings
        self.context = WindowContext(engine, settings, self)
        self._keeper = FocusKeeper(self)
        self.registry = self.context.registry
        self.registry.menus = self._menu_titles()
        self._entries = page_entries()
        self._pages: dict[str, Page] = {}
        self._importer = Importer()
        self._importer.imported.connect(self._on_page_imported)
        self._was_painted = False
        self._others = QTimer(self, singleShot=True)
        self._others.timeout.connect(self._import_next_page)
        self.setWindowTitle("NVP Studio")
        self.setMinimumSize(_LEAST)
        self.resize(1280, 800)
        self._lay_out()
        self._actions = WindowActions(
            self.context,
            [(entry.key, entry.title, entry.icon) for entry in self._entries],
            lambda: self.current_page.key,
            self.log_dock.toggleViewAction(),
            self.history,
        )
        self.lessons = Lessons(self.context, self.show_page, self.page, self._column)
        self._engine_notifications = EngineNotifications(engine, self)
        self._fill_corner()
        self._fill_menu_bar()
        self._connect_signals()
        self._restore()

    def _menu_titles(self) -> dict[str, str]:
        return {
            "file": self.tr("&File"),
            "edit": self.tr("&Edit"),
            "explore": self.tr("E&xplore"),
            "run": self.tr("&Training"),
            "runs": self.tr("&Runs"),
            "score": self.tr("&Score"),
            "inspect": self.tr("&Inspect"),
            "lab": self.tr("&Lab"),
            "view": self.tr("&View"),
            "help": self.tr("&Help"),
        }

    # Pages

    @property
    def current_page(self) -> Page:
        """The page that is shown."""
        page = self._stack.currentWidget()
        assert isinstance(page, Page)
        return page

    def page(self, key: str) -> Page:
        """The page `key`, built now if it was not yet."""
        if key not in self._pages:
            entry = next(entry for entry in self._entries if entry.key == key)
            page = entry.load()(self.context)
            self._pages[key] = page
            self._stack.addWidget(page)
            self.context.undo.addStack(page.undo)
            self._refresh_menu_bar()
        return self._pages[key]

    def all_pages_built(self) -> bool:
        """Whether every page of the rail exists."""
        return len(self._pages) == len(self._entries)

    def show_page(self, key: str) -> None:
        """Bring the page `key` to the front."""
        page = self.page(key)
        self._stack.setCurrentWidget(page)
        self.context.undo.setActiveStack(page.undo)
        self._rail.mark(key)
        page.setFocus(Qt.FocusReason.OtherFocusReason)
        page.activated()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Nothing took the key: it may be one of the page that is shown."""
        if not heed(self.registry, event):
            super().keyPressEvent(event)

    def open_in_explore(self, paths: list[Path]) -> None:
        """Show models or images on Explore."""
        self.show_page("explore")
        self.page("explore").open_paths(paths)

    # Construction

    def _lay_out(self) -> None:
        self._stack = QStackedWidget()
        self.history = NotificationHistory(self, self.settings.path.with_suffix(".messages"))
        self.notifications = NotificationStack()
        self._rail = Rail([(entry.key, entry.title, entry.icon) for entry in self._entries])
        center = QWidget()
        column = vbox(center, spacing=0)
        row = hbox(spacing=0)
        row.addWidget(self._rail)
        self._column = vbox(spacing=0)
        self._column.addWidget(self._stack, 1)
        self._column.addWidget(self.notifications)
        row.addLayout(self._column, 1)
        column.addLayout(row, 1)
        column.addWidget(self.context.strip)
        self.setCentralWidget(center)
        self.log_dock = LogDock(self)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.log_dock)
        self.log_dock.hide()
        DropOverlay(self._stack, self, self._describe_drop, lambda event: self.open_paths(local_paths(event)))
        self._status = ElidedLabel(role="dim")
        self._status.setObjectName("engine_status")
        self._status.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._status.setAccessibleName(self.tr("Engine status"))
        self.menuBar().setNativeMenuBar(False)

    def _fill_corner(self) -> None:
        """Put the status of the engine and the bell of the messages at the right of the menu bar."""
        self._corner = _Corner()
        self._corner.setFixedSize(QSize(_MAX_STATUS, 28))
        row = hbox(self._corner, spacing=SPACE // 2, margins=(0, 0, SPACE, 0))
        row.addWidget(self._status, 1)
        row.addWidget(MessageButton(self.registry["view.messages"], self.history))
        self.menuBar().setCornerWidget(self._corner)

    def set_theme(self, choice: str) -> None:
        """Apply a theme and remember it."""
        self._actions.set_theme(choice)

    def _fill_menu_bar(self) -> None:
        self._menus: dict[str, RegistryMenu] = {}
        for key, title in self.registry.menus.items():
            menu = RegistryMenu(self.registry, key, title, self.menuBar())
            self.menuBar().addMenu(menu)
            self._menus[key] = menu
        self._refresh_menu_bar()

    def _refresh_menu_bar(self) -> None:
        """Show the menus that hold anything yet; pages bring theirs when they are built."""
        for key, menu in self._menus.items():
            menu.menuAction().setVisible(bool(self.registry.entries(key)))
        self._fit_status()

    def _connect_signals(self) -> None:
        self._rail.page_chosen.connect(self.show_page)
        self.context.page_requested.connect(self.show_page)
        self.context.open_requested.connect(self.open_in_explore)
        self.engine.model_opened.connect(self._on_model_opened)
        self.engine.status_changed.connect(self._show_status)
        self._show_status(self.engine.status)
        self.engine.explorer.log_line.connect(self.log_dock.add_explorer_line)
        self.engine.trainer.log_line.connect(self.log_dock.add_trainer_line)

    def _show_status(self, status: str) -> None:
        self._status.setText(status)

    # Drag and drop

    def _describe_drop(self, event: QDropEvent) -> str:
        if isinstance(event.mimeData(), PictureMime):
            return ""  # a picture of this window: it is there already
        route = self._route(local_paths(event))
        return route[1] if route is not None else ""

    def open_paths(self, paths: list[Path]) -> bool:
        """Do what dropping `paths` on the window means now; False when it means nothing."""
        route = self._route(paths)
        if route is None:
            return False
        key, _ = route
        self.show_page(key)
        self.page(key).open_paths(paths)
        return True

    def _route(self, paths: list[Path]) -> tuple[str, str] | None:
        """(key, text) of the page that opens these files: models on Explore, others on the current page if it can."""
        if not paths:
            return None
        order = [self.current_page.key, *(entry.key for entry in self._entries)]
        if len(paths) == 1 and is_model(paths[0]):
            order.insert(0, "explore")
        for key in order:
            text = self.page(key).drop_text(paths)
            if text:
                return key, text
        return None

    # Life of the window

    def fit_screen(self) -> None:
        """Be no larger than the screen has room for, as on a small one or one whose scale is large."""
        room = self.screen().availableGeometry().size() - FRAME
        self.setMinimumSize(self.minimumSize().boundedTo(room))
        if not self.windowState() & (Qt.WindowState.WindowMaximized | Qt.WindowState.WindowFullScreen):
            self.resize(self.size().boundedTo(room))

    def _restore(self) -> None:
        values = self.settings.values
        if values.geometry:
            self.restoreGeometry(QByteArray.fromBase64(values.geometry.encode()))
        if values.dock_layout:
            self.restoreState(QByteArray.fromBase64(values.dock_layout.encode()))
        keys = [entry.key for entry in self._entries]
        self.show_page(values.page if values.page in keys else "explore")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_status()

    def _fit_status(self) -> None:
        """Give the status what the menus leave."""
        menus = self.menuBar().sizeHint().width() - self._corner.sizeHint().width() + 2 * SPACE
        width = max(0, min(_MAX_STATUS, self.width() - menus))
        if width != self._corner.width():
            self._corner.setFixedWidth(width)
            size = self.menuBar().size()
            QCoreApplication.sendEvent(self.menuBar(), QResizeEvent(size, size))  # it moves the status only then

    def focusNextPrevChild(self, next: bool) -> bool:
        return self._keeper.keeps() or move_focus(self, next)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._was_painted:
            self._was_painted = True
            QTimer.singleShot(0, self, self._on_first_paint)

    def _on_first_paint(self) -> None:
        self.painted.emit()
        self._others.start(_MODEL_MILLISECONDS if self.engine.opening else 0)

    def _on_model_opened(self) -> None:
        if self._others.isActive():
            self._others.start(_PICTURE_MILLISECONDS)

    def _import_next_page(self) -> None:
        """Bring in the pages nobody asked for yet, one at a time; their modules take longest."""
        entry = next((entry for entry in self._entries if entry.key not in self._pages), None)
        if entry is not None:
            self._importer.start(entry.key, entry.load)

    def _on_page_imported(self, key: str) -> None:
        self.page(key)
        QTimer.singleShot(0, self, self._import_next_page)

    def closeEvent(self, event: QCloseEvent) -> None:
        values = self.settings.values
        values.page = self.current_page.key
        values.geometry = self.saveGeometry().toBase64().toStdString()
        values.dock_layout = self.saveState().toBase64().toStdString()
        for page in self._pages.values():
            page.save_state()
        self.settings.save()
        event.accept()
        self.context.closing.emit()
        self.history.save()
