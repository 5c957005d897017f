"""The Train page: the form, a run from start to end, and the actions on a finished run."""

import os
import signal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QLineEdit

from nvp_studio.data.reading import Reading
from nvp_studio.flow.config import preset_config
from nvp_studio.state.engine import Engine
from nvp_studio.training.config import StopRules, TrainConfig
from nvp_studio.training.events import RunProgress, RunState
from nvp_studio.training.runs import open_run
from nvp_studio.views.data_dialog import DataDialog
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.train.page import TrainPage
from nvp_studio.views.remote_dialog import RemoteDialog
from nvp_studio.views.resume_dialogs import TrainLongerDialog
from nvp_studio.views.run_dialogs import ChangedDataDialog, SkipScoringDialog
from nvp_studio.views.theme import LIGHT
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.train_form import DEFAULT_CONFIG, TrainForm
from nvp_studio.worker.messages import RunCommand
from tests.qt import Bot, open_window
from tests.runs.folders import add_checkpoint, make_trained_run
from tests.small_model import random_images

LONG = 1_000_000


@pytest.fixture
def window(trainer_engine: Engine, qtbot: Bot, tmp_path: Path) -> MainWindow:
    def end_run(window: MainWindow) -> None:
        live = window.page("train").live
        if live.under_way:
            live.stop()
            qtbot.waitUntil(lambda: not live.under_way)
        trainer_engine.trainer._crashes = 0  # the next test begins with a trainer that never crashed
        if live.phase == "interrupted":
            trainer_engine.trainer.force_stop()
            qtbot.waitUntil(lambda: not trainer_engine.trainer.alive)

    return open_window(qtbot, trainer_engine, tmp_path, tmp_path / "runs", "train", before_close=end_run)


@pytest.fixture
def page(window: MainWindow) -> TrainPage:
    page = window.page("train")
    assert isinstance(page, TrainPage)
    return page


def small_config(data: Path, steps: int = LONG) -> TrainConfig:
    return TrainConfig(data=str(data), preset="quick", steps=steps, batch_size=8, device="cpu", validation_every=10)


def test_the_form_gives_back_every_field_it_is_given(qtbot: Bot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    assert form.config == DEFAULT_CONFIG
    config = TrainConfig(
        data="/somewhere/else",
        image_size=16,
        channels=3,
        reading=Reading(values="0..4095", fit="pad"),
        preset="paper",
        epochs=2.5,
        batch_size=17,
        optimizer="adam",
        learning_rate=0.00123,
        warmup_steps=11,
        schedule="constant",
        weight_decay=5e-5,
        ema_decay=0.9,
        gradient_clip=2.5,
        horizontal_flip=True,
        random_shift=3,
        noise_share=0.125,
        match_samples=0.25,
        data_root="/somewhere",
        begin_from="fashion-mnist",
        accumulate=5,
        checkpoint_steps=40,
        memory="constant",
        precision="bfloat16",
        deterministic=True,
        validation_images=321,
        scoring_share=0.2,
        validation_every=77,
        checkpoint_minutes=3.5,
        seed=12345,
        device="cuda:1",
        threads=1,
        stop=StopRules(target=3.25, patience=4, minutes=90.5),
    )
    usual = {name for name in config.__struct_fields__ if getattr(config, name) == getattr(DEFAULT_CONFIG, name)}
    assert usual == {"flow", "steps"}, "every setting but these is one that the form does not start with"
    form.show_config(config)
    assert form.config == config
    assert form.problem == ""
    form.fields["batch_size"].setValue(3)
    assert form.config is None
    assert form.problem == "Micro-batches: must be at most 3, the batch size, not 5"


def test_a_budget_is_whole_where_the_form_is_narrowest(qtbot: Bot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    form.show_config(TrainConfig(steps=40_000))
    form.resize(form.minimumSizeHint())
    form.show()
    line = form.budget.number.lineEdit()
    margins = line.textMargins()
    needed = line.fontMetrics().horizontalAdvance("40000") + margins.left() + margins.right()
    assert line.width() >= needed


def test_a_model_to_begin_from_sets_what_must_be_its_own_until_it_is_removed(qtbot: Bot, tmp_path: Path) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    form.show()
    form.show_config(msgspec.structs.replace(DEFAULT_CONFIG, data="digits", image_size=16, learning_rate=0.002))
    before = form.config
    file = tmp_path / "mine" / "checkpoints" / "best.safetensors"
    file.parent.mkdir(parents=True)
    file.touch()
    flow = msgspec.structs.replace(preset_config("quick", (3, 24, 32)), width=20)
    form.begin_from(str(file), "quick", flow)
    assert form.config is not None
    assert (form.config.begin_from, form.config.flow, form.config.preset) == (str(file), flow, "quick")
    assert (form.config.data, form.config.image_size, form.config.channels) == ("digits", (32, 24), 3)
    assert form.parent_field.isVisible()
    assert [label.text() for label in form.parent_field.findChildren(QLabel)] == ["mine"]
    held = (form.flow, form.fields["image_size"], form.fields["channels"])
    assert not any(field.isEnabled() for field in held)
    again = TrainForm()
    qtbot.addWidget(again)
    again.show_config(form.config)
    assert again.config == form.config
    file.unlink()
    assert "best.safetensors is not there any more" in form.problem

    form.parent_field.button.click()
    assert all(field.isEnabled() for field in held)
    assert not form.parent_field.isVisible()
    assert not form.problem
    assert form.config == msgspec.structs.replace(before, learning_rate=form.config.learning_rate)


def test_choosing_a_preset_brings_the_settings_that_suit_it(qtbot: Bot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    for preset, expected in (("paper", ("adam", 64, 1e-3, 5e-5)), ("quick", ("muon", 8, 8e-3, 0.0))):
        place = form.preset.findData(preset)
        form.preset.setCurrentIndex(place)
        form.preset.activated.emit(place)
        found = form.config
        assert found is not None
        assert (found.optimizer, found.batch_size, found.learning_rate, found.weight_decay) == expected


def test_mirroring_follows_the_data_until_the_user_sets_it(qtbot: Bot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    assert form.config is not None
    assert (form.config.horizontal_flip, form.fields["horizontal_flip"].isChecked()) == (None, False)
    form.show_data("cifar-10")
    assert (form.config.horizontal_flip, form.fields["horizontal_flip"].isChecked()) == (None, True)
    form.fields["horizontal_flip"].setChecked(False)
    assert form.config.horizontal_flip is False
    form.show_data("cifar-10")
    assert form.config.horizontal_flip is False
    form.show_data("fashion-mnist")
    assert (form.config.horizontal_flip, form.fields["horizontal_flip"].isChecked()) == (None, False)


def test_every_input_of_the_form_has_a_name_for_screen_readers(qtbot: Bot) -> None:
    from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit, QWidget

    form = TrainForm()
    qtbot.addWidget(form)
    inputs = [
        one
        for kind in (QAbstractSpinBox, QComboBox, QCheckBox, QLineEdit)
        for one in form.findChildren(kind)
        if isinstance(one, QWidget) and not one.objectName().startswith("qt_")
    ]
    assert len(inputs) > 20
    assert all(one.accessibleName() or (isinstance(one, QCheckBox) and one.text()) for one in inputs)


def test_a_run_from_the_start_button_to_explore(
    window: MainWindow, page: TrainPage, toy_data: Path, qtbot: Bot
) -> None:
    page.form.show_config(small_config(toy_data, steps=25))
    page.form.name.setText("toys")
    qtbot.mouseClick(page.start_button, Qt.MouseButton.LeftButton)
    assert page.live.phase == "starting"  # at once, in the same event
    assert window.context.strip.content.state
    assert not page.start_button.isEnabled()
    assert "stop it first" in page.start_button.toolTip()
    assert window.registry["run.stop"].isVisible()
    states: list[str] = []
    offered: dict[str, list[bool]] = {key: [] for key in ("pause", "change", "sample", "save", "stop")}

    def look() -> None:
        states.append(window.context.strip.content.state)
        if states[-1] == "finding the directions of the best model":
            for key, shown in offered.items():
                shown.append(window.registry[f"run.{key}"].isEnabled())

    page.live.updated.connect(look)
    page.live.phase_changed.connect(look)
    qtbot.waitUntil(lambda: page.live.phase == "finished")
    assert "validating: 8 of 8" in states
    assert offered["stop"]
    assert not any(offered.pop("change")), "there is nothing left to change"
    assert all(enabled for shown in offered.values() for enabled in shown)
    assert "stop it first" not in page.start_button.toolTip()
    assert page.table.folder == page.live.folder
    assert page.view.name.text() == "toys"
    assert page.view.state.text() == "finished"
    assert page.view.samples.grid.count > 0
    assert page.view.reconstructions.grid.count > 0
    qtbot.waitUntil(lambda: page.view.curves.plot is not None)
    assert "step 25" in page.view.curves.reading.text()
    assert window.context.strip.content.fraction == 1.0
    assert "bits/dim" in window.context.strip.content.score
    assert page.runs.index(0, 1).data() == "finished"
    assert page.start_button.isEnabled()
    assert not window.registry["run.stop"].isVisible()
    assert any("finished" in notice.text for notice in window.notifications.shown)

    model = window.engine.model
    window.registry["run.explore"].trigger()
    assert window.current_page.key == "explore"
    qtbot.waitUntil(lambda: window.engine.model is not model)
    assert window.engine.model is not None
    assert window.engine.model.data_title == "toys.npz"


def test_training_in_one_minute_leaves_the_form_as_it_is(
    window: MainWindow, page: TrainPage, toy_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[TrainConfig] = []
    monkeypatch.setattr(page.live, "start", lambda config, folder, name: started.append(config))
    typed = small_config(toy_data)
    page.form.show_config(typed)
    page.form.name.setText("mine")
    window.registry["run.one-minute"].trigger()
    assert [(config.data, config.preset, config.minutes) for config in started] == [("fashion-mnist", "quick", 1)]
    assert (page.form.config, page.form.run_name) == (typed, "mine")
    page.form.budget.number.lineEdit().setText("0")
    window.registry["run.one-minute"].trigger()
    assert len(started) == 2
    assert page.form.budget.number.text() == "0"
    assert page.context.settings.values.train == typed  # the last settings that were valid


def test_the_next_run_starts_once_the_scoring_of_the_last_one_is_skipped(
    window: MainWindow, page: TrainPage, toy_data: Path, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, started, sent = page.live, [], []
    monkeypatch.setattr(window.engine.trainer, "send", sent.append)
    monkeypatch.setattr(live, "start", lambda config, folder, name: started.append((config, name)))
    page.form.show_config(small_config(toy_data, steps=7))
    page.form.name.setText("next")
    progress = RunProgress(step=9, fraction=1.0, epoch=1.0, seconds=9.0, images_per_second=8.0, seconds_left=0.0)
    live._enter("training")
    live._on_message(progress)
    live._on_message(RunState("training", "scoring the best model: 20 of 40", fraction=0.5, seconds_left=3.0))
    live.updated.emit()
    assert (live.seconds_left, page.start_button.isEnabled()) == (3.0, True)
    assert window.registry["run.skip-scoring"].isVisible()
    assert not window.registry["run.change"].isVisible()
    page.start_button.click()
    dialog = window.findChild(SkipScoringDialog)
    assert dialog is not None
    assert "20 of 40" in dialog.findChildren(QLabel)[0].text()
    dialog.accept()
    assert (sent, started) == ([RunCommand("skip-scoring")], [])
    assert live.skipping
    assert not window.registry["run.skip-scoring"].isEnabled()
    live._on_message(RunState("finished"))
    qtbot.waitUntil(lambda: bool(started))
    assert started == [(small_config(toy_data, steps=7), "next")]
    assert not window.registry["run.skip-scoring"].isVisible()


def test_a_finished_run_is_scored_on_all_images_by_its_action(
    window: MainWindow, page: TrainPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, float]]] = []
    monkeypatch.setattr(page.live, "resume", lambda folder, **changes: asked.append((folder, changes)))
    action = window.registry["run.score-all"]
    finished = add_checkpoint(make_trained_run(window.context.runs_folder / "finished"))
    stopped = make_trained_run(window.context.runs_folder / "stopped", phase="stopped")
    window.context.refresh_runs()
    page.follow(stopped)
    assert not action.isEnabled()
    page.follow(finished)
    assert action.isEnabled()
    action.trigger()
    assert asked == [(str(finished), {"scoring_share": 1.0})]


def test_pause_resume_and_stop_by_their_actions(
    window: MainWindow, page: TrainPage, toy_data: Path, qtbot: Bot
) -> None:
    registry = window.registry
    config = msgspec.structs.replace(small_config(toy_data), validation_every=10**6)  # or it may pause in a validation
    page.form.show_config(config)
    page.start_button.click()
    qtbot.waitUntil(lambda: page.live.phase == "training" and len(page.live.history.steps) > 2)
    registry["run.pause"].trigger()
    assert window.context.strip.content.state == "pausing…"
    qtbot.waitUntil(lambda: page.live.phase == "paused")
    assert "Resume" in registry["run.pause"].text()
    registry["run.save"].trigger()
    step = page.live.history.steps.values[-1]
    qtbot.waitUntil(
        lambda: [n.text for n in window.notifications.shown] == [f"{page.live.name} is saved at step {step:.0f}."]
    )
    registry["run.pause"].trigger()
    qtbot.waitUntil(lambda: page.live.phase == "training")
    registry["run.stop"].trigger()
    assert window.context.strip.content.state == "stopping…"
    assert not registry["run.stop"].isEnabled()
    qtbot.waitUntil(lambda: page.live.phase == "stopped")
    assert page.view.state.text() == "stopped"
    assert page.view.facts.text().startswith("by the user  ·  toys.npz")
    count = len(page.live.history.steps)
    assert registry["run.resume"].isEnabled()
    registry["run.resume"].trigger()
    qtbot.waitUntil(lambda: len(page.live.history.steps) > count)
    registry["run.stop"].trigger()
    qtbot.waitUntil(lambda: page.live.phase == "stopped")
    count = len(page.live.history.steps)
    offer = window.notifications.shown[-1]
    assert [text for text, _ in offer.actions] == ["Resume"]
    offer.actions[0][1]()
    qtbot.waitUntil(lambda: len(page.live.history.steps) > count)
    registry["run.stop"].trigger()
    qtbot.waitUntil(lambda: page.live.phase == "stopped")

    folder = Path(page.live.folder)
    registry["run.discard"].trigger()
    assert not folder.exists()
    assert page.runs.rowCount() == 0
    notice = window.notifications.shown[-1]
    notice.actions[0][1]()
    assert folder.is_dir()
    assert page.table.folder == str(folder)


def test_a_slow_stop_may_be_forced_but_that_is_not_recommended(window: MainWindow, page: TrainPage) -> None:
    assert not window.registry["run.force-stop"].isVisible()
    page.live.stop_is_slow.emit()
    assert window.registry["run.force-stop"].isVisible()
    warning = window.notifications.shown[-1]
    assert [text for text, _ in warning.actions] == ["Force stop"]
    assert warning.harmful


@pytest.mark.slow
def test_a_zoomed_plot_is_not_moved_by_new_steps(
    window: MainWindow, page: TrainPage, toy_data: Path, qtbot: Bot
) -> None:
    page.form.show_config(small_config(toy_data))
    page.start_button.click()
    qtbot.waitUntil(lambda: page.view.curves.plot is not None and len(page.live.history.steps) > 5)
    plot = page.view.curves.plot
    assert plot is not None
    view = plot.getPlotItem().getViewBox()
    view.setRange(xRange=(1, 12), yRange=(2, 6), padding=0)
    view.sigRangeChangedManually.emit([True, True])
    shown = view.viewRange()
    count = len(page.live.history.steps)
    qtbot.waitUntil(lambda: len(page.live.history.steps) > count + 5)
    assert view.viewRange() == shown
    assert page.view.curves.fit.isEnabled()
    page.view.curves.fit.click()
    assert view.viewRange() != shown
    assert not page.view.curves.fit.isEnabled()


@pytest.mark.slow
def test_a_killed_trainer_is_reported_and_the_run_continues(
    window: MainWindow, page: TrainPage, toy_data: Path, qtbot: Bot
) -> None:
    page.form.show_config(small_config(toy_data))
    page.start_button.click()
    qtbot.waitUntil(lambda: len(page.live.history.steps) > 2)
    os.kill(window.engine.trainer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: page.live.phase == "restarting")
    shown = [notice for notice in window.notifications.shown if notice.topic == "run"]
    assert shown
    assert "resumes automatically" in shown[0].text
    assert "killed" in shown[0].report
    qtbot.waitUntil(lambda: page.live.phase == "training")


def test_failures_are_shown_with_a_report(window: MainWindow, page: TrainPage, tmp_path: Path, qtbot: Bot) -> None:
    page.form.show_config(small_config(tmp_path / "nothing.npz"))
    assert not page.start_button.isEnabled()
    assert "There is no folder and no file" in page.start_button.toolTip()
    page.live.start(small_config(tmp_path / "nothing.npz"), page.context.runs_folder, "")
    qtbot.waitUntil(lambda: page.live.phase == "failed")
    shown = window.notifications.shown[-1]
    assert shown.level == "error"
    assert "no data set and no file" in shown.text
    assert "nothing.npz" in shown.report


def test_continuing_with_changed_data_asks_for_confirmation(
    window: MainWindow, page: TrainPage, tmp_path: Path, qtbot: Bot
) -> None:
    data = tmp_path / "toys.npz"
    np.savez(data, images=random_images(80))
    page.form.show_config(small_config(data))
    page.start_button.click()
    qtbot.waitUntil(lambda: len(page.live.history.steps) > 12)
    window.registry["run.stop"].trigger()
    qtbot.waitUntil(lambda: page.live.phase == "stopped")
    folder, count = Path(page.live.folder), len(page.live.history.steps)
    np.savez(data, images=random_images(70))
    window.registry["run.resume"].trigger()
    qtbot.waitUntil(lambda: page.live.phase == "failed")

    dialog = asked_about_changed_data(window)
    assert page.live.reason in " ".join(label.text() for label in dialog.findChildren(QLabel))
    dialog.reject()
    assert page.live.phase == "failed"
    asked_about_changed_data(window).accept()
    assert page.live.phase == "starting"
    assert not [notice for notice in window.notifications.shown if notice.topic == "run-data"]
    qtbot.waitUntil(lambda: len(page.live.history.steps) > count)
    assert list((folder / "checkpoints").glob("best-before-step-*.safetensors"))
    assert "have changed" in (folder / "log.txt").read_text()


def asked_about_changed_data(window: MainWindow) -> ChangedDataDialog:
    """Press the button of the notice that says so."""
    notice = next(notice for notice in window.notifications.shown if notice.topic == "run-data")
    dict(notice.actions)["Continue anyway…"]()
    return window.findChildren(ChangedDataDialog)[-1]


def test_an_earlier_run_is_opened_with_its_curves(
    window: MainWindow, page: TrainPage, toy_data: Path, qtbot: Bot
) -> None:
    for name in ("one", "two"):
        page.form.show_config(small_config(toy_data, steps=12))
        page.form.name.setText(name)
        page.start_button.click()
        qtbot.waitUntil(lambda: page.live.phase == "finished")
    row = next(row for row, run in enumerate(page.runs.runs) if run.name == "one")
    page.table.selectRow(row)
    assert page.shown.opened is not None
    assert page.view.name.text() == "one"
    assert len(page.shown.opened.history.steps) == 12
    assert page.view.samples.grid.count > 0
    assert open_run(page.shown.opened.folder).state == "finished"
    page.table.selectRow(1 - row)
    assert page.shown.opened is None
    assert page.view.name.text() == "two"


def test_a_run_is_followed_wherever_its_folder_is(
    window: MainWindow, page: TrainPage, toy_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Bot
) -> None:
    page.form.show_config(small_config(toy_data, steps=12))
    page.start_button.click()
    qtbot.waitUntil(lambda: page.live.phase == "finished")
    folder = Path(page.live.folder).rename(tmp_path / "elsewhere")
    monkeypatch.setattr(window.context, "ask_folder", lambda name, title: folder)
    window.show_page("explore")
    window.registry["file.follow-run"].trigger()
    assert window.current_page is page
    assert page.shown.opened is not None
    assert page.shown.opened.folder == str(folder)
    assert len(page.shown.opened.history.steps) == 12
    assert page.view.samples.grid.count > 0
    assert window.registry["run.explore"].isEnabled()


def test_the_machine_that_trains_is_chosen_and_remembered(window: MainWindow, page: TrainPage, qtbot: Bot) -> None:
    before = window.engine.trainer.pid
    window.registry["run.machine"].trigger()
    dialog = window.findChild(RemoteDialog)
    assert dialog is not None
    host, command = dialog.findChildren(QLineEdit)
    ok = dialog.ok
    host.setText("two words")
    assert not ok.isEnabled()
    host.setText("user@gpu-box")
    command.setText("/opt/nvp/bin/nvp-studio worker")
    ok.click()
    assert page.machine.text() == "Runs are trained on user@gpu-box."
    assert window.engine.trainer.pid != before, "the engine here is no longer wanted"
    values = window.settings.values
    assert (values.remote_host, values.remote_command) == ("user@gpu-box", "/opt/nvp/bin/nvp-studio worker")
    page.run_on("", "")
    assert page.machine.isHidden()


@pytest.mark.slow
def test_a_finished_run_is_trained_longer_by_what_is_asked_and_said(
    window: MainWindow, page: TrainPage, toy_data: Path, qtbot: Bot
) -> None:
    page.form.show_config(small_config(toy_data, steps=12))
    page.start_button.click()
    qtbot.waitUntil(lambda: page.live.phase == "finished")
    page.form.show_config(small_config(toy_data, steps=500))
    window.registry["run.resume"].trigger()
    assert not page.live.under_way, "not before a person has seen for how long"
    dialog = window.findChild(TrainLongerDialog)
    assert dialog is not None
    assert "12 steps" in " ".join(label.text() for label in dialog.findChildren(QLabel))
    assert dialog.more == ("steps", 12), "as long again as the run itself, not what the form says"
    dialog.budget.number.lineEdit().setText("")
    dialog.budget.number.lineEdit().setText("x")
    assert not dialog.ok.isEnabled()
    dialog.budget.number.setValue(8)
    assert dialog.ok.isEnabled()
    dialog.ok.click()
    assert page.live.phase == "starting"
    qtbot.waitUntil(lambda: page.live.phase == "finished")
    assert page.live.history.steps.values.tolist() == list(range(1, 21))
    assert page.runs.rowCount() == 1
    assert page.runs.index(0, 5).data() == "20 / 20"


def test_the_form_is_remembered(window: MainWindow, page: TrainPage, toy_data: Path) -> None:
    config = small_config(toy_data, steps=77)
    page.form.show_config(config)
    page.form.advanced.setChecked(True)
    page.save_state()
    assert window.settings.values.train == config
    assert window.settings.values.train_advanced


def test_folders_and_data_files_can_be_dropped(page: TrainPage, tmp_path: Path) -> None:
    assert page.drop_text([tmp_path]) == "Train on this folder"
    page.open_paths([tmp_path])
    assert page.form.config is not None
    assert page.form.config.data == str(tmp_path)
    assert page.drop_text([tmp_path / "a.png"]) == ""
    for name in ("photos.zip", "photos.tar.gz", "table.csv", "stack.tif"):
        assert page.drop_text([tmp_path / name]) == "Train on this file"


def test_a_chosen_folder_is_counted_and_a_side_suggested_for_its_images(
    page: TrainPage, qtbot: Bot, tmp_path: Path
) -> None:
    for number, size in enumerate([(70, 40), (90, 60), (40, 70)] * 4):
        folder = tmp_path / "photos" / ("cats" if number % 2 else "dogs")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (20 * number, 99, 0)).save(folder / f"{number}.png")
    form, surveyor = page.form, page.data_choice.surveyor
    page.open_paths([tmp_path / "photos"])
    qtbot.waitUntil(lambda: surveyor.result is not None)
    assert form.data_note.text() == (
        "12 images in 2 classes, 40x70 to 90x60. Brought to 32x32 (Image size, under Advanced)."
    )
    assert form.data_note.isVisible()
    assert form.config is not None
    assert form.config.image_size == 32

    form.fields["image_size"].setValue(None)
    assert form.data_note.text().endswith("Their sizes differ: choose an image size under Advanced.")
    assert form.data_note.property("role") == "warning"
    form.show_data("digits")
    assert form.data_note.isHidden()


def test_a_suggested_side_leaves_with_its_folder_and_a_chosen_one_stays(
    page: TrainPage, qtbot: Bot, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("L", (200, 200)).save(tmp_path / name / "one.png")
    form, surveyor = page.form, page.data_choice.surveyor
    page.open_paths([tmp_path / "a"])
    qtbot.waitUntil(lambda: form.fields["image_size"].value() == 32)
    form.show_data("fashion-mnist")
    assert form.fields["image_size"].value() is None
    form.show_data(str(tmp_path / "a"))
    form.fields["image_size"].setValue(48)
    page.open_paths([tmp_path / "b"])
    qtbot.waitUntil(lambda: surveyor.result is not None)
    assert form.fields["image_size"].value() == 48
    form.show_data("fashion-mnist")
    assert form.fields["image_size"].value() == 48


def test_a_folder_without_images_is_reported_before_a_run_starts(page: TrainPage, qtbot: Bot, tmp_path: Path) -> None:
    page.open_paths([tmp_path])
    qtbot.waitUntil(lambda: page.data_choice.surveyor.result is not None)
    assert page.form.data_note.text() == "There are no images in this folder."
    assert page.form.data_note.property("role") == "error"


def test_a_data_file_is_described_before_a_run_starts(page: TrainPage, qtbot: Bot, tmp_path: Path) -> None:
    note, surveyor = page.form.data_note, page.data_choice.surveyor
    np.savez(tmp_path / "set.npz", images=random_images(40), labels=np.arange(40) % 4)
    page.open_paths([tmp_path / "set.npz"])
    assert note.text() == "Looking at what is in it…"
    qtbot.waitUntil(lambda: not surveyor.running)
    assert note.text() == "40 images in 4 classes, 8x8."
    (tmp_path / "other.npz").write_bytes(b"no archive")
    page.open_paths([tmp_path / "other.npz"])
    qtbot.waitUntil(lambda: not surveyor.running)
    assert "other.npz cannot be read" in note.text()
    assert note.text().endswith(".")
    assert page.estimate.text() == "", "it is said once"
    assert not page.window().registry["run.start"].isEnabled()
    assert note.property("role") == "error"


@pytest.mark.slow
def test_what_is_trained_on_is_shown_and_read_otherwise(page: TrainPage, qtbot: Bot, tmp_path: Path) -> None:
    card, surveyor = page.form.data_card, page.data_choice.surveyor
    np.save(tmp_path / "set.npy", random_images(40) // 16)
    page.open_paths([tmp_path / "set.npy"])
    qtbot.waitUntil(lambda: not surveyor.running)
    assert card.images.count >= 24
    assert "only values up to 15 of 255" in card.note.text()
    assert card.note.property("role") == "warning"
    card.button.click()
    dialog = page.window().findChild(DataDialog)
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.surveyor.result is not None)
    assert dialog.images.count >= 24
    assert "0 to 15 of 0 to 255, 16 levels" in texts_of(dialog)

    values = dialog.fields["values"]
    assert isinstance(values, ComboBox)
    line = values.lineEdit()
    assert line is not None
    line.setText("0-15")
    line.editingFinished.emit()
    assert not dialog.ok.isEnabled()
    assert dialog.images.dimmed
    line.setText("0..15")
    line.editingFinished.emit()
    assert dialog.images.dimmed
    assert not dialog.ok.isEnabled()
    qtbot.waitUntil(lambda: "0 to 255 of 0 to 255, 16 levels" in texts_of(dialog))
    assert not dialog.images.dimmed
    dialog.ok.click()
    assert page.form.config is not None
    assert page.form.config.reading.values == "0..15"
    qtbot.waitUntil(lambda: card.note.text() == "40 images, 8x8.")
    page.form.show_data("fashion-mnist")
    assert page.form.config.reading.values == ""


@pytest.mark.slow
def test_folders_are_left_out_and_splits_chosen(page: TrainPage, qtbot: Bot, tmp_path: Path) -> None:
    for number, pixels in enumerate(random_images(40)):
        place = tmp_path / ("train", "test", "thumbs", "train/more")[number % 4]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0]).save(place / f"{number}.png")
    page.open_paths([tmp_path])
    qtbot.waitUntil(lambda: not page.data_choice.surveyor.running)
    assert "Left out 10: beside the folders test, train (thumbs/)" in page.form.data_card.note.text()
    page.form.data_card.button.click()
    dialog = page.window().findChild(DataDialog)
    assert dialog is not None
    split, leave_out = dialog.fields["split"], dialog.fields["leave_out"]
    assert isinstance(leave_out, QLineEdit)
    assert isinstance(split, ComboBox)
    split.setCurrentIndex(split.findData("none"))
    split.activated.emit(split.currentIndex())
    leave_out.setText("thumbs, train/more")
    leave_out.editingFinished.emit()
    qtbot.waitUntil(lambda: "20: left out as was asked (thumbs/, train/more/)" in texts_of(dialog))
    assert "19 train, 1 validation" in texts_of(dialog)
    dialog.ok.click()
    assert page.form.config is not None
    assert page.form.config.reading == Reading(split="none", leave_out=("thumbs", "train/more"))


def texts_of(dialog: DataDialog) -> list[str]:
    return [label.text() for label in dialog.findChildren(QLabel)]


@pytest.mark.slow
def test_the_length_of_a_run_by_epochs_is_shown_for_a_folder_too(page: TrainPage, qtbot: Bot, tmp_path: Path) -> None:
    for number, pixels in enumerate(random_images(40)):
        Image.fromarray(pixels[..., 0]).save(tmp_path / f"{number}.png")
    page.form.show_config(TrainConfig(data=str(tmp_path), preset="quick", epochs=2, batch_size=4, device="cpu"))
    qtbot.waitUntil(lambda: "About" in page.estimate.text())


@pytest.mark.slow
def test_the_plot_follows_the_theme(window: MainWindow, page: TrainPage, qtbot: Bot) -> None:
    qtbot.waitUntil(lambda: page.view.curves.plot is not None)
    plot = page.view.curves.plot
    assert plot is not None
    window.set_theme("dark")
    assert plot.backgroundBrush().color().name() != LIGHT.surface
    window.set_theme("light")
    assert plot.backgroundBrush().color().name() == LIGHT.surface


def test_a_number_typed_before_its_unit_stays(qtbot: Bot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    form.budget.unit.setCurrentIndex(form.budget.unit.findData("steps"))
    assert form.budget.number.value() != DEFAULT_CONFIG.minutes, "what is proposed for the unit"
    form.budget.unit.setCurrentIndex(form.budget.unit.findData("minutes"))
    form.budget.number.lineEdit().setText("300")
    form.budget.unit.setCurrentIndex(form.budget.unit.findData("steps"))
    assert (form.budget.number.value(), form.config and form.config.steps) == (300, 300)
