"""The row above Explore's picture: the open model, and what is done with pictures."""

from functools import partial

from PySide6.QtCore import QCoreApplication, QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QMenu, QToolButton

from nvp_studio.text import pixels_text
from nvp_studio.views.context import WindowContext
from nvp_studio.views.model_menu import ModelMenu
from nvp_studio.views.numbers import short_number
from nvp_studio.views.pages.explore.actions import TOOLS
from nvp_studio.views.theme import SPACE, set_icon
from nvp_studio.views.widgets.action_button import ActionButton, flat_button, menu_button
from nvp_studio.views.widgets.labels import SEPARATOR, ElidedLabel, plain_tip
from nvp_studio.views.widgets.wrapping_row import WrappingRow, group
from nvp_studio.worker.messages import ModelInfo

_WIDEST_MODEL = 20 * SPACE
_ROOM_FOR_NAMES = 96 * SPACE
"""Width from which on the tools are named."""
_ROOM_FOR_COPIES = 58 * SPACE
"""Width from which on there are buttons to copy, which the menu Edit has too."""
_ROOM_FOR_LINE = 108 * SPACE
"""Width from which on the line about the model is shown in one row with the tools; the tool tip has it always."""
_LEAST_WIDTH = 42 * SPACE
_GAP = SPACE // 2
"""Between two buttons of a group."""
_tr = partial(QCoreApplication.translate, "ModelBar")


def tool_names() -> tuple[tuple[str, str], ...]:
    """Each of `TOOLS` and its name on a button."""
    names = {
        "blend": _tr("Blend"),
        "corners": _tr("Corners"),
        "scales": _tr("Scales"),
        "length": _tr("Typical"),
        "paint": _tr("Paint"),
        "neighbours": _tr("Neighbours"),
        "tray": _tr("Tray"),
        "animate": _tr("Animate"),
    }
    return tuple((tool, names[tool]) for tool in TOOLS)


class _ModelLine(ElidedLabel):
    """The line about the model; one without its dispensable words where the whole does not fit."""

    short = ""

    @property
    def shown_text(self) -> str:
        width = self.contentsRect().width()
        if (
            self.fontMetrics().horizontalAdvance(self.text())
            > width
            >= self.fontMetrics().horizontalAdvance(self.short)
        ):
            return self.short
        return super().shown_text


class ModelBar(WrappingRow):
    """The button with the model's name, a line about it, and buttons; two rows where there is less room.

    Tools that have no room are in the menu of one more button.
    """

    def __init__(self, context: WindowContext) -> None:
        button, label, registry = menu_button(), _ModelLine(role="dim"), context.registry
        self.copies = [ActionButton(registry[f"explore.copy-{what}"], flat=True) for what in ("image", "python")]
        self.tools = [ActionButton(registry[f"explore.{tool}"], text) for tool, text in tool_names()]
        self.more = _more_button()
        self._edits = [ActionButton(registry[f"edit.{key}"], flat=True) for key in ("undo", "redo")]
        super().__init__(
            button,
            group(*self._edits, *self.copies, *self.tools, self.more, spacing=_GAP),
            group(
                ActionButton(registry["explore.open-image"], _tr("Open")),
                ActionButton(registry["explore.save"], _tr("Save")),
                spacing=_GAP,
            ),
            filler=label,
        )
        self.model_button, self.model_label = button, label
        button.setAccessibleName(_tr("Model"))
        button.setMinimumWidth(12 * SPACE)  # where there is less room for its name, it is shortened
        set_icon(button, "box")
        button.setMenu(ModelMenu(context, button))

    def minimumSizeHint(self) -> QSize:
        return QSize(min(_LEAST_WIDTH, super().minimumSizeHint().width()), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        for tool in self.tools:
            tool.show_text(self.width() >= _ROOM_FOR_NAMES, icon=False)
        for copy in self.copies:
            copy.setVisible(self.width() >= _ROOM_FOR_COPIES)
        self._show_tools_that_fit()
        super().resizeEvent(event)
        self.model_label.setVisible(self.width() >= (_ROOM_FOR_COPIES if self.wrapped else _ROOM_FOR_LINE))

    def _show_tools_that_fit(self) -> None:
        copies = self.copies if self.width() >= _ROOM_FOR_COPIES else []
        room = self.width() - sum(_room_of(button) for button in (*self._edits, *copies))
        needed = [_room_of(tool) for tool in self.tools]
        shown = len(needed)
        if sum(needed) > room:
            while shown and sum(needed[:shown]) + _room_of(self.more) > room:
                shown -= 1
        for place, tool in enumerate(self.tools):
            tool.setVisible(place < shown)
        self.more.setVisible(shown < len(self.tools))
        hidden = [tool.defaultAction() for tool in self.tools[shown:]]
        menu = self.more.menu()
        if menu.actions() != hidden:
            menu.clear()
            menu.addActions(hidden)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:  # a button has become wider or narrower
            self._show_tools_that_fit()
        return super().event(event)

    def show_model(self, model: ModelInfo | None) -> None:
        """Name the open model, and say what it is; None while no model is open."""
        if model is None:
            self.model_button.setText(f" {_tr('Model')}")
            self.model_label.short = ""
            self.model_label.setText("")
            return
        metrics = self.model_button.fontMetrics()
        name = metrics.elidedText(model.name, Qt.TextElideMode.ElideMiddle, _WIDEST_MODEL)
        self.model_button.setText(f" {name}")
        self.model_button.setToolTip(plain_tip(f"{model.path}\n{_describe(model)}\nSHA-256 {model.digest}"))
        self.model_label.short = _describe(model, short=True)
        self.model_label.setText(_describe(model))


def _more_button() -> QToolButton:
    button = flat_button("ellipsis", _tr("More tools"))
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setMenu(QMenu(button))
    return button


def _room_of(button: QToolButton) -> int:
    return button.sizeHint().width() + _GAP


def _describe(model: ModelInfo, *, short: bool = False) -> str:
    _, height, width = model.image_shape
    bits = _tr("{0} bits/dim") if short else _tr("{0} bits/dim in validation")
    validation = [bits.format(f"{model.validation:.3f}")] if model.validation else []
    size = pixels_text(width, height)
    return SEPARATOR.join((*validation, size, _tr("{0} parameters").format(short_number(model.parameters))))
