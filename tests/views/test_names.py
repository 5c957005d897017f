"""Names from elsewhere in the window: shown as they are, never as HTML, and without control characters."""

import ast
import unicodedata
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics, QTextDocument
from PySide6.QtWidgets import QApplication, QLabel, QStyleOptionViewItem, QWidget

from nvp_studio.runs.labels import LABELS
from nvp_studio.state.engine import Engine
from nvp_studio.training.runs import read_record, write_record
from nvp_studio.views.pages.runs.page import RunsPage
from nvp_studio.views.widgets.labels import ElidedLabel, NoteLabel, TextLabel, plain_tip, shortened
from tests.qt import Bot, open_window
from tests.runs.folders import make_trained_run

VIEWS = Path(__file__).resolve().parent.parent.parent / "nvp_studio" / "views"
HTML = '<b>bold</b> <img src="file:///etc/hostname"> &amp;'
HOSTILE = f"{HTML}\u202e\x1b[2J"


def test_no_label_takes_its_text_for_html() -> None:
    """Qt's own labels do so with whatever looks like it."""
    calls = [
        f"{path.name}: {ast.unparse(node)}"
        for path in sorted(VIEWS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("QLabel", "QtWidgets.QLabel")
    ]
    assert calls == []


def test_every_tool_tip_with_a_name_is_plain() -> None:
    """Those that are not are the program's own sentences."""
    own = {"self", "tr", "tip", "text", "name", "memory", "live", "here", "elsewhere", "bring", "package", "form"}
    found = []
    for path in sorted(VIEWS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".setToolTip", "showText"))):
                continue
            names = {one.id for one in ast.walk(node.args[-1]) if isinstance(one, ast.Name)}
            if "_tip(" not in ast.unparse(node) and not names <= own:
                found.append(f"{path.name}: {ast.unparse(node)}")
    assert found == []


@pytest.mark.parametrize("make", [TextLabel, ElidedLabel, NoteLabel])
def test_labels_show_names_as_they_are(qtbot: Bot, make: type[TextLabel]) -> None:
    label = make()
    qtbot.addWidget(label)
    label.setText(f"{HOSTILE}\nsecond")
    assert label.textFormat() == Qt.TextFormat.PlainText
    assert label.text() == f"{HTML}\\u202e\\x1b[2J\nsecond"


def test_a_line_is_shortened_by_whole_parts_then_by_words(qapp: QApplication) -> None:
    metrics = QFontMetrics(qapp.font())
    text = "4.938 bits/dim in validation (40 images)  ·  28x28  ·  138k parameters"

    def within(shown: str) -> str:
        return shortened(text, metrics, metrics.horizontalAdvance(shown))

    whole = [
        text,
        "4.938 bits/dim in validation (40 images)  ·  28x28 …",
        "4.938 bits/dim in validation (40 images) …",
        "4.938 bits/dim in validation …",
        "4.938 bits/dim …",
        "4.938 …",
    ]
    assert [within(one) for one in whole] == whole
    widths = range(metrics.horizontalAdvance("4.938 …"), metrics.horizontalAdvance(text))
    assert {shortened(text, metrics, width) for width in widths} <= {*whole, "4.938 bits/dim in …"}
    name = "a-name-without-any-blank"
    cut = shortened(name, metrics, metrics.horizontalAdvance(name) // 2)
    assert cut.startswith("a-")
    assert cut.endswith("k")


def test_a_tool_tip_shows_a_name_as_it_is(qtbot: Bot) -> None:
    document = QTextDocument()
    document.setHtml(plain_tip(HOSTILE))
    assert document.toPlainText() == f"{HTML}\\u202e\\x1b[2J"
    assert plain_tip("a plain name & more") == "a plain name & more"


def test_the_runs_page_shows_a_forged_record_as_text(shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> None:
    for number in range(2):
        folder = make_trained_run(tmp_path / "runs" / f"{number}", 4, 2)
        record = read_record(folder)
        write_record(
            folder,
            msgspec.structs.replace(
                record, name=HOSTILE, data=msgspec.structs.replace(record.data, title=HOSTILE), device=HOSTILE
            ),
        )
        (folder / LABELS).write_bytes(msgspec.json.encode({"name": f"{number}{HOSTILE}", "note": HOSTILE}))
    window = open_window(qtbot, shared_engine, tmp_path, tmp_path / "runs", "runs")
    page = window.page("runs")
    assert isinstance(page, RunsPage)
    qtbot.waitUntil(lambda: page.filtered_runs.rowCount() == 2)
    page.table.selectRow(0)
    window.grab()
    for label in window.findChildren(QLabel):
        assert label.textFormat() != Qt.TextFormat.AutoText or not Qt.mightBeRichText(label.text())  # type: ignore[attr-defined]
        assert not any(unicodedata.category(one) in ("Cc", "Cf") for one in label.text() if one != "\n")
    for widget in window.findChildren(QWidget):
        assert "<img" not in widget.toolTip()
    option = QStyleOptionViewItem()
    page.table.itemDelegate().initStyleOption(option, page.filtered_runs.index(0, 0))
    assert option.text.endswith(f"{HTML}\\u202e\\x1b[2J")
