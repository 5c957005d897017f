"""Pictures of Explore that are dragged out of it: the large ones, samples of the strip and pictures of the tray."""

from functools import partial

from msgspec.structs import replace
from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QApplication, QWidget

from nvp_studio.recipe import Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.original import OriginalState
from nvp_studio.state.picture_files import file_stem, safe_stem
from nvp_studio.state.tray import TrayState
from nvp_studio.views.context import WindowContext
from nvp_studio.views.pages.explore.picture_area import PictureArea
from nvp_studio.views.widgets.drag_out import Dragged, DragOut
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.tray_panel import TrayPanel
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Picture, Render


class Dragging(QObject):
    """Starts a drag where one of the widgets tells that a picture is pulled."""

    def __init__(self, context: WindowContext, explore: ExploreState, original: OriginalState, tray: TrayState) -> None:
        super().__init__(explore)
        self._explore, self._original, self._tray = explore, original, tray
        self._out = DragOut(self)
        self._channel = explore.engine.explorer.channel("drag", self)
        context.closing.connect(self._out.close)

    def take_from(self, pictures: PictureArea, samples: ImageGrid, tray: TrayPanel) -> None:
        """Let pictures be dragged out of these."""
        pictures.view.offer_drag()
        pictures.view.dragged.connect(partial(self._drag_picture, pictures.view))
        pictures.original_view.offer_drag()
        pictures.original_view.dragged.connect(partial(self._drag_original, pictures.original_view))
        samples.offer_drag()
        samples.dragged.connect(partial(self._drag_sample, samples))
        tray.dragged.connect(partial(self._drag_kept, tray))

    def _drag_picture(self, view: QWidget) -> None:
        explore = self._explore
        if explore.picture is not None and explore.picture_recipe is not None:
            digest = explore.model.digest if explore.model is not None else explore.picture_recipe.checkpoint
            recipe = replace(explore.picture_recipe, checkpoint=digest)
            self._out.drag(view, Dragged(explore.picture.image, recipe, file_stem(recipe)))

    def _drag_original(self, view: QWidget) -> None:
        recipe = self._explore.original
        if self._original.image is not None and not self._original.outdated:
            self._out.drag(view, Dragged(self._original.image, recipe, f"{file_stem(recipe)}-original"))

    def _drag_sample(self, samples: QWidget, index: int) -> None:
        sheet = self._explore.samples.sheet
        if sheet is not None and index < len(sheet.recipes):
            recipe = sheet.recipes[index]
            self._out.drag(samples, Dragged(sheet.images.one(index), recipe, file_stem(recipe)))

    def _drag_kept(self, tray: QWidget, index: int) -> None:
        """The tray holds small images: one that is not the picture itself is asked for first."""
        picture, model = self._tray.pictures[index], self._explore.model
        small = Dragged(picture.thumbnail.batch(), picture.recipe, safe_stem(picture.name))
        height, width, channels = picture.thumbnail.shape
        if model is None or model.digest != picture.recipe.checkpoint or model.image_shape == (channels, height, width):
            self._out.drag(tray, small)
        else:
            self._channel.ask(Render(picture.recipe), partial(self._on_rendered, tray, picture.recipe, small.stem))

    def _on_rendered(self, source: QWidget, recipe: Recipe, stem: str, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, Picture) and QApplication.mouseButtons() & Qt.MouseButton.LeftButton:
            self._out.drag(source, Dragged(answer.image, recipe, stem))
