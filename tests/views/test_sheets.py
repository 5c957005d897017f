"""Sheets of images: pairs one below the other, in as few incomplete rows as their size allows."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.qimages import qimage
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.picture_window import PictureWindow
from nvp_studio.views.widgets.sheets import Sheet
from tests.qt import Bot


def test_pairs_fill_their_rows_where_that_makes_them_no_smaller(qtbot: Bot) -> None:
    sheet = Sheet("Real images", "", pairs=True)
    qtbot.addWidget(sheet)
    sheet.resize(760, 340)
    sheet.show()
    sheet.show_batch(ImageBatch((32, 28, 28, 1), bytes(32 * 28 * 28)))
    qtbot.waitUntil(lambda: sheet.grid.cell_rect(0).width() == 56)  # as 12 columns would show them
    assert sheet.grid.count == 32, "16 images and their reconstructions, and no blank ones"


def test_places_without_an_image_have_the_colour_of_the_ground(qtbot: Bot) -> None:
    sheet = Sheet("Samples", "")
    qtbot.addWidget(sheet)
    sheet.resize(760, 340)
    sheet.show()
    sheet.show_batch(ImageBatch((16, 32, 32, 3), bytes(16 * 32 * 32 * 3)))
    qtbot.waitUntil(lambda: sheet.grid.count > 16)
    picture = sheet.grid.grab().toImage()
    ground = picture.pixelColor(0, 0)
    for index in range(sheet.grid.count):
        shown = picture.pixelColor(sheet.grid.cell_rect(index).center())
        assert (shown != ground) == (index < 16)


@pytest.mark.parametrize("kind", [ImageView, ImageGrid])
def test_images_that_others_are_about_to_replace_are_pale(
    qapp: QApplication, kind: type[ImageView] | type[ImageGrid]
) -> None:
    batch = ImageBatch((1, 2, 2, 1), b"\x00\xff\x00\xff")
    widget = kind()
    widget.resize(96, 96)
    if isinstance(widget, ImageView):
        widget.show_image(qimage(batch))
    else:
        widget.show_batch(batch)

    def contrast() -> int:
        image = widget.grab().toImage()
        greys = [image.pixelColor(x, 48).lightness() for x in range(30, 66)]
        return max(greys) - min(greys)

    assert contrast() == 255
    widget.set_dimmed(True)
    assert contrast() < 128
    widget.set_dimmed(False)
    assert contrast() == 255


def test_an_image_of_a_sheet_is_shown_large_beside_its_pair_and_follows_the_sheet(qtbot: Bot) -> None:
    sheet = Sheet("Real images", "", pairs=True)
    qtbot.addWidget(sheet)
    sheet.resize(500, 300)
    sheet.show()
    pixels = bytes(value for value in range(6) for _ in range(4))  # six images of 2x2, three pairs
    sheet.show_batch(ImageBatch((6, 2, 2, 1), pixels), "step 20")
    qtbot.mouseDClick(sheet.grid, Qt.MouseButton.LeftButton, pos=sheet.grid.cell_rect(4).center())
    large = sheet.findChild(PictureWindow)
    assert [view.image.pixelColor(0, 0).red() for view in large.views] == [1, 4], "the second pair"
    assert large.place.text() == "2 of 3  ·  step 20"
    assert large.views[0].viewport is large.views[1].viewport
    qtbot.keyClick(large, Qt.Key.Key_PageDown)
    qtbot.keyClick(large, Qt.Key.Key_PageDown)
    assert [view.image.pixelColor(0, 0).red() for view in large.views] == [0, 3]
    sheet.show_batch(ImageBatch((6, 2, 2, 1), pixels[::-1]), "step 40")
    assert [view.image.pixelColor(0, 0).red() for view in large.views] == [5, 2]
    large.close()
    sheet.show_batch(None)
    assert sheet.grid.focusPolicy() == Qt.FocusPolicy.NoFocus
