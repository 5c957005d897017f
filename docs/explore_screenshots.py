"""Screenshots of Explore's tools on the included model of Peeps, each in both themes and two sizes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.studio import Studio
from docs.screen import SIZES, THEMES, as_image, grab, write_small
from nvp_studio.resources import resource_path

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from nvp_studio.views.pages.explore.page import ExplorePage

SHOWN_SIZES = ("800x600", "1280x800")
FACES = 64
"""Test images that are written as files, for the tools that begin from images."""
WOMAN, MAN, BEARD, BLOND = 16, 39, 5, 20
"""Numbers of test images."""
FOLLOWED_STEPS = 150
Shot = AbstractContextManager["QWidget | None"]
"""What is shown while a picture is taken: the window, or this dialog."""


class Faces:
    """Test images of Peeps as files, and which attributes they have."""

    def __init__(self, folder: Path) -> None:
        from nvp_studio.data.catalogue import load_data

        data = load_data("peeps")
        assert data.test is not None
        assert data.test.attributes is not None
        folder.mkdir()
        self.images = np.asarray(data.test.images[:FACES])
        self.paths = [folder / f"face-{number:02}.png" for number in range(FACES)]
        for path, image in zip(self.paths, self.images, strict=True):
            Image.fromarray(image).save(path)
        names = [attribute.name for attribute in data.attributes]
        self._values = {name: data.test.attributes[:FACES, column] for column, name in enumerate(names)}

    def with_attribute(self, name: str, *, present: bool) -> list[Path]:
        """Those that have the attribute, or those that have it not (its value is then 0, "none")."""
        return [path for path, value in zip(self.paths, self._values[name], strict=True) if bool(value) is present]


class Stage:
    """The Explore page, and how its tools are brought into a state that shows what they do."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.page: ExplorePage = studio.window.page("explore")
        self.state = studio.explore
        self.faces = Faces(studio.folder / "faces")
        self.scrolled_to: QWidget | None = None
        """What of the directions is to be in view."""

    def trigger(self, action: str) -> None:
        """Perform an action of Explore."""
        self.studio.window.registry[f"explore.{action}"].trigger()

    def open_model(self, path: str | Path) -> None:
        """Open the model in a file, or for an empty path that of Peeps."""
        engine = self.studio.engine
        engine.open_model(str(path))
        self.studio.wait(lambda: not engine.opening, 60, "model")
        self.settle()

    def settle(self, seconds: float = 0.5) -> None:
        """Wait until the picture, its score and all that belongs to it are there."""
        state, client = self.state, self.studio.engine.explorer

        def settled() -> bool:
            scored = state.picture_recipe == state.recipe and state.bits_per_dim is not None
            return scored and not any(channel.asking for channel in list(client._channels.values()))

        self.studio.spin(0.1)
        self.studio.wait(settled, 300, "picture that is complete")
        self.studio.spin(seconds)

    def open_face(self, number: int) -> None:
        """Show a test image."""
        self.state.open_image(self.faces.paths[number])
        self.studio.wait(lambda: self.state.notes, 30, "image file")
        self.settle()

    def close_tools(self) -> None:
        """Close the panel below the picture."""
        if self.page.tools.shown:
            self.page.tools.show_tool(self.page.tools.shown, False)

    def arrange(self) -> None:
        """Scroll to what is to be seen of the directions, at the top of which they begin."""
        sliders = self.page.panel.latents.panel.shown
        sliders.verticalScrollBar().setValue(0)
        if self.scrolled_to is not None:
            self.studio.spin(0.2)
            place = self.scrolled_to.mapTo(sliders.widget(), self.scrolled_to.rect().topLeft())
            sliders.verticalScrollBar().setValue(place.y())

    # The tools, in the order in which their documentation tells of them

    @contextmanager
    def sliders(self) -> Iterator[None]:
        """A test image that was moved along two named directions."""
        self.open_face(WOMAN)
        names = self.state.model.direction_names if self.state.model is not None else ()
        for name, offset in (("hair colour", -1.5), ("glasses", 1.5)):
            direction = next(place for place, one in enumerate(names) if name in one.lower())
            self.state.set_coordinate(direction, self.state.origin[direction] + offset)
        self.settle()
        yield
        self.state.reset()

    @contextmanager
    def previews(self) -> Iterator[None]:
        """Small pictures below every slider."""
        self.open_face(WOMAN)
        self.trigger("previews")
        self.settle(1)
        yield
        self.trigger("previews")

    @contextmanager
    def local(self) -> Iterator[None]:
        """Directions of a picture of Fashion-MNIST, with one of them moved; Peeps, a pyramid, has none."""
        self.open_model(resource_path("models/fashion-mnist.safetensors"))
        self.state.new_sample(7)
        self.settle()
        self.trigger("find-directions")
        directions = self.page.directions.state
        self.studio.wait(lambda: directions.found is not None and not directions.running, 60, "local directions")
        directions.set_offset(directions.local[0], 2.0)
        directions.set_offset(directions.local[2], -1.5)
        self.settle()
        yield
        self.page.panel.latents.panel.show_kind("model")
        self.open_model("")

    @contextmanager
    def own(self) -> Iterator[None]:
        """The groups A and B of a direction, and the sliders of those that are there already."""
        own = self.page.directions.own.state
        if not self.studio.window.registry["explore.new-direction"].isChecked():
            self.trigger("new-direction")
        for attribute, name in (("glasses", "with glasses"), ("beard", "with a beard")):
            for group, present in enumerate((False, True)):
                own.clear(group)
                own.add_files(group, self.faces.with_attribute(attribute, present=present))
            self.studio.wait(lambda: min(map(len, own.groups)) >= 20, 60, "pictures of the groups")
            self.settle()
            own.make(name)
            self.studio.wait(lambda name=name: name in [one.name for one in own.directions], 60, "direction")
        self.open_face(WOMAN)
        moves = self.page.directions.state
        self.trigger("new-direction")
        self.page.directions.own.head.name.setText("with a beard")
        moves.set_offset(moves.own[1], 1.0)
        self.settle()
        self.page.setFocus()
        self.scrolled_to = self.page.directions.own.head.rows[0]
        yield
        self.scrolled_to = None
        self.trigger("new-direction")
        self.page.panel.latents.panel.show_kind("model")

    @contextmanager
    def blend(self) -> Iterator[None]:
        """A picture between two test images."""
        self.trigger("blend")
        for end, number in enumerate((WOMAN, MAN)):
            self.page.blend.open_end(end, self.faces.paths[number])
        self.studio.wait(lambda: self.page.blend.active, 30, "blend")
        self.page.blend.set_position(0.5)
        self.settle()
        yield
        self.close_tools()

    @contextmanager
    def corners(self) -> Iterator[None]:
        """A place between four test images."""
        self.trigger("corners")
        for end, number in enumerate((WOMAN, MAN, BEARD, BLOND)):
            self.page.corners.open_end(end, self.faces.paths[number])
        self.studio.wait(lambda: self.page.corners.active, 30, "corners")
        self.page.corners.set_place((0.35, 0.3))
        self.settle()
        yield
        self.close_tools()

    @contextmanager
    def scales(self) -> Iterator[None]:
        """A test image of which a part of the latent is kept."""
        self.open_face(WOMAN)
        self.trigger("scales")
        self.settle()
        self.page.scales.keep(0.5)
        self.settle()
        yield
        self.close_tools()

    @contextmanager
    def paint(self) -> Iterator[None]:
        """A region of a test image that is to be redrawn."""
        self.open_face(WOMAN)
        if self.page.tools.shown != "paint":
            self.trigger("paint")
        state = self.page.paint.state
        state.begin_stroke()
        for row in (12.5, 14.5, 16.5):
            state.stroke((13.0, row), (28.0, row), 3.0, erase=False)
        state.end_stroke()
        self.settle()
        yield
        self.close_tools()

    @contextmanager
    def redrawn(self) -> Iterator[None]:
        """The same region drawn anew."""
        with self.paint():
            state = self.page.paint.state
            state.start(seed=3)
            self.studio.wait(lambda: not state.running, 120, "redrawn region")
            self.settle()
            yield

    @contextmanager
    def length(self) -> Iterator[None]:
        """The typical set, which the finest scale has left at a lower temperature."""
        self.state.new_sample(18)
        self.state.set_temperature(1.0)
        self.state.set_temperature(0.9, scale=0)
        self.settle()
        self.trigger("length")
        self.settle()
        yield
        self.close_tools()

    @contextmanager
    def larger(self) -> Iterator[None]:
        """A sample of Fashion-MNIST of twice the side; Peeps, a pyramid, has none."""
        self.open_model(resource_path("models/fashion-mnist.safetensors"))
        self.state.new_sample(7)
        self.state.reset()
        self.settle()
        self.trigger("larger")
        self.settle()
        yield
        self.trigger("larger")
        self.settle()
        self.open_model("")

    @contextmanager
    def neighbours(self) -> Iterator[None]:
        """The training images nearest to a picture."""
        self.open_face(WOMAN)
        self.trigger("neighbours")
        self.studio.wait(lambda: self.page.neighbours.state.found is not None, 300, "neighbours")
        self.settle()
        yield
        self.close_tools()

    @contextmanager
    def map(self) -> Iterator["QWidget"]:
        """The map of training images, in a window of its own."""
        self.trigger("map")
        dialog = self.page.map.dialog
        assert dialog is not None
        dialog.count.setCurrentIndex(dialog.count.count() - 1)
        dialog.count.activated.emit(dialog.count.currentIndex())
        self.studio.wait(lambda: dialog.state.made is not None and not dialog.state.running, 300, "map")
        places = dialog.view.places
        far = np.hypot(*(places - np.quantile(places, 0.8, axis=0)).T)
        dialog.view.select(far < np.quantile(far, 0.02))
        yield dialog
        dialog.reject()

    @contextmanager
    def tray(self) -> Iterator[None]:
        """Pictures that were kept, and the steps that led to the present one."""
        for number in (WOMAN, MAN, BEARD, BLOND):
            self.open_face(number)
            self.trigger("keep")
            self.settle()
        self.state.set_temperature(0.8)
        self.settle()
        self.trigger("history")
        self.settle()
        yield
        self.trigger("history")
        self.close_tools()

    @contextmanager
    def compare(self) -> Iterator[None]:
        """A divider between the picture and the one before it was moved."""
        self.open_face(WOMAN)
        self.trigger("compare-a")
        self.state.randomize()
        self.settle()
        self.trigger("compare")
        self.settle(1)
        yield
        self.trigger("compare")

    @contextmanager
    def animate(self) -> Iterator[None]:
        """A frame between the keyframes of an animation."""
        if not self.page.tray.pictures:
            with self.tray():
                pass
        self.open_face(WOMAN)
        self.trigger("animate-tray")
        self.settle()
        self.page.animation.state.player.go_to(round(0.4 * self.page.animation.state.animation.frames))
        self.studio.wait(lambda: self.page.animation.state.player.shown is not None, 60, "frame")
        self.studio.spin(1)
        yield
        self.trigger("animate-stop")
        self.close_tools()

    @contextmanager
    def follow(self) -> Iterator[None]:
        """A sample by the newest weights of a run that is trained."""
        from nvp_studio.training.config import TrainConfig, recommended

        self.open_face(WOMAN)
        live = self.studio.live
        config = TrainConfig(
            **recommended("quick"), preset="quick", data="peeps", minutes=30, validation_every=50, validation_images=100
        )
        self.studio.train(config, "peeps")
        self.studio.wait(lambda: live.history.last.step >= FOLLOWED_STEPS, 600, "steps of the run")
        self.studio.window.show_page("explore")
        self.trigger("follow")
        self.studio.wait(lambda: self.page.follow.state is not None and self.page.follow.state.step, 120, "new weights")
        self.settle()
        yield
        live.stop()
        self.studio.wait(lambda: not live.under_way, 120, "end of the run")
        self.studio.engine.open_model("")
        self.settle()


TOOLS: dict[str, Callable[[Stage], Shot]] = {
    "sliders": Stage.sliders,
    "previews": Stage.previews,
    "local": Stage.local,
    "own": Stage.own,
    "blend": Stage.blend,
    "corners": Stage.corners,
    "scales": Stage.scales,
    "paint": Stage.paint,
    "redrawn": Stage.redrawn,
    "typical": Stage.length,
    "larger": Stage.larger,
    "neighbours": Stage.neighbours,
    "map": Stage.map,
    "tray": Stage.tray,
    "compare": Stage.compare,
    "animate": Stage.animate,
    "follow": Stage.follow,
}


def take_explore(studio: Studio, output: Path, only: Sequence[str]) -> None:
    """A picture of each tool in each theme and size; of those named in `only`, where there are any."""

    from PySide6.QtGui import QCursor

    from nvp_studio.views import notify

    output.mkdir(parents=True, exist_ok=True)
    unknown = set(only) - set(TOOLS)
    if unknown:
        raise SystemExit(f"no tool is called {', '.join(sorted(unknown))}; there are {', '.join(TOOLS)}")
    window = studio.window
    window.show_page("explore")
    studio.explore.engine.open_model("")
    studio.wait(lambda: not studio.engine.opening and studio.explore.picture is not None, 60, "picture")
    QCursor.setPos(1919, 1079)  # a pointer that rests on a slider opens its previews
    stage = Stage(studio)
    stage.page._close_welcome()
    for name in only or TOOLS:
        with TOOLS[name](stage) as dialog:
            for theme in THEMES:
                window.set_theme(theme)
                for size in SHOWN_SIZES:
                    shown = dialog or window
                    shown.move(0, 0)
                    shown.resize(*SIZES[size])
                    notify.withdraw("explore")
                    stage.arrange()
                    stage.settle(1)
                    image = as_image(dialog.grab()) if dialog is not None else grab(studio)
                    write_small(image, output / f"explore-{name}-{theme}-{size}.png")
