"""The choices of how data are read explain themselves."""

from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from nvp_studio.data.reading import Reading
from nvp_studio.fields import Described
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.reading_fields import ReadingFields, option_words, settings
from tests.qt import Bot


def test_every_choice_of_a_reading_is_offered_and_explained() -> None:
    hints = get_type_hints(Reading, include_extras=True)
    described = {
        name: get_args(hint)[0]
        for name, hint in hints.items()
        if any(isinstance(note, Described) for note in get_args(hint))
    }
    offered = {one.name: one for one in settings()}
    assert offered.keys() == described.keys()
    for name, setting in offered.items():
        values = {choice.value for choice in setting.choices}
        if get_origin(described[name]) is Literal:
            assert values == set(get_args(described[name]))
        for sentence in (setting.told, *(choice.told for choice in setting.choices)):
            assert sentence.endswith((".", "?")), sentence
        for value in values:
            Reading(**{name: value})


def test_the_setting_with_focus_is_explained_with_what_is_chosen(qtbot: Bot) -> None:
    fields = ReadingFields(Reading(white="low"))
    window = QWidget()
    fields.setParent(window)
    fields.told.setParent(window)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitExposed(window)
    white = fields.fields["white"]
    assert isinstance(white, ComboBox)
    white.setFocus()
    qtbot.waitUntil(lambda: "inverted" in fields.told.text())
    qtbot.keyClick(white, Qt.Key.Key_Up)
    assert fields.value("white") == "high"
    assert "inverted" not in fields.told.text()
    assert "large numbers" in fields.told.text()
    assert all(label.toolTip() for label in fields.findChildren(QLabel) if label.buddy() is not None)


def test_borders_can_be_chosen_where_there_are_any(qtbot: Bot) -> None:
    fields = ReadingFields(Reading())
    qtbot.addWidget(fields)
    qtbot.addWidget(fields.told)
    fit = fields.fields["fit"]
    assert isinstance(fit, ComboBox)
    assert not fields.fields["pad"].isEnabled()
    fit.setCurrentIndex(fit.findData("pad"))
    fit.activated.emit(fit.currentIndex())
    assert fields.fields["pad"].isEnabled()


@pytest.mark.parametrize("text", ["", "found", "0..4095", "16-bit:0..4095"])
def test_a_range_is_chosen_or_typed(qtbot: Bot, text: str) -> None:
    fields = ReadingFields(Reading(values=text))
    qtbot.addWidget(fields)
    qtbot.addWidget(fields.told)
    assert fields.value("values") == text


def test_options_of_the_command_line_are_told_in_the_words_of_the_fields() -> None:
    assert option_words(("--split", "none", "--values", "0..15")) == "Split = folders ignored, Value range = 0..15"
    assert option_words(()) == ""
