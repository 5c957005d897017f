"""The states of a run in the trainer as a table: which event leads from which state to which.

An event that is missing in the row of a state is ignored there, such as a late message of a run that was killed.
"""

from typing import Literal

from PySide6.QtCore import QCoreApplication

from nvp_studio.training.events import RunPhase
from nvp_studio.training.runs import RunSummary, SummaryState

_Window = Literal[
    "none",
    "starting",  # waits for the trainer, or for its first answer
    "pausing",
    "resuming",
    "restarting",  # waits for the trainer that comes back after a crash
]
"""What the window knows before the trainer says it, or without it."""

Phase = SummaryState | _Window
"""What a person sees of a state."""

State = (
    RunPhase
    | _Window
    | Literal[
        "queued",  # asked for while the killed trainer before it is still ending
        "requested",  # asked of the trainer, no answer yet
        "begun",  # the trainer has reported the run's folder and prepares the first step
        "cancelling",  # asked to stop before it had begun
        "refused",  # not resumed because its data have changed
        "without data",  # not resumed because its data are not where they were
        "abandoned",  # ended by a person without waiting for the trainer
        "lost",  # ended with its trainer
    ]
)

Event = (
    RunPhase  # reported by the run
    | Literal[
        # a person
        "start",
        "start after kill",  # the same, while a killed trainer is still ending
        "pause",
        "unpause",
        "stop",
        "force stop",
        # other messages of the run
        "begun",
        "step",
        "data changed",
        "data missing",
        # the trainer process
        "ready",
        "crashed",
        "crashed again",  # without a checkpoint since the last crash
        "off",  # stopped, or given up after crashes
    ]
)

_Row = dict[Event, State]

_ENDED: _Row = {"start": "starting", "start after kill": "queued"}
_UNDER_WAY: _Row = {"force stop": "abandoned", "crashed": "restarting", "crashed again": "lost", "off": "lost"}
_WAITING: _Row = _UNDER_WAY | {"ready": "requested", "stop": "abandoned"}
_RESULTS: _Row = {
    "finished": "finished",
    "stopped": "stopped",
    "failed": "failed",
    "data changed": "refused",
    "data missing": "without data",
}
_PAUSING: _Row = _UNDER_WAY | _RESULTS | {"paused": "paused", "stopping": "stopping"}
_TRAINING: _Row = _PAUSING | {"training": "training"}
_BEFORE_BEGUN: _Row = _TRAINING | {"preparing": "preparing", "begun": "begun", "stop": "cancelling"}
_STOPPING: _Row = _UNDER_WAY | _RESULTS | {"stopping": "stopping", "crashed": "lost"}

TRANSITIONS: dict[State, _Row] = {
    "none": _ENDED,
    "queued": {"off": "starting", "stop": "abandoned", "force stop": "abandoned"},
    "starting": _WAITING,
    "requested": _BEFORE_BEGUN,
    "preparing": _BEFORE_BEGUN,
    "begun": _TRAINING | {"preparing": "begun", "stop": "stopping"},
    "training": _TRAINING | {"pause": "pausing", "stop": "stopping"},
    # "training" may have been sent before the trainer read of the pause
    "pausing": _PAUSING | {"unpause": "resuming", "stop": "stopping"},
    "paused": _TRAINING | {"unpause": "resuming", "stop": "stopping"},
    # the pause may be over before the trainer noticed it: then its first message is a step
    "resuming": _TRAINING | {"step": "training", "stop": "stopping"},
    # stopped while it reads the data, a run ends with an error
    "cancelling": _STOPPING
    | {"begun": "stopping", "failed": "stopped", "data changed": "stopped", "data missing": "stopped"},
    "stopping": _STOPPING,
    "restarting": _WAITING,
    "finished": _ENDED,
    "stopped": _ENDED,
    "failed": _ENDED,
    "refused": _ENDED,
    "without data": _ENDED,
    "abandoned": _ENDED,
    "lost": _ENDED,
}

UNDER_WAY = frozenset(state for state, row in TRANSITIONS.items() if "force stop" in row)
"""A run is going or about to; then no other can start."""
ASKED = frozenset(state for state in UNDER_WAY if "finished" in TRANSITIONS[state])
"""The trainer has been asked for the run: its messages are about this run and no earlier one."""
NOT_BEGUN = frozenset[State](("requested", "preparing", "cancelling"))
"""The trainer has been asked, and has not reported the run's folder yet."""
IN_LOOP = frozenset[State](("training", "pausing", "paused", "resuming"))
"""It trains or is paused, so that it can be changed."""
SUMMARY_STATES: dict[Phase, SummaryState] = {
    "starting": "preparing",
    "preparing": "preparing",
    "training": "training",
    "pausing": "training",
    "paused": "paused",
    "resuming": "training",
    "stopping": "stopping",
    "restarting": "preparing",
}
"""State of a run under way in the list of runs."""


def phase_of(state: State, has_folder: bool) -> Phase:
    """What a person sees of `state`; a run that ended before it had a folder leaves nothing to resume."""
    match state:
        case "queued" | "requested":
            return "starting"
        case "begun":
            return "preparing"
        case "cancelling":
            return "stopping"
        case "refused" | "without data":
            return "failed"
        case "abandoned":
            return "interrupted" if has_folder else "stopped"
        case "lost":
            return "interrupted" if has_folder else "failed"
    return state


def summary_text(run: RunSummary) -> str:
    """The state of a run in a list, as shown to a person."""
    return QCoreApplication.translate("Run", "scoring") if run.scoring else phase_text(run.state)


def phase_text(phase: Phase) -> str:
    """The phase as shown to a person, in the list of runs and elsewhere."""

    def tr(text: str) -> str:
        return QCoreApplication.translate("Run", text)

    return {
        "none": "",
        "starting": tr("starting…"),
        "preparing": tr("preparing"),
        "training": tr("training"),
        "pausing": tr("pausing…"),
        "paused": tr("paused"),
        "resuming": tr("resuming…"),
        "stopping": tr("stopping…"),
        "finished": tr("finished"),
        "stopped": tr("stopped"),
        "failed": tr("failed"),
        "restarting": tr("engine crashed, restarting…"),
        "interrupted": tr("interrupted"),
    }[phase]
