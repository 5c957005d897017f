"""A window with one image of a sheet, large, or with two that belong together side by side."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent
from PySide6.QtWidgets import QDialog, QWidget

from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.image_status import ImageStatus
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.viewport import Viewport


class PictureWindow(QDialog):
    """Shows what `show_images` is given; stays open beside the window it belongs to, and ends when it is closed."""

    stepped = Signal(int)
    """The image before (-1) or the next one (1) is wanted."""

    def __init__(self, title: str, names: Sequence[str], parent: QWidget) -> None:
        """`names` are those of the images side by side."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.resize(QSize((8 + 56 * len(names)) * SPACE, 72 * SPACE).boundedTo(parent.window().size()))
        viewport = Viewport(self)
        self.views = [ImageView(viewport) for _ in names]
        column = vbox(self, margins=(2 * SPACE, SPACE, 2 * SPACE, SPACE))
        row = hbox()
        for view, name in zip(self.views, names, strict=True):
            view.setAccessibleName(name)
            part = vbox(spacing=SPACE // 2)
            if len(names) > 1:
                part.addWidget(text_label(name, "section"))
            part.addWidget(view, 1)
            row.addLayout(part, 1)
        column.addLayout(row, 1)
        bar = hbox()
        for icon, text, tip, step in (
            ("chevron-left", self.tr("Image before"), self.tr("Image before  (Page Up)"), -1),
            ("chevron-right", self.tr("Next image"), self.tr("Next image  (Page Down)"), 1),
        ):
            button = flat_button(icon, text, tip)
            button.clicked.connect(lambda _=False, step=step: self.stepped.emit(step))
            bar.addWidget(button)
        self.place = ElidedLabel(role="dim")
        bar.addWidget(self.place, 1)
        bar.addWidget(ImageStatus(*self.views))
        column.addLayout(bar)

    def show_images(self, images: Sequence[QImage], place: str) -> None:
        """Show an image for each name; `place` says which of the sheet's they are. The zoom stays."""
        for view, image in zip(self.views, images, strict=True):
            view.show_image(image)
        self.place.setText(place)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_PageUp:
                self.stepped.emit(-1)
            case Qt.Key.Key_PageDown:
                self.stepped.emit(1)
            case _:
                super().keyPressEvent(event)
