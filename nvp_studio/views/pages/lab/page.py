"""Lab: densities that are trained before the eyes, in two dimensions and in one."""

from functools import partial
from pathlib import Path

from PySide6.QtWidgets import QStackedWidget, QWidget

from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page
from nvp_studio.views.pages.lab.one_dimension import OneDimension
from nvp_studio.views.pages.lab.two_dimensions import TwoDimensions
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.layout import PAGE_MARGINS, hbox, vbox


class LabPage(Page):
    """A list of the page's parts above the part that is shown."""

    key = "lab"

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self.parts = QStackedWidget()
        """The parts; `objectName` is the key of each."""
        self.two_dimensions = TwoDimensions(self)
        self.one_dimension = OneDimension(self)
        self.part_choice = ComboBox((), self.tr("Part of Lab"), 160)
        self.bar = hbox()
        """The row above the parts, whose end is free for actions of the page."""
        self.bar.addWidget(self.part_choice)
        self.bar.addStretch(1)
        column = vbox(self, margins=PAGE_MARGINS)
        column.addLayout(self.bar)
        column.addWidget(self.parts, 1)
        self._add_part("two-dimensions", self.tr("T&wo dimensions"), self.two_dimensions)
        self._add_part("one-dimension", self.tr("&One dimension"), self.one_dimension)
        self.one_dimension.wanted.connect(lambda: self.show_part("one-dimension"))
        self.part_choice.currentIndexChanged.connect(lambda: self.show_part(self.part_choice.currentData()))

    def drop_text(self, paths: list[Path]) -> str:
        return self.two_dimensions.drop_text(paths)

    def open_paths(self, paths: list[Path]) -> None:
        self.show_part("two-dimensions")
        self.two_dimensions.open_paths(paths)

    @property
    def part(self) -> str:
        """The key of the part that is shown."""
        return str(self.part_choice.currentData())

    def show_part(self, key: str) -> None:
        """Bring a part to the front; raises `KeyError` for an unknown one."""
        index = self.part_choice.findData(key)
        if index < 0:
            raise KeyError(key)
        self.part_choice.setCurrentIndex(index)
        self.parts.setCurrentIndex(index)

    def _add_part(self, key: str, title: str, part: QWidget) -> None:
        part.setObjectName(key)
        self.parts.addWidget(part)
        self.part_choice.addItem(title.replace("&", ""), key)
        self.context.registry.add(f"lab.{key}", title, partial(self._go_to, key))

    def _go_to(self, key: str) -> None:
        self.context.page_requested.emit(self.key)
        self.show_part(key)
