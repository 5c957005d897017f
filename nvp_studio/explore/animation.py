"""An animation: pictures that follow one another on a path between keyframes, each of which is a recipe.

The structure and where each frame lies on the path; neither torch nor Qt. `animating` decodes the frames.
"""

import contextlib
import itertools
import math
import pathlib
import shutil
from typing import Annotated, Literal

import msgspec

from nvp_studio.recipe import Blend, Corners, Image, Recipe, Seed
from nvp_studio.text import one_line

ANIMATION_KEY = "nvp-studio-animation"
"""Keyword of the PNG text chunk that holds an animation as JSON."""
MOST_KEYFRAMES = 200
MOST_FRAMES = 10_000
MOST_PLACES = 5_000
"""Of a recorded path between four corners."""
MOST_SECONDS = 3600.0
MOST_PER_SECOND = 60.0
MOST_BYTES = 128 * 2**20
"""Of an animation's file."""

Path = Literal["sphere", "spline", "corners"]


class Animation(msgspec.Struct, frozen=True, kw_only=True):
    """Keyframes, the path through them, and its speed. Raises `ValueError` for values that make no animation.

    The time from each keyframe to the next is the same.
    """

    keyframes: Annotated[tuple[Recipe, ...], msgspec.Meta(max_length=MOST_KEYFRAMES)] = ()
    path: Path = "sphere"
    """"sphere": from each keyframe to the next as a blend goes (`latents.between`). "spline": a Catmull-Rom spline
    through all keyframes (`latents.on_spline`). "corners": through `places` between the four corners of the only
    keyframe."""
    seconds: float = 4.0
    """Length of the whole animation."""
    frames_per_second: float = 25.0
    loop: bool = False
    """Whether the path goes on from its end to its beginning, and it is played again and again."""
    keep_length: bool = True
    """Of a spline: whether the length of the latent at every scale goes evenly from one keyframe's to the next's."""
    places: Annotated[tuple[tuple[float, float, float], ...], msgspec.Meta(max_length=MOST_PLACES)] = ()
    """Of a path between corners: (time as a share of the whole, phi, phi'), in the order of time, from 0 to 1; the
    angles in quarter turns."""

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= MOST_SECONDS:
            raise ValueError(f"an animation lasts more than 0 and at most {MOST_SECONDS:.0f} seconds")
        if not 1 <= self.frames_per_second <= MOST_PER_SECOND:
            raise ValueError(f"an animation has 1 to {MOST_PER_SECOND:.0f} frames a second")
        if self.frames > MOST_FRAMES:
            raise ValueError(
                f"{self.seconds:g} seconds at {self.frames_per_second:g} frames a second are "
                f"{self.frames:,} frames; the most are {MOST_FRAMES:,}"
            )
        if self.path == "corners":
            _check_places(self)

    @property
    def frames(self) -> int:
        """The number of frames, at least 2."""
        return max(2, round(self.seconds * self.frames_per_second))

    @property
    def legs(self) -> int:
        """Parts of the path that lead from one keyframe to the next."""
        return len(self.keyframes) if self.loop else len(self.keyframes) - 1

    @property
    def complete(self) -> bool:
        """Whether there are keyframes enough: one of a path between corners, else two."""
        return len(self.keyframes) >= (1 if self.path == "corners" else 2)

    def position(self, frame: int) -> tuple[int, float]:
        """(leg, share of the way along it, 0 to less than 1) of a frame, counted from 0; the last may be (legs, 0.0).

        Not of a path between corners.
        """
        steps = self.frames if self.loop else self.frames - 1
        leg, rest = divmod(frame * self.legs, steps)
        return leg, rest / steps

    def frame_places(self) -> list[tuple[float, float]]:
        """(phi, phi') of every frame of a path between corners; the place moves straight from each to the next."""
        times = [time for time, _, _ in self.places]
        places = [(phi, phi_prime) for _, phi, phi_prime in self.places]
        if self.loop:  # back to the first place, as fast as the path is on average
            whole = sum(math.dist(one, other) for one, other in itertools.pairwise(places))
            longer = 1 + math.dist(places[-1], places[0]) / whole if whole > 0 else 1.0
            times, places = [*(time / longer for time in times), 1.0], [*places, places[0]]
        found, leg, steps = [], 0, self.frames if self.loop else self.frames - 1
        for frame in range(self.frames):
            share = frame / steps
            while leg < len(times) - 2 and share > times[leg + 1]:
                leg += 1
            span = times[leg + 1] - times[leg]
            along = min((share - times[leg]) / span, 1.0) if span > 0 else 1.0
            (phi, phi_prime), (next_phi, next_phi_prime) = places[leg], places[leg + 1]
            found.append(((1 - along) * phi + along * next_phi, (1 - along) * phi_prime + along * next_phi_prime))
        return found

    def corner_recipes(self) -> list[Recipe]:
        """The recipe of every frame of a path between corners."""
        (recipe,) = self.keyframes
        base = recipe.base
        assert isinstance(base, Corners)
        return [
            msgspec.structs.replace(recipe, base=msgspec.structs.replace(base, phi=phi, phi_prime=phi_prime))
            for phi, phi_prime in self.frame_places()
        ]

    def recipe_of(self, frame: int) -> Recipe | None:
        """The recipe that gives a frame's latent to the bit; None where the frame has none of its own."""
        if self.path == "corners":
            return self.corner_recipes()[frame]
        leg, share = self.position(frame)
        one, other = (self.keyframes[number % len(self.keyframes)] for number in (leg, leg + 1))
        if share == 0:
            return one
        if self.path == "sphere" and _plain(one) and _plain(other):
            assert isinstance(one.base, Seed | Image)
            assert isinstance(other.base, Seed | Image)
            return Recipe(checkpoint=one.checkpoint, base=Blend(one.base, other.base, share))
        return None

    def to_json(self) -> str:
        """The animation as one line of JSON."""
        return msgspec.json.encode(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Animation":
        """Read what `to_json` wrote; raises `ValueError` with a one-line reason for anything else."""
        try:
            keys = msgspec.json.decode(text, type=_Keys)
            if keys.keyframes is msgspec.UNSET:
                found = "it is the recipe of one picture" if keys.base is not msgspec.UNSET else "it has no keyframes"
                raise ValueError(f"not an animation: {found}")
            animation = msgspec.json.decode(text, type=Animation)
            msgspec.msgpack.encode(animation)  # whole numbers in JSON have no bound, those of messages have
        except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
            raise ValueError(f"not an animation: {one_line(error)}") from error
        return animation


class _Keys(msgspec.Struct):
    """What tells an animation from other JSON: whether it has keyframes, or a base as a recipe has."""

    keyframes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    base: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def recorded(recipe: Recipe, moves: tuple[tuple[float, float, float], ...], frames_per_second: float) -> Animation:
    """The animation of a drag between four corners: (seconds, phi, phi') of each move, in the order of time.

    It lasts as long as the drag did, to a hundredth of a second. Raises `ValueError` for a drag without two
    places, or a recipe of another kind.
    """
    if len(moves) < 2 or moves[-1][0] <= moves[0][0]:
        raise ValueError("there is no path yet: drag the place over the pad while it is recorded")
    kept = moves if len(moves) <= MOST_PLACES else _thinned(moves)
    begin, whole = kept[0][0], kept[-1][0] - kept[0][0]
    places = tuple((min(max((time - begin) / whole, 0.0), 1.0), phi, phi_prime) for time, phi, phi_prime in kept)
    seconds = min(max(round(whole, 2), 0.1), MOST_FRAMES / frames_per_second)
    return Animation(
        keyframes=(recipe,), path="corners", seconds=seconds, frames_per_second=frames_per_second, places=places
    )


def may_be_animation(path: pathlib.Path) -> bool:
    """Whether a .json file is not a recipe, or a film may hold an animation; told by the file's first megabyte."""
    suffix, start = path.suffix.lower(), b""
    with contextlib.suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                start = file.read(2**20)
    if suffix == ".json":
        return b'"keyframes"' in start or b'"base"' not in start
    return suffix in (".gif", ".webp", ".apng") or ANIMATION_KEY.encode() in start


def find_ffmpeg() -> str | None:
    """The path of the program ffmpeg, which MP4 files are made by; None where there is none."""
    return shutil.which("ffmpeg")


def _thinned(moves: tuple[tuple[float, float, float], ...]) -> tuple[tuple[float, float, float], ...]:
    return tuple(moves[round(number * (len(moves) - 1) / (MOST_PLACES - 1))] for number in range(MOST_PLACES))


def _check_places(animation: Animation) -> None:
    keyframes, places = animation.keyframes, animation.places
    if len(keyframes) != 1 or not isinstance(keyframes[0].base, Corners):
        raise ValueError("a path between corners has one keyframe, a picture between four corners")
    times = [time for time, _, _ in places]
    ordered = all(one <= other for one, other in itertools.pairwise(times))
    if len(places) < 2 or times[0] != 0 or times[-1] != 1 or not ordered:
        raise ValueError("the times of a path between corners do not go from 0 to 1")
    if not all(0 <= angle <= 4 for _, *angles in places for angle in angles):
        raise ValueError("a place of the path between corners is not between 0 and 4 quarter turns")


def _plain(recipe: Recipe) -> bool:
    """Whether a recipe is nothing but a seed or an image."""
    return isinstance(recipe.base, Seed | Image) and recipe == Recipe(checkpoint=recipe.checkpoint, base=recipe.base)
