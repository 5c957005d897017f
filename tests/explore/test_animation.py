"""Animations: where their frames lie, what the files hold, and what is refused."""

import math
import stat
import sys
from pathlib import Path

import msgspec
import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest
import torch

from docs.animation import main as make_animation
from nvp_studio.explore import animation_files
from nvp_studio.explore.animating import FrameLatents, animate, drawing_frames
from nvp_studio.explore.animation import Animation, recorded
from nvp_studio.explore.animation_files import read_animation, write_animation
from nvp_studio.explore.latents import between, on_spline
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import draw, latent
from nvp_studio.recipe import Blend, Corners, Image, Recipe, Seed
from tests.small_model import random_images

CORNERS = Recipe(checkpoint="", base=Corners((Seed(1), Seed(2), Seed(3), Seed(4)), 0.25, 0.75))


def keyframe(seed: int, **fields: object) -> Recipe:
    return Recipe(checkpoint="", base=Seed(seed), **fields)  # type: ignore[arg-type]


def animation(*seeds: int, **fields: object) -> Animation:
    values: dict[str, object] = {"seconds": 1.0, "frames_per_second": 9.0} | fields
    return Animation(keyframes=tuple(keyframe(seed) for seed in seeds), **values)  # type: ignore[arg-type]


# Frames


@pytest.mark.parametrize("path", ["sphere", "spline"])
@pytest.mark.parametrize("loop", [False, True])
def test_keyframes_are_frames_to_the_bit(path: str, loop: bool, model: OpenedModel) -> None:
    moved = keyframe(3, offsets=((1, 2.0),), temperatures=(0.5, 0.7))
    film = Animation(keyframes=(keyframe(1), moved, keyframe(2)), path=path, loop=loop, seconds=1, frames_per_second=9)
    latents = FrameLatents(model, film)
    for number, frame in enumerate((0, 3, 6) if loop else (0, 4, 8)):
        assert torch.equal(latents(frame), latent(model, film.keyframes[number]))
        assert film.recipe_of(frame) == film.keyframes[number]


def test_the_sphere_goes_as_a_blend_does_and_its_frames_have_recipes(model: OpenedModel) -> None:
    film = animation(1, 2, 3)
    recipe = film.recipe_of(5)
    assert recipe is not None
    assert recipe.base == Blend(Seed(2), Seed(3), 0.25)
    assert torch.equal(FrameLatents(model, film)(5), latent(model, recipe))
    cold = msgspec.structs.replace(film, keyframes=(keyframe(1, temperatures=(0.5, 0.5)), *film.keyframes[1:]))
    assert cold.recipe_of(1) is None, "a blend of a changed picture is no recipe"
    ends = [latent(model, recipe) for recipe in cold.keyframes]
    assert torch.equal(FrameLatents(model, cold)(1), between(ends[0], ends[1], 0.25, model.flow.scales))


def test_a_closed_path_returns_to_its_first_keyframe(model: OpenedModel) -> None:
    film = animation(1, 2, 3, loop=True)
    last = film.recipe_of(8)
    assert last is not None
    assert last.base == Blend(Seed(3), Seed(1), 2 / 3)
    assert torch.equal(FrameLatents(model, film)(8), latent(model, last))


def test_a_spline_is_smooth_and_passes_evenly_spaced_points_of_a_line(model: OpenedModel) -> None:
    a, step = (latent(model, keyframe(seed)) for seed in (1, 2))
    points = tuple(a + number * step for number in (-1, 0, 1, 2))
    middle = on_spline(points, 0.25, model.flow.scales, keep_length=False)
    assert torch.allclose(middle, a + 0.25 * step, atol=1e-9)

    z = [latent(model, keyframe(seed)) for seed in (1, 2, 3, 4, 5)]
    near = 1e-5
    left = on_spline((z[0], z[1], z[2], z[3]), 1 - near, model.flow.scales, keep_length=False) - z[2]
    right = on_spline((z[1], z[2], z[3], z[4]), near, model.flow.scales, keep_length=False) - z[2]
    cosine = float((-left * right).sum() / left.norm() / right.norm())
    assert cosine == pytest.approx(1.0, abs=1e-3), "the direction goes on at a keyframe"
    straight = float(((z[2] - z[1]) * (z[3] - z[2])).sum() / (z[2] - z[1]).norm() / (z[3] - z[2]).norm())
    assert straight < 0.5, "which that of the straight lines does not"


def test_a_spline_keeps_the_length_at_every_scale(model: OpenedModel) -> None:
    film = animation(1, 2, 3, path="spline")
    free = msgspec.structs.replace(film, keep_length=False)
    for scale in model.flow.scales:
        part = slice(scale.start, scale.stop)
        ends = [float(latent(model, recipe)[:, part].norm()) for recipe in film.keyframes]
        length = float(FrameLatents(model, film)(6)[:, part].norm())
        assert length == pytest.approx((ends[1] + ends[2]) / 2, rel=1e-6)
        assert float(FrameLatents(model, free)(6)[:, part].norm()) != pytest.approx(length, rel=1e-3)


def test_equal_keyframes_stand_still(model: OpenedModel) -> None:
    for seeds in ((1, 1), (1, 1, 1, 1)):
        frames = animate(model, animation(*seeds, path="spline"))
        assert (frames == frames[0]).all()
    frames = animate(model, animation(1, 1, 2, 2, path="spline", frames_per_second=30.0))
    assert np.array_equal(frames[0], frames[2])


def test_chosen_frames_are_those_of_the_whole(model: OpenedModel) -> None:
    film = animation(1, 2, frames_per_second=20.0)
    parts = list(drawing_frames(model, film, range(20)))
    assert [start for start, _ in parts] == [0, 8, 16]
    assert np.array_equal(np.concatenate([images for _, images in parts]), animate(model, film))
    ((start, chosen),) = drawing_frames(model, film, (19, 0))
    assert start == 0
    assert np.array_equal(chosen, draw(model, [keyframe(2), keyframe(1)]).images)


# A path between corners


def test_a_recorded_path_passes_its_places_at_their_times(model: OpenedModel) -> None:
    film = recorded(CORNERS, ((10.0, 0.0, 0.0), (10.5, 1.0, 0.5), (12.0, 1.0, 1.0)), 20.0)
    assert (film.seconds, film.frames) == (2.0, 40)
    places = film.frame_places()
    assert places[0] == (0.0, 0.0)
    assert places[-1] == (1.0, 1.0)
    assert places[13] == pytest.approx((1.0, 0.5 + 0.5 * (13 / 39 - 0.25) / 0.75))
    recipe = film.recipe_of(13)
    assert recipe is not None
    assert recipe.base == Corners(CORNERS.base.z, *places[13])
    assert np.array_equal(animate(model, film)[8:16], draw(model, film.corner_recipes()[8:16]).images)


def test_a_closed_path_between_corners_comes_back_at_its_mean_speed() -> None:
    film = recorded(CORNERS, ((0.0, 0.0, 0.0), (1.0, 0.0, 1.0)), 10.0)
    closed = msgspec.structs.replace(film, loop=True)
    assert [place[1] for place in closed.frame_places()] == pytest.approx(
        [0, 0.2, 0.4, 0.6, 0.8, 1, 0.8, 0.6, 0.4, 0.2]
    )


def test_a_path_that_stands_still_and_a_long_one_are_animations() -> None:
    still = recorded(CORNERS, ((0.0, 0.5, 0.5), (0.0, 0.5, 0.5), (1.0, 0.5, 0.5)), 10.0)
    assert set(msgspec.structs.replace(still, loop=True).frame_places()) == {(0.5, 0.5)}
    long = recorded(CORNERS, tuple((number / 100, 0.5, number / 20_000) for number in range(20_000)), 25.0)
    assert len(long.places) == 5_000
    assert long.places[-1] == (1.0, 0.5, 19_999 / 20_000)
    assert recorded(CORNERS, ((0.0, 0.5, 0.5), (2.2247834145, 0.5, 0.6)), 25.0).seconds == 2.22
    with pytest.raises(ValueError, match="no path yet"):
        recorded(CORNERS, ((0.0, 0.5, 0.5),), 10.0)


# What is refused


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"seconds": 0.0}, "more than 0"),
        ({"seconds": math.nan}, "more than 0"),
        ({"seconds": math.inf}, "3600 seconds"),
        ({"frames_per_second": 0.5}, "1 to 60 frames"),
        ({"frames_per_second": math.nan}, "1 to 60 frames"),
        ({"seconds": 1000.0, "frames_per_second": 60.0}, "60,000 frames; the most are 10,000"),
        ({"path": "corners"}, "one keyframe, a picture between four corners"),
    ],
)
def test_values_out_of_bounds_are_refused_in_words(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        animation(1, 2, **fields)
    known = {"seconds": 1.0, "frames_per_second": 9.0, "path": "sphere"} | fields
    if all(not isinstance(value, float) or math.isfinite(value) for value in known.values()):
        text = msgspec.json.encode(known | {"keyframes": [keyframe(1), keyframe(2)]})
        with pytest.raises(ValueError, match=f"not an animation: .*{reason}"):
            Animation.from_json(text)


def test_places_of_a_path_between_corners_are_checked() -> None:
    for places, reason in (
        (((0.0, 0.5, 0.5),), "from 0 to 1"),
        (((0.0, 0.5, 0.5), (0.5, 0.5, 0.5)), "from 0 to 1"),
        (((0.0, 0.5, 0.5), (0.8, 0.5, 0.5), (0.2, 0.5, 0.5), (1.0, 0.5, 0.5)), "from 0 to 1"),
        (((0.0, 0.5, 0.5), (math.nan, 0.5, 0.5), (1.0, 0.5, 0.5)), "from 0 to 1"),
        (((0.0, 0.5, 0.5), (1.0, 0.5, 4.5)), "4 quarter turns"),
        (((0.0, 0.5, 0.5), (1.0, math.nan, 0.5)), "4 quarter turns"),
    ):
        with pytest.raises(ValueError, match=reason):
            Animation(keyframes=(CORNERS,), path="corners", places=places)


def test_files_that_are_no_animation_are_refused_in_one_line(tmp_path: Path) -> None:
    too_many = msgspec.json.encode({"keyframes": [keyframe(1)] * 201})
    for text in (
        b"",
        b"{",
        b"[]",
        b'{"keyframes": 3}',
        b'{"seconds": "long"}',
        b'{"seconds": 1' + b"0" * 400 + b"}",
        too_many,
    ):
        (tmp_path / "some.json").write_bytes(text)
        with pytest.raises(ValueError, match="not an animation") as caught:
            read_animation(tmp_path / "some.json")
        assert "\n" not in str(caught.value)
    PIL.Image.new("L", (8, 8)).save(tmp_path / "plain.gif")
    with pytest.raises(ValueError, match="holds no animation"):
        read_animation(tmp_path / "plain.gif")


def test_keyframes_of_another_model_are_named(model: OpenedModel, tmp_path: Path) -> None:
    large = Recipe(checkpoint="", base=Image((16, 16, 3), bytes(768)))
    film = Animation(keyframes=(keyframe(1), large), seconds=1)
    with pytest.raises(ValueError, match="keyframe 2: the recipe's image is 16x16 colour"):
        animate(model, film)
    with pytest.raises(ValueError, match="at least two keyframes"):
        animate(model, animation(1))


# Files


def shown(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """The frames of a file as RGB, and how long each is shown in seconds."""
    with PIL.Image.open(path) as file:
        frames, times = [], []
        for frame in PIL.ImageSequence.Iterator(file):
            frames.append(np.asarray(frame.convert("RGB")))
            times.append(frame.info["duration"] / 1000)
        return frames, times


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".apng"])
@pytest.mark.parametrize("which", ["grey", "colour"])
def test_files_hold_the_frames_their_times_and_the_animation(
    suffix: str, which: str, model: OpenedModel, colour_model: OpenedModel, tmp_path: Path
) -> None:
    opened = model if which == "grey" else colour_model
    image = random_images(1, opened.image_shape)[0]
    own = Recipe(checkpoint="", base=Image(opened.pixel_shape, image.tobytes(), "größe.png"))
    film = Animation(keyframes=(own, keyframe(2), keyframe(5)), seconds=1, frames_per_second=12)
    path = tmp_path / f"film{suffix}"
    told: list[tuple[int, int]] = []
    write_animation(path, opened, film, 3, lambda done, total: told.append((done, total)))
    frames, times = shown(path)
    expected = animate(opened, film).repeat(3, 1).repeat(3, 2)
    assert len(frames) == film.frames
    exact = suffix != ".gif" or which == "grey"
    for frame, wanted in zip(frames, expected, strict=True):
        difference = np.abs(frame.astype(int) - wanted.astype(int))
        assert difference.max() <= (0 if exact else 8)
    assert sum(times) == pytest.approx(1.0)
    assert read_animation(path) == film
    assert told == sorted(told)
    assert {total for _, total in told} == {24}
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_what_stops_writing_leaves_the_file_before_and_nothing_else(model: OpenedModel, tmp_path: Path) -> None:
    film = animation(1, 2, 3)
    path = tmp_path / "film.gif"
    path.write_bytes(b"before")
    for limit in (5, 12):

        def stop(done: int, total: int, limit: int = limit) -> None:
            if done > limit:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_animation(path, model, film, 2, stop)
        assert path.read_bytes() == b"before"
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "fields", "scale", "reason"),
    [
        ("film.avi", {}, 1, "ends in .gif"),
        ("film.gif", {"frames_per_second": 60.0}, 1, "at most 50 frames"),
        ("film.png", {}, 1000, "too large"),
        ("film.gif", {"seconds": 1000.0, "frames_per_second": 10.0}, 100, "too many for a .gif file"),
        ("film.gif", {}, 0, "scale of 0"),
    ],
)
def test_files_that_cannot_be_made_are_refused_before_work_begins(
    name: str, fields: dict[str, object], scale: int, reason: str, model: OpenedModel, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=reason):
        write_animation(tmp_path / name, model, animation(1, 2, **fields), scale)
    assert not list(tmp_path.iterdir())


FFMPEG = f"""#!{sys.executable}
import json, sys
path, arguments = sys.argv[-1], sys.argv[1:]
data = sys.stdin.buffer.read()
if "fail" in path:
    print("some news", file=sys.stderr)
    sys.exit("no such encoder")
open(path, "wb").write(json.dumps([arguments, len(data), sum(data)]).encode())
"""


@pytest.fixture
def ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of this name that writes what it was given."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(FFMPEG)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(animation_files, "find_ffmpeg", lambda: str(program))
    return program


@pytest.mark.skipif(sys.platform == "win32", reason="the program that stands for ffmpeg is a script")
def test_ffmpeg_gets_the_enlarged_frames_and_its_failure_is_told(
    model: OpenedModel, ffmpeg: Path, tmp_path: Path
) -> None:
    film = animation(1, 2)
    write_animation(tmp_path / "film.mp4", model, film, 2)
    arguments, count, total = msgspec.json.decode((tmp_path / "film.mp4").read_bytes())
    frames = animate(model, film).repeat(2, 1).repeat(2, 2)
    assert (count, total) == (frames.size, int(frames.sum()))
    assert arguments[arguments.index("-s") + 1] == "16x16"
    assert arguments[arguments.index("-pix_fmt") + 1] == "gray"
    assert arguments[arguments.index("-metadata") + 1] == f"comment={film.to_json()}"
    with pytest.raises(ValueError, match=r"ffmpeg cannot write fail\.mp4: no such encoder"):
        write_animation(tmp_path / "fail.mp4", model, film)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "film.mp4"]


def test_without_ffmpeg_a_plain_word_says_so(
    model: OpenedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="ffmpeg, which was not found: install it, or choose"):
        write_animation(tmp_path / "film.mp4", model, animation(1, 2))


def test_the_animation_of_the_documentation_begins_at_its_keyframe() -> None:
    path = Path(__file__).parents[2] / "docs" / "animation.gif"
    film = read_animation(path)
    frames, times = shown(path)
    for recipe, frame in ((film.keyframes[0], frames[0]), (film.keyframes[1], frames[len(frames) // 2])):
        assert isinstance(recipe.base, Image)
        pixels = np.frombuffer(recipe.base.pixels, np.uint8).reshape(recipe.base.shape)
        factor = len(frame) // len(pixels)
        assert np.array_equal(frame[..., :1], pixels.repeat(factor, 0).repeat(factor, 1))
    assert sum(times) == pytest.approx(film.seconds)
    assert path.stat().st_size < 2**20


@pytest.mark.slow
def test_the_animation_of_the_documentation_is_what_its_command_makes(tmp_path: Path) -> None:
    """Two test images and the way between them; a frame may differ by a grey level on another processor."""
    path = Path(__file__).parents[2] / "docs" / "animation.gif"
    make_animation(["--output", str(tmp_path / "again.gif")])
    assert read_animation(tmp_path / "again.gif") == read_animation(path)
    for frame, again in zip(shown(path)[0], shown(tmp_path / "again.gif")[0], strict=True):
        assert np.abs(frame.astype(int) - again).max() <= 1
