"""A field for the size of images: a number of pixels, the side of squares, or width x height."""

from functools import partial

from PySide6.QtCore import QCoreApplication

from nvp_studio.data.image_size import MAX_IMAGE_SIZE, ImageSize, sides_in, size_of, size_text
from nvp_studio.training.bounds import Bounds
from nvp_studio.views.widgets.number_field import Content, NumberField

_TIMES = frozenset("xX×*")
_tr = partial(QCoreApplication.translate, "SizeField")


class SizeField(NumberField):
    """A `NumberField` that takes 32x48 as well, whose value is the pair then; its arrows change a side of squares."""

    def __init__(self, none_text: str, unit: str) -> None:
        super().__init__(Bounds(1, MAX_IMAGE_SIZE), whole=True, none_text=none_text, unit=unit)

    def last_size(self) -> ImageSize | None:
        """The size in the field, or the last one that was good."""
        size: ImageSize | None = self.last_value()
        return size

    def stepBy(self, steps: int) -> None:
        if not isinstance(self.last_value(), tuple):
            super().stepBy(steps)

    def _text_of(self, value: ImageSize) -> str:
        return size_text(value)

    def _read(self, text: str) -> Content:
        size = text.strip().removesuffix(self.unit).rstrip()
        if not _TIMES & set(size):
            return super()._read(text)
        sides = sides_in(size)
        if sides is None:
            return Content(None, _tr("write a side, such as 32, or width x height, such as 32x48"))
        must = next(filter(None, map(self.bounds.problem, sides)), "")
        return Content(size_of(*sides), _tr("must be {0}, not {1}").format(must, size) if must else "")
