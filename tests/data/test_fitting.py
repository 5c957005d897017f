"""Crop, resize and channels: exact where exactness can be asked for."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from nvp_studio.data import fitting
from nvp_studio.data.fitting import average_areas, crop_to_aspect, enlarge, fit, with_channels
from nvp_studio.data.reading import Reading

SIDES = st.integers(1, 12)
CHANNELS = st.sampled_from([1, 3])


@st.composite
def images(draw: st.DrawFn, channels: st.SearchStrategy[int] = CHANNELS) -> np.ndarray:
    return draw(arrays(np.uint8, (draw(SIDES), draw(SIDES), draw(channels))))


def mean_of_areas(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Area averaging by its definition, in rational numbers."""
    old_height, old_width, channels = image.shape

    def overlap(old: int, new: int, source: int, target: int) -> Fraction:
        low, high = Fraction(target * old, new), Fraction((target + 1) * old, new)
        return max(Fraction(0), min(high, source + 1) - max(low, source))

    result = np.empty((height, width, channels), np.uint8)
    area = Fraction(old_height * old_width, height * width)
    for y, x, c in np.ndindex(result.shape):
        total = sum(
            overlap(old_height, height, i, y) * overlap(old_width, width, j, x) * int(image[i, j, c])
            for i in range(old_height)
            for j in range(old_width)
        )
        result[y, x, c] = floor(total / area + Fraction(1, 2))
    return result


@pytest.mark.parametrize("small", [True, False], ids=["at once", "row by row"])
@settings(max_examples=60)
@given(data=st.data(), image=images(channels=st.just(1)))
def test_area_average_is_the_exact_mean(small: bool, data: st.DataObject, image: np.ndarray) -> None:
    height = data.draw(st.integers(1, image.shape[0]))
    width = data.draw(st.integers(1, image.shape[1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "_BAND_SIZE", fitting._BAND_SIZE if small else 0)
        check_average(image, height, width)


def check_average(image: np.ndarray, height: int, width: int) -> None:
    np.testing.assert_array_equal(average_areas(image, height, width), mean_of_areas(image, height, width))


def test_area_average_at_a_whole_factor_is_the_mean_of_blocks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 64, 3), np.uint8)
    blocks = image.reshape(24, 4, 16, 4, 3).astype(np.int64).sum(axis=(1, 3))
    np.testing.assert_array_equal(average_areas(image, 24, 16), (blocks + 8) // 16)


def test_a_stripe_of_the_finest_pattern_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), 155)[None, :, None].repeat(310, axis=0)
    averaged = average_areas(stripes, 28, 28)  # 11.07 pixels a side: every mean is close to grey
    assert averaged.min() > 108
    assert averaged.max() < 147


@given(images(), st.integers(1, 3), st.integers(1, 3))
def test_crop_is_centred_and_has_the_aspect(image: np.ndarray, height: int, width: int) -> None:
    cropped = crop_to_aspect(image, height, width)
    (old_height, old_width), (new_height, new_width) = image.shape[:2], cropped.shape[:2]
    assert new_height == old_height or new_width == old_width
    ideal = min(Fraction(old_height, height), Fraction(old_width, width))
    assert abs(new_height - max(1, ideal * height)) <= Fraction(1, 2)
    assert abs(new_width - max(1, ideal * width)) <= Fraction(1, 2)
    top, left = (old_height - new_height) // 2, (old_width - new_width) // 2
    np.testing.assert_array_equal(cropped, image[top : top + new_height, left : left + new_width])


@given(images())
def test_what_fits_is_the_same_array(image: np.ndarray) -> None:
    height, width, channels = image.shape
    fitted, notes = fit(image, (channels, height, width))
    assert fitted is image
    assert notes == ()


@given(images(), SIDES, SIDES, CHANNELS, st.integers(0, 255))
def test_any_image_fits_any_shape_and_flat_stays_flat(
    image: np.ndarray, height: int, width: int, channels: int, value: int
) -> None:
    fitted, notes = fit(image, (channels, height, width))
    assert fitted.shape == (height, width, channels)
    assert fitted.dtype == np.uint8
    assert bool(notes) == (image.shape != fitted.shape)
    flat, _ = fit(np.full_like(image, value), (channels, height, width))
    assert (flat == value).all()


@pytest.mark.parametrize(
    ("old", "new", "notes"),
    [
        ((480, 640, 3), (3, 28, 28), ("resized from 640x480", "centre-cropped")),
        ((56, 56, 1), (1, 28, 28), ("resized from 56x56",)),
        ((16, 16, 1), (3, 32, 32), ("enlarged from 16x16", "grey to colour")),
        ((28, 40, 3), (1, 28, 28), ("centre-cropped from 40x28", "colour to grey")),
        ((28, 28, 3), (1, 28, 28), ("colour to grey",)),
    ],
)
def test_notes_say_what_was_done(old: tuple[int, int, int], new: tuple[int, int, int], notes: tuple[str, ...]) -> None:
    assert fit(np.zeros(old, np.uint8), new)[1] == notes


def test_grey_is_itu_luma_as_pillow_has_it() -> None:
    colours = np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8)
    np.testing.assert_array_equal(with_channels(colours, 1)[..., 0], np.asarray(Image.fromarray(colours).convert("L")))


@given(arrays(np.uint8, (3, 4, 1)))
def test_grey_survives_colour(image: np.ndarray) -> None:
    np.testing.assert_array_equal(with_channels(with_channels(image, 3), 1), image)


def test_enlarging_keeps_between_its_neighbours() -> None:
    ramp = np.arange(0, 250, 10, dtype=np.uint8)[None, :, None].repeat(25, axis=0)
    row = enlarge(ramp, 50, 100)[20, :, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert (row[0], row[-1]) == (0, 240)


@pytest.mark.parametrize("shape", [(20, 40, 1), (40, 20, 3), (5, 9, 1), (200, 3, 3), (16, 12, 1)])
@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("wanted", [(16, 16), (12, 24)])
def test_every_way_gives_the_size_asked_for(shape: tuple[int, ...], how: str, wanted: tuple[int, int]) -> None:
    pixels = np.full(shape, 77, np.uint8)
    fitted, notes = fit(pixels, (shape[2], *wanted), Reading(fit=how))
    assert fitted.shape == (*wanted, shape[2])
    assert (fitted == 77).all()
    assert notes


def test_padding_keeps_the_whole_image_in_the_middle() -> None:
    pixels = np.full((10, 20, 1), 100, np.uint8)
    pixels[:, 0], pixels[:, -1] = 7, 9
    for filling, shade in (("black", 0), ("white", 255)):
        fitted, notes = fit(pixels, (1, 20, 20), Reading(fit="pad", pad=filling))
        np.testing.assert_array_equal(fitted[5:15], pixels)
        assert (fitted[:5] == shade).all()
        assert (fitted[15:] == shade).all()
        assert notes == ("padded from 20x10",)
    edge, _ = fit(pixels, (1, 20, 20), Reading(fit="pad"))
    np.testing.assert_array_equal(edge, np.repeat(pixels[:1], 20, axis=0))
    smaller, notes = fit(pixels, (1, 10, 10), Reading(fit="pad", pad="white"))
    assert (smaller[3:7, 1:-1] < 255).all()
    assert (smaller[[0, 1, -2, -1]] == 255).all()
    assert notes == ("resized from 20x10", "padded")


def test_stretching_uses_every_pixel() -> None:
    pixels = np.tile(np.array([0, 0, 200, 200], np.uint8), (2, 1))[..., None]
    fitted, notes = fit(pixels, (1, 2, 2), Reading(fit="stretch"))
    np.testing.assert_array_equal(fitted[..., 0], [[0, 200], [0, 200]])
    assert notes == ("stretched from 4x2",)
