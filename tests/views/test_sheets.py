"""Sheets of images: pairs one below the other, in as few incomplete rows as their size allows."""

from nvp_studio.image_batch import ImageBatch
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
