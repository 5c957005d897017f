"""The tray on Explore: pictures that a person keeps by name, from one start of the program to the next."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from msgspec.structs import replace
from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage, QUndoCommand

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Base, Image, Recipe, fits
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.mixture import base_title
from nvp_studio.state.other_model import fits_model, other_pictures
from nvp_studio.state.qimages import qimage
from nvp_studio.state.stored_tray import (
    MAX_NAME,
    MAX_PICTURES,
    THUMBNAIL,
    Thumbnail,
    TrayPicture,
    read_tray,
    write_tray,
)
from nvp_studio.text import error_line
from nvp_studio.worker.messages import ModelInfo

Pictures = tuple[TrayPicture, ...]


class TrayState(QObject):
    """Named pictures in a file. Each change is an entry of Explore's undo history and is written at once."""

    changed = Signal()
    failed = Signal(str)

    def __init__(self, explore: ExploreState, path: Path) -> None:
        """`path` is the file; one that cannot be read is renamed, with another suffix, before it is replaced."""
        super().__init__(explore)
        self.explore = explore
        self.pictures: Pictures = ()
        self.problem = ""
        """Why the file could not be read; empty where it was."""
        self._path = path
        self._wanted: TrayPicture | None = None
        try:
            self.pictures = read_tray(path)
        except (OSError, ValueError) as error:
            self.problem = error_line(error)
        explore.engine.model_opened.connect(self._on_model_opened)
        explore.engine.model_failed.connect(self._forget_wanted)

    def keep(self) -> None:
        """Add the picture on screen, at the end."""
        explore, model = self.explore, self.explore.model
        if explore.picture is None or explore.picture_recipe is None or model is None:
            self.failed.emit(self.tr("There is no picture yet."))
            return
        if len(self.pictures) >= MAX_PICTURES:
            self.failed.emit(self.tr("The tray is full: it holds {0} pictures.").format(MAX_PICTURES))
            return
        name = base_title(explore.picture_recipe.base)[:MAX_NAME]
        recipe = replace(explore.picture_recipe, checkpoint=model.digest)
        image = _thumbnail(explore.picture.image)
        picture = TrayPicture(name, recipe, image, explore.engine.model_path, model.name)
        self._edit((*self.pictures, picture), self.tr("picture kept in the tray"))

    @property
    def room(self) -> int:
        """How many more pictures the tray can hold."""
        return MAX_PICTURES - len(self.pictures)

    def parts(self, most: int) -> list[tuple[str, Base]]:
        """The newest `most` pictures that a scale can be taken from, each with its name.

        One that has more than a base and temperatures, or is another picture with this model, is taken by its pixels,
        where the tray holds all of them.
        """
        model, found = self.explore.model, list[tuple[str, Base]]()
        if model is None:
            return found
        for picture in reversed(self.pictures):
            recipe = picture.recipe
            base = recipe.base
            plain = Recipe(checkpoint=recipe.checkpoint, base=base, temperatures=recipe.temperatures)
            if recipe != plain or other_pictures((recipe,), model):
                base = Image(picture.thumbnail.shape, picture.thumbnail.pixels, picture.name)
            if fits(base, model.image_shape) and len(found) < most:
                found.append((picture.name, base))
        return found

    def add(self, pictures: Sequence[tuple[str, Recipe, ImageBatch]]) -> None:
        """Add pictures of the open model, each with its name, recipe and image, at the end; no more than have room."""
        explore, model = self.explore, self.explore.model
        if model is None or not self.room:
            return
        added = tuple(
            TrayPicture(
                name[:MAX_NAME],
                replace(recipe, checkpoint=model.digest),
                _thumbnail(image),
                explore.engine.model_path,
                model.name,
            )
            for name, recipe, image in pictures[: self.room]
        )
        self._edit((*self.pictures, *added), self.tr("pictures kept in the tray"))

    def rename(self, index: int, name: str) -> None:
        """Give a picture another name; an empty one changes nothing."""
        name = name.strip()[:MAX_NAME]
        if index >= len(self.pictures):
            return
        if name and name != self.pictures[index].name:
            renamed = replace(self.pictures[index], name=name)
            pictures = (*self.pictures[:index], renamed, *self.pictures[index + 1 :])
            self._edit(pictures, self.tr("name in the tray"))
        else:
            self.changed.emit()

    def delete(self, index: int) -> None:
        """Remove a picture."""
        self._edit(self.pictures[:index] + self.pictures[index + 1 :], self.tr("deletion from the tray"))

    def move(self, index: int, to: int) -> None:
        """Put a picture at another place; nothing happens beyond the ends."""
        if 0 <= to < len(self.pictures) and to != index:
            pictures = list(self.pictures)
            pictures.insert(to, pictures.pop(index))
            self._edit(tuple(pictures), self.tr("order of the tray"))

    def show(self, index: int) -> None:
        """Show a picture again, as one undo step; its model is opened first where another one is open."""
        picture, model = self.pictures[index], self.explore.model
        if model is not None and model.digest == picture.recipe.checkpoint:
            self._show(picture)
        else:
            self._wanted = picture
            self.explore.engine.open_model(picture.model)

    def _show(self, picture: TrayPicture, notes: tuple[str, ...] = ()) -> None:
        self.explore.show(picture.recipe, self.tr("picture of the tray"), notes)

    def _on_model_opened(self, model: ModelInfo) -> None:
        picture, self._wanted = self._wanted, None
        if picture is None:
            return
        if model.digest == picture.recipe.checkpoint:
            self._show(picture)
        elif fits_model(picture.recipe, model):
            self._show(picture, (self.tr("{0}: kept with other weights of this model").format(picture.name),))
        else:
            self.failed.emit(self.tr("{0} was made with a model of another size.").format(picture.name))

    def _forget_wanted(self) -> None:
        self._wanted = None

    def _edit(self, pictures: Pictures, text: str) -> None:
        self.explore.undo.push(_TrayEdit(self, text, self.pictures, pictures))

    def apply(self, pictures: Pictures) -> None:
        """Make these the pictures, without an undo entry; for undo commands."""
        self.pictures = pictures
        try:
            if self.problem:
                with suppress(FileNotFoundError):
                    self._path.replace(self._path.with_suffix(".damaged"))
                self.problem = ""
            write_tray(self._path, pictures)
        except OSError as error:
            self.explore.lost.emit(self.tr("The tray cannot be written: {0}").format(error_line(error)))
        self.changed.emit()


class _TrayEdit(QUndoCommand):
    """A change of the tray."""

    def __init__(self, tray: TrayState, text: str, before: Pictures, after: Pictures) -> None:
        super().__init__(text)
        self._tray, self._before, self._after = tray, before, after

    def undo(self) -> None:
        self._tray.apply(self._before)

    def redo(self) -> None:
        self._tray.apply(self._after)


def _thumbnail(batch: ImageBatch) -> Thumbnail:
    """The first image, as large as it is or with `THUMBNAIL` pixels along its longer side."""
    _, height, width, channels = batch.shape
    if max(height, width) <= THUMBNAIL:
        return Thumbnail((height, width, channels), batch.pixels[: height * width * channels])
    size = QSize(width, height).scaled(THUMBNAIL, THUMBNAIL, Qt.AspectRatioMode.KeepAspectRatio)
    size = size.expandedTo(QSize(1, 1))
    image = qimage(batch).scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = [bytes(cast("memoryview", image.constScanLine(row)))[: 3 * size.width()] for row in range(size.height())]
    return Thumbnail((size.height(), size.width(), 3), b"".join(rows))
