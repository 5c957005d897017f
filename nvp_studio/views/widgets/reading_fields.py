"""The choices of how data are read, each with words that say what it does to the images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from nvp_studio.data.reading import Reading
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.layout import add_field, form_layout, text_label, vbox

_tr = partial(QCoreApplication.translate, "ReadingFields")


@dataclass(frozen=True)
class Choice:
    """A value of a setting of `Reading`."""

    value: str
    words: str
    told: str
    """What it does, as a sentence."""


@dataclass(frozen=True)
class Setting:
    """A setting of `Reading`: what it is for, and its choices; `typed` where other values can be typed."""

    name: str
    label: str
    told: str
    choices: tuple[Choice, ...] = ()
    typed: bool = False


def settings() -> tuple[Setting, ...]:
    """All settings that a person can choose, in their order on screen."""
    detected = _tr("detected")
    return (
        Setting(
            "values",
            _tr("Value range"),
            _tr(
                "Which numbers become black and white, typed as 0..4095 or -1..1. Images too dark or pale? Change this."
            ),
            (
                Choice("", detected, _tr("It is chosen by the numbers in the files.")),
                Choice(
                    "found", _tr("darkest to brightest"), _tr("The lowest number found is black, the highest white.")
                ),
                Choice("type", _tr("whole number type"), _tr("As stored: 0 to 255 for bytes, 0 to 65535 for 16 bits.")),
            ),
            typed=True,
        ),
        Setting(
            "white",
            _tr("Bright are"),
            _tr("Whether large or small numbers are bright. Images look like negatives? Change this."),
            (
                Choice("", _tr("as the file says"), _tr("Each file decides; in most, large numbers are bright.")),
                Choice("high", _tr("large numbers"), _tr("Large numbers are bright.")),
                Choice("low", _tr("small numbers"), _tr("Small numbers are bright: shades are inverted.")),
            ),
        ),
        Setting(
            "axes",
            _tr("Axis order"),
            _tr(
                "For arrays: N counts images, H is the height, W the width, C the colours. Images look sliced or "
                "scrambled? Change this."
            ),
            (
                Choice("", detected, _tr("It is chosen by the shape of the array.")),
                Choice("N", _tr("images first (N)"), _tr("The first axis counts the images.")),
                Choice("HWN", _tr("images last (HWN)"), _tr("The last axis counts the images.")),
                Choice("NHWC", _tr("colours last (NHWC)"), _tr("Colours are the last axis, after height and width.")),
                Choice("NCHW", _tr("colours second (NCHW)"), _tr("Colours come before height and width.")),
                Choice("flat", _tr("an image in each row"), _tr("Each row of a table holds the pixels of an image.")),
            ),
            typed=True,
        ),
        Setting(
            "labels",
            _tr("Classes"),
            _tr("Classes name directions to move along in Explore; training itself does not need them."),
            (
                Choice("", _tr("used if there are any"), _tr("Classes that can be used are.")),
                Choice("none", _tr("ignored"), _tr("No image has a class.")),
            ),
        ),
        Setting(
            "split",
            _tr("Split"),
            _tr("Which images are learnt from, and which are kept back to measure how well that went."),
            (
                Choice(
                    "", _tr("by all folder names"), _tr("Folders such as train and test decide, where there are any.")
                ),
                Choice(
                    "folders",
                    _tr("train, val, test"),
                    _tr("Folders called train, val or test decide, whatever else there is."),
                ),
                Choice(
                    "none", _tr("folders ignored"), _tr("All images are learnt from, except a tenth that is kept back.")
                ),
            ),
        ),
        Setting(
            "leave_out",
            _tr("Leave out"),
            _tr("Folders whose images are not used, such as test/defect or thumbs; commas between several."),
        ),
        Setting(
            "pages",
            _tr("Pages"),
            _tr("For TIFF files with several pages: whether each page is an image of its own."),
            (
                Choice("", _tr("all pages"), _tr("Each page is an image, where pages are of one size.")),
                Choice("first", _tr("first page only"), _tr("Only the first page of each file is used.")),
            ),
        ),
        Setting(
            "fit",
            _tr("Other shapes"),
            _tr("What is done to an image that is wider or higher than the image size."),
            (
                Choice("", _tr("as usual: cut"), _tr("Edges are cut off, so that the middle stays.")),
                Choice("crop", _tr("cut edges off"), _tr("Edges are cut off, so that the middle stays.")),
                Choice("pad", _tr("add borders"), _tr("All of the image stays, and borders fill the rest.")),
                Choice("stretch", _tr("stretch"), _tr("All of the image stays, with other proportions.")),
            ),
        ),
        Setting(
            "pad",
            _tr("Borders"),
            _tr("What borders are filled with, where other shapes get borders."),
            (
                Choice("", _tr("as usual: edges"), _tr("The colours of the edge go on.")),
                Choice("edge", _tr("colours of the edge"), _tr("The colours of the edge go on.")),
                Choice("black", _tr("black"), _tr("Borders are black.")),
                Choice("white", _tr("white"), _tr("Borders are white.")),
            ),
        ),
    )


def option_words(options: Sequence[str]) -> str:
    """Options of the command line, such as ("--split", "none"), in the words of the fields."""
    by_option = {f"--{one.name.replace('_', '-')}": one for one in settings()}
    texts = []
    for option, value in zip(options[::2], options[1::2], strict=False):
        setting = by_option.get(option)
        if setting is None:
            texts.append(f"{option} {value}")
            continue
        words = next((choice.words for choice in setting.choices if choice.value == value), value)
        texts.append(f"{setting.label} = {words}")
    return ", ".join(texts)


class ReadingFields(QWidget):
    """A field for each setting of a `Reading`, above a text that explains the one with the pointer or the focus."""

    edited = Signal()

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self.setObjectName("scroll_content")
        self.fields: dict[str, ComboBox | QLineEdit] = {}
        self._settings = {one.name: one for one in settings()}
        self._owners: dict[QObject, str] = {}
        self._pointed = ""
        form = form_layout()
        for name, setting in self._settings.items():
            field = _make_field(setting, getattr(reading, name))
            add_field(form, setting.label, field, setting.told)
            field.setToolTip("")  # it would cover the same text below
            self.fields[name] = field
            for widget in (field, form.labelForField(field), *field.findChildren(QLineEdit)):
                self._owners[widget] = name
                widget.installEventFilter(self)
            if isinstance(field, ComboBox):
                field.currentIndexChanged.connect(self._explain)
                field.activated.connect(self.edited)
            line = field.lineEdit() if isinstance(field, ComboBox) else field
            if line is not None:
                line.editingFinished.connect(self.edited)
        self.told = text_label(wrap=True)
        self.told.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.told.setMinimumHeight(10 * SPACE)
        self.told.setAccessibleName(self.tr("What the choice does"))
        column = vbox(self, margins=(0, 0, SPACE, 0))
        column.addLayout(form)
        column.addStretch(1)
        self.edited.connect(self._allow_borders)
        self._allow_borders()
        self._explain()

    def value(self, name: str) -> str:
        """What a field says; empty for what is left to the program."""
        field = self.fields[name]
        if isinstance(field, QLineEdit):
            return field.text().strip()
        typed = field.currentText().strip()
        if field.isEditable() and field.findText(typed) < 0:
            return typed
        value: str = field.itemData(field.findText(typed)) if field.isEditable() else field.currentData()
        return value

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Enter, QEvent.Type.FocusIn):
            self._pointed = self._owners.get(watched, "")
            self._explain()
        return super().eventFilter(watched, event)

    def _explain(self) -> None:
        setting = self._settings.get(self._pointed)
        if setting is None:
            self.told.setText(self.tr("Point at a choice to read what it does to the images."))
            return
        value = self.value(setting.name)
        now = next((choice for choice in setting.choices if choice.value == value), None)
        chosen = self.tr("Chosen: {0}. {1}").format(now.words, now.told) if now is not None else ""
        self.told.setText("\n".join(filter(None, (setting.told, chosen))))

    def _allow_borders(self) -> None:
        self.fields["pad"].setEnabled(self.value("fit") == "pad")


def _make_field(setting: Setting, value: object) -> ComboBox | QLineEdit:
    if not setting.choices:
        line = QLineEdit(", ".join(value) if isinstance(value, tuple) else str(value or ""))
        line.setPlaceholderText(_tr("no folder"))
        return line
    field = ComboBox([(choice.words, choice.value) for choice in setting.choices])
    for place, choice in enumerate(setting.choices):
        field.setItemData(place, choice.told, Qt.ItemDataRole.ToolTipRole)
    if setting.typed:
        field.setEditable(True)
        field.setInsertPolicy(ComboBox.InsertPolicy.NoInsert)
    place = field.findData(value)
    field.setCurrentIndex(place)
    if place < 0:
        field.setEditText(str(value))
    return field
