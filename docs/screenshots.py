"""Takes the screenshots of the documentation: the real window on an X server, a run half-way, both themes.

    python -m docs.screenshots [--output docs/screenshots] [--train-seconds 90] [--all] [--lab] [--lessons] [--scores]
    python -m docs.screenshots --explore [--only corners --only map]

Without a display it starts Xvfb. The tools of Explore are taken at 800x600 and 1280x800, the rest at 1280x800, with
`--all` at 1920x1080 too. The runs compared are trained first, each for `--compare-steps` from its seed: the same curves
and samples each time on one machine. `--runs FOLDER` compares copies of those in a folder instead.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from benchmarks.studio import Studio, open_studio
from docs.explore_screenshots import take_explore
from docs.screen import SIZES, THEMES, as_image, display, grab, write_small

LAB_STEPS = 300
PAGES = ("train", "explore", "runs")
COMPARED: dict[str, dict[str, object]] = {
    "recommended": {},
    "large-batches": {"batch_size": 32},
    "restarted": {"optimizer": "adam"},
}
"""What is changed in the runs that are compared. The last is stopped on its way, and goes on to half the rate."""


def write_examples(folder: Path) -> Path:
    """Files for Score: garments of the test set in folders of their kind, some spoilt, and one that is no image."""
    from nvp_studio.data.catalogue import load_data

    test = load_data("fashion-mnist").test
    assert test is not None
    assert test.labels is not None
    kinds = ("T-shirts", "trousers", "pullovers", "dresses", "coats", "sandals", "shirts", "sneakers", "bags", "boots")
    for index in range(120):
        place = folder / kinds[int(test.labels[index])]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(test.images[index, ..., 0]).save(place / f"{index:04}.png")
    chance, odd = np.random.default_rng(0), folder / "odd"
    odd.mkdir()
    Image.fromarray(chance.integers(0, 256, (28, 28), np.uint8)).save(odd / "noise.png")
    Image.fromarray(255 - test.images[0, ..., 0]).save(odd / "negative.png")
    Image.fromarray(np.rot90(test.images[2, ..., 0], 2)).save(odd / "upside-down.png")
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(odd / "black.png")
    (odd / "not-an-image.png").write_bytes(b"This is text.")
    return folder


def show_scores(studio: Studio) -> None:
    """Files that are scored by the included Fashion-MNIST model, the most unusual ones first."""
    from PySide6.QtCore import Qt

    from nvp_studio.resources import resource_path

    studio.engine.open_model(str(resource_path("models/fashion-mnist.safetensors")))
    page = studio.window.page("score")
    studio.window.show_page("score")
    page.open_paths([write_examples(studio.folder / "examples")])
    studio.wait(lambda: page.state.rows.total > 100 and not page.state.busy, 120, "scores")
    page.table.sortByColumn(page.state.rows.COLUMNS.index("verdict"), Qt.SortOrder.AscendingOrder)
    page.table.selectRow(4)
    page.side.layer.setCurrentIndex(page.side.layer.findData("total"))
    studio.spin(2)


def train_compared(studio: Studio, steps: int) -> None:
    """The runs to compare, one after the other, to their end."""
    from nvp_studio.training.changes import ChangeRequest
    from nvp_studio.training.config import TrainConfig, recommended

    live = studio.live
    every = max(5, steps // 20)
    plain = TrainConfig(
        **recommended("quick"), preset="quick", steps=steps, validation_every=every, validation_images=200
    )
    for name, changes in COMPARED.items():
        studio.train(msgspec.structs.replace(plain, **changes), name)
        if name == list(COMPARED)[-1]:
            studio.wait(lambda: live.history.last.step >= steps // 3, 1800, "third of the run")
            live.stop()
            studio.wait(lambda: live.phase == "stopped", 60, "stop")
            live.resume(live.folder)
            studio.wait(lambda: live.in_loop and live.settings is not None, 60, "run that goes on")
            studio.wait(lambda: live.history.last.step >= 2 * steps // 3, 1800, "second third of the run")
            live.change(ChangeRequest(learning_rate=plain.learning_rate / 2))
        studio.wait(lambda: live.phase == "finished", 1800, "end of the run")


def choose_compared(studio: Studio) -> None:
    """Select all runs on Runs but the one under way: in front the one that was restarted or changed, else the best."""
    from PySide6.QtCore import QItemSelectionModel

    from nvp_studio.state.runs import RUN_ROLE
    from nvp_studio.training.changes import read_changes

    studio.window.show_page("runs")
    page = studio.window.page("runs")
    rows = [page.filtered_runs.index(row, 0) for row in range(page.filtered_runs.rowCount())]
    runs = {row: row.data(RUN_ROLE) for row in rows}
    chosen = [row for row in rows if runs[row].folder != studio.live.folder]
    model, flag = page.table.selectionModel(), QItemSelectionModel.SelectionFlag
    model.clearSelection()
    front = min(chosen, key=lambda row: (not read_changes(Path(runs[row].folder)), runs[row].summary.best or 99))
    model.setCurrentIndex(front, flag.NoUpdate)
    for row in chosen:
        model.select(row, flag.Select | flag.Rows)
    studio.spin(1)


def prepare(studio: Studio, train_seconds: float) -> None:
    """A picture moved along its directions, scored files, and a run under way."""
    from nvp_studio.training.config import TrainConfig

    studio.spin(2)
    studio.explore.new_sample(18)
    studio.wait(lambda: len(studio.explore.origin) > 5, 60, "place along the directions")
    studio.spin(2)
    for direction, offset in ((2, 0.5), (5, -0.4)):
        studio.explore.set_coordinate(direction, studio.explore.origin[direction] + offset)
    config = TrainConfig(
        minutes=2 * train_seconds / 60, preset="quick", batch_size=32, validation_every=50, validation_images=500
    )
    studio.window.show_page("train")
    studio.window.page("train").form.show_config(config)
    studio.train(config, "clothes")
    studio.spin(train_seconds)


def take(studio: Studio, output: Path, sizes: Sequence[str]) -> None:
    """A picture of each page in each theme and size."""
    output.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        studio.window.set_theme(theme)
        for size in sizes:
            studio.window.move(0, 0)
            studio.window.resize(*SIZES[size])
            for page in PAGES:
                studio.window.show_page(page)
                studio.spin(1.5)
                ending = "" if size == "1280x800" else f"-{size}"
                write_small(grab(studio), output / f"{page}-{theme}{ending}.png")


def take_scores(studio: Studio, output: Path) -> None:
    """Score with files and where the bits of one are, in each theme; they need no run."""
    window = studio.window
    window.resize(*SIZES["1280x800"])
    show_scores(studio)
    for theme in THEMES:
        window.set_theme(theme)
        window.move(0, 0)
        studio.spin(1)
        path = output / f"score-{theme}.png"
        grab(studio).save(path, optimize=True)  # the colours of the map are too many for `write_small`
        print(f"{path} ({path.stat().st_size // 1024} kB)")


def take_timelapse(studio: Studio, output: Path) -> None:
    """The player of the run in front at moments of its training, side by side, in each theme."""
    page = studio.window.page("runs")
    studio.window.resize(*SIZES["1280x800"])
    studio.window.show_page("runs")
    for theme in THEMES:
        studio.window.set_theme(theme)
        studio.spin(1)
        moments = []
        for part in (0.0, 0.2, 1.0):
            page.timelapse.move_to(round(part * (len(page.timelapse.shots) - 1)))
            studio.spin(0.5)
            moments.append(as_image(page.timelapse_view.parentWidget().grab()))
        gap = 8
        width = sum(image.width for image in moments) + gap * (len(moments) - 1)
        strip = Image.new("RGB", (width, moments[0].height), moments[0].getpixel((0, 0)))
        for place, image in enumerate(moments):
            strip.paste(image, (place * (image.width + gap), 0))
        write_small(strip, output / f"timelapse-{theme}.png")


def take_lessons(studio: Studio, output: Path) -> None:
    """A lesson, and both drawings of Lab in one dimension, in each theme; they need no run."""
    window = studio.window
    window.resize(*SIZES["1280x800"])
    part = window.page("lab").one_dimension
    for theme in THEMES:
        window.set_theme(theme)
        window.registry["lab.change-of-variables"].trigger()
        part.bent.choose_density("two-peaks")
        part.bent.map_to_normal()
        studio.spin(1)
        write_small(grab(studio), output / f"lab-change-of-variables-{theme}.png")
        window.registry["lab.likelihood"].trigger()
        studio.spin(1)
        write_small(grab(studio), output / f"lab-likelihood-{theme}.png")
        window.registry["help.lessons"].trigger()
        course = window.lessons.strip.course
        course.go_to([step.name for step in course.steps].index("coupling"))
        studio.wait(lambda course=course: course.waiting and not course.hindrance, 60, "lesson")
        aspect = window.page("inspect").aspect
        aspect.setCurrentIndex(aspect.findData("log-derivatives"))
        studio.spin(1.5)
        write_small(grab(studio), output / f"lessons-{theme}.png")
        window.registry["help.lessons"].trigger()


def take_inspect(studio: Studio, output: Path) -> None:
    """Every view of Inspect in each theme; they need no run."""
    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QDialog

    window, page = studio.window, studio.window.page("inspect")
    state = page.state

    def settle() -> None:
        studio.wait(lambda: state.inspection is not None and not state.busy, 60, "picture")
        studio.spin(1)

    window.resize(*SIZES["1280x800"])
    window.show_page("inspect")
    state.show_sample(3)
    settle()
    state.baseline.measure()
    studio.wait(lambda: state.baseline.baseline is not None, 300, "reference images")
    for theme in THEMES:
        window.set_theme(theme)
        state.move_to_layer("coupling 3 of scale 1")
        page.stage.picture.viewport.point_at(QPoint(10, 11))
        settle()
        write_small(grab(studio), output / f"inspect-{theme}.png")
        for action, done, name in (
            ("health", lambda: page.health.health is not None, "health"),
            ("diagram", lambda: True, "architecture"),
            ("fields", lambda: page.fields.field is not None and not page.fields.busy, "fields"),
        ):
            window.registry[f"inspect.{action}"].trigger()
            if action == "fields":
                page.fields.choose(scale=2)
            studio.wait(done, 120, name)
            studio.spin(1)
            dialog = page.findChildren(QDialog)[-1]
            write_small(as_image(dialog.grab()), output / f"inspect-{name}-{theme}.png")
            if action == "fields":
                dialog.redraw.click()
            dialog.reject()
        studio.wait(lambda: state.second.inspection is not None, 60, "second picture")
        state.move_to_layer("prior of scale 3")
        settle()
        write_small(grab(studio), output / f"inspect-compare-{theme}.png")
        state.compare(False)


def take_lab(studio: Studio, output: Path) -> None:
    """Lab in two dimensions, trained for some hundred steps, with a square, in each theme; it needs no run."""
    window = studio.window
    window.resize(*SIZES["1280x800"])
    window.show_page("lab")
    window.registry["lab.two-dimensions"].trigger()
    part = window.page("lab").two_dimensions
    part.state.take(
        msgspec.structs.replace(part.state.settings, data="gaussians", law="spline"), part.state.points, "data"
    )
    part.state.set_pace("playing")
    studio.wait(lambda: len(part.state.losses) >= LAB_STEPS, 600, "training")
    part.state.set_pace("paused")
    part.state.draw_probe((-1.0, 0.9), 0.15, 0)
    studio.spin(2)
    part.views.move_to(4.5)
    for theme in THEMES:
        window.set_theme(theme)
        studio.spin(1)
        write_small(grab(studio), output / f"lab-{theme}.png")


def main(arguments: Sequence[str] | None = None) -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description="Take the screenshots of the documentation.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "screenshots")
    parser.add_argument("--train-seconds", type=float, default=90, help="how long the run goes before its picture")
    parser.add_argument("--compare-steps", type=int, default=400, help="steps of each of the runs that are compared")
    parser.add_argument("--runs", type=Path, help="a folder of finished runs to compare instead")
    parser.add_argument("--model", default="", help="checkpoint file or run folder; without it the included model")
    parser.add_argument("--all", action="store_true", help="1920x1080 as well")
    parser.add_argument("--explore", action="store_true", help="only those of Explore's tools")
    parser.add_argument("--only", action="append", default=[], metavar="TOOL", help="with --explore, only this tool")
    parser.add_argument("--lab", action="store_true", help="only those of Lab in two dimensions, which need no run")
    parser.add_argument("--lessons", action="store_true", help="only those of the lessons, which need no run")
    parser.add_argument("--inspect", action="store_true", help="only those of Inspect, which need no run")
    parser.add_argument("--scores", action="store_true", help="only those of Score, which need no run")
    options = parser.parse_args(arguments)
    with display(), open_studio([options.model] if options.model else []) as studio:
        studio.wait_ready()
        if options.explore:
            take_explore(studio, options.output, options.only)
            return
        if options.inspect:
            take_inspect(studio, options.output)
            return
        if options.lab:
            take_lab(studio, options.output)
            return
        if options.lessons:
            take_lessons(studio, options.output)
            return
        if options.scores:
            take_scores(studio, options.output)
            return
        if options.runs is None:
            train_compared(studio, options.compare_steps)
        else:
            shutil.copytree(options.runs, studio.runs_folder)
        prepare(studio, options.train_seconds)
        choose_compared(studio)
        take(studio, options.output, ["1280x800", "1920x1080"] if options.all else ["1280x800"])
        take_timelapse(studio, options.output)
        take_lab(studio, options.output)
        take_lessons(studio, options.output)
        take_scores(studio, options.output)
        take_explore(studio, options.output, [])


if __name__ == "__main__":
    main()
    sys.exit(0)
