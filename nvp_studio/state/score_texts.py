"""What the page Score says of its progress."""

from PySide6.QtCore import QCoreApplication

from nvp_studio.state.scoring import ScoreState
from nvp_studio.text import duration, printable

_LONGEST_NAME = 24


def progress_text(state: ScoreState, done: int | None = None) -> str:
    """How far the scoring is, as a line of text; with `done`, as if it were that far."""
    tr = QCoreApplication.translate
    done = state.done if done is None else done
    if state.references.making is not None:
        finished, whole = state.references.making
        if not whole:
            return tr("ScoreState", "Reading the images of the reference…")
        return tr("ScoreState", "Making the reference, once: {0} of {1}").format(f"{finished:,}", f"{whole:,}")
    if state.waiting_for_model:
        return tr("ScoreState", "Waiting for the engine…")
    if state.busy and state.counted:
        return tr("ScoreState", "Scoring {0} of {1}").format(f"{done:,}", f"{state.total:,}")
    if state.busy and not done:
        return tr("ScoreState", "Looking for files…")
    if state.busy:
        return tr("ScoreState", "Scoring {0}, still looking for files…").format(f"{done:,}")
    scored, failed = len(state.rows.scores), state.rows.failed
    text = tr("ScoreState", "{0} scored").format(f"{scored:,}")
    if failed:
        text += tr("ScoreState", ", {0} not readable").format(f"{failed:,}")
    if state.cancelled:
        known = "" if state.left is None else tr("ScoreState", ", cancelled: {0} left").format(f"{state.left:,}")
        text += known or tr("ScoreState", ", cancelled before the end")
    return text


def pace_text(state: ScoreState) -> str:
    """How fast images are scored and how long the rest takes, or which folders are watched; else empty."""
    tr = QCoreApplication.translate
    watching = state.watching
    if watching.missing and not state.busy:
        names = ", ".join(_short(path.name or str(path)) for path in sorted(watching.missing))
        return tr("ScoreState", "{0} is missing; waiting for it").format(names)
    if watching.folders and not state.busy:
        names = ", ".join(_short(path.name or str(path)) for path in watching.folders)
        text = tr("ScoreState", "Watching {0}: {1} came").format(names, f"{watching.came:,}")
        if watching.unreadable:
            text += tr("ScoreState", ", {0} not readable yet").format(f"{watching.unreadable:,}")
        return text
    speed = state.pace.per_second if state.busy else None
    if speed is None:
        return ""
    text = tr("ScoreState", "{0} images/s").format(f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}")
    left = state.pace.seconds_for(state.total - state.done)
    if left is not None and state.counted and left >= 1:
        text += tr("ScoreState", ", {0} left").format(duration(left))
    return text


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
