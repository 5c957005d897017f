"""A person's own directions: the groups of pictures that a new one leads from and to."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QLineEdit, QProgressBar, QWidget

from nvp_studio.direction_file import MAX_NAME
from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.paths import is_image_file
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton, flat_button
from nvp_studio.views.widgets.drop_overlay import local_paths
from nvp_studio.views.widgets.hiding import show_or_hide
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.labels import TextLabel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox


class GroupRow(QWidget):
    """The pictures of a group side by side; more are dropped on it or chosen from a menu, a click takes one out."""

    menu_requested = Signal()
    dropped = Signal(object)
    """A list of paths."""

    def __init__(self, letter: str) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self.grid = ImageGrid(rows=1)
        self.grid.setFixedHeight(5 * SPACE)
        self.grid.setAccessibleName(self.tr("Pictures of group {0}").format(letter))
        self.grid.set_placeholder(self.tr("Drop pictures here"))
        self.grid.set_tip(self.tr("A click takes a picture out of the group"))
        self.count = TextLabel(role="dim")
        self.add = flat_button("image-plus", self.tr("Add pictures to group {0}").format(letter))
        self.add.clicked.connect(self.menu_requested)
        row = hbox(self, spacing=SPACE // 2)
        row.addWidget(text_label(letter, "section"))
        row.addWidget(self.grid, 1)
        row.addWidget(self.count)
        row.addWidget(self.add)

    def show_pictures(self, count: int, images: ImageBatch | None) -> None:
        """Show how many pictures there are, and the first ones."""
        self.grid.show_batch(images)
        self.count.setText(str(count))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _pictures(event):
            event.acceptProposedAction()
            self.grid.set_dimmed(True)

    def dragLeaveEvent(self, event: object) -> None:
        self.grid.set_dimmed(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self.grid.set_dimmed(False)
        event.acceptProposedAction()
        self.dropped.emit(_pictures(event))


class OwnHead(QWidget):
    """What a person's own directions are, and the part in which a new one is made."""

    made = Signal(str)
    """Make a direction with this name."""

    def __init__(self, new: QAction, make: QAction, more: Sequence[QAction]) -> None:
        super().__init__()
        self.text = text_label(self.tr("From one group of pictures, A, to another, B: +2 is the whole way."), wrap=True)
        line = hbox(spacing=SPACE // 2)
        self._new = ActionButton(new, self.tr("New"))
        line.addWidget(self._new)
        line.addStretch(1)
        for action in more:
            line.addWidget(ActionButton(action, flat=True))
        self.rows = (GroupRow("A"), GroupRow("B"))
        self.name = QLineEdit(placeholderText=self.tr("Name of the direction"), maxLength=MAX_NAME)
        self.name.setAccessibleName(self.tr("Name of the direction"))
        self.name.returnPressed.connect(make.trigger)
        self.note = text_label("", wrap=True)
        self.progress = QProgressBar(textVisible=False)
        self.progress.setFixedHeight(SPACE // 2)
        self.progress.setAccessibleName(self.tr("Pictures that are encoded"))
        self.editor = QWidget()
        column = vbox(self.editor, spacing=SPACE // 2)
        for row in self.rows:
            column.addWidget(row)
        last = hbox(spacing=SPACE // 2)
        last.addWidget(self.name, 1)
        last.addWidget(ActionButton(make, self.tr("Make")))
        column.addLayout(last)
        column.addWidget(self.note)
        column.addWidget(self.progress)
        self.editor.hide()
        whole = vbox(self, spacing=SPACE // 2)
        whole.addWidget(self.text)
        whole.addLayout(line)
        whole.addWidget(self.editor)

    def show_editor(self, shown: bool) -> None:
        """Show or hide the part in which a new one is made."""
        show_or_hide(self.editor, shown, self._new)

    def show_state(self, note: str, progress: tuple[int, int]) -> None:
        """Say what is made of the groups, and how far it is."""
        done, total = progress
        self.note.setText(note)
        self.progress.setVisible(total > 0)
        self.progress.setRange(0, max(1, total))
        self.progress.setValue(done)


def _pictures(event: QDropEvent) -> list[Path]:
    """The image files, folders and archives that are dragged."""
    return [path for path in local_paths(event) if is_image_file(path) or path.is_dir()]
