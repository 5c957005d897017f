import numpy as np
import pytest

from nvp_studio.data.axes import choose_axes, to_nhwc
from nvp_studio.data.catalogue import load_data
from nvp_studio.data.dataset import DataError
from nvp_studio.data.reading import Reading


@pytest.fixture(scope="module")
def grey():
    return load_data("fashion-mnist").test.images[:100]


@pytest.fixture(scope="module")
def colour():
    return load_data("peeps").test.images[:90]


def ordered(images, order):
    """(N, H, W, C) images with their axes in this order."""
    images = images if "C" in order else images[..., 0]
    return images.transpose(["NHWC".index(axis) for axis in order])


@pytest.mark.parametrize("order", ["NHW", "HWN", "NHWC", "NCHW", "HWCN", "CHWN"])
@pytest.mark.parametrize("count", [20, 90])
def test_grey_images_in_any_order_come_out_alike(grey, order, count):
    values = ordered(grey[:count], order)
    found, suspicions = choose_axes(values, Reading(), "a")
    assert found == order
    assert suspicions == []
    assert np.array_equal(to_nhwc(values, found), grey[:count])


@pytest.mark.parametrize("order", ["NHWC", "NCHW", "HWCN", "CHWN"])
def test_colour_images_in_any_order_come_out_alike(colour, order):
    values = ordered(colour, order)
    found, suspicions = choose_axes(values, Reading(), "a")
    assert (found, suspicions) == (order, [])
    assert np.array_equal(to_nhwc(values, found), colour)


def test_images_that_are_not_square_are_told_by_how_smooth_they_are(grey):
    images = grey[:50, :, 4:24]
    for order in ("NHW", "HWN"):
        values = ordered(images, order)
        assert choose_axes(values, Reading(), "a") == (order, [])


def test_as_many_images_as_rows_are_told_by_how_smooth_they_are(grey):
    images = grey[:28]
    for order in ("NHW", "HWN"):
        assert choose_axes(ordered(images, order), Reading(), "a") == (order, [])


@pytest.mark.parametrize("channels", [1, 3])
def test_flat_rows_are_square_images(grey, colour, channels):
    images = grey if channels == 1 else colour
    for layout in (images, images.transpose(0, 3, 1, 2)):
        values = layout.reshape(len(images), -1)
        order, suspicions = choose_axes(values, Reading(), "a")
        assert (order, suspicions) == ("flat", [])
        assert np.array_equal(to_nhwc(values, order), images)


def test_noise_is_read_in_the_usual_order_with_a_word_where_the_shape_allows_another():
    noise = np.random.default_rng(0).integers(0, 256, (16, 20, 100))
    order, (suspicion,) = choose_axes(noise, Reading(), "a")
    assert order == "NHW"
    assert suspicion.serious
    assert suspicion.option == ("--axes", "HWN")
    assert "16 images of 100x20" in suspicion.words
    assert "100 images of 20x16" in suspicion.words
    assert choose_axes(noise, Reading(axes="HWN"), "a") == ("HWN", [])
    assert choose_axes(noise, Reading(axes="N"), "a") == ("NHW", [])


def test_frames_of_a_film_are_read_in_the_usual_order():
    film = np.add.outer(np.arange(30), np.random.default_rng(0).normal(0, 50, (16, 16)))
    assert choose_axes(film, Reading(), "a")[0] == "NHW"


@pytest.mark.parametrize("order", ["HWC", "CHW", "HW"])
def test_one_picture_is_refused_as_one(colour, order):
    picture = colour[0] if "C" in order else colour[0, ..., 0]
    values = picture.transpose(["HWC".index(axis) for axis in order]) if "C" in order else picture
    with pytest.raises(DataError, match="one picture; at least two images are needed"):
        choose_axes(values, Reading(), "a")


def test_option_reads_what_looks_like_one_picture(colour):
    values = colour[0]
    assert choose_axes(values, Reading(axes="N"), "a") == ("NHW", [])
    assert to_nhwc(values, "NHW").shape == (32, 32, 3, 1)


@pytest.mark.parametrize(
    ("shape", "axes"), [((4, 5, 6), "NHWC"), ((4, 5, 6, 7), "NHWC"), ((4, 5), "flat"), ((4, 5, 6, 7), "N"), ((4,), "")]
)
def test_shapes_that_are_no_images_are_refused(shape, axes):
    with pytest.raises(DataError, match="has shape"):
        choose_axes(np.zeros(shape), Reading(axes=axes), "a")


def test_colour_images_of_three_columns_are_said_to_be_doubtful():
    order, (suspicion,) = choose_axes(np.zeros((9, 3, 16, 3)), Reading(), "a")
    assert order == "NHWC"
    assert suspicion.option == ("--axes", "NCHW")
