"""Score: drop image files and folders, read what the model says of each, compare them with the reference images."""

from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QProgressBar, QSizePolicy, QStackedLayout, QWidget

from nvp_studio.image_batch import ImageBatch
from nvp_studio.score_row import VERDICTS
from nvp_studio.state.paths import is_archive, is_image_file
from nvp_studio.state.references import OWN
from nvp_studio.state.score_columns import optional_columns
from nvp_studio.state.score_texts import pace_text, progress_text
from nvp_studio.state.scoring import ScoreState
from nvp_studio.training.bounds import Bounds
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.model_menu import ModelMenu
from nvp_studio.views.page import Page
from nvp_studio.views.pages.score.actions import TABLE_KEYS, TOPIC, ScoreActions
from nvp_studio.views.pages.score.empty import ScoreEmpty
from nvp_studio.views.pages.score.side import ScoreSide
from nvp_studio.views.theme import SPACE, set_icon, set_role
from nvp_studio.views.widgets.action_button import ActionButton, menu_button
from nvp_studio.views.widgets.labels import ElidedLabel, TextLabel, plain_tip
from nvp_studio.views.widgets.layout import PAGE_MARGINS, card, splitter, text_label, vbox
from nvp_studio.views.widgets.number_field import NumberField
from nvp_studio.views.widgets.score_filter_row import ScoreFilterRow
from nvp_studio.views.widgets.score_gallery import ScoreGallery
from nvp_studio.views.widgets.score_table import ScoreTable
from nvp_studio.views.widgets.wrapping_row import WrappingRow, group

_HISTOGRAM_MILLISECONDS = 250
_FILTER_MILLISECONDS = 150
_WIDEST_MODEL = 14 * SPACE


class ScorePage(Page):
    """Table on the left, the chosen file and the histogram on the right; before there are files, what to do."""

    key = "score"

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.state = ScoreState(context.engine, self)
        self.actions_of_files = ScoreActions(context, self, self.key, self.state)
        self.undo = self.actions_of_files.cleared
        self._histogram_due = QTimer(self, singleShot=True)
        self._histogram_due.timeout.connect(lambda: self.histogram.show_scores(self.state.rows.scores))
        self._last = ""
        """The path of the file that was chosen last."""
        self._filter_due = QTimer(self, singleShot=True)
        self._filter_due.timeout.connect(lambda: self.state.rows.show_only(self.filters.value()))
        tip = self.tr("Show the files as thumbnails instead of a table")
        context.registry.add(
            "score.gallery", self.tr("&Gallery"), self._show_view, icon="images", tip=tip, checkable=True
        ).setChecked(context.settings.values.score_gallery)
        tip = self.tr("Show columns for which there is no room too; the table then scrolls sideways")
        context.registry.add(
            "score.all-columns", self.tr("All columns"), self._show_columns, icon="columns-2", tip=tip, checkable=True
        ).setChecked(context.settings.values.score_all_columns)
        self._lay_out()
        self._connect_signals()
        self.state.judge_at(context.settings.values.score_rate)
        self.state.use(context.settings.values.score_options)
        self._show_model()
        self._show_file(-1)
        self._show_progress()
        self._show_view()
        self._show_columns()
        self.state.restore(self._file)
        self.actions_of_files.watch_again()

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
        values = self.context.settings.values
        values.score_columns = self.table.widths()
        values.score_rate = self.state.rate
        values.score_options = self.state.options
        values.score_watched = list(self.actions_of_files.watched)
        values.score_all_columns = self.context.registry["score.all-columns"].isChecked()
        values.score_gallery = self.context.registry["score.gallery"].isChecked()
        with suppress(OSError):  # as with the settings: a full disk costs what it cannot keep and nothing else
            self.state.store(self._file)

    @property
    def _file(self) -> Path:
        """Where the table is from one start to the next, beside the settings."""
        return self.context.settings.path.with_suffix(".scores")

    # Construction

    def _lay_out(self) -> None:
        self._stack = QStackedLayout(self)
        self.empty = ScoreEmpty(*(self.actions_of_files[key] for key in ("add-files", "add-folder", "watch")))
        self.empty_label = self.empty.label
        self._stack.addWidget(self.empty)
        full = QWidget()
        column = vbox(full, margins=PAGE_MARGINS)
        column.addWidget(self._make_toolbar())
        column.addWidget(self._make_choices())
        self.stale = self._make_stale()
        column.addWidget(self.stale)
        self.table = ScoreTable(self.state.rows)
        self.table.show_widths(self.context.settings.values.score_columns)
        self.table.horizontalHeader().setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.table.horizontalHeader().addAction(self.context.registry["score.all-columns"])
        self.gallery = ScoreGallery(self.state.rows, self.table.selectionModel())
        for view in (self.table, self.gallery):
            view.addActions([self.actions_of_files[key] for key in TABLE_KEYS])
        self.actions_of_files.table = self.table
        views = QWidget()
        self._views = QStackedLayout(views)
        self._views.addWidget(self.table)
        self._views.addWidget(self.gallery)
        self.side = ScoreSide(self.state, self.actions_of_files["explore"])
        self.preview, self.histogram = self.side.preview, self.side.histogram
        parts = splitter(Qt.Orientation.Horizontal, (views, self.side), (1, 0), handle=2 * SPACE)
        self.restore_sizes("score", parts, [10_000, 46 * SPACE])
        column.addWidget(parts, 1)
        self.explanation = text_label(wrap=True)
        column.addWidget(self.explanation)
        self._stack.addWidget(full)

    def _make_toolbar(self) -> WrappingRow:
        action = self.actions_of_files
        self.progress_label = TextLabel()
        self.pace_label = TextLabel(role="dim")
        self.progress = QProgressBar(textVisible=False)
        self.progress.setFixedWidth(20 * SPACE)
        self.progress.setAccessibleName(self.tr("Progress of scoring"))
        self.model_button = menu_button()
        set_icon(self.model_button, "box")
        self.model_button.setMenu(ModelMenu(self.context, self.model_button))
        return WrappingRow(
            group(*(ActionButton(action[key]) for key in ("add-files", "add-folder"))),
            group(
                *(self.progress_label, self.progress),
                *(ActionButton(action[key]) for key in ("cancel", "continue", "stop-watching")),
                self.pace_label,  # behind the buttons, which stay where they are as it changes
            ),
            group(self.model_button, *(ActionButton(action[key]) for key in ("export", "clear"))),
        )

    def _make_choices(self) -> WrappingRow:
        """Which files are shown, what their verdicts compare with, and how often these may be wrong."""
        self.filters = ScoreFilterRow()
        self.filters.setMinimumWidth(self.filters.minimumSizeHint().width())  # what the row may make of it
        self.reference_button = menu_button()
        set_icon(self.reference_button, "scan-search")
        menu = QMenu(self.reference_button)
        menu.aboutToShow.connect(self._fill_references)
        self.reference_button.setMenu(menu)
        self.rate = NumberField(Bounds(0, 50, beyond=True), unit="%", none_text="1")
        self.rate.setFixedWidth(9 * SPACE)
        self.rate.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.rate.setAccessibleName(self.tr("False-alarm rate"))
        self.rate.set_tip(
            self.tr("The share of images like the reference's that are called unusual; verdicts follow it at once")
        )
        self.rate.setValue(round(100 * self.context.settings.values.score_rate, 6))
        label = text_label(self.tr("False alarms"))
        label.setBuddy(self.rate)
        self.shown_label = TextLabel(role="dim")
        options, gallery = (ActionButton(self.context.registry[f"score.{key}"]) for key in ("options", "gallery"))
        figures = ActionButton(self.actions_of_files["figures"])
        figures.show_text(False)  # below the table it would take the height of a line
        judged = group(self.reference_button, label, self.rate, options, figures, self.shown_label)
        return WrappingRow(self.filters, judged, group(gallery))

    def _make_stale(self) -> QFrame:
        frame = card()
        row = QHBoxLayout(frame)
        row.setContentsMargins(2 * SPACE, SPACE, SPACE, SPACE)
        self.stale_label = ElidedLabel()
        row.addWidget(self.stale_label, 1)
        row.addWidget(ActionButton(self.actions_of_files["again"], primary=True))
        return frame

    def _connect_signals(self) -> None:
        state = self.state
        state.progressed.connect(self._show_progress)
        state.model_changed.connect(self._show_model)
        state.failed.connect(lambda reason: notify.error(reason, topic=TOPIC))
        state.references.failed.connect(lambda reason: notify.error(reason, topic=f"{TOPIC}-reference"))
        state.no_images.connect(self._on_no_images)
        state.interrupted.connect(self._on_interrupted)
        state.preview_arrived.connect(self._on_preview_arrived)
        rows = state.rows
        rows.modelReset.connect(lambda: self._show_file(-1))
        rows.dataChanged.connect(self._on_data_changed)
        rows.filtered.connect(self._show_shown)
        self.context.engine.status_changed.connect(self._show_progress)
        self.table.row_chosen.connect(lambda index: self._show_file(index.row()))
        self.table.selectionModel().selectionChanged.connect(self.actions_of_files.update)
        self.table.opened.connect(self.actions_of_files.explore)
        self.gallery.opened.connect(self.actions_of_files.explore)
        self.filters.changed.connect(lambda: self._filter_due.start(_FILTER_MILLISECONDS))
        self.rate.edited.connect(self._on_rate)

    # Changes of the state

    def _show_progress(self) -> None:
        state = self.state
        total = state.rows.total
        self._stack.setCurrentIndex(
            1 if total or state.busy or state.waiting_for_model or state.watching.folders else 0
        )
        # as wide as its last text from the start, so that no text is cut and *Cancel* stays where it is
        widest = progress_text(state, state.total) if state.busy and state.counted else ""
        self.progress_label.setMinimumWidth(self.progress_label.fontMetrics().horizontalAdvance(widest))
        self.progress_label.setText(progress_text(state))
        self._show_placeholder()
        self.pace_label.setText(pace_text(state))
        set_role(self.pace_label, "warning" if state.watching.missing and not state.busy else "dim")
        making = state.references.making
        # not while a folder is watched: its files come a few at a time, and *Stop watching* needs the room
        self.progress.setVisible(making is not None or (state.busy and not state.watching.folders))
        if total or state.busy:
            notify.withdraw(f"{TOPIC}-cleared")  # another table has taken its place
        done, whole = making if making is not None else (state.done, state.total if state.counted else 0)
        self.progress.setRange(0, whole)
        self.progress.setValue(done if whole else 0)
        self.actions_of_files.update()
        self.context.registry["score.gallery"].setEnabled(total > 0)
        if not self._histogram_due.isActive():
            self._histogram_due.start(_HISTOGRAM_MILLISECONDS if state.busy else 0)
        self._choose()

    def _show_model(self) -> None:
        open_model = self.context.engine.model
        model = self.state.model or open_model
        self.stale.setVisible(self.state.stale)
        self.table.show_optional(optional_columns(self.state.scored_with))
        if self.state.stale and self.state.model is not None and open_model is not None:
            if self.state.model.digest != open_model.digest:
                text = self.tr("These scores are by {0}; {1} is open now.")
                self.stale_label.setText(text.format(self.state.model.name, open_model.name))
            elif self.state.other_options:
                self.stale_label.setText(self.tr("Not scored with the chosen options yet."))
            else:
                text = self.tr("Not compared with {0} yet.")
                self.stale_label.setText(text.format(self._reference_name(self.state.references.chosen)))
        self.histogram.show_reference(model.reference if model else ())
        name = open_model.name if open_model is not None else self.tr("Model")
        shown = self.model_button.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, _WIDEST_MODEL)
        self.model_button.setText(f" {shown}".replace("&", "&&"))
        self.model_button.setAccessibleName(self.tr("Model: {0}").format(name))
        tip = (
            self.tr("Scored by {0}; another one can be opened here") if self.state.model else self.tr("Score with {0}")
        )
        self.model_button.setToolTip(plain_tip(tip.format(model.name if model is not None else name)))
        self.empty.show_model(open_model)
        self.side.show_layers()
        self._show_reference()
        self._show_progress()

    def _show_reference(self) -> None:
        references = self.state.references
        name = self._reference_name(references.chosen)
        shown = self.reference_button.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, _WIDEST_MODEL)
        self.reference_button.setText(f" {shown}".replace("&", "&&"))
        self.reference_button.setAccessibleName(self.tr("Verdicts compare with: {0}").format(name))
        tip = self.tr("Verdicts compare with {0}").format(name)
        found = references.current or self.state.reference
        if found is not None:
            tip += "\n" + self.tr("{0} images of {1}; {2} of them calibrate").format(
                f"{found.images:,}", found.source, f"{found.calibration:,}"
            )
        self.reference_button.setToolTip(plain_tip(tip))
        text = self.tr("Lower bits/dim: likelier under the model; that measures neither quality nor, alone, normality.")
        if references.problem:
            text = self.tr("No verdicts: {0}. A reference can be made of a folder of good images.").format(
                references.problem
            )
        elif self.state.rate < self.state.rows.rate:
            text = self.tr("{0} reference images can keep no lower false-alarm rate than {1} %.").format(
                found.calibration if found is not None else 0, f"{100 * self.state.rows.rate:.3g}"
            )
        self.explanation.setText(text)

    def _reference_name(self, name: str) -> str:
        return self.tr("training images") if name == OWN else name

    def _fill_references(self) -> None:
        menu, references = self.reference_button.menu(), self.state.references
        menu.clear()
        for name in dict.fromkeys((OWN, *references.names)):
            entry = menu.addAction(self._reference_name(name).replace("&", "&&"))
            entry.setCheckable(True)
            entry.setChecked(name == references.chosen)
            entry.triggered.connect(lambda _checked=False, name=name: self._choose_reference(name))
        menu.addSeparator()
        menu.addAction(self.actions_of_files["make-reference"])

    def _choose_reference(self, name: str) -> None:
        self.state.references.choose(name)
        self.state.references.settle()

    def _on_rate(self) -> None:
        if not self.rate.problem:
            value = self.rate.value()
            self.state.judge_at(0.01 if value is None else float(value) / 100)
            self._show_reference()

    def _show_shown(self) -> None:
        rows = self.state.rows
        self._show_placeholder()
        self._choose()
        self.filters.show_labels(rows.labels())
        unusual, far = (int((rows.verdicts == VERDICTS.index(verdict)).sum()) for verdict in VERDICTS[1:])
        parts = []
        if rows.rowCount() != rows.total:
            parts.append(self.tr("{0} of {1} shown").format(f"{rows.rowCount():,}", f"{rows.total:,}"))
        if self.state.reference is not None:
            parts.append(self.tr("{0} unusual").format(f"{unusual:,}"))
            parts.append(self.tr("{0} far outside").format(f"{far:,}"))
        self.shown_label.setText("   ".join(parts))
        self.actions_of_files.update()

    def _show_placeholder(self) -> None:
        """Say why no row is shown, where there is none."""
        text = ""
        if self.state.rows.total:
            text = self.tr("No file is like that. Clear the search and choose all verdicts and labels to see others.")
        elif self.state.watching.folders:
            text = self.tr("Images that arrive in the folder appear here.")
        self.table.placeholder = self.gallery.placeholder = text

    def _choose(self) -> None:
        """Where no file is chosen choose the last one that was, if it is shown, else the first that could be read.

        A table that takes the keyboard while files are scored has a current row that is not selected.
        """
        rows = self.state.rows
        if self.state.busy or self.actions_of_files.selected_rows():
            return
        shown, self._last = rows.rowCount(), self.side.path or self._last
        if shown:
            known = rows.row_of(self._last)
            readable = (row for row in range(shown) if not rows.file(row).error)
            self.table.selectRow(known if known >= 0 else next(readable, 0))
        elif self.side.path:
            self._show_file(-1)

    def _show_view(self) -> None:
        """Table or gallery."""
        self._views.setCurrentIndex(1 if self.context.registry["score.gallery"].isChecked() else 0)

    def _show_columns(self) -> None:
        self.table.show_all(self.context.registry["score.all-columns"].isChecked())

    def _show_file(self, row: int) -> None:
        """Show the file of a row large, with exactly the pixels that were scored."""
        rows = self.state.rows
        if 0 <= row < rows.rowCount():
            file = rows.file(row)
            self.side.show_file(file, rows.name(file), exact=not rows.is_thumbnail(row))
        else:
            self.side.show_file(None)
        self.actions_of_files.update()

    def _on_data_changed(self, first: object, last: object, roles: list[int] | None = None) -> None:
        if not roles:  # not for a thumbnail alone
            self._show_file(self.table.currentIndex().row())

    def _on_preview_arrived(self, path: str, batch: ImageBatch) -> None:
        self.side.show_pixels(path, batch)

    def _on_no_images(self, paths: tuple[str, ...]) -> None:
        names = ", ".join(Path(path).name or path for path in paths)
        notify.warning(self.tr("There are no images in {0}.").format(names), topic=TOPIC)

    def _on_interrupted(self) -> None:
        notify.error(
            self.tr("The engine stopped while scoring, twice. What was scored is kept."),
            topic=TOPIC,
            actions=[(self.tr("Continue"), self.state.resume)],
        )
