"""Scales: a button for each with what is done with it, and a strip of pictures that keep a part of the latent alone."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import KEPT_SHARES, Base
from nvp_studio.views.theme import SPACE, set_icon, theme
from nvp_studio.views.widgets.action_button import ActionButton, menu_button
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.labels import plain_tip
from nvp_studio.views.widgets.latent_panel import scale_name
from nvp_studio.views.widgets.layout import hbox, vbox
from nvp_studio.views.widgets.sliders import SliderRow

Choices = Callable[[], Sequence[tuple[str, Base]]]


class ScalePanel(QWidget):
    """Emits what a person wants done with a scale, numbered from 0, the finest."""

    redrawn = Signal(int)
    file_wanted = Signal(int)
    taken = Signal(int, object)
    """(scale, the base that it is taken from, or None for the picture's own)."""
    locked = Signal(int, bool)
    picked = Signal(int)
    """Number of a picture of the strip."""
    temperature_edited = Signal(float)
    gesture_begun = Signal()
    gesture_ended = Signal(str)

    def __init__(self, redraw_rest: QAction, choices: Choices) -> None:
        """`choices` gives the pictures that a scale may be taken from, by name, when its menu opens."""
        super().__init__()
        self._choices = choices
        self.strip = ImageGrid()
        self.strip.setFixedHeight(8 * SPACE)
        self.strip.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.strip.setAccessibleName(self.tr("The picture with smaller and smaller parts of its latent kept"))
        self.strip.set_placeholder(self.tr("The picture with 100 to 6.25 % of its latent kept appears here."))
        self.strip.clicked.connect(self.picked)
        self.buttons: list[QToolButton] = []
        self._line = hbox(spacing=SPACE // 2)
        self._line.addStretch(1)
        self.row = SliderRow(self.tr("Rest at"), self.tr("Temperature of what is drawn anew"), 0.0, 1.5, signed=False)
        self.row.setToolTip(self.tr("Temperature of what is drawn anew where a part of the latent alone is kept."))
        self.row.edited.connect(self.temperature_edited)
        self.row.reset_requested.connect(lambda: self.temperature_edited.emit(1.0))
        self.row.pressed.connect(self.gesture_begun)
        self.row.released.connect(lambda: self.gesture_ended.emit(self.tr("part that is kept")))
        rest = hbox()
        rest.addWidget(self.row, 1)
        rest.addWidget(ActionButton(redraw_rest, flat=True))
        column = vbox(self, spacing=SPACE // 2)
        column.addWidget(self.strip)
        column.addLayout(rest)
        column.addLayout(self._line)

    def show_scales(self, titles: Sequence[str], locked: frozenset[int], own: Sequence[bool]) -> None:
        """Show what each scale is taken from, finest first, and which are locked or the picture's own."""
        while len(self.buttons) > len(titles):
            self.buttons.pop().deleteLater()
        while len(self.buttons) < len(titles):
            self._add_button(len(self.buttons))
        for scale, (button, title) in enumerate(zip(self.buttons, titles, strict=True)):
            name = scale_name(scale, len(titles))
            button.setText(" " + name.removeprefix(self.tr("Scale") + " "))
            if scale in locked or not own[scale]:
                set_icon(button, "lock" if scale in locked else "shuffle")
            else:
                theme().icons.pop(button, None)
                button.setIcon(QIcon())
            text = self.tr("{0}: {1}").format(name, title)
            button.setAccessibleName(text)
            note = self.tr("locked: new samples leave it as it is") if scale in locked else ""
            button.setToolTip(plain_tip(f"{text}\n{note}".strip()))
            button.setProperty("locked", scale in locked)
            button.setProperty("own", own[scale])

    def show_strip(self, images: ImageBatch | None) -> None:
        """Show the pictures, one for each of `KEPT_SHARES`."""
        tips = tuple(self.tr("{0} % kept, the rest drawn anew").format(f"{100 * share:g}") for share in KEPT_SHARES)
        self.strip.show_batch(images, tips=tips)

    def show_kept(self, share: float, temperature: float) -> None:
        """Mark the picture of the strip that is on screen, and show the temperature of the rest."""
        self.strip.select(KEPT_SHARES.index(share) if share in KEPT_SHARES else -1)
        self.row.show_value(temperature)

    def _add_button(self, scale: int) -> None:
        button = menu_button()
        button.setObjectName(f"scale-{scale + 1}")
        menu = QMenu(button)
        menu.aboutToShow.connect(lambda: self._fill(menu, scale))
        button.setMenu(menu)
        self.buttons.append(button)
        self._line.insertWidget(scale, button)

    def _fill(self, menu: QMenu, scale: int) -> None:
        button = self.buttons[scale]
        menu.clear()
        redraw = menu.addAction(self.tr("Redraw"))
        redraw.triggered.connect(lambda: self.redrawn.emit(scale))
        redraw.setEnabled(not button.property("locked"))
        menu.addAction(self.tr("Take from an image file…")).triggered.connect(lambda: self.file_wanted.emit(scale))
        others = menu.addMenu(self.tr("Take from"))
        for name, base in self._choices():
            action = others.addAction(name.replace("&", "&&"))
            action.triggered.connect(lambda _=False, base=base: self.taken.emit(scale, base))
        others.setEnabled(not others.isEmpty())
        back = menu.addAction(self.tr("The picture's own"))
        back.triggered.connect(lambda: self.taken.emit(scale, None))
        back.setEnabled(not button.property("own"))
        menu.addSeparator()
        lock = menu.addAction(self.tr("Lock"))
        lock.setCheckable(True)
        lock.setChecked(bool(button.property("locked")))
        lock.triggered.connect(lambda checked: self.locked.emit(scale, checked))
