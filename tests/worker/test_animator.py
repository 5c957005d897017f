"""Animations in the worker: frames and films come in steps between which pictures are served; nothing is left."""

from pathlib import Path

import numpy as np
import pytest

from nvp_studio.explore.animating import animate
from nvp_studio.explore.animation import Animation
from nvp_studio.explore.animation_files import read_animation
from nvp_studio.explore.model import open_model
from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.worker.animation_messages import (
    AnimationProgress,
    AnimationRead,
    AnimationSaved,
    DrawFrames,
    FramesDone,
    FramesDrawn,
    ReadAnimation,
    SaveAnimation,
)
from nvp_studio.worker.messages import Ask, Cancel, Cancelled, Failed, OpenModel, Picture, Render
from tests.worker.process import WorkerProcess
from tests.worker.test_server import StartWorker

FILM = Animation(
    keyframes=(Recipe(checkpoint="", base=Seed(1)), Recipe(checkpoint="", base=Seed(2))),
    seconds=2.0,
    frames_per_second=10.0,
)
LONG = Animation(keyframes=FILM.keyframes, seconds=400.0, frames_per_second=25.0)


def test_frames_are_those_of_the_public_function_in_the_order_asked_for(
    shared_worker: WorkerProcess, model_file: Path
) -> None:
    numbers = (*range(16, 20), *range(16))
    shared_worker.send(Ask("frames", 1, DrawFrames(FILM, numbers)))
    images = np.zeros((20, 8, 8, 1), np.uint8)
    for start, number in enumerate(numbers):
        images[number] = shared_worker.expect(FramesDrawn, start=start).images.array()[0]
    shared_worker.expect(FramesDone)
    difference = np.abs(images.astype(int) - animate(open_model(model_file), FILM))
    assert difference.max() <= 1, "the worker may not be compiled yet"


@pytest.mark.parametrize(("request_", "first"), [(DrawFrames(LONG, tuple(range(10_000))), FramesDrawn), (None, None)])
def test_pictures_are_served_meanwhile_and_cancelling_leaves_nothing(
    shared_worker: WorkerProcess, tmp_path: Path, request_: DrawFrames | None, first: type | None
) -> None:
    asked = request_ or SaveAnimation(LONG, str(tmp_path / "film.webp"), 20)
    shared_worker.send(Ask("film", 2, asked))
    shared_worker.expect(first or AnimationProgress)
    shared_worker.send(Ask("explore", 20, Render(FILM.keyframes[0])))
    shared_worker.expect(Picture)
    shared_worker.send(Cancel("film"))
    shared_worker.expect(Cancelled)
    shared_worker.send(Ask("explore", 21, Render(FILM.keyframes[0])))
    shared_worker.expect(Picture)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_end_of_the_worker_leaves_no_half_film(start_worker: StartWorker, model_file: Path, tmp_path: Path) -> None:
    worker = start_worker()
    worker.greet()
    worker.send(Ask("model", 1, OpenModel(str(model_file))))
    folder = tmp_path / "films"
    folder.mkdir()
    film = Animation(keyframes=FILM.keyframes, seconds=40.0, frames_per_second=25.0)
    worker.send(Ask("film", 1, SaveAnimation(film, str(folder / "film.webp"), 20)))
    while not list(folder.iterdir()):
        worker.expect(AnimationProgress)
    worker.close_stdin()
    assert worker.wait() == 0
    assert not list(folder.iterdir())


def test_films_and_files_are_written_and_read(shared_worker: WorkerProcess, model_file: Path, tmp_path: Path) -> None:
    digest = open_model(model_file).digest
    for number, name in enumerate(("film.gif", "film.json"), 5):
        shared_worker.send(Ask("film", number, SaveAnimation(FILM, str(tmp_path / name), 2)))
        shared_worker.expect(AnimationSaved)
        shared_worker.send(Ask("read", number, ReadAnimation(str(tmp_path / name))))
        read = shared_worker.expect(AnimationRead).animation
        assert read == read_animation(tmp_path / name)
        assert {recipe.checkpoint for recipe in read.keyframes} == {digest}


def test_what_cannot_be_is_refused_in_a_line(shared_worker: WorkerProcess, tmp_path: Path) -> None:
    large = Recipe(checkpoint="", base=Image((16, 16, 3), bytes(768)))
    other = Animation(keyframes=(FILM.keyframes[0], large))
    for number, (asked, reason) in enumerate(
        (
            (DrawFrames(FILM, (20,)), "the animation has 20 frames"),
            (DrawFrames(other, (0,)), "keyframe 2: the recipe's image is 16x16 colour"),
            (SaveAnimation(other, str(tmp_path / "film.json")), "keyframe 2"),
            (SaveAnimation(FILM, str(tmp_path / "no" / "film.gif")), "No such file"),
            (SaveAnimation(FILM, str(tmp_path / "film.tiff")), "ends in .gif"),
            (ReadAnimation(str(tmp_path / "film.json")), "No such file"),
        ),
        30,
    ):
        shared_worker.send(Ask("film", number, asked))
        while not isinstance(reply := getattr(shared_worker.next(), "answer", None), Failed):
            pass
        assert reason in reply.reason
        assert "\n" not in reply.reason
    assert not list(tmp_path.iterdir())
