"""Actions on runs, for menu, buttons and run strip, and notifications about the live run."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QGuiApplication

from nvp_studio.runs.labels import shown_name
from nvp_studio.text import sentence
from nvp_studio.training.changes import ChangeRequest
from nvp_studio.training.events import CheckpointSaved
from nvp_studio.training.runs import RunSummary, can_resume, has_model
from nvp_studio.views import notify
from nvp_studio.views.actions import set_hindrance
from nvp_studio.views.context import WindowContext
from nvp_studio.views.pages.train.remote_model import RemoteModel
from nvp_studio.views.pages.train.run_text import changes_text, strip_content
from nvp_studio.views.resume_dialogs import RemoteDataDialog
from nvp_studio.views.run_dialogs import ChangedDataDialog, ChangeRunDialog
from nvp_studio.views.run_folders import ask_data, can_be_resumed, discard, show_folder
from nvp_studio.views.theme import set_icon
from nvp_studio.views.undo_offer import UndoOffer
from nvp_studio.worker.client import CrashReport

_TOPIC = "run"
STRIP_KEYS = ("pause", "stop", "force-stop", "skip-scoring", "change", "sample", "save")
RUN_KEYS = ("resume", "explore", "show-folder", "discard")
"""Actions on the current run."""


class TrainActions(QObject):
    """Registers the actions, keeps them in step with the live run and the current run, and fills the strip."""

    longer_requested = Signal(object)
    """`RunSummary` of a finished run that is to go on."""
    runs_changed = Signal(str)
    """A run was discarded or restored; carries the folder to select, or nothing."""

    def __init__(self, context: WindowContext, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self._live = live = context.live
        self.undo = UndoOffer(_TOPIC, self)
        self._current: RunSummary | None = None
        self._changing = False
        self._saving = False
        self._noticed = ""
        """Level of the last notice of the run."""
        self._spent = False, False
        self._form_problem = ""
        self._remote_model = RemoteModel(context, self)
        self._register()
        context.engine.host_changed.connect(self.refresh)
        live.phase_changed.connect(self._on_phase_changed)
        live.updated.connect(self._on_updated)
        live.settings_changed.connect(self._on_settings_changed)
        live.checkpoint_saved.connect(self._on_checkpoint_saved)
        live.noticed.connect(self._on_noticed)
        live.crashed.connect(self._on_crashed)
        live.stop_is_slow.connect(self._on_stop_slow)
        self.refresh()

    def __getitem__(self, key: str) -> QAction:
        return self._context.registry[f"run.{key}"]

    def show_current(self, summary: RunSummary | None) -> None:
        """Another run is current, or it changed: the actions are about this one."""
        self._current = summary
        self.refresh()

    def show_form_problem(self, problem: str) -> None:
        """Let no run start while the form has a problem, which is a sentence; empty: it has none."""
        if problem != self._form_problem:
            self._form_problem = problem
            self.refresh()

    def refresh(self) -> None:
        """Make each action possible or not, shown or not."""
        live, current = self._live, self._current
        self._spent = live.spent, live.skipping
        for key in ("one-minute", "machine"):
            self[key].setEnabled(not live.under_way or (key == "one-minute" and live.can_skip_scoring))
        hindrance = "" if not live.under_way or live.can_skip_scoring else self.tr("a run is under way: stop it first")
        hindrance = hindrance or self._form_problem
        self["start"].setEnabled(not hindrance)
        set_hindrance(self["start"], hindrance)
        pausing = live.phase in ("pausing", "paused")
        self["pause"].setText(self.tr("&Resume") if pausing else self.tr("&Pause"))
        set_icon(self["pause"], "play" if pausing else "pause")
        self["pause"].setEnabled(pausing or live.phase == "training")
        self["stop"].setEnabled(live.under_way and live.phase != "stopping")
        for key in ("sample", "save", "change"):
            self[key].setEnabled(live.in_loop and live.settings is not None and not (live.spent and key == "change"))
        for key in ("pause", "stop", "sample", "save"):
            self[key].setVisible(live.under_way)
        self["change"].setVisible(live.under_way and not live.spent)
        self["skip-scoring"].setVisible(live.can_skip_scoring)
        self["skip-scoring"].setEnabled(not live.skipping)
        if live.phase != "stopping":
            self["force-stop"].setVisible(False)
        is_live = current is not None and live.under_way and current.folder == live.local_folder
        here = not self._context.engine.trainer_host  # the folder of the current run is on this machine
        resumable = current is not None and can_be_resumed(current)
        finished = current is not None and current.state == "finished"
        longer = finished and current is not None and can_resume(Path(current.folder))
        self["resume"].setText(self.tr("T&rain longer…") if finished else self.tr("&Resume this run"))
        tip = self.tr("Train longer: asks for how long") if finished else self.tr("Resume this run")
        elsewhere = self.tr("this run is on this machine, and runs are trained on another one")
        self["resume"].setToolTip(tip)
        set_hindrance(self["resume"], "" if here else elsewhere)
        self["score-all"].setEnabled(longer and here and not live.under_way)
        self["resume"].setEnabled((resumable or longer) and here and not live.under_way)
        bring = self.tr("Copy the best model of this run from {0} and explore it").format(live.host)
        self["explore"].setToolTip(bring if self._remote_is_current else self.tr("Explore this run"))
        self["explore"].setEnabled(has_model(current.folder) if current is not None else self._remote_is_current)
        self["show-folder"].setEnabled(current is not None)
        self["discard"].setEnabled(current is not None and not is_live)
        self["copy-report"].setEnabled(live.phase != "none")
        self._show_strip()

    def resume(self, folder: str, data: str = "", host: str = "") -> None:
        """Go on with a run whose folder is on `host` (empty: on this machine), if that is where runs are trained.

        `data` is where its data are now, empty where they were.
        """
        name = Path(folder).name if host else shown_name(Path(folder))
        if self._remote_model.check_host(name, host):
            notify.withdraw(_TOPIC)
            self._live.resume(folder, data=data)

    # Construction

    def _register(self) -> None:
        live = self._live
        add = self._context.registry.add
        add("run.pause", self.tr("&Pause"), self._toggle_pause, "Ctrl+P", "pause", separator=True)
        add("run.stop", self.tr("S&top"), live.stop, "Ctrl+.", "square")
        add("run.force-stop", self.tr("&Force stop"), live.force_stop, icon="octagon-x")
        tip = self.tr("Finish with the scores of the images scored so far; Score all images scores the rest later")
        add("run.skip-scoring", self.tr("S&kip the scoring"), live.skip_scoring, icon="skip-forward", tip=tip)
        tip = self.tr("Change learning rate and stop conditions during the run")
        add("run.change", self.tr("C&hange…"), self._change, icon="sliders-horizontal", tip=tip)
        add("run.sample", self.tr("Sa&mple"), live.sample, icon="images", tip=self.tr("Fresh samples now"))
        add("run.save", self.tr("Sa&ve"), self._save, icon="save", tip=self.tr("Write a checkpoint now"))
        add("run.resume", self.tr("&Resume this run"), self._resume_current, icon="circle-play", separator=True)
        tip = self.tr("Score the best model of a finished run on all validation and test images")
        add("run.score-all", self.tr("Score all &images"), self._score_all, icon="gauge", tip=tip)
        add("run.explore", self.tr("&Explore this run"), self._explore, "Ctrl+E", "compass")
        add("run.show-folder", self.tr("Show in file mana&ger"), self._show_folder, icon="folder-open")
        add("run.discard", self.tr("Move this r&un to the trash"), self._discard, icon="trash-2")
        add("run.copy-report", self.tr("Cop&y report"), self._copy_report, icon="clipboard-copy", separator=True)
        for key in STRIP_KEYS:
            self._context.strip.add_action(self[key])

    # Actions of a person

    def _toggle_pause(self) -> None:
        if self._live.phase in ("pausing", "paused"):
            self._live.unpause()
        else:
            self._live.pause()

    def _save(self) -> None:
        self._saving = True
        self._live.save()

    def _on_checkpoint_saved(self, saved: CheckpointSaved) -> None:
        if self._saving and saved.kind == "last":
            self._saving = False
            text = self.tr("{0} is saved at step {1}.").format(self._live.name, f"{saved.step:,}")
            notify.success(text, topic=_TOPIC)

    def _change(self) -> None:
        settings = self._live.settings
        if settings is None:
            return
        dialog = ChangeRunDialog(settings, self._context.window)
        dialog.accepted.connect(lambda: self._send_change(dialog.request))
        dialog.open()

    def _send_change(self, request: ChangeRequest | None) -> None:
        if request is not None:
            self._changing = True
            self._live.change(request)

    def _on_settings_changed(self) -> None:
        self.refresh()
        settings = self._live.settings
        if self._changing and settings is not None:
            self._changing = False
            text = self.tr("From step {0} on: {1}.").format(f"{settings.step + 1:,}", changes_text(settings))
            notify.success(text, topic=_TOPIC)

    def _resume_current(self) -> None:
        if self._current is None:
            return
        if self._current.state == "finished":
            notify.withdraw(_TOPIC)
            self.longer_requested.emit(self._current)
        else:
            self.resume(self._current.folder)

    def _score_all(self) -> None:
        if self._current is not None:
            notify.withdraw(_TOPIC)
            self._live.resume(self._current.folder, scoring_share=1.0)

    def _explore(self) -> None:
        if self._current is not None:
            self._remote_model.explore(self._current.folder)
        else:
            self._remote_model.explore(self._live.folder, self._live.host, self._live.name)

    @property
    def _remote_is_current(self) -> bool:
        """Whether the current run is one that lives, or lived, on another machine and has its folder there."""
        return self._current is None and bool(self._live.host and self._live.folder)

    def _show_folder(self) -> None:
        if self._current is not None:
            show_folder(self._current.folder)

    def _discard(self) -> None:
        if self._current is not None:
            discard([self._current.folder], self.undo, self.runs_changed.emit)

    def _copy_report(self) -> None:
        QGuiApplication.clipboard().setText(self._live.report())
        notify.info(self.tr("Report copied."), topic=_TOPIC)

    # Events of the run

    def _on_updated(self) -> None:
        if (self._live.spent, self._live.skipping) != self._spent:
            self.refresh()
        else:
            self._show_strip()

    def _show_strip(self) -> None:
        self._context.strip.show_content(strip_content(self._live))

    def _on_phase_changed(self, phase: str) -> None:
        self.refresh()
        live = self._live
        if phase != "stopping":
            notify.withdraw(f"{_TOPIC}-stop")
        match phase:
            case "starting":
                self._saving = False
                notify.withdraw(f"{_TOPIC}-data")
            case "finished":
                self._notify_finished()
            case "failed" if live.data_trouble:
                self._notify_data_trouble()
            case "failed":
                text = self.tr("{0} failed: {1}").format(live.name or self.tr("The run"), live.reason)
                notify.error(text, topic=_TOPIC, report=live.report())
            case "stopped" if live.folder:
                text = self.tr("{0} is stopped and saved; it can be resumed.")
                if not live.resumable:
                    text = self.tr("{0} is stopped; it has no checkpoint to resume from.")
                notify.success(text.format(live.name), topic=_TOPIC, actions=self._resume_actions)

    def _notify_finished(self) -> None:
        if self._noticed == "info":
            notify.withdraw(f"{_TOPIC}-notice")  # about the scoring, which the header and the list of messages keep
        live, best = self._live, self._live.history.best
        text = self.tr("{0} is finished.").format(live.name)
        if best is not None:
            text = self.tr("{0} is finished: {1} bits/dim at its best.").format(live.name, f"{best[1]:.3f}")
        explore = partial(self._remote_model.explore, live.folder, live.host, live.name)
        notify.success(text, topic=_TOPIC, actions=[(self.tr("Explore it"), explore)])

    @property
    def _resume_actions(self) -> list[tuple[str, Callable[[], None]]]:
        """The button of a notification that resumes the live run, where it has a checkpoint."""
        live = self._live
        again = (self.tr("Resume"), partial(self.resume, live.folder, host=live.host))
        return [again] if live.resumable else []

    def _notify_data_trouble(self) -> None:
        live = self._live
        text = sentence(live.reason)
        actions: list[tuple[str, Callable[[], None]]] = []
        actions.append((self.tr("Choose the data…"), self._ask_remote_data if live.host else self._ask_data))
        if live.data_trouble == "changed":
            text = self.tr("{0} was not resumed: its data have changed since it was started.").format(live.name)
            actions.append((self.tr("Continue anyway…"), self._ask_to_go_on))
        notify.warning(text, topic=f"{_TOPIC}-data", actions=actions)

    def _ask_data(self) -> None:
        """Ask where the data are now, and resume with them."""
        data = ask_data(self._context, self._live.folder)
        if data:
            self._live.resume_refused(data=data)
        elif self._live.data_trouble:
            self._notify_data_trouble()

    def _ask_remote_data(self) -> None:
        """Ask for the path of the data on the machine that trains the run, and resume with them."""
        dialog = RemoteDataDialog(self._live.name, self._live.host, self._context.window)
        dialog.accepted.connect(lambda: self._resume_refused(data=dialog.data))
        dialog.rejected.connect(self._notify_data_trouble)
        dialog.open()

    def _ask_to_go_on(self) -> None:
        """Say what continuing with other data means, and continue once a person wants that."""
        live = self._live
        if live.data_trouble != "changed":
            return
        dialog = ChangedDataDialog(live.name, live.reason, self._context.window)
        dialog.accepted.connect(lambda: self._resume_refused(force=True))
        dialog.rejected.connect(self._notify_data_trouble)
        dialog.open()

    def _resume_refused(self, *, data: str = "", force: bool = False) -> None:
        if self._remote_model.check_host(self._live.name, self._live.host):
            self._live.resume_refused(data=data, force=force)

    def _on_noticed(self, level: notify.Level, text: str) -> None:
        self._noticed = level
        notify.send(level, self.tr("{0}: {1}").format(self._live.name, text), topic=f"{_TOPIC}-notice")

    def _on_crashed(self, report: CrashReport) -> None:
        live = self._live
        if live.phase == "restarting":
            text = self.tr("The training engine stopped: {0}. The run resumes automatically.")
            notify.warning(text.format(report.reason), topic=_TOPIC, report=live.report())
        elif live.phase == "interrupted":
            text = self.tr("The training engine stopped again: {0}. The run keeps its last checkpoint.")
            if not live.resumable:
                text = self.tr("The training engine stopped again: {0}. The run has no checkpoint.")
            notify.error(text.format(report.reason), topic=_TOPIC, actions=self._resume_actions, report=live.report())

    def _on_stop_slow(self) -> None:
        self["force-stop"].setVisible(True)
        notify.warning(
            self.tr(
                "{0} is slow to stop: it ends its step or validation, and saves a checkpoint. "
                "A forced stop loses what was learnt since the checkpoint before."
            ).format(self._live.name),
            topic=f"{_TOPIC}-stop",
            actions=[(self.tr("Force stop"), self._live.force_stop)],
            harmful=True,
        )
