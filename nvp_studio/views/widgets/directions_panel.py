"""Sliders along directions among the latents: the model's own, those of the present picture, and a person's own."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QProgressBar, QStackedWidget, QWidget

from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.slider_list import SliderList

KINDS = ("model", "local", "own")
"""Whose directions may be shown, in the order of the choice."""


class LocalHead(QWidget):
    """What local directions are, which picture they belong to, and the button that finds them."""

    def __init__(self, find: QAction, cancel: QAction) -> None:
        super().__init__()
        self.text = text_label("", wrap=True)
        self.progress = QProgressBar(textVisible=False)
        self.progress.setFixedHeight(SPACE // 2)
        self.progress.setAccessibleName(self.tr("Steps of finding directions"))
        self.find_button = ActionButton(find, self.tr("Find"))
        self.cancel_button = ActionButton(cancel, self.tr("Cancel"))
        column = vbox(self, spacing=SPACE // 2)
        line = hbox()
        line.addWidget(self.text, 1)
        line.addWidget(self.find_button, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self.cancel_button, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(line)
        column.addWidget(self.progress)

    def show_state(self, text: str, progress: tuple[int, int], *, wanted: bool) -> None:
        """Tell `text` and how far finding is; `wanted`: there are no directions of the present picture."""
        self.text.setText(text)
        done, total = progress
        self.progress.setVisible(total > 0)
        self.progress.setRange(0, max(1, total))
        self.progress.setValue(done)
        self.find_button.setVisible(wanted and not total)
        self.cancel_button.setVisible(total > 0)


class DirectionsPanel(QWidget):
    """A choice of directions with a list of sliders each."""

    kind_chosen = Signal(str)
    kind_shown = Signal()
    search_changed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.kind = "model"
        column = vbox(self, spacing=SPACE // 2)
        self._head = hbox(spacing=SPACE // 2)
        self._title = text_label(self.tr("Directions"), "section")
        self._title.setToolTip(
            self.tr(
                "Directions among the latents of the training images, in standard deviations from their mean:\n"
                "the numbered ones are those along which they differ most,\n"
                "the named ones lead to the images that have something in common.\n"
                "Double-click a slider to reset it."
            )
        )
        self._head.addWidget(self._title)
        self.moved = ElidedLabel(role="dim")
        self._head.addWidget(self.moved, 1)
        column.addLayout(self._head)
        self.choice = QComboBox()
        for kind, text in zip(
            KINDS, (self.tr("Of the model"), self.tr("Of this picture"), self.tr("Your own")), strict=True
        ):
            self.choice.addItem(text, kind)
        self.choice.setAccessibleName(self.tr("Whose directions"))
        self.choice.setToolTip(
            self.tr(
                "Of the model: directions among the latents of the training images.\n"
                "Of this picture: along which it can change most from here.\n"
                "Your own: from one group of pictures to another."
            )
        )
        self.choice.activated.connect(lambda index: self.kind_chosen.emit(KINDS[index]))
        self.search = QLineEdit(placeholderText=self.tr("Search"), clearButtonEnabled=True)
        self.search.setAccessibleName(self.tr("Search directions by name"))
        self.search.setToolTip(self.tr("Show the directions whose names or numbers contain this"))
        for button in self.search.findChildren(QAbstractButton):
            button.setAccessibleName(self.tr("Clear the search"))
        self.search.textChanged.connect(self.search_changed)
        line = hbox(spacing=SPACE // 2)
        line.addWidget(self.choice)
        line.addWidget(self.search, 1)
        self._line = line
        column.addLayout(line)
        self.heads: dict[str, QWidget] = {}
        empty = {
            "model": "",
            "local": "",
            "own": self.tr("You have made no direction for this model yet."),
        }
        self.lists = {kind: SliderList(empty[kind]) for kind in KINDS}
        self._stack = QStackedWidget()
        for kind in KINDS:
            self._stack.addWidget(self.lists[kind])
        column.addWidget(self._stack, 1)

    @property
    def shown(self) -> SliderList:
        """The list of the chosen kind."""
        return self.lists[self.kind]

    def add_tool(self, widget: QWidget) -> None:
        """Put a small button beside the title."""
        self._head.addWidget(widget)

    def add_option(self, widget: QWidget) -> None:
        """Put a small button beside the search."""
        self._line.addWidget(widget)

    def add_head(self, kind: str, widget: QWidget) -> None:
        """Put a widget above the sliders of a kind."""
        self.heads[kind] = widget
        self.lists[kind].set_head(widget)

    def show_kind(self, kind: str) -> None:
        """Show the directions of a kind."""
        self.kind = kind
        self.choice.setCurrentIndex(KINDS.index(kind))
        self._stack.setCurrentWidget(self.lists[kind])
        self.search.setVisible(kind != "local")
        self.kind_shown.emit()
