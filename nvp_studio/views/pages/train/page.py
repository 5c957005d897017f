"""The Train page: set up a run, follow it, and look at earlier runs."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from nvp_studio.state.estimate import Estimator
from nvp_studio.state.paths import DATA_SUFFIXES, is_run_folder
from nvp_studio.state.remote import DEFAULT_COMMAND
from nvp_studio.state.runs import summary_of
from nvp_studio.text import sentence
from nvp_studio.training.config import TrainConfig, recommended
from nvp_studio.training.runs import RunSummary
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page
from nvp_studio.views.pages.train import run_text
from nvp_studio.views.pages.train.actions import RUN_KEYS, TrainActions
from nvp_studio.views.pages.train.data_choice import DataChoice
from nvp_studio.views.pages.train.fine_tuning import FineTuning
from nvp_studio.views.pages.train.longer import train_longer
from nvp_studio.views.pages.train.shown_run import ShownRun
from nvp_studio.views.remote_dialog import RemoteDialog
from nvp_studio.views.run_dialogs import SkipScoringDialog
from nvp_studio.views.run_folders import can_be_resumed
from nvp_studio.views.theme import SPACE, set_role
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.layout import PAGE_MARGINS, splitter, text_label, vbox
from nvp_studio.views.widgets.run_table import RunTable
from nvp_studio.views.widgets.run_view import RunView
from nvp_studio.views.widgets.train_form import TrainForm

_REFRESH_MILLISECONDS = 2000
ONE_MINUTE = TrainConfig(**recommended("quick"), preset="quick", minutes=1, checkpoint_minutes=0.25)


class TrainPage(Page):
    """Form on the left; on the right the current run (curves, images) above the list of all runs."""

    key = "train"

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self._closing = False
        self.live = context.live
        self.runs = context.runs
        self.estimator = Estimator(context.engine, self)
        self._next: tuple[TrainConfig, str] | None = None
        """The run that starts once the scoring of the one before is cut short."""
        self._add_actions()
        self.actions_ = TrainActions(context, self)
        self.undo = self.actions_.undo
        self._lay_out()
        self.shown = ShownRun(context, self.view, self)
        self._restore()
        self._connect_signals()
        self.context.refresh_runs()
        self._show_newest()
        self.shown.show_all()
        self._restore_machine()
        self._offer_unfinished()

    # Methods of every page

    def activated(self) -> None:
        self.context.refresh_runs()
        self._want_estimate()

    def drop_text(self, paths: list[Path]) -> str:
        if len(paths) == 1 and paths[0].is_dir() and not is_run_folder(paths[0]):
            return self.tr("Train on this folder")
        if len(paths) == 1 and paths[0].suffix.lower() in DATA_SUFFIXES:
            return self.tr("Train on this file")
        return ""

    def open_paths(self, paths: list[Path]) -> None:
        self.data_choice.choose(str(paths[0]))

    def follow(self, folder: Path) -> None:
        """Show the run in `folder`, wherever that is and whoever trains it."""
        row = self.runs.row_of(str(folder))
        if row >= 0:
            self.table.choose(row)
            return
        self.table.clear_choice()
        self.shown.show(str(folder))

    def save_state(self) -> None:
        values = self.context.settings.values
        values.train = self.form.config or values.train
        values.train_advanced = self.form.advanced.isChecked()

    # Construction

    def _add_actions(self) -> None:
        add = self.context.registry.add
        add("run.start", self.tr("&Start training"), self._start, "Ctrl+Return", "play")
        tip = self.tr("Train a small flow on Fashion-MNIST, with settings of its own: the form stays as it is")
        add("run.one-minute", self.tr("Train in &one minute"), self._start_one_minute, icon="timer", tip=tip)
        add("runs.choose-folder", self.tr("Runs &folder…"), self._choose_runs_folder, icon="folder", place=60)
        text, tip = self.tr("&Follow run folder…"), self.tr("Watch a run that is trained elsewhere, by its folder")
        add("file.follow-run", text, self._choose_followed, icon="folder-open", tip=tip, place=20)
        add("run.machine", self.tr("Run on &another machine…"), self._choose_machine, icon="monitor", place=55)

    def _lay_out(self) -> None:
        columns = splitter(Qt.Orientation.Horizontal, (self._make_left(), self._make_right()), (0, 1))
        self.restore_sizes("train", columns, [39 * SPACE, 10_000])
        vbox(self, margins=PAGE_MARGINS).addWidget(columns)

    def _make_left(self) -> QWidget:
        left = QWidget()
        left.setMinimumWidth(39 * SPACE)
        column = vbox(left, margins=(0, 0, SPACE, 0))
        self.form = TrainForm()
        self.form.setObjectName("scroll_content")
        self.data_choice = DataChoice(self.context, self.form, self)
        FineTuning(self.context, self.form, self)
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(self.form)
        column.addWidget(scroll, 1)
        self.estimate = text_label(wrap=True)
        self.estimate.setMinimumHeight(6 * SPACE)
        self.estimate.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)
        self.estimate.setAccessibleName(self.tr("Estimate of the run"))
        column.addWidget(self.estimate)
        self.machine = text_label(wrap=True)
        self.machine.setVisible(False)
        self.machine.setAccessibleName(self.tr("Machine that runs are trained on"))
        column.addWidget(self.machine)
        self.start_button = ActionButton(self.actions_["start"], primary=True)
        column.addWidget(self.start_button)
        return left

    def _make_right(self) -> QWidget:
        self.view = RunView()
        for key in RUN_KEYS:
            self.view.add_tool(ActionButton(self.actions_[key], flat=True))
        self.table = RunTable(self.runs)
        self.table.setMinimumHeight(12 * SPACE)
        for key in RUN_KEYS:
            self.table.addAction(self.actions_[key])
        self.restore_sizes("train-run", self.view)
        rows = splitter(Qt.Orientation.Vertical, (self.view, self.table), (1, 0))
        self.restore_sizes("train-rows", rows, [10_000, 20 * SPACE])
        return rows

    def _restore(self) -> None:
        values = self.context.settings.values
        if values.train is not None:
            self.form.show_config(values.train)
        self.form.advanced.setChecked(values.train_advanced)

    def _offer_unfinished(self) -> None:
        """Offer to resume the run that was under way when the window was closed, or ended without being closed."""
        values = self.context.settings.values
        folder, values.unfinished_run = values.unfinished_run, ""
        row = self.runs.row_of(folder) if folder else -1
        if row < 0 or self.live.under_way:
            return
        run = self.runs.runs[row]
        if can_be_resumed(run.summary):
            text = self.tr("{0} is not finished: it was under way when the window was closed, at step {1}.")
            resume = (self.tr("Resume"), partial(self.context.resume_requested.emit, folder, ""))
            notify.info(text.format(run.name, f"{run.summary.step:,}"), topic="unfinished", actions=[resume])

    def _remember_unfinished(self) -> None:
        """Note the live run until it ends; one that ends because the window is closed stays noted."""
        folder = self.live.local_folder if self.live.under_way else ""
        values = self.context.settings.values
        if folder != values.unfinished_run and not self._closing:
            values.unfinished_run = folder
            self.context.settings.save()

    def _on_closing(self) -> None:
        self._closing = True

    def _restore_machine(self) -> None:
        values = self.context.settings.values
        try:
            self.context.engine.run_on(values.remote_host, values.remote_command or DEFAULT_COMMAND)
        except ValueError:
            values.remote_host = ""
        self._show_machine()

    def _connect_signals(self) -> None:
        live = self.live
        live.phase_changed.connect(self._on_phase_changed)
        live.begun.connect(self._on_begun)
        live.updated.connect(self._list_live)
        live.checkpoint_saved.connect(self.context.refresh_runs)
        self.actions_.longer_requested.connect(self._train_longer)
        self.actions_.runs_changed.connect(self._on_runs_changed)
        self.form.edited.connect(self._want_estimate)
        self.data_choice.surveyor.changed.connect(self._on_surveyed)
        self.estimator.changed.connect(self._show_estimate)
        self.table.chosen.connect(self.shown.show)
        self.table.opened.connect(self.actions_["explore"].trigger)
        self.shown.changed.connect(self._show_current)
        self.repeat_while_visible(_REFRESH_MILLISECONDS, self.context.refresh_runs)
        self.context.runs_refreshed.connect(self._show_current)
        self.context.runs_refreshed.connect(self.shown.show_header)
        self.context.closing.connect(self._on_closing)
        self.context.settings_offered.connect(self._take_settings)
        self.context.resume_requested.connect(self.actions_.resume)

    # The form

    def _start(self) -> None:
        config = self.form.config
        if config is not None and not self.form.problem:
            self._start_run(config, self.form.run_name)
            self.form.name.clear()

    def _take_settings(self, config: TrainConfig, name: str) -> None:
        self.form.show_config(config)
        self.form.name.setText(name)

    def _start_one_minute(self) -> None:
        self.context.page_requested.emit(self.key)
        if not self.live.under_way or self.live.can_skip_scoring:
            self._start_run(ONE_MINUTE, "")

    def _start_run(self, config: TrainConfig, name: str) -> None:
        """Start a run; while the one before is scored, ask whether to skip that, and start it after the end."""
        if self.live.can_skip_scoring:
            dialog = SkipScoringDialog(self.live.name, self.live.reason, self.context.window)
            dialog.accepted.connect(partial(self._start_next, config, name))
            dialog.open()
        if self.live.under_way:
            return
        self.estimator.cancel()
        values = self.context.settings.values
        values.train = self.form.config or values.train
        self.context.settings.save()
        self.live.start(config, self.context.runs_folder, name)
        self._show_live()

    def _start_next(self, config: TrainConfig, name: str) -> None:
        self._next = config, name
        self.live.skip_scoring()
        self._start_waiting()

    def _start_waiting(self) -> None:
        """Start the run that waits for the end of the one before."""
        if self._next is not None and not self.live.under_way and not self._closing:
            (config, name), self._next = self._next, None
            self._start_run(config, name)

    def _train_longer(self, run: RunSummary) -> None:
        train_longer(self.context, run, self.shown.steps_per_epoch)

    def _want_estimate(self) -> None:
        config = self.form.config
        if config is not None and self.isVisible() and self._can_estimate:
            self.estimator.request(config, self.data_choice.image_shape())
        self._show_estimate()

    def _on_surveyed(self) -> None:
        if self.estimator.lacks_shape:
            self._want_estimate()
        else:
            self._show_estimate()

    @property
    def _can_estimate(self) -> bool:
        """The speed of another machine cannot be measured here."""
        return not self.live.under_way and not self.context.engine.trainer_host

    def _show_estimate(self) -> None:
        """Show how long a run of the form would take, or why it cannot work."""
        estimator, config = self.estimator, self.form.config
        text, problem = "", self.form.problem
        shown_above = problem == self.form.data_problem
        self.actions_.show_form_problem(sentence(problem) if problem else "")
        if not problem and self._can_estimate:
            problem = estimator.problem
            if estimator.asking:
                text = self.tr("Measuring the speed of these settings…")
            elif estimator.estimate is not None and config is not None:
                text = run_text.estimate_text(estimator.estimate, self.data_choice.train_images(config))
            elif estimator.too_large:
                text = self.tr("No estimate for batches as large as this.")
        if problem:
            text = "" if shown_above else sentence(problem)  # the trouble with the data is told beside them
        self.estimate.setText(text)
        set_role(self.estimate, "error" if problem else "dim")

    # The runs

    def _choose_runs_folder(self) -> None:
        folder = self.context.ask_folder("runs-folder", self.tr("Keep runs in this folder"))
        if folder is not None:
            self.context.settings.values.runs_folder = str(folder)
            self.context.settings.save()
            self.runs.set_folder(folder)
            self._on_runs_changed("")

    def _choose_followed(self) -> None:
        folder = self.context.ask_folder("runs", self.tr("Follow a run folder"))
        if folder is not None:
            self.context.page_requested.emit(self.key)
            self.follow(folder)

    def _choose_machine(self) -> None:
        values = self.context.settings.values
        dialog = RemoteDialog(values.remote_host, values.remote_command, self)
        dialog.accepted.connect(lambda: self.run_on(dialog.host, dialog.command))
        dialog.open()

    def run_on(self, host: str, command: str) -> None:
        """Train on `host` from now on, and remember it; empty: on this machine. Not while a run is under way."""
        if self.live.under_way:
            notify.refuse(self.tr("A run is under way; stop it first."), topic="run")
            return
        self.context.engine.run_on(host, command)
        values = self.context.settings.values
        values.remote_host, values.remote_command = host, command
        self.context.settings.save()
        self._show_machine()

    def _show_machine(self) -> None:
        host = self.context.engine.trainer_host
        self.machine.setText(self.tr("Runs are trained on {0}.").format(host) if host else "")
        self.machine.setVisible(bool(host))
        self._want_estimate()

    def _on_runs_changed(self, folder: str) -> None:
        self.table.clear_choice()
        self.context.refresh_runs()
        if folder:
            self.table.choose(self.runs.row_of(folder))
        else:
            self._show_newest()

    def _show_newest(self) -> None:
        if self.runs.rowCount():
            self.table.choose(0)
        else:
            self.shown.show("")

    def _show_live(self) -> None:
        self.shown.show("")
        if self.live.local_folder:
            self.table.choose(self.runs.row_of(self.live.local_folder))
        else:
            self.table.clear_choice()

    # Events of runs

    def _on_phase_changed(self) -> None:
        self._remember_unfinished()
        self._list_live()
        self.context.refresh_runs()
        self.shown.show_header()
        self._want_estimate()
        QTimer.singleShot(0, self._start_waiting)  # after all have heard of the end

    def _on_begun(self) -> None:
        self._remember_unfinished()
        notify.withdraw("unfinished")
        self._list_live()
        self.context.refresh_runs()
        self._show_live()

    def _list_live(self) -> None:
        self.runs.show_live(summary_of(self.live))

    def _show_current(self) -> None:
        """Tell the actions which run they are about."""
        self.actions_.show_current(self.shown.summary)
