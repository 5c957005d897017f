"""Pictures that are dragged out of the window: as a PNG file with the recipe inside, and as an image."""

import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMetaType, QMimeData, QObject, QPoint, Qt, QUrl
from PySide6.QtGui import QDrag, QPixmap
from PySide6.QtWidgets import QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Recipe
from nvp_studio.state.qimages import qimage
from nvp_studio.text import error_line
from nvp_studio.views import notify
from nvp_studio.views.theme import SPACE

_URLS = "text/uri-list"
_FILE_SIDE = 448
"""About how many pixels wide the file is, by a whole factor."""
_SHOWN_SIDE = 12 * SPACE
_KEPT = 20
"""Files that stay until the window is closed: a program may read a file a while after it was dropped there."""


@dataclass(frozen=True)
class Dragged:
    """A picture that is dragged."""

    image: ImageBatch
    """A batch of one."""
    recipe: Recipe
    stem: str
    """Of the file's name."""


class DragOut(QObject):
    """Drags pictures. A file is written when the program below the pointer asks for it, and removed by `close`."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._folder: Path | None = None
        self._folders: list[Path] = []

    def drag(self, source: QWidget, picture: Dragged) -> None:
        """Drag a picture that was taken from `source`, until the mouse button is let go."""
        drag = QDrag(source)
        drag.setMimeData(PictureMime(picture, self))
        shown = QPixmap.fromImage(drag.mimeData().imageData()).scaled(
            _SHOWN_SIDE, _SHOWN_SIDE, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.FastTransformation
        )
        drag.setPixmap(shown)
        drag.setHotSpot(QPoint(shown.width() // 2, shown.height() // 2))
        drag.exec(Qt.DropAction.CopyAction)

    def write(self, picture: Dragged) -> Path | None:
        """Write the file into a folder of its own; None, and a message, where that fails."""
        from nvp_studio.picture_png import enlarged, png_bytes  # takes long, and a start does not need it

        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="nvp-studio-"))
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            self._folders.append(folder)
            if len(self._folders) > _KEPT:
                shutil.rmtree(self._folders.pop(0), ignore_errors=True)
            pixels = picture.image.array()[0]
            large = enlarged(pixels, max(1, round(_FILE_SIDE / max(pixels.shape[:2]))))
            path = folder / f"{picture.stem}.png"
            path.write_bytes(png_bytes(large, picture.recipe))
        except OSError as error:
            notify.refuse(self.tr("The picture cannot be dragged out: {0}").format(error_line(error)), topic="explore")
            return None
        return path

    def close(self) -> None:
        """Remove the files."""
        folder, self._folder, self._folders = self._folder, None, []
        if folder is not None:
            with suppress(OSError):
                shutil.rmtree(folder)


class PictureMime(QMimeData):
    """A picture as an image and as the address of a file, which is written when it is first asked for."""

    def __init__(self, picture: Dragged, files: DragOut) -> None:
        super().__init__()
        self._picture, self._files = picture, files
        self._path: Path | None = None
        image = qimage(picture.image)
        factor = max(1, round(_FILE_SIDE / max(image.width(), image.height())))
        self.setImageData(image.scaled(image.size() * factor))

    def formats(self) -> list[str]:
        return [_URLS, *super().formats()]

    def hasFormat(self, mimetype: str) -> bool:
        return mimetype == _URLS or super().hasFormat(mimetype)

    def retrieveData(self, mimetype: str, wanted: QMetaType | QMetaType.Type) -> object:
        if mimetype != _URLS:
            return super().retrieveData(mimetype, wanted)
        if self._path is None:
            self._path = self._files.write(self._picture)
        return [QUrl.fromLocalFile(str(self._path))] if self._path is not None else None
