"""The picture on Explore, large, and the line below it."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from nvp_studio.views.context import WindowContext
from nvp_studio.views.widgets.image_status import ImageStatus
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.layout import hbox, vbox

_ONE_LINE = 100_000
"""Pixels in which any caption has room."""
_MENU = ("copy-image", "save", "copy-python", "zoom-in", "zoom-out", "zoom-fit", "original")


class PictureArea(QWidget):
    """The picture and, at its left where it is wanted, the original; they are zoomed and moved together."""

    def __init__(self, context: WindowContext) -> None:
        super().__init__()
        column = vbox(self)
        self.view = ImageView()
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.view.addActions([context.registry[f"explore.{name}"] for name in _MENU])
        self.original_view = ImageView(self.view.viewport)
        self.original_view.setAccessibleName(self.tr("Original"))
        self.original_view.hide()
        row = hbox()
        row.addWidget(self.original_view, 1)
        row.addWidget(self.view, 1)
        column.addLayout(row, 1)
        row = hbox()
        self.caption = ElidedLabel(" ", role="dim", lines=2)
        row.addWidget(self.caption, 1)
        self._status = ImageStatus(self.original_view, self.view)
        row.addWidget(self._status, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(row)

    def show_caption(self, text: str) -> None:
        """Say below the picture what it is, in two lines where one is too short."""
        self.caption.setText(text)
        self._fit_caption()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_caption()

    def _fit_caption(self) -> None:
        """Give the caption its height without a pixel told beside it, or the picture would move under the mouse."""
        self.caption.setFixedHeight(self.caption.heightForWidth(self.width()))
        self._status.setFixedHeight(self.caption.heightForWidth(_ONE_LINE))

    def zoom(self, step: int) -> None:
        """Show the picture larger (1) or smaller (-1), or (0) all of it."""
        if step == 0:
            self.view.viewport.fit()
        elif step > 0:
            self.view.zoom_in()
        else:
            self.view.zoom_out()
