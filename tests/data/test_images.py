"""Any file that a person drops is read exactly, or refused in one line; nothing blocks."""

import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from nvp_studio.data import find_images, images, modes, read_image
from nvp_studio.data.images import ImageError, image_header, read_sheet
from nvp_studio.data.reading import Reading

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (28, 28), np.uint8)
COLOUR = RNG.integers(0, 256, (20, 30, 3), np.uint8)
posix = pytest.mark.skipif(os.name != "posix", reason="pipes and links by POSIX")


def saved(tmp_path: Path, image: Image.Image, name: str, **options: object) -> Path:
    path = tmp_path / name
    image.save(path, **options)
    return path


def png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8, colour: int = 0) -> bytes:
    """A PNG with this header and these chunks behind it, whatever they promise."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in ((b"IHDR", header), *chunks, (b"IEND", b"")):
        parts.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(parts)


# Exactness


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "a.webp", "a.gif"])
def test_grey_that_fits_is_bit_exact(tmp_path: Path, name: str) -> None:
    options = {"lossless": True} if name == "a.webp" else {}
    image = read_image(saved(tmp_path, Image.fromarray(GREY), name, **options), (1, 28, 28))
    np.testing.assert_array_equal(image.pixels[..., 0], GREY)
    # WebP stores colour always, GIF a palette.
    notes = {"a.webp": ("colour to grey",), "a.gif": ("palette to colour", "colour to grey")}
    assert image.notes == notes.get(name, ())
    assert image.size == (28, 28)
    assert image.text == {}


def test_colour_is_bit_exact_without_a_shape(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path, Image.fromarray(COLOUR), "a.png"))
    np.testing.assert_array_equal(image.pixels, COLOUR)
    assert image.notes == ()
    assert image.size == (30, 20)


def test_jpeg_is_what_pillow_decodes(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(COLOUR), "a.jpg", quality=90)
    np.testing.assert_array_equal(read_image(path).pixels, np.asarray(Image.open(path)))


def test_resizing_and_cropping_are_told(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path, Image.new("RGB", (640, 480), (10, 20, 30)), "a.png"), (3, 28, 28))
    assert image.notes == ("resized from 640x480", "centre-cropped")
    assert image.size == (640, 480)
    assert (image.pixels == (10, 20, 30)).all()


# Modes


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    image = read_image(saved(tmp_path, Image.fromarray(values), "a.png"))
    np.testing.assert_array_equal(image.pixels[..., 0], [[0, 0, 1, 1, 128, 255]])
    assert image.notes == ("16-bit to 8-bit",)


@pytest.mark.parametrize("name", ["a.tif", "a.jp2", "a.pgm"])
def test_sixteen_bit_grey_of_other_formats(tmp_path: Path, name: str) -> None:
    values = (GREY.astype(np.uint16) * 257)[:20]
    image = read_image(saved(tmp_path, Image.fromarray(values), name))
    np.testing.assert_array_equal(image.pixels[..., 0], GREY[:20])
    assert image.notes == ("16-bit to 8-bit",)


def test_sixteen_bit_white_is_zero_tiff_is_inverted(tmp_path: Path) -> None:
    values = np.array([[0, 65535, 257]], np.uint16)
    path = saved(tmp_path, Image.fromarray(values), "a.tif", tiffinfo={262: 0})
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels[..., 0], [[255, 0, 254]])
    assert image.notes == ("16-bit to 8-bit", "white-is-zero inverted")


def test_sixteen_bit_colour_png_is_scaled_by_both_bytes(tmp_path: Path) -> None:
    row = struct.pack(">6H", 0, 0xFFFF, 0x8000, 0x1234, 0x00FF, 0xFF00)
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 1, (b"IDAT", zlib.compress(b"\0" + row)), depth=16, colour=2))
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, [[[0, 255, 128], [18, 1, 254]]])
    assert image.notes == ("16-bit to 8-bit",)


@pytest.mark.parametrize(
    ("values", "pixels", "note"),
    [
        ([[0.0, 0.5, 1.0]], [[0, 128, 255]], "float 0..1 to 8-bit"),
        ([[0.0, 99.7, 255.0]], [[0, 100, 255]], "float 0..255 to 8-bit"),
    ],
)
def test_float_tiff(tmp_path: Path, values: list[list[float]], pixels: list[list[int]], note: str) -> None:
    image = read_image(saved(tmp_path, Image.fromarray(np.array(values, np.float32)), "a.tif"))
    np.testing.assert_array_equal(image.pixels[..., 0], pixels)
    assert image.notes == (note,)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_float_tiff_with_a_number_that_is_not_finite_is_refused(tmp_path: Path, value: float) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[0.5, value]], np.float32)), "a.tif")
    with pytest.raises(ImageError, match="float pixels"):
        read_image(path)


@pytest.mark.parametrize(
    ("values", "pixels", "note"),
    [
        ([0, 7, 255], [0, 7, 255], "int 0..255 to 8-bit"),
        ([0, 257, 65535], [0, 1, 255], "int 0..65535 to 8-bit"),
        ([-200, 0, 800], [0, 51, 255], "int -200..800 to 8-bit"),
        ([0, 51_000, 255_000], [0, 51, 255], "int 0..255000 to 8-bit"),
    ],
)
def test_integer_tiff(tmp_path: Path, values: list[int], pixels: list[int], note: str) -> None:
    image = read_image(saved(tmp_path, Image.fromarray(np.array([values], np.int32)), "a.tif"))
    np.testing.assert_array_equal(image.pixels[..., 0], [pixels])
    assert image.notes == (note,)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_lies_over_white_and_hides_its_colours(tmp_path: Path, mode: str) -> None:
    channels = 3 if mode == "RGBA" else 1
    pixels = np.zeros((1, 3, channels + 1), np.uint8)
    pixels[0, :, :-1] = 200
    pixels[0, :, -1] = 0, 128, 255
    image = read_image(saved(tmp_path, Image.fromarray(pixels), "a.png"))
    half = round((200 * 128 + 255 * 127) / 255)
    np.testing.assert_array_equal(image.pixels[0, :, 0], [255, half, 200])
    assert image.pixels.shape == (1, 3, channels)
    assert image.notes == ("alpha over white",)


def test_opaque_alpha_changes_no_pixel(tmp_path: Path) -> None:
    opaque = np.dstack([COLOUR, np.full(COLOUR.shape[:2], 255, np.uint8)])
    image = read_image(saved(tmp_path, Image.fromarray(opaque), "a.png"))
    np.testing.assert_array_equal(image.pixels, COLOUR)
    assert image.notes == ("opaque alpha dropped",)


def test_palette_and_its_transparent_entry(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    plain = read_image(saved(tmp_path, image, "a.png"))
    np.testing.assert_array_equal(plain.pixels, [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]])
    assert plain.notes == ("palette to colour",)
    holed = read_image(saved(tmp_path, image, "b.png", transparency=1))
    np.testing.assert_array_equal(holed.pixels, [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]])
    assert holed.notes == ("palette to colour", "alpha over white")


@pytest.mark.parametrize(
    ("depth", "row", "key", "pixels"),
    [
        (8, bytes([0, 7, 200]), 7, [0, 255, 200]),
        (2, bytes([0b00_01_10_00]), 1, [0, 255, 170]),
        (1, bytes([0b0100_0000]), 0, [255, 255, 255]),
        (16, struct.pack(">3H", 0, 258, 259), 258, [0, 255, 1]),
    ],
)
def test_transparent_grey_of_every_depth(tmp_path: Path, depth: int, row: bytes, key: int, pixels: list[int]) -> None:
    path = tmp_path / "a.png"
    chunks = (b"tRNS", struct.pack(">H", key)), (b"IDAT", zlib.compress(b"\0" + row))
    path.write_bytes(png(3, 1, *chunks, depth=depth))
    image = read_image(path, reading=Reading(values="type"))
    np.testing.assert_array_equal(image.pixels[0, :, 0], pixels)
    assert image.notes[-1] == "alpha over white"


def test_transparent_colour(tmp_path: Path) -> None:
    pixels = np.array([[[1, 2, 3], [1, 2, 4]]], np.uint8)
    image = read_image(saved(tmp_path, Image.fromarray(pixels), "a.png", transparency=(1, 2, 3)))
    np.testing.assert_array_equal(image.pixels, [[[255, 255, 255], [1, 2, 4]]])


def test_one_bit(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path, Image.fromarray(GREY > 127), "a.png"))
    np.testing.assert_array_equal(image.pixels[..., 0], np.where(GREY > 127, 255, 0))
    assert image.notes == ("1-bit to 8-bit",)


def test_cmyk(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path, Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "a.tif"))
    np.testing.assert_array_equal(image.pixels, np.broadcast_to([255, 0, 0], (4, 4, 3)))
    assert image.notes == ("CMYK to RGB",)


def test_a_mode_without_a_way_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="pixel mode LAB is not supported"):
        read_image(saved(tmp_path, Image.new("LAB", (4, 4)), "a.tif"))


# Orientation, frames, text


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if name == "a.webp" else {}
    path = saved(tmp_path, Image.fromarray(COLOUR), name, exif=exif, **options)
    image = read_image(path)
    untagged = Image.fromarray(COLOUR)
    untagged.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(image.pixels, np.asarray(ImageOps.exif_transpose(untagged)))
    assert image.size == image.pixels.shape[1::-1]
    assert image.notes == (() if orientation == 1 else ("rotated by its EXIF tag",))
    assert image_header(path) == (3, *image.pixels.shape[:2])


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_senseless_orientation_is_ignored(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_image(saved(tmp_path, Image.fromarray(COLOUR), "a.png", exif=exif))
    np.testing.assert_array_equal(image.pixels, COLOUR)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_first_frame_of_several(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (6, 6), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    options = {"lossless": True} if name == "a.webp" else {}
    image = read_image(saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:], **options))
    assert (image.pixels == (255, 0, 0)).all()
    assert image.notes[0] == "first frame"


@pytest.mark.parametrize("zipped", [False, True])
def test_png_text_travels(tmp_path: Path, zipped: bool) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("nvp-studio", '{"seed": 7}', zip=zipped)
    info.add_itxt("Title", "Hausschuh, größer", zip=zipped)
    image = read_image(saved(tmp_path, Image.fromarray(GREY), "a.png", pnginfo=info))
    assert image.text == {"nvp-studio": '{"seed": 7}', "Title": "Hausschuh, größer"}
    assert all(type(value) is str for value in image.text.values())


def test_png_text_is_capped_by_whole_chunks(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    for index in range(4):
        info.add_text(f"part {index}", "x" * 400_000)
    text = read_image(saved(tmp_path, Image.fromarray(GREY), "a.png", pnginfo=info)).text
    assert list(text) == ["part 0", "part 1"]
    assert {len(value) for value in text.values()} == {400_000}


# Refusals


@posix
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ImageError, match="not a regular file"):
        read_image(tmp_path / "a.png")
    assert list(find_images([tmp_path])) == [tmp_path / "a.png"]


@posix
def test_a_pipe_that_takes_the_place_of_a_file_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, Image.fromarray(GREY), "a.png")
    look = os.stat

    def swap_after_looking(looked_at: str | os.PathLike[str]) -> os.stat_result:
        status = look(looked_at)
        if Path(looked_at) == path:
            path.unlink()
            os.mkfifo(path)
        return status

    monkeypatch.setattr(images.os, "stat", swap_after_looking)
    with pytest.raises(ImageError, match="not a regular file"):
        read_image(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="devices of Linux")
def test_a_device_is_refused() -> None:
    with pytest.raises(ImageError, match="not a regular file"):
        read_image("/dev/zero")


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not an image")
    for name, reason in {"none.png": "No such file", "empty.png": "empty", "text.png": "not an image"}.items():
        with pytest.raises(ImageError, match=reason):
            read_image(tmp_path / name)
    with pytest.raises(ImageError, match="a folder"):
        read_image(tmp_path)


def test_a_small_file_of_vast_pixels_is_refused_by_its_header(tmp_path: Path) -> None:
    rows = zlib.compress(bytes(13_001) * 100, 9)
    for side in (13_000, 100_000):
        path = tmp_path / f"{side}.png"
        path.write_bytes(png(side, side, (b"IDAT", rows)))
        with pytest.raises(ImageError, match="too large"):
            read_image(path)
        with pytest.raises(ImageError, match="too large"):
            image_header(path)


def test_the_bound_on_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, Image.fromarray(GREY), "a.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 784)
    read_image(path)
    monkeypatch.setattr(images, "MAX_PIXELS", 783)
    with pytest.raises(ImageError, match="28x28 pixels; at most 783"):
        read_image(path)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(GREY), "a.png")
    os.truncate(path, images.MAX_FILE_BYTES + 1)  # sparse: takes no room
    with pytest.raises(ImageError, match="too large"):
        read_image(path)


def test_postscript_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    with pytest.raises(ImageError, match="not an image of a known format"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.bmp", "a.tif", "a.webp", "a.ppm", "a.jp2", "a.avif"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_read_or_refused_in_one_line(tmp_path: Path, name: str, data: st.DataObject) -> None:
    source = tmp_path / f"sound-{name}"
    if not source.exists():
        saved(tmp_path, Image.fromarray(COLOUR), source.name)
    content = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / name
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        image = read_image(path, (3, 8, 8))
    except ImageError as error:
        reason = str(error)
        assert reason
        assert reason.isprintable()
        assert len(reason) < 300
        assert str(tmp_path) not in reason
    else:
        assert image.pixels.shape == (8, 8, 3)


# Finding


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_find_images_is_recursive_sorted_and_picky(tmp_path: Path) -> None:
    wanted = [touch(tmp_path / name) for name in ("a.png", "b/1.JPG", "b/c/2.webp", "c.tiff")]
    for name in (".hidden.png", ".git/x.png", "notes.txt", "b/readme", "png"):
        touch(tmp_path / name)
    assert list(find_images([tmp_path])) == wanted
    assert list(find_images([str(tmp_path)])) == wanted


def test_find_images_yields_whatever_is_named(tmp_path: Path) -> None:
    odd = [touch(tmp_path / "notes.txt"), touch(tmp_path / ".hidden"), tmp_path / "missing"]
    assert list(find_images([*odd, odd[0]])) == [*odd, odd[0]]


def test_find_images_is_lazy(tmp_path: Path) -> None:
    first = touch(tmp_path / "a" / "1.png")

    def paths() -> object:
        yield tmp_path / "a"
        raise AssertionError("the second path was asked for too early")

    assert next(find_images(paths())) == first


@posix
def test_find_images_follows_links_but_no_loops(tmp_path: Path) -> None:
    elsewhere = touch(tmp_path / "elsewhere" / "x.png")
    folder = tmp_path / "folder"
    image = touch(folder / "a.png")
    (folder / "linked").symlink_to(elsewhere.parent)
    (folder / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "z.png").symlink_to(tmp_path / "gone.png")
    assert list(find_images([folder])) == [image, folder / "linked" / "x.png", folder / "z.png"]


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_reported(tmp_path: Path) -> None:
    closed = touch(tmp_path / "closed" / "a.png").parent
    closed.chmod(0)
    try:
        assert list(find_images([tmp_path])) == [closed]
        with pytest.raises(ImageError, match="Permission denied"):
            read_image(closed)
    finally:
        closed.chmod(0o700)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have shorter paths")
def test_find_images_goes_deeper_than_python_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depth = sys.getrecursionlimit() + 100
    monkeypatch.chdir(tmp_path)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    Path("a.png").touch()
    try:
        assert [path.name for path in find_images([tmp_path])] == ["a.png"]
    finally:
        os.unlink("a.png")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")


# Sheets, which the window's process reads


def test_a_sheet_is_a_png_of_few_pixels(tmp_path: Path) -> None:
    content = saved(tmp_path, Image.fromarray(COLOUR), "a.png").read_bytes()
    np.testing.assert_array_equal(read_sheet(content, 600), COLOUR)
    with pytest.raises(ImageError, match="at most 599 pixels"):
        read_sheet(content, 599)
    with pytest.raises(ImageError, match="not an image"):
        read_sheet(saved(tmp_path, Image.fromarray(COLOUR), "a.jpg").read_bytes(), 600)


# Large images


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_large_images_are_laid_over_white_in_bands_as_small_ones_are(
    mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = RNG.integers(0, 256, (7, 5, len(mode)), np.uint8)
    path = saved(tmp_path, Image.fromarray(values), "a.png")
    whole = read_image(path)
    monkeypatch.setattr(modes, "_BAND", 10)
    in_bands = read_image(path)
    np.testing.assert_array_equal(in_bands.pixels, whole.pixels)
    assert in_bands.notes == whole.notes
