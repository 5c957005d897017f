"""The pixel that is told and the zoom of images that can be zoomed, in words."""

from PySide6.QtCore import QCoreApplication, Qt

from nvp_studio.views.widgets.labels import SEPARATOR, TextLabel
from nvp_studio.views.widgets.placed_image import PlacedImage


class ImageStatus(TextLabel):
    """Tells pixel and zoom of views that share a viewport."""

    def __init__(self, *views: PlacedImage) -> None:
        super().__init__(role="dim")
        self._views = views
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for view in views:
            view.told.connect(self._write)

    def _write(self) -> None:
        self.setText(status_text(*(view for view in self._views if not view.isHidden())))


def status_text(*views: PlacedImage) -> str:
    """Column, row and values of the pixel that is told, those of each view, and the zoom unless all of it is shown."""
    viewport = views[0].viewport
    values = [view.told_values() for view in views if view.told_values()]
    parts = []
    if viewport.pixel is not None and values:
        text = QCoreApplication.translate("ImageView", "x {0}, y {1}: {2}")
        shown = " | ".join(" ".join(map(str, one)) for one in values)
        if len(values) == 1 and len(values[0]) == 3:
            shown = QCoreApplication.translate("ImageView", "R {0} G {1} B {2}").format(*values[0])
        parts.append(text.format(viewport.pixel.x(), viewport.pixel.y(), shown))
    if viewport.zoom:
        parts.append(f"{viewport.zoom}×")
    return SEPARATOR.join(parts)
