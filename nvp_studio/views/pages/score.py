"""Score: drop image files and folders, read each one's bits/dim, compare them with the reference images."""

from contextlib import suppress
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QStackedLayout,
    QWidget,
)

from nvp_studio.csv_file import csv_cell, csv_text
from nvp_studio.image_batch import ImageBatch
from nvp_studio.score_row import COLUMNS
from nvp_studio.state.paths import image_filter, is_archive, is_image_file
from nvp_studio.state.qimages import qimage
from nvp_studio.state.scoring import ScoreState, progress_text
from nvp_studio.text import pixels_text
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.file_writing import write_file
from nvp_studio.views.model_menu import ModelMenu
from nvp_studio.views.page import Page
from nvp_studio.views.theme import SPACE, colors, pixmap, set_icon, theme
from nvp_studio.views.undo_offer import UndoOffer
from nvp_studio.views.widgets.action_button import ActionButton, menu_button
from nvp_studio.views.widgets.histogram import Histogram
from nvp_studio.views.widgets.image_status import ImageStatus
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.labels import ElidedLabel, TextLabel, plain_tip
from nvp_studio.views.widgets.layout import PAGE_MARGINS, card, hbox, splitter, text_label, vbox
from nvp_studio.views.widgets.score_table import ScoreTable
from nvp_studio.views.widgets.wrapping_row import WrappingRow, group
from nvp_studio.worker.messages import ModelInfo

_TOPIC = "score"
_HISTOGRAM_MILLISECONDS = 250
_WIDEST_MODEL = 14 * SPACE


class ScorePage(Page):
    """Table on the left, the chosen file and the histogram on the right; before there are files, what to do."""

    key = "score"

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.state = ScoreState(context.engine, self)
        self.undo = self._cleared = UndoOffer(f"{_TOPIC}-cleared", self)
        self._preview_path = ""
        self._histogram_due = QTimer(self, singleShot=True)
        self._histogram_due.timeout.connect(lambda: self.histogram.show_scores(self.state.rows.scores))
        self._add_actions()
        self._lay_out()
        self._connect_signals()
        self._show_model()
        self._show_file(-1)
        self._show_progress()
        self.state.restore(self._file)

    # Methods of every page

    def drop_text(self, paths: list[Path]) -> str:
        folders = sum(path.is_dir() for path in paths)
        files = sum(is_image_file(path) for path in paths)
        archives = sum(is_archive(path) for path in paths)
        if archives == 1 and not folders and not files:
            return self.tr("Score the images in this archive")
        folders += archives
        if not folders and not files:
            return ""
        if folders == 1 and not files:
            return self.tr("Score the images in this folder")
        if folders:
            return self.tr("Score these files and folders")
        return self.tr("Score this image") if files == 1 else self.tr("Score {0} images").format(files)

    def open_paths(self, paths: list[Path]) -> None:
        self.state.add(paths)

    def save_state(self) -> None:
        self.context.settings.values.score_columns = self.table.widths()
        with suppress(OSError):  # as with the settings: a full disk costs what it cannot keep and nothing else
            self.state.store(self._file)

    @property
    def _file(self) -> Path:
        """Where the table is from one start to the next, beside the settings."""
        return self.context.settings.path.with_suffix(".scores")

    # Construction

    def _add_actions(self) -> None:
        add, state = self.context.registry.add, self.state
        add("score.add-files", self.tr("Add &files…"), self._ask_files, "Ctrl+Shift+F", "file-plus")
        add("score.add-folder", self.tr("Add f&older…"), self._ask_folder, "Ctrl+Shift+D", "folder-plus")
        add("score.again", self.tr("&Score again"), state.score_again, icon="refresh-cw", separator=True)
        add("score.cancel", self.tr("&Cancel scoring"), state.cancel, icon="circle-x")
        add("score.continue", self.tr("Co&ntinue scoring"), state.resume, icon="circle-play")
        add("score.explore", self.tr("Open in E&xplore"), self._explore, icon="compass", separator=True)
        add("score.export", self.tr("&Export as CSV…"), self._export, icon="table")
        add("score.clear", self.tr("C&lear the table"), self._clear, icon="trash-2", separator=True)
        for key, text in (
            ("cancel", self.tr("Cancel")),
            ("continue", self.tr("Continue")),
            ("export", self.tr("Export")),
            ("clear", self.tr("Clear")),
        ):
            self._action(key).setIconText(text)  # on buttons: all must fit beside the progress in a small window

    def _lay_out(self) -> None:
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._make_empty())
        full = QWidget()
        column = vbox(full, margins=PAGE_MARGINS)
        column.addWidget(self._make_toolbar())
        self.stale = self._make_stale()
        column.addWidget(self.stale)
        self.table = ScoreTable(self.state.rows)
        self.table.show_widths(self.context.settings.values.score_columns)
        parts = splitter(Qt.Orientation.Horizontal, (self.table, self._make_side()), (1, 0), handle=2 * SPACE)
        self.restore_sizes("score", parts, [10_000, 46 * SPACE])
        column.addWidget(parts, 1)
        column.addWidget(self._make_explanation())
        self._stack.addWidget(full)

    def _make_empty(self) -> QWidget:
        empty = QWidget()
        column = vbox(empty, spacing=2 * SPACE, margins=(6 * SPACE, 6 * SPACE, 6 * SPACE, 6 * SPACE))
        column.addStretch(2)
        self._empty_icon = TextLabel()
        self._empty_icon.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self._empty_icon)
        heading = text_label(self.tr("Drop images, folders or archives here"), "heading")
        heading.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(heading)
        self.empty_label = text_label(wrap=True)
        self.empty_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self.empty_label)
        row = hbox()
        row.addStretch(1)
        row.addWidget(ActionButton(self._action("add-files"), primary=True))
        row.addWidget(ActionButton(self._action("add-folder")))
        row.addStretch(1)
        column.addSpacing(SPACE)
        column.addLayout(row)
        column.addStretch(3)
        self._show_empty_icon()
        theme().changed.connect(self._show_empty_icon)
        return empty

    def _make_toolbar(self) -> WrappingRow:
        self.progress_label = TextLabel()
        self.progress = QProgressBar(textVisible=False)
        self.progress.setFixedWidth(20 * SPACE)
        self.progress.setAccessibleName(self.tr("Progress of scoring"))
        self.model_button = menu_button()
        set_icon(self.model_button, "box")
        self.model_button.setMenu(ModelMenu(self.context, self.model_button))
        return WrappingRow(
            group(*(ActionButton(self._action(key)) for key in ("add-files", "add-folder"))),
            group(self.progress_label, self.progress, *(ActionButton(self._action(k)) for k in ("cancel", "continue"))),
            group(self.model_button, *(ActionButton(self._action(key)) for key in ("export", "clear"))),
        )

    def _make_stale(self) -> QFrame:
        frame = card()
        row = QHBoxLayout(frame)
        row.setContentsMargins(2 * SPACE, SPACE, SPACE, SPACE)
        self.stale_label = ElidedLabel()
        row.addWidget(self.stale_label, 1)
        row.addWidget(ActionButton(self._action("again"), primary=True))
        return frame

    def _make_side(self) -> QWidget:
        side = QWidget()
        side.setMinimumWidth(32 * SPACE)
        column = vbox(side)
        self.preview = ImageView()
        self.preview.setAccessibleName(self.tr("The pixels that were scored"))
        column.addWidget(self.preview, 3)
        column.addWidget(ImageStatus(self.preview))  # in a line of its own, so that nothing moves when it has a text
        row = hbox()
        self.preview_name = ElidedLabel(middle=True)
        row.addWidget(self.preview_name, 1)
        row.addWidget(ActionButton(self._action("explore")))
        column.addLayout(row)
        self.preview_score = text_label(role="", wrap=True)
        column.addWidget(self.preview_score)
        self.preview_notes = text_label(wrap=True)
        self.preview_notes.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.preview_notes.setMinimumHeight(5 * SPACE)
        column.addWidget(self.preview_notes)
        self.histogram = Histogram()
        column.addWidget(self.histogram, 2)
        return side

    def _make_explanation(self) -> QLabel:
        return text_label(
            self.tr(
                "Bits/dim: lower is more similar to the training data; an upper bound, with one dequantization sample. "
                "Percentile: percentage of the reference images that score lower."
            ),
            wrap=True,
        )

    def _action(self, key: str) -> QAction:
        return self.context.registry[f"score.{key}"]

    def _connect_signals(self) -> None:
        state = self.state
        state.progressed.connect(self._show_progress)
        state.model_changed.connect(self._show_model)
        state.failed.connect(lambda reason: notify.error(reason, topic=_TOPIC))
        state.no_images.connect(self._on_no_images)
        state.interrupted.connect(self._on_interrupted)
        state.preview_arrived.connect(self._on_preview_arrived)
        state.rows.modelReset.connect(lambda: self._show_file(-1))
        state.rows.dataChanged.connect(lambda *_: self._show_file(self.table.currentIndex().row()))
        self.context.engine.status_changed.connect(self._show_progress)
        self.table.row_chosen.connect(lambda index: self._show_file(index.row()))
        self.table.opened.connect(self._explore)

    # Changes of the state

    def _show_progress(self) -> None:
        state = self.state
        rows = state.rows.rowCount()
        self._stack.setCurrentIndex(1 if rows or state.busy or state.waiting_for_model else 0)
        # as wide as its last text from the start, so that no text is cut and *Cancel* stays where it is
        widest = progress_text(state, state.total) if state.busy and state.counted else ""
        self.progress_label.setMinimumWidth(self.progress_label.fontMetrics().horizontalAdvance(widest))
        self.progress_label.setText(progress_text(state))
        self.progress.setVisible(state.busy)
        if rows or state.busy:
            notify.withdraw(f"{_TOPIC}-cleared")  # another table has taken its place
        if state.busy:
            known = state.counted and state.total > 0
            self.progress.setRange(0, state.total if known else 0)
            self.progress.setValue(state.done if known else 0)
        going = state.busy or state.waiting_for_model
        self._action("cancel").setEnabled(going)
        self._action("cancel").setVisible(going)
        self._action("continue").setEnabled(state.can_resume)
        self._action("continue").setVisible(state.can_resume)
        self._action("again").setEnabled(rows > 0)
        self._action("export").setEnabled(rows > 0)
        self._action("clear").setEnabled(rows > 0 or going)
        if not self._histogram_due.isActive():
            self._histogram_due.start(_HISTOGRAM_MILLISECONDS if state.busy else 0)
        if self.table.currentIndex().row() < 0 and rows and not state.busy:
            self.table.selectRow(next((row for row in range(rows) if not state.rows.file(row).error), 0))

    def _show_model(self) -> None:
        open_model = self.context.engine.model
        model = self.state.model or open_model
        self.stale.setVisible(self.state.stale)
        if self.state.stale and self.state.model is not None and open_model is not None:
            text = self.tr("These scores are by {0}; {1} is open now.")
            self.stale_label.setText(text.format(self.state.model.name, open_model.name))
        self.histogram.show_reference(model.reference if model else ())
        name = open_model.name if open_model is not None else self.tr("Model")
        shown = self.model_button.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, _WIDEST_MODEL)
        self.model_button.setText(f" {shown}".replace("&", "&&"))
        self.model_button.setAccessibleName(self.tr("Model: {0}").format(name))
        tip = (
            self.tr("Scored by {0}; another one can be opened here") if self.state.model else self.tr("Score with {0}")
        )
        self.model_button.setToolTip(plain_tip(tip.format(model.name if model is not None else name)))
        self.empty_label.setText(self._describe_empty(open_model))

    def _describe_empty(self, model: ModelInfo | None) -> str:
        text = self.tr(
            "Each file gets its bits per dimension: lower is likelier under the model, as plain pictures are too. "
            "Files are cropped and resized to the model's size, and every change is named."
        )
        if model is None:
            return text
        channels, height, width = model.image_shape
        colour = self.tr("grey") if channels == 1 else self.tr("colour")
        size = pixels_text(width, height)
        return text + "\n" + self.tr("Model: {0}, {1} {2}.").format(model.name, size, colour)

    def _show_file(self, row: int) -> None:
        """Show the file of a row large, with exactly the pixels that were scored."""
        self._action("explore").setEnabled(row >= 0)
        if not 0 <= row < self.state.rows.rowCount():
            self._preview_path = ""
            self.preview.show_image(None)
            self.preview.set_placeholder(self.tr("Choose a file to see what was scored."))
            self.preview_name.tip = ""
            for label in (self.preview_name, self.preview_score, self.preview_notes):
                label.setText("")
            self.histogram.show_mark(None)
            return
        file = self.state.rows.file(row)
        self._preview_path = file.path
        self.preview.show_image(qimage(file.pixels) if file.pixels is not None else None)
        self.preview.set_placeholder(self.tr("This file could not be read."))
        if self.state.rows.is_thumbnail(row):
            self.state.ask_preview(file.path)
        self.preview_name.setText(self.state.rows.name(file))
        self.preview_name.tip = file.path
        self._action("explore").setEnabled(not file.error)
        score = file.bits_per_dim
        self.preview_score.setText("" if score is None else self._score_text(score, file.percentile))
        notes = file.error or ", ".join(file.notes) or self.tr("Scored unchanged.")
        self.preview_notes.setText(notes[:1].upper() + notes[1:])
        self.histogram.show_mark(score)

    def _score_text(self, score: float, percentile: float | None) -> str:
        text = self.tr("{0} bits/dim").format(f"{score:.3f}")
        if percentile is not None:
            text += self.tr(", above {0} % of the reference images").format(f"{percentile:.1f}")
        return text

    def _on_preview_arrived(self, path: str, batch: ImageBatch) -> None:
        if path == self._preview_path:
            self.preview.show_image(qimage(batch))

    def _on_no_images(self, paths: tuple[str, ...]) -> None:
        names = ", ".join(Path(path).name or path for path in paths)
        notify.warning(self.tr("There are no images in {0}.").format(names), topic=_TOPIC)

    def _on_interrupted(self) -> None:
        notify.error(
            self.tr("The engine stopped while scoring, twice. What was scored is kept."),
            topic=_TOPIC,
            actions=[(self.tr("Continue"), self.state.resume)],
        )

    # Actions of a person

    def _ask_files(self) -> None:
        self.context.page_requested.emit(self.key)
        filters = image_filter(self.tr("Images and archives"), archives=True)
        paths = self.context.ask_files("score", self.tr("Images to score"), filters, many=True)
        self.state.add(paths)

    def _ask_folder(self) -> None:
        self.context.page_requested.emit(self.key)
        folder = self.context.ask_folder("score", self.tr("A folder of images to score"))
        if folder is not None:
            self.state.add([folder])

    def _explore(self) -> None:
        row = self.table.currentIndex().row()
        if row >= 0 and not self.state.rows.file(row).error:
            self.context.open_requested.emit([Path(self.state.rows.file(row).path)])

    def _clear(self) -> None:
        before = self.state.stored(self.state.rows.rowCount())
        self.state.clear()
        if before is not None:
            bring_back = partial(self.state.show_stored, before)
            self._cleared.offer(self.tr("The table is cleared."), self.tr("Undo"), self.tr("Clear"), bring_back)

    def _export(self) -> None:
        model = self.state.model
        if model is None:
            return
        proposal = f"scores-{Path(model.name).stem}.csv"
        path = self.context.ask_save("csv", self.tr("Export the scores"), proposal, "CSV (*.csv)")
        if path is not None:
            rows = self.state.rows.files()
            by = (csv_cell(model.name), model.digest)
            columns = (*COLUMNS, "model", "model_sha256")
            write_file(path, lambda: csv_text(columns, ((*row.cells(), *by) for row in rows)).encode("utf-8"))

    def _show_empty_icon(self) -> None:
        self._empty_icon.setPixmap(pixmap("images", colors().disabled, 6 * SPACE, self.devicePixelRatioF()))
