"""A map of many training images, and what is done with images of it."""

from functools import partial

from PySide6.QtCore import QObject, Signal

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Image, Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.tray import TrayState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.map_messages import KnownRead, MakeMap, MapMade, ReadKnown
from nvp_studio.worker.messages import Answer, Failed
from nvp_studio.worker.neighbour_messages import Comparing


class MapState(QObject):
    """Asks for a map as `request` says, shows single images on Explore and keeps some in the tray."""

    changed = Signal()
    """Anything below may have changed."""
    kept = Signal(int)
    """So many images were put into the tray."""
    failed = Signal(str)

    def __init__(self, explore: ExploreState, tray: TrayState, parent: QObject | None = None) -> None:
        super().__init__(parent or explore)
        self.explore, self._tray = explore, tray
        self.request = MakeMap()
        self.made: MapMade | None = None
        self.progress: Comparing | None = None
        """How far the map is; None while none is made."""
        self.problem = ""
        """Why there is no map."""
        self.stopped = False
        channel = explore.engine.explorer.channel
        self._making, self._reading, self._keeping = (
            channel(name, self) for name in ("map", "map image", "map to tray")
        )
        explore.engine.model_opened.connect(self._on_model_opened)

    @property
    def running(self) -> bool:
        """Whether a map is made."""
        return self.progress is not None

    def make(self, request: MakeMap | None = None) -> None:
        """Make a map, as `request` says where it is given; the one before is dropped."""
        self.request = request or self.request
        if self.running:
            self._making.cancel()
        self.made, self.problem, self.stopped, self.progress = None, "", False, None
        if self.explore.model is None or self.explore.engine.explorer.state != "ready":
            self.problem = self.tr("no model is open yet")
        elif self._making.ask(self.request, self._on_answer):
            self.progress = Comparing("loading", 0, 0)
        self.changed.emit()

    def stop(self) -> None:
        """End making the map; latents that were computed are kept."""
        if self.running:
            self._making.cancel()
            self.progress, self.stopped = None, True
            self.changed.emit()

    def show(self, place: int) -> None:
        """Show an image of the map as Explore's picture."""
        if self.made is not None and 0 <= place < len(self.made.numbers):
            request = ReadKnown(self.made.request.data, (self.made.numbers[place],))
            self._reading.ask(request, self._on_read)

    def keep(self, places: tuple[int, ...]) -> None:
        """Put images of the map into the tray, as many as it has room for, as one undo step."""
        if self.made is not None and places:
            room = self._tray.room
            if not room:
                self.failed.emit(self.tr("The tray is full."))
                return
            numbers = tuple(self.made.numbers[place] for place in places[:room])
            request = ReadKnown(self.made.request.data, numbers)
            self._keeping.ask(request, partial(self._on_read_for_tray, len(places) - len(numbers)))

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Comparing():
                self.progress = answer
            case MapMade():
                self.made, self.progress = answer, None
            case Failed(reason=reason):
                self.progress, self.problem = None, reason
            case _:
                self.progress, self.stopped = None, True
        self.changed.emit()

    def _on_read(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case KnownRead():
                _, base, _ = self._pictures_of(answer)[0]
                self.explore.show(Recipe(checkpoint="", base=base), self.tr("image of the map"))
            case Failed(reason=reason):
                self.failed.emit(reason)

    def _on_read_for_tray(self, left_out: int, answer: Answer | WorkerLost) -> None:
        match answer:
            case KnownRead():
                pictures = self._pictures_of(answer)
                self._tray.add([(name, Recipe(checkpoint="", base=base), batch) for name, base, batch in pictures])
                self.kept.emit(len(pictures))
                if left_out:
                    text = self.tr("The tray has no room for {0} more of the images.")
                    self.failed.emit(text.format(left_out))
            case Failed(reason=reason):
                self.failed.emit(reason)

    def _pictures_of(self, read: KnownRead) -> list[tuple[str, Image, ImageBatch]]:
        _, height, width, channels = read.images.shape
        size = height * width * channels
        found = []
        for index, number in enumerate(read.numbers):
            pixels = read.images.pixels[index * size : (index + 1) * size]
            name = self.tr("Image {0} of {1}").format(number + 1, read.title)
            batch = ImageBatch((1, height, width, channels), pixels)
            found.append((name, Image((height, width, channels), pixels, name), batch))
        return found

    def _on_model_opened(self) -> None:
        if self.running:
            self._making.cancel()
        self.made, self.progress, self.problem, self.stopped = None, None, "", True
        self.changed.emit()
