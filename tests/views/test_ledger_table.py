"""The table of Inspect: what each layer adds to the score."""

from nvp_studio.state.ledger_model import LedgerModel
from nvp_studio.views.widgets.ledger_table import LedgerTable
from tests.qt import Bot


def test_the_nats_of_a_colour_image_are_not_cut_off(qtbot: Bot) -> None:
    model = LedgerModel()
    model._rows = [("dequantization", "−17034.77", *("8.0000" for _ in LedgerModel.COLUMNS[2:]))]
    table = LedgerTable(model)
    qtbot.addWidget(table)
    font = table.font()
    font.setPixelSize(13)  # that of the window
    table.setFont(font)
    column = LedgerModel.COLUMNS.index("nats")
    assert table.sizeHintForColumn(column) <= table.columnWidth(column)
