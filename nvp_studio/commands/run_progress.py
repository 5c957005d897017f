"""A training run on the terminal: a live line where there is one, else a line at each validation."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TaskProgressColumn

from nvp_studio.commands.console import TextColumn, confirm, errors, say
from nvp_studio.data.report import rows
from nvp_studio.text import command_line, duration
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import (
    CheckpointSaved,
    RunEvent,
    RunNotice,
    RunProgress,
    RunStarted,
    RunState,
    StepMetrics,
)
from nvp_studio.training.runs import can_resume, read_record


def divergences(skipped: int, rollbacks: int) -> str:
    """How many steps were skipped and how often training returned to an earlier state, as text; empty for none."""
    parts = []
    if skipped:
        parts.append(f"{skipped} {'step' if skipped == 1 else 'steps'} skipped")
    if rollbacks:
        parts.append(f"{rollbacks} {'return' if rollbacks == 1 else 'returns'} to an earlier state")
    return ", ".join(parts)


class RunPrinter:
    """Shows a run's events on stderr and keeps what its result needs."""

    def __init__(self) -> None:
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[details]}"),
            console=errors,
            disable=not errors.is_terminal,
            transient=True,
        )
        self._task = self.bar.add_task("preparing", total=1.0, details="")
        self._started: RunStarted | None = None
        self._state = RunState("preparing")
        self._metrics: StepMetrics | None = None
        self._validation: float | None = None
        self._spent = False
        self._checkpoints: dict[str, CheckpointSaved] = {}

    @property
    def scores(self) -> bool:
        """Whether the steps are over and the best model is scored, which can be cut short."""
        return self._spent and self._state.phase in ("training", "paused")

    def ask(self, question: str) -> bool:
        """Ask a person, without the live line meanwhile."""
        self.bar.stop()
        try:
            return confirm(question)
        finally:
            self.bar.start()

    def report(self, event: RunEvent) -> None:
        """Take one event of the run."""
        match event:
            case RunStarted():
                self._on_started(event)
            case RunState():
                self._state = event
                shown: dict[str, Any] = {}
                if event.phase == "preparing":
                    shown = {"completed": event.fraction or 0.0, "details": event.reason}
                elif event.phase == "training" and event.reason:  # the steps are over, and what follows is counted
                    left = "" if event.seconds_left is None else f" · {duration(event.seconds_left)} left"
                    skip = " · Ctrl+C skips the rest" if self.scores else ""
                    shown = {"details": event.reason + left + skip}
                self.bar.update(self._task, description=event.phase, **shown)
                if event.phase in ("paused", "stopping"):
                    say(f"{event.phase}: {event.reason}" if event.reason else event.phase)
            case StepMetrics():
                self._on_metrics(event)
            case RunProgress():
                self._on_progress(event)
            case CheckpointSaved():
                self._checkpoints[event.kind] = event
            case RunNotice():
                say(event.text if event.level == "info" else f"{event.level}: {event.text}")

    def result(self, folder: Path) -> dict[str, Any]:
        """The result of the run, ready for JSON; the figures are those stored with its best checkpoint."""
        from nvp_studio.checkpoints import CheckpointError, find_checkpoint, peek

        stored = None
        with suppress(CheckpointError):
            path = find_checkpoint(folder)
            stored = peek(path)
        metrics, started = self._metrics, self._started
        about = started or read_record(folder)
        return {
            "run": str(folder),
            "phase": self._state.phase,
            "reason": self._state.reason,
            "step": metrics.step if metrics else started.step if started else 0,
            "epoch": metrics.epoch if metrics else 0.0,
            "seconds": metrics.seconds if metrics else 0.0,
            "images": metrics.images if metrics else 0,
            "skipped_steps": metrics.skipped if metrics else 0,
            "rollbacks": metrics.rollbacks if metrics else 0,
            "validation_bits_per_dim": stored.validation if stored else self._validation,
            "validation_images": stored.validation_images if stored else 0,
            "test_bits_per_dim": stored.test if stored else None,
            "test_images": stored.test_images if stored else 0,
            "exact_code_length": about.config.flow is not None and about.config.flow.exact_code_length,
            "parameters": about.parameters,
            "device": about.device,
            "checkpoint": str(path) if stored else None,
            "go_on": self._how_to_go_on(folder, about.config),
        }

    def _how_to_go_on(self, folder: Path, config: TrainConfig) -> str:
        """The command that resumes the run: with its budget after a stop, with twice the budget after the end.

        A run without a checkpoint can only be started anew.
        """
        command = ["nvp-studio", "resume", folder]
        if not can_resume(folder):
            return command_line("nvp-studio", "train", "--like", folder)
        if self._state.phase == "finished":
            budgets = {"steps": config.steps, "epochs": config.epochs, "minutes": config.minutes}
            name, value = next((name, value) for name, value in budgets.items() if value)
            command += [f"--{name}", f"{2 * value:.15g}" if isinstance(value, float) else 2 * value]
        return command_line(*command)

    def _on_started(self, event: RunStarted) -> None:
        self._started = event
        budget = f", {event.total_steps} steps in all" if event.total_steps else ""
        say(
            f"{event.folder}: {event.parameters:,} parameters on {event.device}, {event.train_images:,} training "
            f"images ({event.data_title}), {event.steps_per_epoch} steps an epoch{budget}"
        )
        if event.step:
            say(f"resuming from step {event.step}")
        else:
            for name, text in rows(event.data):
                if name in ("note", "warning"):
                    continue  # which come as notices, and stand in the run's log
                say(f"data  {name:<10}  {text}")

    def _on_metrics(self, event: StepMetrics) -> None:
        self._metrics = event
        if event.validation is None:
            return
        self._validation = event.validation
        say(
            f"step {event.step}  epoch {event.epoch:.2f}  {duration(event.seconds)}  "
            f"training {event.train:.4f}  validation {event.validation:.4f} bits/dim"
            + (f"  ({lost})" if (lost := divergences(event.skipped, event.rollbacks)) else "")
        )

    def _on_progress(self, event: RunProgress) -> None:
        self._spent = event.fraction >= 1
        train = f"training {self._metrics.train:.3f}" if self._metrics else ""
        best = f" · best validation {event.best:.3f} bits/dim" if event.best is not None else ""
        left = f" · {duration(event.seconds_left)} left" if event.seconds_left is not None else ""
        lost = divergences(self._metrics.skipped, self._metrics.rollbacks) if self._metrics else ""
        details = f"epoch {event.epoch:.2f} · {train}{best} · {event.images_per_second:.0f} images/s{left}"
        details += f" · {lost}" if lost else ""
        self.bar.update(self._task, completed=event.fraction, details=details)
