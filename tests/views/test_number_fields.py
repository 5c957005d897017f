"""Whatever is typed into any number field: the value is what was meant, or the field is marked and says why."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

import nvp_studio.views
from nvp_studio.flow.config import preset_config
from nvp_studio.text import grouped_number
from nvp_studio.training.bounds import BOUNDS, Bounds
from nvp_studio.training.changes import ChangeRequest
from nvp_studio.training.config import StopRules, TrainConfig
from nvp_studio.training.events import RunChanged
from nvp_studio.views.flow_dialog import FlowDialog
from nvp_studio.views.run_dialogs import ChangeRunDialog
from nvp_studio.views.widgets.number_field import NumberField
from nvp_studio.views.widgets.sliders import SliderRow
from nvp_studio.views.widgets.train_form import TrainForm
from tests.qt import Bot

MEANT: dict[str, float | None] = {
    "16": 16,
    "1e-3": 1e-3,
    "1.5e-4": 1.5e-4,
    ".01": 0.01,
    "2.5": 2.5,
    "2,5": 2.5,
    "0,001": 0.001,
    "0": 0,
    "-7": -7,
    "1e9": 1e9,
    "99999999999": 99_999_999_999,
    "1 000": 1000,
    "1/1000": None,
    "x": None,
}
LOCALES = ("C", "en_US", "de_DE", "fr_FR")


@pytest.fixture(params=LOCALES)
def locale(request: pytest.FixtureRequest) -> Iterator[str]:
    before = QLocale()
    QLocale.setDefault(QLocale(request.param))
    yield request.param
    QLocale.setDefault(before)


@pytest.fixture
def parent(qtbot: Bot) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


def retype(field: QWidget, text: str) -> None:
    line = field.lineEdit() if isinstance(field, NumberField) else field
    line.selectAll()
    QTest.keyClick(field, Qt.Key.Key_Delete)
    QTest.keyClicks(field, text)


def test_no_field_is_one_that_swallows_keys() -> None:
    folder = Path(nvp_studio.views.__file__).parent
    forbidden = ("QSpinBox", "QDoubleSpinBox", "setMaxLength", "setValidator", "setInputMask")
    found = [f"{path.name}: {word}" for path in folder.rglob("*.py") for word in forbidden if word in path.read_text()]
    assert not found


def test_each_field_means_what_is_typed_or_is_marked(locale: str, parent: QWidget, qtbot: Bot) -> None:
    form, flow = TrainForm(), preset_config("studio", (1, 28, 28))
    flow_dialog = FlowDialog(flow, flow)
    for widget in (form, flow_dialog):
        qtbot.addWidget(widget)
    dialog = ChangeRunDialog(RunChanged(step=5, learning_rate=0.004, stop=StopRules()), parent)
    fields = [field for part in (form, flow_dialog, dialog) for field in part.findChildren(NumberField)]
    assert len(fields) > 30
    for field in fields:
        for text, meant in MEANT.items():
            retype(field, text)
            case = f"{field.accessibleName()} in {locale}: {text}"
            usable = meant is not None and not (field.whole and meant != int(meant)) and not field.bounds.problem(meant)
            assert bool(field.problem) != usable, case
            assert bool(field.property("invalid")) != usable, case
            if usable:
                assert field.value() == meant, case
            else:
                assert field.note is not None
                assert field.note.text()
            QTest.keyClick(field, Qt.Key.Key_Return)
            if usable:
                assert field.value() == meant, case
            else:
                assert field.text() == text, case
                with pytest.raises(ValueError, match=field.accessibleName()):
                    field.value()


def test_the_form_names_the_field_it_cannot_use(qtbot: Bot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    retype(form.fields["learning_rate"], "1e9")
    assert form.config is None
    assert form.problem == "Learning rate: must be at most 10, not 1,000,000,000"
    retype(form.fields["learning_rate"], "1e-3")
    assert form.problem == ""
    assert form.config is not None
    assert form.config.learning_rate == 1e-3
    retype(form.budget.number, "0")
    assert form.problem == "Train for: must be more than 0"
    retype(form.budget.number, "2,5")
    assert form.config.minutes == 2.5
    retype(form.name, "x" * 100)
    assert form.problem == "Name: at most 80 characters, not 100"
    assert form.name.text() == "x" * 100
    retype(form.name, "a/b:c*")
    assert form.problem == ""
    assert form.name.note.text() == "Its folder: a-b-c"


def test_escape_brings_back_the_last_good_value(qtbot: Bot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    field = form.fields["batch_size"]
    assert isinstance(field, NumberField)
    retype(field, "12x")
    assert field.problem
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert (field.text(), field.value(), field.problem) == ("12", 12, "")


def test_an_empty_field_means_what_it_says(qtbot: Bot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    every, batch = form.fields["validation_every"], form.fields["batch_size"]
    assert isinstance(every, NumberField)
    assert isinstance(batch, NumberField)
    retype(every, "77")
    assert every.value() == 77
    retype(every, "")
    assert every.value() is None
    assert every.lineEdit().placeholderText() == "automatic"
    retype(every, "Automatic")
    assert every.value() is None
    retype(every, "0")
    assert every.note is not None
    assert every.note.text() == "Must be at least 1, not 0. Empty: automatic."
    retype(batch, "")
    assert batch.problem == "a number is needed"


@pytest.mark.parametrize(
    ("rate", "rules"),
    [
        (1.5e-8, StopRules(target=3.123456, minutes=0.04)),
        (2.0, StopRules(target=-1, minutes=1.26)),
        (0.1 + 0.2, StopRules(minutes=2e6, patience=7)),
    ],
)
def test_what_change_shows_is_what_holds(rate: float, rules: StopRules, parent: QWidget) -> None:
    dialog = ChangeRunDialog(RunChanged(step=5, learning_rate=rate, stop=rules), parent)
    assert dialog.request is None
    assert float(dialog.learning_rate.text()) == rate
    for field, value in zip((dialog.stop.target, dialog.stop.minutes), (rules.target, rules.minutes), strict=True):
        assert field.text() == "" if value is None else float(field.text()) == value
    retype(dialog.stop.minutes, "0")
    assert not dialog.ok.isEnabled()
    assert dialog.ok.toolTip() == "Stop after: must be more than 0."
    retype(dialog.stop.minutes, "90.04")
    assert dialog.ok.isEnabled()
    assert dialog.request is not None
    assert dialog.request.stop is not None
    assert dialog.request.stop.minutes == 90.04
    assert dialog.request.stop.target == rules.target


def test_millions_are_stated_in_groups_and_edited_without(qtbot: Bot) -> None:
    field = NumberField(Bounds(1, 1_000_000, below=True), whole=True)
    qtbot.addWidget(field)
    assert field.range_text() == "at least 1, less than 1,000,000"
    retype(field, "20000000")
    assert field.problem == "must be less than 1,000,000, not 20,000,000"
    retype(field, "1000000")
    assert field.problem == "must be less than 1,000,000"
    field.setValue(1_000_000)
    assert field.text() == "1000000"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999_999, "999999"),
        (-1_000_000, "-1,000,000"),
        (1234567.5, "1,234,567.5"),
        (10**18, "1,000,000,000,000,000,000"),
        (1e300, "1e300"),
        (0.001, "0.001"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_numbers_to_read_have_groups_from_a_million_on(value: float, text: str) -> None:
    assert grouped_number(value) == text


def test_arrows_keep_to_the_bounds_and_add_exactly(qtbot: Bot) -> None:
    field = NumberField(Bounds(0, 1, beyond=True), step=0.1)
    qtbot.addWidget(field)
    field.setValue(0.2)
    field.stepBy(1)
    assert field.text() == "0.3"
    for _ in range(20):
        field.stepBy(1)
    assert field.value() == 1
    for _ in range(20):
        field.stepBy(-1)
    assert field.value() == 0.1
    rate = NumberField(BOUNDS["learning_rate"])
    qtbot.addWidget(rate)
    rate.setValue(0.004)
    rate.stepBy(1)
    assert rate.text() == "0.0041"
    rate.setValue(0.001)
    rate.stepBy(-1)
    assert rate.text() == "0.00099"


def test_a_rate_that_will_diverge_gets_a_warning_and_is_taken(qtbot: Bot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    field = form.fields["learning_rate"]
    assert isinstance(field, NumberField)
    assert field.note is not None
    assert field.note.text() == ""
    retype(field, "1")
    assert "usually diverge" in field.note.text()
    assert field.note.property("role") == "warning"
    assert form.config is not None


@pytest.mark.parametrize("name", BOUNDS)
def test_the_bounds_of_a_field_are_those_of_the_run(name: str) -> None:
    struct: type = StopRules if name in ("target", "patience") else TrainConfig
    bounds = BOUNDS[name]
    other = {} if struct is StopRules or name in ("minutes", "steps", "epochs") else {"steps": 1}
    if name == "accumulate":
        other["batch_size"] = int(bounds.most)
    kind = float if name in ("minutes", "epochs", "target") or isinstance(bounds.most, float) else int
    for end, excluded in ((bounds.least, bounds.beyond), (bounds.most, bounds.below)):
        if excluded:
            with pytest.raises(ValueError, match=name):
                struct(**{**other, name: kind(end)})
        else:
            struct(**{**other, name: kind(end)})
    if bounds.least > -(2**63):
        with pytest.raises(ValueError, match=name):
            struct(**{**other, name: kind(bounds.least) - 1})
    with pytest.raises(ValueError, match=name):
        struct(**{**other, name: kind(bounds.most) * 2})
    if name == "learning_rate":
        with pytest.raises(ValueError, match=name):
            ChangeRequest(learning_rate=bounds.most * 2)


def test_a_slider_takes_a_typed_value_beyond_its_ends(qtbot: Bot) -> None:
    row = SliderRow("smile", "Smile", -4, 4)
    qtbot.addWidget(row)
    row.resize(400, 24)
    row.show()
    edited: list[float] = []
    row.edited.connect(edited.append)
    QTest.keyClick(row.slider, Qt.Key.Key_Return)
    editor = row.findChild(NumberField)
    retype(editor, "5,25")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert edited == [5.25]
    assert row.value == 5.25
    assert row.figure.text() == "+5.25"
    qtbot.waitUntil(lambda: row.findChild(NumberField) is None)

    QTest.keyClick(row.slider, Qt.Key.Key_7)
    editor = row.findChild(NumberField)
    assert editor.text() == "7"
    assert editor.lineEdit().width() > 40, "the text is seen"
    QTest.keyClicks(editor, "x")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert editor.problem == "not a number"
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    assert edited == [5.25], "nothing was taken"
    qtbot.waitUntil(lambda: row.findChild(NumberField) is None)

    QTest.mouseDClick(row.figure, Qt.MouseButton.LeftButton)
    assert row.findChild(NumberField).text() == "5.25"


def test_a_size_is_a_side_or_width_x_height(locale: str, qtbot: Bot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    field = form.fields["image_size"]
    for text, meant, shown in (
        ("48", 48, "48"),
        ("32x48", (32, 48), "32x48"),
        (" 32 × 48 px", (32, 48), "32x48"),
        ("32X32", 32, "32"),
        ("64 px", 64, "64"),
        ("", None, ""),
    ):
        retype(field, text)
        assert form.config is not None
        assert form.config.image_size == meant
        assert form.image_format == (meant, None)
        QTest.keyClick(field, Qt.Key.Key_Return)
        assert (field.text(), form.config.image_size) == (shown, meant)
    for text, problem in (
        ("32x", "write a side"),
        ("x48", "write a side"),
        ("32x2000", "must be at most 1024, not 32x2000"),
    ):
        retype(field, text)
        assert form.problem.startswith(f"Image size: {problem}")
        assert field.text() == text
    retype(field, "32x48")
    QTest.keyClicks(field, "z")
    assert form.config is None
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == "32x48"
    field.stepBy(1)
    assert field.value() == (32, 48)
    form.show_config(TrainConfig(steps=1, image_size=(20, 10)))
    assert (field.text(), form.config.image_size) == ("20x10", (20, 10))
