"""Images of the worker as Qt's."""

from PySide6.QtGui import QImage

from nvp_studio.image_batch import ImageBatch


def qimage(batch: ImageBatch, index: int = 0) -> QImage:
    """One image of a batch as an RGB32 `QImage` of its own memory."""
    _, height, width, channels = batch.shape
    size = height * width * channels
    form = QImage.Format.Format_Grayscale8 if channels == 1 else QImage.Format.Format_RGB888
    data = batch.pixels[index * size : (index + 1) * size]
    return QImage(data, width, height, width * channels, form).convertToFormat(QImage.Format.Format_RGB32)


def qimages(batch: ImageBatch) -> list[QImage]:
    """All images of a batch."""
    return [qimage(batch, index) for index in range(batch.shape[0])]
