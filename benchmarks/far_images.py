"""Sets of images that a model has not seen, drawn by code or taken from packages, for `benchmarks.ood`.

Each function takes the number of images, the shape (H, W, C) and a seed, and returns uint8 (N, H, W, C).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Images = npt.NDArray[np.uint8]
Shape = tuple[int, int, int]

GLYPHS = "ABCDEFGHJKLMNPQRSTUVWXYZabdefghknpqrstwxy23456789#&@%?"
OVERSAMPLING = 4


def digits(count: int, shape: Shape, seed: int) -> Images:
    """The 8x8 digits of scikit-learn, enlarged, bright on black."""
    from sklearn.datasets import load_digits

    generator = np.random.default_rng((seed, 1))
    small = (load_digits().images * (255 / 16)).round().astype(np.uint8)
    chosen = generator.choice(len(small), count, replace=count > len(small))
    return np.stack([_array(Image.fromarray(small[one]), shape, Image.Resampling.BICUBIC) for one in chosen])


def glyphs(count: int, shape: Shape, seed: int) -> Images:
    """Letters and signs of Pillow's own font, of many sizes, turned a little."""
    generator = np.random.default_rng((seed, 2))
    side = OVERSAMPLING * max(shape[:2])
    drawn = []
    for _ in range(count):
        picture, ink = _canvas(side, shape, generator)
        font = ImageFont.load_default(generator.uniform(0.5, 1.1) * side)
        glyph = GLYPHS[generator.integers(len(GLYPHS))]
        ImageDraw.Draw(picture).text((side / 2, side / 2), glyph, ink, font, anchor="mm")
        drawn.append(_array(picture.rotate(generator.uniform(-15, 15), fillcolor=picture.getpixel((0, 0))), shape))
    return np.stack(drawn)


def strokes(count: int, shape: Shape, seed: int) -> Images:
    """Doodles: two to six curved strokes of a pen."""
    generator = np.random.default_rng((seed, 3))
    side = OVERSAMPLING * max(shape[:2])
    drawn = []
    for _ in range(count):
        picture, ink = _canvas(side, shape, generator)
        pen = ImageDraw.Draw(picture)
        width = round(generator.uniform(1, 2.5) * OVERSAMPLING)
        for _ in range(generator.integers(2, 7)):
            ends = generator.uniform(0.1 * side, 0.9 * side, (4, 2))
            t = np.linspace(0, 1, 40)[:, np.newaxis]
            curve = (
                (1 - t) ** 3 * ends[0] + 3 * (1 - t) ** 2 * t * ends[1] + 3 * (1 - t) * t**2 * ends[2] + t**3 * ends[3]
            )
            pen.line([tuple(point) for point in curve], fill=ink, width=width, joint="curve")
        drawn.append(_array(picture, shape))
    return np.stack(drawn)


def constant(count: int, shape: Shape, seed: int) -> Images:
    """One colour all over."""
    colours = np.random.default_rng((seed, 4)).integers(0, 256, (count, 1, 1, shape[2]), np.uint8)
    return np.broadcast_to(colours, (count, *shape)).copy()


def noise(count: int, shape: Shape, seed: int) -> Images:
    """Independent uniform values."""
    return np.random.default_rng((seed, 5)).integers(0, 256, (count, *shape), np.uint8)


def photographs(count: int, shape: Shape, seed: int) -> Images:
    """Square parts, of 48 to 300 pixels, of the two photographs in scikit-learn."""
    from sklearn.datasets import load_sample_images

    generator = np.random.default_rng((seed, 6))
    photographs = [Image.fromarray(one) for one in load_sample_images().images]
    drawn = []
    for _ in range(count):
        photograph = photographs[generator.integers(len(photographs))]
        side = int(generator.integers(48, 301))
        left, top = (int(generator.integers(0, whole - side + 1)) for whole in photograph.size)
        drawn.append(_array(photograph.crop((left, top, left + side, top + side)), shape))
    return np.stack(drawn)


def emoji(count: int, shape: Shape, seed: int) -> Images:
    """Round faces with two eyes and a mouth on a plain ground, as in emoji."""
    generator = np.random.default_rng((seed, 7))
    side = OVERSAMPLING * max(shape[:2])
    drawn = []
    for _ in range(count):
        ground, face, ink = (tuple(int(v) for v in generator.integers(*r, 3)) for r in ((0, 256), (120, 256), (0, 100)))
        picture = Image.new("RGB", (side, side), ground)
        pen = ImageDraw.Draw(picture)
        radius, x, y = (generator.uniform(low, high) * side for low, high in ((0.3, 0.46), (0.46, 0.54), (0.46, 0.54)))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), face, ink, 3)
        apart, up, eye = (
            generator.uniform(low, high) * radius for low, high in ((0.3, 0.45), (0.15, 0.35), (0.08, 0.18))
        )
        for centre in (x - apart, x + apart):
            pen.ellipse((centre - eye, y - up - eye, centre + eye, y - up + eye), ink)
        mouth, low = generator.uniform(0.3, 0.6) * radius, generator.uniform(0.1, 0.4) * radius
        box = (x - mouth, y + low - mouth / 2, x + mouth, y + low + mouth / 2)
        start = 0 if generator.random() < 0.7 else 180
        pen.arc(box, start, start + 180, ink, 5)
        drawn.append(_array(picture, shape))
    return np.stack(drawn)


DRAWN: dict[str, Callable[[int, Shape, int], Images]] = {
    "digits": digits,
    "glyphs": glyphs,
    "strokes": strokes,
    "constant": constant,
    "noise": noise,
    "photographs": photographs,
    "emoji": emoji,
}


def inverted(images: Images) -> Images:
    """Negatives."""
    return 255 - images


def shuffled(images: Images, seed: int) -> Images:
    """The pixels of each image in an order of its own; colours stay together."""
    generator = np.random.default_rng((seed, 8))
    flat = images.reshape(len(images), -1, images.shape[3])
    return np.stack([one[generator.permutation(len(one))] for one in flat]).reshape(images.shape)


def upside_down(images: Images) -> Images:
    """Turned by 180 degrees."""
    return np.ascontiguousarray(np.rot90(images, 2, (1, 2)))


def turned(images: Images) -> Images:
    """Turned by 90 degrees; of square images."""
    return np.ascontiguousarray(np.rot90(images, 1, (1, 2)))


def _canvas(side: int, shape: Shape, generator: np.random.Generator) -> tuple[Image.Image, tuple[int, ...] | int]:
    """A ground and a colour to draw with: bright on black where images are grey, any two colours otherwise."""
    if shape[2] == 1:
        return Image.new("L", (side, side)), int(generator.integers(160, 256))
    ground, ink = (tuple(int(value) for value in generator.integers(0, 256, 3)) for _ in range(2))
    return Image.new("RGB", (side, side), ground), ink


def _array(picture: Image.Image, shape: Shape, how: Image.Resampling = Image.Resampling.BOX) -> Images:
    height, width, channels = shape
    fitted = picture.convert("L" if channels == 1 else "RGB").resize((width, height), how)
    return np.asarray(fitted, np.uint8).reshape(shape)
