"""The Runs page: the table, curves of several runs, samples over time, labels and the trash."""

import csv
import io
import itertools
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image
from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QListWidgetItem, QPushButton, QStyleOptionViewItem, QWidget

from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.runs.export import missing_package
from nvp_studio.runs.labels import Labels, change_labels, read_labels
from nvp_studio.runs.trash import TRASH
from nvp_studio.state.engine import Engine
from nvp_studio.state.settings import SettingsStore
from nvp_studio.training.changes import ChangeRequest, RateChange, Restart, read_changes, record_changes
from nvp_studio.training.config import StopRules, TrainConfig
from nvp_studio.training.events import RunChanged
from nvp_studio.training.runs import read_record
from nvp_studio.views.actions import why_not
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.model_menu import ModelMenu
from nvp_studio.views.pages.explore.page import ExplorePage
from nvp_studio.views.pages.runs.page import RunsPage
from nvp_studio.views.pages.train.page import TrainPage
from nvp_studio.views.resume_dialogs import RemoteDataDialog
from nvp_studio.views.run_dialogs import ChangeRunDialog, LabelsDialog, TrashDialog
from nvp_studio.views.widgets.series import MAX_SERIES
from nvp_studio.worker.messages import ResumeRun
from tests.qt import Bot, open_window
from tests.runs.folders import add_checkpoint, make_run, make_trained_run, write_sheets
from tests.runs.test_history import step, write


@pytest.fixture
def runs_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for name, level in (("one", 3.0), ("two", 2.0), ("three", 4.0)):
        make_trained_run(folder / name, level=level)
    return folder


@pytest.fixture
def window(shared_engine: Engine, qtbot: Bot, tmp_path: Path, runs_folder: Path) -> MainWindow:
    return open_window(qtbot, shared_engine, tmp_path, runs_folder, "runs")


@pytest.fixture
def page(window: MainWindow, qtbot: Bot) -> RunsPage:
    page = window.page("runs")
    assert isinstance(page, RunsPage)
    qtbot.waitUntil(lambda: page.comparison.plot is not None)
    return page


def train_page(window: MainWindow) -> TrainPage:
    page = window.page("train")
    assert isinstance(page, TrainPage)
    return page


def names(page: RunsPage) -> list[str]:
    return [page.filtered_runs.index(row, 0).data() for row in range(page.filtered_runs.rowCount())]


def choose(page: RunsPage, *chosen: str) -> None:
    """Select these runs, the first as the current one."""
    model = page.table.selectionModel()
    model.clearSelection()
    rows = [page.filtered_runs.index(page.filtered_runs.row_of(str(page.runs.folder / name)), 0) for name in chosen]
    model.setCurrentIndex(rows[0], QItemSelectionModel.SelectionFlag.NoUpdate)
    for row in rows:
        model.select(row, QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows)


def legend(page: RunsPage, name: str) -> QListWidgetItem:
    """The entry of a run in the legend of the curves."""
    (item,) = page.comparison.list.findItems(name, Qt.MatchFlag.MatchStartsWith)
    return item


def pick(combo: object, value: str) -> None:
    combo.setCurrentIndex(combo.findData(value))  # type: ignore[attr-defined]


def test_the_table_is_sorted_by_its_headings_and_searched(page: RunsPage) -> None:
    best = page.runs.COLUMNS.index("best")
    page.table.sortByColumn(best, Qt.SortOrder.AscendingOrder)
    assert names(page) == ["two", "one", "three"]
    page.table.sortByColumn(best, Qt.SortOrder.DescendingOrder)
    assert names(page) == ["three", "one", "two"]
    change_labels(page.runs.folder / "two", tags=["good"], note="the milk")
    page.refresh()
    page.search.setText("milk")
    assert names(page) == ["two"]
    assert page.count.text() == "1 of 3 runs"
    page.search.clear()
    assert page.count.text() == "3 runs"


@pytest.mark.slow
def test_the_controls_of_the_curves_wrap_in_the_smallest_window_and_stay_whole(
    window: MainWindow, page: RunsPage, qtbot: Bot
) -> None:
    board, options = page.comparison, page.comparison.controls
    controls: list[QWidget] = [
        *(options.quantity, options.axis, options.part, options.smoothing_label, options.smoothing),
        *(options.log, options.clip, board.fit, options.save),
    ]

    def places() -> list[QRect]:
        return [QRect(one.mapTo(board, QPoint()), one.size()) for one in controls]

    assert page.minimumSizeHint().width() <= page.width() - (window.width() - window.minimumWidth())
    for size, rows in ((window.minimumSize(), 2), (QSize(1400, 900), 1)):
        window.resize(size)
        qtbot.waitUntil(lambda rows=rows: len({place.center().y() // 20 for place in places()}) == rows)
        qtbot.waitUntil(lambda: bool(board.rect().contains(places()[-1])))
        found = places()
        assert all(board.rect().contains(place) for place in found)
        assert not any(one.intersects(other) for one, other in itertools.combinations(found, 2))
        assert all(
            one.width() >= one.minimumSizeHint().width() for one in (board.controls.log, board.controls.clip, board.fit)
        )


@pytest.mark.slow
def test_a_plot_without_curves_says_why(page: RunsPage) -> None:
    make_run(page.runs.folder / "empty")
    write(make_run(page.runs.folder / "young"), [step(number, train=4.0) for number in (1, 2, 3)])
    page.refresh()
    board = page.comparison

    def placeholder() -> str:
        assert board.controls.save.isEnabled() != board.placeholder.isVisible(), "what is not drawn is not saved"
        return board.placeholder.text() if board.placeholder.isVisible() else ""

    page.table.clearSelection()
    assert placeholder().startswith("Choose runs above")
    choose(page, "empty")
    assert placeholder() == "No steps yet"
    choose(page, "young")
    for quantity in ("validation", "scale_bits", "inverse_error", "noise_inverse_error"):
        pick(board.controls.quantity, quantity)
        assert placeholder() == "No validation yet"
    pick(board.controls.quantity, "train")
    assert placeholder() == ""
    choose(page, "one", "young")
    pick(board.controls.quantity, "validation")
    assert placeholder() == ""
    pick(board.controls.quantity, "noise_inverse_error")
    assert placeholder() == "Inverse error of noise: no values yet"
    pick(board.controls.quantity, "validation")
    for row in range(board.list.count()):
        board.list.item(row).setCheckState(Qt.CheckState.Unchecked)
    assert placeholder() == "No curve is ticked"


@pytest.mark.slow
def test_a_narrow_column_shows_a_state_without_its_reason(page: RunsPage) -> None:
    make_run(page.runs.folder / "brief", phase="stopped", reason="SIGTERM")
    make_run(page.runs.folder / "wordy", phase="stopped", reason="SIGTERM; the last checkpoint could not be written")
    page.refresh()
    column = page.runs.COLUMNS.index("state")
    rows = {
        page.filtered_runs.index(row, 0).data(): page.filtered_runs.index(row, column)
        for row in range(page.filtered_runs.rowCount())
    }
    assert written(page, rows["wordy"]) == "stopped"
    assert rows["wordy"].data(Qt.ItemDataRole.ToolTipRole) == rows["wordy"].data()
    page.table.resizeColumnToContents(column)
    assert written(page, rows["wordy"]) == rows["wordy"].data()
    page.table.setColumnWidth(column, page.table.columnWidth(column) // 2)
    assert written(page, rows["wordy"]) == "stopped"
    assert written(page, rows["brief"]) == "stopped: SIGTERM"


def written(page: RunsPage, index: QModelIndex) -> str:
    """What the table paints in a cell."""
    option = QStyleOptionViewItem()
    page.table.initViewItemOption(option)
    option.rect = page.table.visualRect(index)
    page.table.itemDelegate().initStyleOption(option, index)
    return option.text


def test_selected_runs_are_drawn_on_any_axis_and_can_be_switched_off(page: RunsPage) -> None:
    choose(page, "one", "two")
    plot = page.comparison.plot
    assert plot is not None
    curves = plot.drawing.curves
    assert [curve.x.tolist() for curve in curves.values()] == [[25, 50, 75, 100]] * 2
    pick(page.comparison.controls.axis, "epochs")
    assert next(iter(plot.drawing.curves.values())).x.tolist() == [2.5, 5.0, 7.5, 10.0]
    pick(page.comparison.controls.quantity, "train")
    assert len(next(iter(plot.drawing.curves.values())).x) == 100
    legend(page, "one").setCheckState(Qt.CheckState.Unchecked)
    assert list(plot.drawing.curves) == [str(page.runs.folder / "two")]
    choose(page, "one", "two", "three")
    assert len(plot.drawing.curves) == 2, "a run that was switched off stays so"


@pytest.mark.slow
def test_every_quantity_is_drawn_in_every_way(page: RunsPage) -> None:
    choose(page, "one", "two")
    board = page.comparison
    for quantity in range(board.controls.quantity.count()):
        board.controls.quantity.setCurrentIndex(quantity)
        for axis in range(board.controls.axis.count()):
            board.controls.axis.setCurrentIndex(axis)
            for log in (True, False):
                board.controls.log.setChecked(log)
    for part in range(board.controls.part.count()):
        board.controls.part.setCurrentIndex(part)
    board.controls.smoothing.setValue(0)
    board.controls.clip.setChecked(False)


def test_a_logarithmic_axis_is_shown_only_where_all_values_allow_it(page: RunsPage) -> None:
    choose(page, "one")
    plot = page.comparison.plot
    assert plot is not None
    page.comparison.controls.log.setChecked(True)
    assert plot.drawing.log
    write(page.runs.folder / "one", [step(101, validation=-1.0)])
    page._opened[str(page.runs.folder / "one")].read()
    page.comparison.refresh()
    assert not plot.drawing.log


def test_live_steps_never_reset_a_zoom(page: RunsPage) -> None:
    choose(page, "one")
    plot = page.comparison.plot
    assert plot is not None
    view = plot.getPlotItem().getViewBox()
    view.setRange(xRange=(30, 60), yRange=(3, 4), padding=0)
    view.sigRangeChangedManually.emit([True, True])
    shown = view.viewRange()
    write(page.runs.folder / "one", [step(number, validation=1.0) for number in range(101, 200)])
    page._opened[str(page.runs.folder / "one")].read()
    page.comparison.refresh()
    assert len(next(iter(plot.drawing.curves.values())).x) == 103
    assert view.viewRange() == shown
    assert page.comparison.fit.isEnabled()
    page.comparison.fit.click()
    assert view.viewRange() != shown


@pytest.mark.slow
def test_a_restarted_run_is_drawn_in_segments(page: RunsPage) -> None:
    folder = page.runs.folder / "one"
    record_changes(folder, Restart(60))
    record_changes(folder, RateChange(80, 0.5))
    pick(page.comparison.controls.quantity, "train")
    choose(page, "one")
    plot = page.comparison.plot
    assert plot is not None
    (curve,) = plot.drawing.curves.values()
    assert [curve.x[part][0] for part in curve.segments()] == [1, 61]


@pytest.mark.slow
def test_axes_are_labelled_with_their_quantities(page: RunsPage) -> None:
    choose(page, "one")
    plot = page.comparison.plot
    assert plot is not None
    left, bottom = (plot.getPlotItem().getAxis(name) for name in ("left", "bottom"))
    assert (left.labelText, bottom.labelText) == ("Validation, bits/dim", "step")
    pick(page.comparison.controls.axis, "seconds")
    assert bottom.labelText == "minutes of training"
    assert bottom.tickStrings([60.0], bottom.scale, 60.0) == ["1"]
    write(page.runs.folder / "one", [replace(step(101, validation=2.0), seconds=4 * 3600.0)])
    page._opened[str(page.runs.folder / "one")].read()
    page.comparison.refresh()
    assert bottom.labelText == "hours of training"
    assert bottom.tickStrings([7200.0], bottom.scale, 3600.0) == ["2"]
    pick(page.comparison.controls.quantity, "learning_rate")
    assert left.labelText == "Learning rate"
    assert left.autoSIPrefixScale == 1, "a factor that is shown nowhere"
    assert not page.comparison.controls.smoothing.isEnabled(), "a schedule has no noise to smooth"
    assert (
        next(iter(plot.drawing.curves.values())).y
        == page._opened[str(page.runs.folder / "one")].history.learning_rate.values
    ).all()


def test_the_current_run_is_the_one_whose_images_are_shown(page: RunsPage) -> None:
    choose(page, "two", "one")
    assert page.timelapse_view.name.text() == "two"
    rows = [page.comparison.list.item(row) for row in range(page.comparison.list.count())]
    assert [row.text().splitlines()[0] for row in rows if row.font().bold()] == ["two"]
    choose(page, "one")
    assert page.timelapse_view.name.text() == "one"


@pytest.mark.slow
def test_values_under_the_mouse_and_the_cursor_go_together(page: RunsPage) -> None:
    choose(page, "one", "two")
    plot = page.comparison.plot
    assert plot is not None
    plot.pointed.emit(52.0)
    assert legend(page, "one").text() == "one\n3.500 bits/dim"
    assert page.comparison.reading.text() == "At step 52"
    assert page.timelapse.step == 50
    plot.pointed.emit(None)
    assert legend(page, "two").text() == "two\n2.000 bits/dim"
    page.timelapse_view.slider.setValue(0)
    assert page.timelapse.step == 25


def test_samples_are_stepped_through_and_played(page: RunsPage, qtbot: Bot) -> None:
    choose(page, "one")
    view = page.timelapse_view
    assert view.step.text() == "step 100"
    view.slider.setFocus()
    qtbot.keyClick(view.slider, Qt.Key.Key_Left)
    assert page.timelapse.step == 75
    batch = page.timelapse.batch()
    assert batch is not None
    assert batch.pixels[0] == 150
    view.kind.setCurrentIndex(1)
    assert page.timelapse.batch() is not None
    assert view.pairs.isVisible()
    view.slider.setValue(3)
    view.play.click()
    assert page.timelapse.step == 25
    qtbot.waitUntil(lambda: page.timelapse.step == 100)
    view.play.click()
    assert not page.timelapse.playing
    view.slider.setValue(3)
    write_sheets(page.runs.folder / "one", 120, 9)
    page.timelapse.refresh()
    assert page.timelapse.step == 120, "the newest snapshot stays in view"


def test_curves_and_film_are_saved(
    page: RunsPage, window: MainWindow, tmp_path: Path, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(page, "one", "two")
    for form in ("csv", "svg", "png"):
        monkeypatch.setattr(window.context, "ask_save", lambda *_, form=form: tmp_path / f"curves.{form}")
        page.comparison.controls.export_requested.emit(form)
        qtbot.waitUntil((tmp_path / f"curves.{form}").exists)
    rows = list(csv.reader((tmp_path / "curves.csv").read_text().splitlines()))
    assert rows[0] == ["run", "segment", "steps", "validation"]
    assert len(rows) == 9
    drawing = (tmp_path / "curves.svg").read_text()
    assert "<svg" in drawing[:400]
    assert drawing.count("<polyline") + drawing.count("<path") > 4, "curves are lines, not an image"
    with Image.open(io.BytesIO((tmp_path / "curves.png").read_bytes())) as image:
        assert image.width > 200
    monkeypatch.setattr(window.context, "ask_save", lambda *_: tmp_path / "film.gif")
    page.timelapse_view.film.click()
    qtbot.waitUntil(lambda: (tmp_path / "film.gif").exists())
    window.registry["runs.csv"].trigger()
    qtbot.waitUntil(lambda: (page.runs.folder / "two" / "metrics.csv").exists())
    qtbot.waitUntil(lambda: any("metrics.csv" in notice.text for notice in window.notifications.shown))


def test_a_run_is_renamed_tagged_and_noted(page: RunsPage, window: MainWindow) -> None:
    choose(page, "one")
    window.registry["runs.label"].trigger()
    dialog = window.findChild(LabelsDialog)
    dialog.name.setText("first try")
    dialog.tags.setText("x" * 50)
    dialog.accept()
    assert "40" in dialog.problem.text()
    dialog.tags.setText("good, paper")
    dialog.note.setPlainText("all well")
    dialog.accept()
    assert read_labels(page.runs.folder / "one").tags == ("good", "paper")
    assert "first try" in names(page)
    row = page.filtered_runs.row_of(str(page.runs.folder / "one"))
    assert page.filtered_runs.index(row, 8).data() == "good, paper"


def test_the_name_of_a_run_is_in_its_dialog_selected_and_stays_unless_it_is_edited(
    page: RunsPage, window: MainWindow
) -> None:
    choose(page, "one")
    window.registry["runs.label"].trigger()
    dialog = window.findChild(LabelsDialog)
    assert dialog.name.text() == dialog.name.selectedText() == "one"
    assert dialog.focusWidget() is dialog.name
    dialog.note.setPlainText("all well")
    dialog.accept()
    assert read_labels(page.runs.folder / "one") == Labels(note="all well"), "the name it was started with is no label"
    change_labels(page.runs.folder / "one", name="first try")
    page.context.refresh_runs()
    window.registry["runs.label"].trigger()
    dialog = window.findChildren(LabelsDialog)[-1]
    assert dialog.name.selectedText() == "first try"
    dialog.reject()


def test_a_new_name_is_shown_wherever_the_run_is_named(page: RunsPage, window: MainWindow) -> None:
    train, live = train_page(window), page.live
    folder = page.runs.folder / "one"
    live.first_name, live.folder, live.started = "one", str(folder), None
    live.refresh_name()
    live._enter("training")
    assert window.context.strip.content.name == "one"
    train.follow(folder)
    choose(page, "one")
    window.registry["runs.label"].trigger()
    dialog = window.findChild(LabelsDialog)
    dialog.name.setText("first try")
    dialog.accept()
    assert window.context.strip.content.name == "first try"
    assert train.view.name.text() == "first try"
    live.stop_is_slow.emit()
    assert window.notifications.shown[-1].text.startswith("first try is slow to stop")
    live._enter("stopped", "by the user")
    assert window.notifications.shown[-1].text.startswith("first try is stopped")
    train.shown.show("")
    assert train.view.name.text() == "first try", "the live run"
    model_menu = ModelMenu(window.context, window)
    model_menu.aboutToShow.emit()
    assert [action.text() for action in model_menu.actions() if action.text().startswith("first try")]
    change_labels(folder, name="")
    window.context.refresh_runs()
    assert window.context.strip.content.name == train.view.name.text() == live.name == "one"


def test_discarded_runs_are_put_back_by_the_notice_and_from_the_trash(page: RunsPage, window: MainWindow) -> None:
    choose(page, "one", "two")
    window.registry["runs.discard"].trigger()
    assert names(page) == ["three"]
    notice = window.notifications.shown[-1]
    assert notice.text == "2 runs are in the trash."
    notice.actions[0][1]()
    assert sorted(names(page)) == ["one", "three", "two"]
    change_labels(page.runs.folder / "one", name="first try")
    choose(page, "one")
    assert window.registry["runs.film"].isEnabled()
    window.registry["runs.discard"].trigger()
    assert window.notifications.shown[-1].text == "first try is in the trash."
    assert len(page.chosen) == 1, "the run in its place"
    window.registry["runs.trash"].trigger()
    dialog = window.findChild(TrashDialog)
    assert dialog.list.count() == 1
    assert dialog.list.item(0).text().startswith("first try"), "the name that the table shows"
    dialog.back.click()
    assert dialog.count.text() == "The trash is empty."
    assert "first try" in names(page)
    assert not list((page.runs.folder / TRASH).iterdir())
    dialog.close()


def test_undo_acts_on_the_page_that_is_shown(page: RunsPage, window: MainWindow, qtbot: Bot) -> None:
    explore = window.page("explore")
    assert isinstance(explore, ExplorePage)
    qtbot.waitUntil(lambda: explore.state.model is not None)
    before = explore.state.recipe
    explore.state.new_sample()
    changed = explore.state.recipe
    assert changed != before
    undo, redo = window.registry["edit.undo"], window.registry["edit.redo"]
    assert not undo.isEnabled()
    assert not redo.isEnabled()
    assert why_not(undo) == "nothing was done on this page that could be undone"
    for name in ("two", "one"):
        choose(page, name)
        window.registry["runs.discard"].trigger()
    undo.trigger()
    assert sorted(names(page)) == ["one", "three"], "the one that was discarded last"
    assert not [notice for notice in window.notifications.shown if notice.topic == "runs"], "its offer is used"
    assert not undo.isEnabled()
    assert not redo.isEnabled()
    choose(page, "one", "three")
    window.registry["runs.discard"].trigger()
    (restore,) = [
        button
        for button in window.notifications.findChildren(QPushButton)
        if button.text() == "Restore" and button.isVisibleTo(window)
    ]
    assert undo.isEnabled()
    restore.click()
    assert sorted(names(page)) == ["one", "three"]
    assert not undo.isEnabled(), "the message has done it"
    assert explore.state.recipe == changed
    window.show_page("explore")
    undo.trigger()
    assert explore.state.recipe == before
    redo.trigger()
    assert explore.state.recipe == changed


def test_a_run_is_duplicated_into_the_form_with_its_own_flow(page: RunsPage, window: MainWindow) -> None:
    from nvp_studio.training.runs import write_record

    folder = page.runs.folder / "one"
    record = read_record(folder)
    assert record.config.flow is not None
    config = replace(record.config, flow=replace(record.config.flow, width=12), seed=77)
    write_record(folder, replace(record, config=config))
    choose(page, "one")
    window.registry["runs.duplicate"].trigger()
    assert window.current_page.key == "train"
    form = train_page(window).form
    assert form.config == config
    assert form.name.text() == "one copy"
    change_labels(folder, name="first try")
    for taken in ("one-copy", "first-try-copy"):
        make_trained_run(page.runs.folder / taken)
    page.refresh()
    choose(page, "one")
    window.registry["runs.duplicate"].trigger()
    assert form.name.text() == "first try copy 2"
    assert form.flow.note.isVisibleTo(form)
    form.preset.activated.emit(0)
    assert form.config is not None
    assert form.config.flow is None


def test_a_run_is_begun_from_another_s_model_or_the_open_one(page: RunsPage, window: MainWindow) -> None:
    form = train_page(window).form
    folder = make_trained_run(page.runs.folder / "four")
    page.refresh()
    choose(page, "four")
    assert not page.actions_["fine-tune"].isEnabled(), "it has no model"
    add_checkpoint(folder)
    page.refresh()
    page.actions_["fine-tune"].trigger()
    assert window.current_page.key == "train"
    assert form.config is not None
    assert form.config.begin_from == str(folder)
    assert form.config.flow == read_record(folder).config.flow
    model = window.context.engine.model
    assert model is not None
    window.registry["run.fine-tune"].trigger()
    assert (form.config.begin_from, form.config.flow) == (model.path, model.flow)


def test_a_change_holds_only_the_fields_that_were_edited(qtbot: Bot) -> None:
    exact = StopRules(target=3.123456, minutes=90.04)
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = ChangeRunDialog(RunChanged(step=5, learning_rate=0.00123456789, stop=exact), parent)
    assert dialog.request is None
    dialog.learning_rate.setValue(0.002)
    assert dialog.request == ChangeRequest(learning_rate=0.002)
    dialog.stop.patience.setValue(7)
    assert dialog.request == ChangeRequest(learning_rate=0.002, stop=replace(exact, patience=7))
    dialog.stop.target.setValue(None)
    assert dialog.request is not None
    assert dialog.request.stop == StopRules(patience=7, minutes=90.04)


def test_runs_are_offered_only_where_they_are(page: RunsPage, window: MainWindow) -> None:
    folder = make_trained_run(page.runs.folder / "four", phase="stopped")
    page.refresh()
    choose(page, "four")
    train = train_page(window)
    train.follow(folder)
    resume = [window.registry[key] for key in ("runs.resume", "run.resume")]
    assert [action.isEnabled() for action in resume] == [False, False], "it has no checkpoint"
    add_checkpoint(folder)
    window.context.refresh_runs()
    page.refresh()
    assert [action.isEnabled() for action in resume] == [True, True]
    train.run_on("user@gpu-box", "nvp-studio worker")
    assert [action.isEnabled() for action in resume] == [False, False]
    train.actions_.resume("/there/far", host="another-box")
    assert page.live.phase == "none"
    assert "another-box" in window.notifications.shown[-1].text
    train.run_on("", "")
    assert [action.isEnabled() for action in resume] == [True, True]


def test_the_data_of_a_run_are_chosen_where_they_were_moved_to(
    page: RunsPage, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(add_checkpoint(make_trained_run(page.runs.folder / "four", phase="stopped")))
    page.refresh()
    choose(page, "four")
    live, asked, answers = page.live, [], [tmp_path, None, tmp_path]
    monkeypatch.setattr(live, "_begin", asked.append)
    monkeypatch.setattr(window.context, "ask_folder", lambda name, title: answers.pop(0))
    page.actions_["resume-with"].trigger()
    assert asked == [ResumeRun(folder, data=str(tmp_path))]
    live.name = live.first_name = "four"
    live.folder, live._request = folder, ResumeRun(folder, steps=200)
    for state, offered in (
        ("without data", ["Choose the data…"]),
        ("refused", ["Choose the data…", "Continue anyway…"]),
    ):
        live._enter(state, f"{state}: the data of four")
        (notice,) = [one for one in window.notifications.shown if one.topic == "run-data"]
        assert [text for text, _ in notice.actions] == offered
        notice.actions[0][1]()
        assert [one for one in window.notifications.shown if one.topic == "run-data"], "it stays until data are chosen"
    assert asked[1:] == [ResumeRun(folder, steps=200, data=str(tmp_path))]
    train_page(window).run_on("gpu-box", "")
    live.host = "gpu-box"
    live._enter("training")
    live._enter("without data", "gone")
    (notice,) = [one for one in window.notifications.shown if one.topic == "run-data"]
    notice.actions[0][1]()
    dialog = window.findChild(RemoteDataDialog)
    assert dialog is not None
    assert not dialog.ok.isEnabled()
    dialog.path.setText(" /there/images ")
    dialog.ok.click()
    assert asked[2:] == [ResumeRun(folder, steps=200, data="/there/images")]


def test_a_run_on_another_machine_is_not_one_of_the_same_path_here(page: RunsPage, window: MainWindow) -> None:
    train_page(window)  # which reports the end of a run
    live = page.live
    live.name = live.first_name = "one"
    live.host, live.folder = "gpu-box", str(page.runs.folder / "one")
    live._enter("training")
    choose(page, "one")
    assert page.actions_["discard"].isEnabled()
    live._enter("finished")
    (notice,) = [notice for notice in window.notifications.shown if "one is finished" in notice.text]
    notice.actions[0][1]()
    assert window.current_page.key != "explore", "the model here is another run's"
    assert "one is on gpu-box; choose that" in window.notifications.shown[-1].text


def test_without_runs_the_page_says_what_it_is_for(page: RunsPage, window: MainWindow) -> None:
    choose(page, "one", "two", "three")
    window.registry["runs.discard"].trigger()
    assert page.filtered_runs.rowCount() == 0
    assert not window.registry["runs.label"].isEnabled()
    assert not window.registry["runs.discard"].isEnabled()
    assert page.comparison.stack.currentIndex() == 0
    assert page.timelapse.step is None
    assert not page.timelapse_view.play.isEnabled()


@pytest.mark.slow
def test_a_run_that_goes_is_changed_from_its_strip(
    page: RunsPage, window: MainWindow, toy_data: Path, qtbot: Bot
) -> None:
    config = TrainConfig(data=str(toy_data), preset="quick", steps=10**6, batch_size=8, device="cpu")
    train_page(window)  # which brings the action
    live = page.live
    live.start(config, page.runs.folder, "going")
    try:
        qtbot.waitUntil(lambda: live.in_loop and live.settings is not None and len(live.history.steps) > 2)
        window.registry["run.change"].trigger()
        dialog = window.findChild(ChangeRunDialog)
        assert dialog.request is None
        dialog.learning_rate.setValue(0.001)
        dialog.stop.patience.setValue(7)
        dialog.accept()
        qtbot.waitUntil(lambda: live.settings is not None and live.settings.learning_rate == 0.001)
        assert live.settings is not None
        assert live.settings.stop.patience == 7
        assert len(read_changes(Path(live.folder))) == 2
        assert len(live.history.changes) == 2
        assert any("learning rate 0.001" in notice.text for notice in window.notifications.shown)
        page.refresh(live.folder)
        choose(page, "going", "one")
        pick(page.comparison.controls.quantity, "train")
        count = len(page.comparison.plot.drawing.curves[live.folder].x)  # type: ignore[union-attr]
        qtbot.waitUntil(lambda: len(page.comparison.plot.drawing.curves[live.folder].x) > count)  # type: ignore[union-attr]
        assert not window.registry["runs.discard"].isEnabled()
    finally:
        live.force_stop()
        qtbot.waitUntil(lambda: not window.engine.trainer.alive)


def test_a_run_has_the_same_colour_each_time_it_is_drawn(page: RunsPage) -> None:
    page._keep_colours(["/runs/a", "/runs/b"])
    before = dict(page._colours)
    page._keep_colours(["/runs/c"])
    page._keep_colours(["/runs/b", "/elsewhere/a"])
    assert page._colours["/runs/b"] == before["/runs/b"]
    page._keep_colours([])
    page._keep_colours([f"/runs/{number}" for number in range(MAX_SERIES)])
    assert sorted(page._colours.values()) == list(range(MAX_SERIES))
    page._keep_colours([])


def test_an_export_that_is_not_possible_says_so_before(page: RunsPage, window: MainWindow) -> None:
    page.table.selectAll()
    for form in ("parquet", "tensorboard"):
        action = window.registry[f"runs.{form}"]
        package = missing_package(form)
        assert action.isEnabled() == (not package)
        assert ("needs" in action.text()) == bool(package)


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nvp_studio.runs.export.find_spec", lambda _: None)
    assert [missing_package(form) for form in ("csv", "parquet", "tensorboard")] == ["", "pyarrow", "tensorboard"]


@pytest.mark.slow
def test_a_run_that_was_under_way_is_offered_at_the_next_start(
    shared_engine: Engine, qtbot: Bot, tmp_path: Path, runs_folder: Path
) -> None:
    add_checkpoint(make_trained_run(runs_folder / "half", phase="stopped"))
    store = SettingsStore(tmp_path / "window.ini")
    store.values.runs_folder, store.values.unfinished_run = str(runs_folder), str(runs_folder / "half")
    store.save()
    window = open_window(qtbot, shared_engine, tmp_path, runs_folder)
    offered = [shown for shown in window.notifications.shown if shown.topic == "unfinished"]
    assert [[text for text, _ in shown.actions] for shown in offered] == [["Resume"]]
    asked: list[tuple[str, str]] = []
    train_page(window).context.resume_requested.disconnect(train_page(window).actions_.resume)
    window.context.resume_requested.connect(lambda folder, data: asked.append((folder, data)))
    offered[0].actions[0][1]()
    assert asked == [(str(runs_folder / "half"), "")]
    window.notifications._withdraw("unfinished")
    window.close()
    again = open_window(qtbot, shared_engine, tmp_path, runs_folder)
    assert not again.notifications.shown


@pytest.mark.slow
def test_data_chosen_lately_and_sets_that_are_not_here_are_listed(
    shared_engine: Engine, qtbot: Bot, tmp_path: Path, runs_folder: Path
) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    first = open_window(qtbot, shared_engine, tmp_path, runs_folder)
    train_page(first).data_choice.choose(str(folder))
    train_page(first).form.show_data("fashion-mnist")
    first.close()
    form = train_page(open_window(qtbot, shared_engine, tmp_path, runs_folder)).form
    assert form.data.itemText(form.data.findData(str(folder))) == "holiday"
    texts = [form.data.itemText(place) for place in range(form.data.count())]
    assert all(any(text.startswith(entry.title) for text in texts) for entry in CATALOGUE.values())
