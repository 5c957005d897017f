"""The recipe of a picture: an immutable structure that says how the picture was made.

Undo history, the text chunk of a saved PNG, the command line's replay and the decode request are this same object.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from nvp_studio.limits import ImageBytes, Name, ScaleValues, VectorBytes
from nvp_studio.text import one_line

PNG_KEY = "nvp-studio-recipe"
"""Keyword of the PNG text chunk that holds a recipe as JSON."""


class Seed(msgspec.Struct, frozen=True, tag="seed"):
    """Base latent: standard normal noise drawn from `seed`, the first image of `Flow.sample(..., seed=seed)`."""

    seed: int


class Image(msgspec.Struct, frozen=True, tag="image"):
    """Base latent: the exact latent of an 8-bit image, dequantized at the middle of each grey level.

    `pixels` are the uint8 values in (H, W, C) order of an image that already has the model's size; `name` is for show.
    """

    shape: tuple[int, int, int]
    pixels: ImageBytes
    name: Name = ""
    temperatures: ScaleValues = ()
    """At which the picture was made, one for each scale, finest first; empty means 1 throughout.

    The base latent is that of the image divided by them, so that the recipe's temperature means what it meant before.
    Where one is 0, nothing can be divided by it: the image's latent is multiplied by 1 + the recipe's temperature.
    """


Space = Literal["z", "x"]
"""Latents or pixels."""
MADE = ("step in z", "step in x", "redrawn region")
"""What the names of pictures begin with that were made from others."""
_NAME_LENGTH = 1024
Source = Seed | Image
"""A base latent that is not made of others."""


class Blend(msgspec.Struct, frozen=True, tag="blend"):
    """Base latent: an interpolation between two others at every scale (`latents.between`)."""

    a: Source
    b: Source
    share: float = 0.5
    """How far from `a` (0) to `b` (1)."""


class Corners(msgspec.Struct, frozen=True, tag="corners"):
    """Base latent: a place on the manifold through four others (Dinh et al. 2017, section 4.2; `latents.manifold`)."""

    z: tuple[Source, Source, Source, Source]
    """z1 to z4: top left, top right, bottom left and bottom right of the square from (0, 0) to (1, 1)."""
    phi: float = 0.5
    """The paper's phi in quarter turns, 0 to 4: downwards."""
    phi_prime: float = 0.5
    """The paper's phi' in quarter turns, 0 to 4: to the right."""


Base = Seed | Image | Blend | Corners
"""Where a latent starts."""


class Kept(msgspec.Struct, frozen=True):
    """The coarsest part of the base latent is kept, the rest drawn anew: the paper's conceptual compression."""

    share: float
    """Fraction of the latent's values that is kept, from the coarsest on (`latents.keep_coarsest`)."""
    seed: int
    """Of the noise that the others become, the first image's of `Flow.sample(..., seed=seed)`."""
    temperature: float = 1.0
    """Factor on that noise."""


LEAST_TEMPERATURE = 0.005
"""Of a picture that is kept by its pixels and at its temperatures; a lower one is taken as 0."""
MAX_ENLARGED = 10
"""Of sides; the paper shows pictures up to ten times as large (Dinh et al. 2017, appendix)."""
MAX_MOVES = 16
"""Most directions other than the model's that a recipe moves along."""
KEPT_SHARES = (1.0, 0.5, 0.25, 0.125, 0.0625)
"""Of the paper's conceptual compression (Dinh et al. 2017, appendix)."""


class Move(msgspec.Struct, frozen=True):
    """A move along a direction that is not one of the model's own, and is stored here for that: z + offset * vector."""

    name: Name
    vector: VectorBytes
    """D values in the order of `Flow.encode`, as float16 (little-endian): exactly what is added for an offset of 1."""
    offset: float = 0.0
    locked: bool = False
    """Whether the moves along other directions are made orthogonal to this one."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a picture is made: z = temperature * base + sum of offsets along directions, then decoded.

    The base is changed by `scales` and `kept` first.
    """

    checkpoint: Name
    """Digest (sha-256, hexadecimal) of the checkpoint file's content that decodes it."""
    base: Base
    """Where the latent starts."""
    temperatures: ScaleValues = ()
    """Factor on the base latent for each scale, finest first; empty means 1 throughout."""
    offsets: Annotated[tuple[tuple[int, float], ...], msgspec.Meta(max_length=256)] = ()
    """(direction, standard deviations) pairs along the model's directions, sorted by direction, zeros left out."""
    scales: Annotated[tuple[tuple[int, Base], ...], msgspec.Meta(max_length=64)] = ()
    """(scale, other base) pairs, sorted by scale, 0 the finest: at these scales the base latent is the other's."""
    kept: Kept | None = None
    """What part of the base latent is kept, after `scales`; None: all of it."""
    keep_length: bool = False
    """Whether the latent at every scale has the length after the offsets that it had before them."""
    enlarged: Annotated[int, msgspec.Meta(ge=1, le=MAX_ENLARGED)] = 1
    """How many times as long as the trained ones the sides of the picture are. Above 1 the base is made of seeds alone
    and there are no moves along directions, whose vectors are those of the trained size."""
    moves: Annotated[tuple[Move, ...], msgspec.Meta(max_length=MAX_MOVES)] = ()
    """Moves along other directions, sorted by name and vector; those of offset 0 are left out unless locked."""
    locked: Annotated[tuple[int, ...], msgspec.Meta(max_length=256)] = ()
    """Directions of the model, sorted, that moves along all others are made orthogonal to."""

    def with_offset(self, direction: int, offset: float) -> "Recipe":
        """The recipe with another offset along one direction, in standard deviations; 0 is left out."""
        offsets = dict(self.offsets) | {direction: offset}
        kept = sorted((index, value) for index, value in offsets.items() if index != direction or abs(value) > 1e-6)
        return msgspec.structs.replace(self, offsets=tuple(kept))

    def with_move(self, move: Move) -> "Recipe":
        """The recipe with this move in the place of one along the same vector; `ValueError` beyond `MAX_MOVES`."""
        moves = [one for one in self.moves if one.vector != move.vector]
        if move.locked or abs(move.offset) > 1e-6:
            moves.append(move)
        if len(moves) > MAX_MOVES:
            raise ValueError(f"a recipe moves along at most {MAX_MOVES} directions that are not the model's own")
        moves.sort(key=lambda one: (one.name, one.vector))
        return msgspec.structs.replace(self, moves=tuple(moves))

    def with_locked(self, direction: int, locked: bool) -> "Recipe":
        """The recipe with a direction of the model locked, or no longer."""
        others = {one for one in self.locked if one != direction}
        return msgspec.structs.replace(self, locked=tuple(sorted(others | {direction} if locked else others)))

    def without_moves(self) -> "Recipe":
        """The recipe with no move along any direction; those that are locked stay locked."""
        moves = tuple(msgspec.structs.replace(move, offset=0.0) for move in self.moves if move.locked)
        return msgspec.structs.replace(self, offsets=(), moves=moves)

    def with_temperatures(self, values: Sequence[float]) -> "Recipe":
        """The recipe with these temperatures, one for each scale, finest first; 1 throughout is written as nothing."""
        plain = all(abs(value - 1.0) < 1e-9 for value in values)
        return msgspec.structs.replace(self, temperatures=() if plain else tuple(values))

    def base_of(self, scale: int) -> Base:
        """What the latent starts from at one scale."""
        return dict(self.scales).get(scale, self.base)

    def factors(self, scales: int) -> tuple[float, ...]:
        """What each scale of the base latent is multiplied by, finest first: the temperatures, but for an image that
        was made at 0."""
        values = self.temperatures or (1.0,) * scales
        bases = [self.base_of(scale) for scale in range(scales)]
        own = [base.temperatures if isinstance(base, Image) else () for base in bases]
        return tuple(
            1 + value if own[scale] and own[scale][scale] == 0 else value for scale, value in enumerate(values)
        )

    def with_scale(self, scale: int, base: Base | None) -> "Recipe":
        """The recipe with another base at one scale; None or the recipe's own base is written as nothing."""
        scales = {index: one for index, one in self.scales if index != scale}
        if base is not None and base != self.base:
            scales[scale] = base
        return msgspec.structs.replace(self, scales=tuple(sorted(scales.items(), key=lambda pair: pair[0])))

    def to_json(self) -> str:
        """The recipe as one line of JSON."""
        return msgspec.json.encode(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Recipe":
        """Read what `to_json` wrote; raises `ValueError` with a one-line reason for anything else."""
        try:
            recipe = msgspec.json.decode(text, type=Recipe)
            msgspec.msgpack.encode(recipe)  # whole numbers in JSON have no bound, those of messages have
        except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
            raise ValueError(f"not a recipe: {one_line(error)}") from error
        return recipe


def sources(base: Base) -> tuple[Source, ...]:
    """The seeds and images that `base` is made of."""
    match base:
        case Blend(a=a, b=b):
            return a, b
        case Corners(z=corners):
            return corners
        case _:
            return (base,)


def name_from(made: str, base: Base) -> str:
    """The name of a picture made by one of `MADE` from that of `base`, such as "step in z from sample 5".

    Of a picture that was made so itself the name gives what that was made from.
    """
    match base:
        case Seed(seed=seed):
            origin = f"sample {seed}"
        case Image(name=name) if name.startswith(MADE):
            origin = name.partition(" from ")[2]
        case Image(name=name):
            origin = name
        case Blend():
            origin = "a blend"
        case Corners():
            origin = "four corners"
    return f"{made} from {origin}"[:_NAME_LENGTH] if origin else made


def by_pixels(before: Recipe, image: Image, scales: int) -> Recipe:
    """The recipe that shows `image`, which was made from the picture of `before`, at the temperatures of that.

    `scales` is their number. The sliders of directions are at rest.
    """
    values = tuple(value if value >= LEAST_TEMPERATURE else 0.0 for value in before.temperatures or (1.0,) * scales)
    opened = isinstance(before.base, Image) and not before.base.temperatures and not before.temperatures
    base = image if opened else msgspec.structs.replace(image, temperatures=values)
    return Recipe(checkpoint=before.checkpoint, base=base).with_temperatures(values)


def can_be_enlarged(recipe: Recipe) -> bool:
    """Whether the recipe can be that of a picture larger than trained: its bases are noise alone."""
    bases = (recipe.base, *(base for _, base in recipe.scales))
    return all(isinstance(source, Seed) for base in bases for source in sources(base))


def fits(base: Base, image_shape: tuple[int, int, int]) -> bool:
    """Whether the images that `base` is made of have this shape, (channels, height, width)."""
    channels, height, width = image_shape
    return all(isinstance(one, Seed) or one.shape == (height, width, channels) for one in sources(base))
