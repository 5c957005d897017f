"""The panel of sliders: named directions first, the principal ones by number."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextDocument

from nvp_studio.views.widgets.latent_panel import LatentPanel
from nvp_studio.views.widgets.length_panel import LengthGauge
from tests.qt import Bot


def test_named_directions_come_first_and_keep_their_numbers(qtbot: Bot) -> None:
    panel = LatentPanel()
    qtbot.addWidget(panel)
    panel.set_model(2, (0.5, 0.25, 0.1, 0.05), ("", "", "A & <b>B</b>", "beard"))
    assert [row.name.text() for row in panel.directions] == ["1", "2", "A && <b>B</b>", "beard"]
    assert panel.directions[2].name.textFormat() is Qt.TextFormat.PlainText
    shown = QTextDocument()
    shown.setHtml(panel.directions[2].toolTip())
    assert "“A & <b>B</b>”" in shown.toPlainText()
    assert panel.directions[3].slider.accessibleName() == "beard"
    assert "more like the images with “beard”" in panel.directions[3].toolTip()
    assert "Holds 50.0 %" in panel.directions[0].toolTip()
    panel.resize(300, 600)
    with qtbot.waitExposed(panel):
        panel.show()
    heights = [row.y() for row in panel.directions]
    assert heights[2] < heights[3] < heights[0] < heights[1]
    edits: list[tuple[int, float]] = []
    panel.direction_edited.connect(lambda index, value: edits.append((index, value)))
    panel.directions[3].slider.setValue(150)
    assert edits == [(3, 1.5)]
    ends: list[str] = []
    panel.gesture_ended.connect(ends.append)
    panel.directions[3].released.emit()
    panel.directions[1].released.emit()
    assert ends == ["beard", "direction 2"]


def test_tool_tips_show_names_unescaped(qtbot: Bot) -> None:
    panel = LatentPanel()
    qtbot.addWidget(panel)
    panel.set_model(2, (0.5, 0.25), ("Q & A", "R&amp;D"))
    assert "“Q & A”" in panel.directions[0].toolTip()
    assert "“R&amp;D”" in panel.directions[1].toolTip()


def test_why_there_are_no_directions_is_told_of_an_open_model_alone(qtbot: Bot) -> None:
    panel = LatentPanel()
    qtbot.addWidget(panel)
    panel.show_entries(())
    assert panel.list.empty.text() == ""
    panel.set_model(4, (), ())
    assert "keeps no principal directions" in panel.list.empty.text()


def test_tool_tips_say_that_pictures_change_by_jumps_where_they_do(qtbot: Bot) -> None:
    panel = LatentPanel()
    qtbot.addWidget(panel)
    panel.set_model(1, (0.5, 0.2), ("", "beard"), jumps=True)
    assert all("not each follows the name" in row.toolTip() for row in panel.directions)
    panel.set_model(1, (0.5, 0.2), ("", "beard"))
    assert not any("jumps" in row.toolTip() for row in panel.directions)


def test_each_temperature_has_a_tool_tip(qtbot: Bot) -> None:
    panel = LatentPanel()
    qtbot.addWidget(panel)
    panel.set_model(4, (), ())
    tips = [row.toolTip() for row in panel.temperatures]
    assert len(set(tips)) == 5
    assert tips[1].startswith("Fine: texture")
    assert tips[2].startswith("Scale 2: what lies between")
    assert tips[4].startswith("Coarse: shape")
    assert all("plainest picture" in tip for tip in tips)


def test_another_model_has_its_own_names(qtbot: Bot) -> None:
    panel = LatentPanel()
    qtbot.addWidget(panel)
    panel.set_model(1, (0.5, 0.2), ("", "shoe"))
    panel.set_model(1, (0.5, 0.2), ("", "bag"))
    assert [row.name.text() for row in panel.directions] == ["1", "bag"]


def test_sliders_beside_numbers_get_the_room_that_names_need(qtbot: Bot) -> None:
    panel = LatentPanel()
    qtbot.addWidget(panel)
    panel.set_model(2, (0.5, 0.25, 0.1, 0.05), ("", "", "hair colour: brown", "beard"))
    panel.resize(340, 600)
    with qtbot.waitExposed(panel):
        panel.show()
    first, second, hair, beard = (row.slider for row in panel.directions)
    assert first.width() == second.width() > hair.width() == beard.width()
    for row in panel.directions:
        assert row.name.width() >= row.name.sizeHint().width()


def test_the_figures_of_the_typical_set_are_whole(qtbot: Bot) -> None:
    gauge = LengthGauge()
    qtbot.addWidget(gauge)
    gauge.show_lengths((123456789.0, 2233.0), (123456, 1536), (99.99, 99.99))
    metrics = gauge.fontMetrics()
    assert all(metrics.horizontalAdvance(text) < gauge.text_width(metrics) for text in gauge.texts())
