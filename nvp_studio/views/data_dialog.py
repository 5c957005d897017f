"""The dialog that shows what a run would train on, with sample images, and says otherwise how it is read."""

from typing import Any

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QGridLayout, QScrollArea, QWidget

from nvp_studio.data.reading import Reading
from nvp_studio.data.report import DataReport, rows
from nvp_studio.state.engine import Engine
from nvp_studio.state.survey import DataSurveyor
from nvp_studio.text import sentence
from nvp_studio.training.config import TrainConfig
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.labels import NoteLabel
from nvp_studio.views.widgets.large_images import LargeImages
from nvp_studio.views.widgets.layout import hbox, paragraph, text_label, vbox
from nvp_studio.views.widgets.reading_fields import ReadingFields, option_words

_COLUMNS = (8, 12)
"""Images in a row, of up to 24 and of more."""


class DataDialog(Dialog):
    """Shows the data of `config`; after it was accepted, `reading` is how a person wants them read."""

    def __init__(self, engine: Engine, config: TrainConfig, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Data to train on"))
        self.resize(120 * SPACE, 86 * SPACE)
        self._config = config
        self.reading = config.reading
        self.surveyor = DataSurveyor(engine, self, named=True)
        self.images = ImageGrid()
        self.images.setAccessibleName(self.tr("Images to train on"))
        self.images.setMinimumHeight(20 * SPACE)
        self.images.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._large = LargeImages(self.images, self.tr("Image to train on"))
        self.note = NoteLabel()
        policy = self.note.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # or the images would shrink whenever there is something to say
        self.note.setSizePolicy(policy)
        self._table, options = QScrollArea(widgetResizable=True), QScrollArea(widgetResizable=True)
        self._table.setAccessibleName(self.tr("What is known of the data"))
        options.setAccessibleName(self.tr("How they are read"))
        self.choices = ReadingFields(self.reading)
        self.choices.edited.connect(self._survey)
        self.fields = self.choices.fields
        options.setWidget(self.choices)
        options.setMinimumWidth(36 * SPACE)
        options.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        lower = hbox(spacing=2 * SPACE)
        for area in (self._table, options):
            area.setFrameShape(QScrollArea.Shape.NoFrame)
        side = vbox()
        side.addWidget(options, 1)
        side.addWidget(self.choices.told)
        lower.addWidget(self._table, 3)
        lower.addLayout(side, 2)
        self.column.addWidget(self.images, 3)
        self.column.addWidget(self.note)
        self.column.addLayout(lower, 4)
        self.buttons: QDialogButtonBox = self.make_buttons(self.tr("Apply"))
        self.column.addWidget(self.buttons)
        self.surveyor.changed.connect(self._show)
        self._survey()

    def _survey(self) -> None:
        """Look at the data again, read as the fields say."""
        # an empty text is that of a choice left to the program
        values: dict[str, Any] = {name: value for name in self.fields if (value := self.choices.value(name)) != ""}
        if "leave_out" in values:
            values["leave_out"] = [name for one in values["leave_out"].split(",") if (name := one.strip())]
        try:
            self.reading = msgspec.convert(values, Reading, strict=False)
        except ValueError as error:
            self.note.show_text(sentence(error), "error")
            self.ok.setEnabled(False)
            self.images.set_dimmed(True)
            self._fill(self.surveyor.result, outdated=True)
            return
        config = self._config
        image_format = (config.image_size, config.channels)
        self.surveyor.survey(config.data, image_format=image_format, data_root=config.data_root, reading=self.reading)
        self._show()

    def _show(self) -> None:
        surveyor, report = self.surveyor, self.surveyor.result
        if surveyor.error:
            self.note.show_text(sentence(surveyor.error), "error")
        else:
            self.note.show_text(self.tr("Looking at the data…") if surveyor.running or surveyor.outdated else "")
        self.ok.setEnabled(not surveyor.error and not surveyor.running and not surveyor.outdated)
        self.images.set_dimmed(surveyor.outdated)
        self.images.set_placeholder("" if report is None else self.tr("No images to show"))
        if report is not None and not surveyor.error:
            names = report.sample_names
            self.images.show_batch(report.samples, _COLUMNS[len(names) > 24], names)
            self._large.show_batch(report.samples, range(len(names)), texts=names)
        self._fill(report if not surveyor.error else None, outdated=surveyor.outdated)

    def _fill(self, report: DataReport | None, *, outdated: bool) -> None:
        """Show what is known of the data, pale where that is not of what the fields say."""
        table = QWidget()
        table.setObjectName("scroll_content")
        grid = QGridLayout(table)
        grid.setContentsMargins(0, 0, SPACE, 0)
        grid.setColumnStretch(1, 1)
        for name, text in rows(report, option_words) if report is not None else ():
            role, line = {"problem": "error", "warning": "warning"}.get(name, ""), grid.rowCount()
            role = "dim" if outdated else role
            grid.addWidget(text_label(name.capitalize()), line, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(paragraph(text, role), line, 1, Qt.AlignmentFlag.AlignTop)
        grid.setRowStretch(grid.rowCount(), 1)
        self._table.setWidget(table)
