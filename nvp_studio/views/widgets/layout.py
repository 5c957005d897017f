"""Short forms of what widgets are built from: layouts, labels, cards and splitters."""

from collections.abc import Sequence
from typing import TypeVar

from PySide6.QtGui import Qt
from PySide6.QtWidgets import (
    QBoxLayout,
    QCheckBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.labels import TextLabel
from nvp_studio.views.widgets.number_field import NameField, NumberField

Margins = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""
PAGE_MARGINS: Margins = (2 * SPACE, SPACE, 2 * SPACE, SPACE)
Layout = TypeVar("Layout", bound=QBoxLayout)


def vbox(parent: QWidget | None = None, *, spacing: int = SPACE, margins: Margins = (0, 0, 0, 0)) -> QVBoxLayout:
    """A vertical layout, of `parent` when given."""
    return _spaced(QVBoxLayout() if parent is None else QVBoxLayout(parent), spacing, margins)


def hbox(parent: QWidget | None = None, *, spacing: int = SPACE, margins: Margins = (0, 0, 0, 0)) -> QHBoxLayout:
    """A horizontal layout, of `parent` when given."""
    return _spaced(QHBoxLayout() if parent is None else QHBoxLayout(parent), spacing, margins)


def _spaced(layout: Layout, spacing: int, margins: Margins) -> Layout:
    layout.setSpacing(spacing)
    layout.setContentsMargins(*margins)
    return layout


def form_layout(rows: Sequence[tuple[str, QWidget, str]] = (), *, spacing: int = SPACE) -> QFormLayout:
    """Fields below each other, of (label, field, tip); `spacing` is between label and field."""
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(spacing)
    form.setVerticalSpacing(SPACE)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    for text, field, tip in rows:
        add_field(form, text, field, tip)
    return form


def add_field(form: QFormLayout, text: str, field: QWidget, tip: str = "", *, named: QWidget | None = None) -> None:
    """Add a field with its label (a check box has its own) and, below, the line that says what is wrong with its text.

    `named` is the field within a row of several.
    """
    if isinstance(field, QCheckBox):
        field.setText(text)
        form.addRow(field)
    else:
        label = text_label(text)
        label.setBuddy(named or field)
        label.setToolTip(tip)
        form.addRow(label, field)
    target = named or field
    target.setAccessibleName(text.replace("&", ""))
    if isinstance(target, NumberField):
        target.set_tip(tip)
        form.addRow("", target.add_note())
    else:
        target.setToolTip(tip)
    if isinstance(target, NameField):
        form.addRow("", target.note)


def text_label(text: str = "", role: str = "dim", *, wrap: bool = False) -> QLabel:
    """A label with the look of `role`; see the style sheet in `theme`."""
    label = TextLabel(text, role=role)
    label.setWordWrap(wrap)
    return label


def paragraph(text: str, role: str = "") -> QLabel:
    """Plain text over several lines that can be selected."""
    label = text_label(text, role, wrap=True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def card(content: QWidget | None = None) -> QFrame:
    """A frame with rounded corners, around `content` when given."""
    frame = QFrame()
    frame.setProperty("card", True)
    if content is not None:
        vbox(frame, margins=(SPACE, SPACE, SPACE, SPACE)).addWidget(content)
    return frame


def splitter(
    orientation: Qt.Orientation, parts: Sequence[QWidget], stretch: Sequence[int], *, handle: int = SPACE
) -> QSplitter:
    """The parts side by side or one above the other, with handles between; `stretch` distributes extra room."""
    result = QSplitter(orientation)
    result.setChildrenCollapsible(False)
    result.setHandleWidth(handle)
    for index, (part, factor) in enumerate(zip(parts, stretch, strict=True)):
        result.addWidget(part)
        result.setStretchFactor(index, factor)
    return result
