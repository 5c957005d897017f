"""Texts of the Train page and the run strip: phase, progress, facts and estimate of a run."""

from PySide6.QtCore import QCoreApplication

from nvp_studio.data.image_size import ImageSize, width_and_height
from nvp_studio.data.report import left_out_text
from nvp_studio.state.estimate import Estimate
from nvp_studio.state.paths import model_name
from nvp_studio.state.run import LiveRun
from nvp_studio.state.run_states import phase_text
from nvp_studio.state.survey import DataSurveyor
from nvp_studio.text import duration, number_text, pixels_text, sentence
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import RunChanged, RunProgress, RunStarted
from nvp_studio.training.runs import RunRecord
from nvp_studio.views.numbers import short_number
from nvp_studio.views.widgets.labels import SEPARATOR
from nvp_studio.views.widgets.run_strip import StripContent
from nvp_studio.views.widgets.run_table import state_colour

_SHOWN = 2
"""Things left out or doubtful that the form shows."""


def tr(text: str) -> str:
    """`text` in the person's language."""
    return QCoreApplication.translate("Train", text)


def phase_level(phase: str) -> str:
    """``success``, ``warning``, ``error`` or nothing."""
    colour = state_colour(phase)
    return colour if colour in ("success", "warning", "error") else ""


def strip_content(live: LiveRun) -> StripContent:
    """The run strip's content."""
    progress, started = live.progress, live.started
    if live.phase == "none":
        return StripContent()
    state = phase_text(live.phase)
    if live.phase == "preparing" and live.reason:
        state = f"{state}: {live.reason}"
    recovery = recovery_text(live)
    level = phase_level(live.phase)
    if recovery:
        state, level = f"{state}, {recovery}", level or "warning"
    name = live.name or tr("New run")
    if progress is None or started is None:
        fraction = live.prepared or 0.0 if live.under_way else None
        return StripContent(name, state, level, fraction)
    scoring = live.phase == "training" and bool(live.reason or live.spent)
    going = live.in_loop and not live.spent and not scoring
    if scoring:
        text = tr("ending the scoring…") if live.skipping else live.reason
        state = (text or tr("scoring the best model…")) + (f", {recovery}" if recovery else "")
    speed = tr("{0} images/s").format(f"{progress.images_per_second:,.0f}")
    left = live.seconds_left
    return StripContent(
        name=name,
        state=state,
        level=level,
        fraction=live.prepared if scoring else progress.fraction,  # of the images that are scored
        epoch=_epoch(progress, started),
        score=_score(live, briefly=scoring),
        speed=speed if going and live.phase == "training" else "",
        remaining=tr("{0} left").format(duration(left)) if (going or scoring) and left is not None else "",
    )


def recovery_text(live: LiveRun) -> str:
    """How often the run under way skipped steps or returned to an earlier state; nothing when it never did."""
    last = live.history.last
    if not live.under_way or last is None or not (last.skipped or last.rollbacks):
        return ""
    parts = []
    if last.skipped:
        parts.append(tr("1 step skipped") if last.skipped == 1 else tr("{0} steps skipped").format(last.skipped))
    if last.rollbacks:
        parts.append(tr("returned once") if last.rollbacks == 1 else tr("returned {0} times").format(last.rollbacks))
    return ", ".join(parts)


def facts_of(config: TrainConfig, data_title: str, parameters: int, device: str) -> str:
    """What distinguishes a run, in one line."""
    begun = [tr("begun from {0}").format(model_name(config.begin_from))] if config.begin_from else []
    return SEPARATOR.join(
        (
            data_title,
            *begun,
            tr("{0} flow, {1} parameters").format(config.preset, short_number(parameters)),
            device,
            tr("batch {0}").format(config.batch_size),
            tr("learning rate {0}").format(number_text(config.learning_rate)),
            tr("seed {0}").format(config.seed),
        )
    )


def facts_of_record(record: RunRecord) -> str:
    """The same for a run from its folder, with the final scores of a finished one."""
    facts = facts_of(record.config, record.data.title, record.parameters, record.device)
    status = record.status
    scores = []
    if status.validation is not None:
        scores.append(_scored(tr("{0} bits/dim in validation"), status.validation, status.validation_images))
    if status.test is not None:
        scores.append(_scored(tr("{0} in the test"), status.test, status.test_images))
    if status.skipped or status.rollbacks:
        scores.append(tr("{0} steps skipped, {1} returns").format(status.skipped, status.rollbacks))
    return SEPARATOR.join((*scores, facts))


def changes_text(settings: RunChanged) -> str:
    """Learning rate and stop conditions in a line."""
    text = [tr("learning rate {0}").format(number_text(settings.learning_rate))]
    rules = settings.stop
    if rules.target is not None:
        text.append(tr("stop at {0} bits/dim").format(number_text(rules.target)))
    if rules.patience is not None:
        text.append(tr("after {0} validations without a gain").format(rules.patience))
    if rules.minutes is not None:
        text.append(tr("after {0} min").format(number_text(rules.minutes)))
    return ", ".join(text) if not rules.empty else text[0] + ", " + tr("no stop condition")


def estimate_text(estimate: Estimate, train_images: int | None) -> str:
    """An estimate in three short lines: how long, how fast, how large."""
    speed = [tr("{0} images/s").format(f"{estimate.images_per_second:,.0f}")]
    size = [tr("{0} parameters").format(short_number(estimate.parameters))]
    if estimate.memory_bytes:
        size.append(tr("{0} MB").format(f"{estimate.memory_bytes / 1e6:,.0f}"))
    length: list[str] = []
    images, seconds = estimate.images(train_images), estimate.seconds(train_images)
    if images is not None and seconds is not None:
        length.append(tr("About {0} in all").format(duration(seconds)))
        if train_images is not None and estimate.config.epochs is None and images >= train_images / 20:
            length.append(tr("{0} epochs").format(f"{images / train_images:.1f}"))
        if estimate.config.steps is None:
            speed.insert(0, tr("{0} steps").format(f"{images / estimate.config.batch_size:,.0f}"))
    return "\n".join(", ".join(line) for line in (length, speed, size) if line)


def survey_text(surveyor: DataSurveyor, wanted: ImageSize | None) -> tuple[str, str]:
    """What a folder or file holds and how its images come to the size that is `wanted`, and the role of that text."""
    survey, problem = surveyor.result, surveyor.problem
    if problem and (survey is None or survey.images):
        return sentence(problem), "error"
    if survey is None:
        if not surveyor.running:
            return "", "dim"
        if not surveyor.images_counted:
            return tr("Looking at what is in it…"), "dim"
        return tr("Counting images: {0} so far…").format(f"{surveyor.images_counted:,}"), "dim"
    if survey.unread:
        return tr("Data files, read when the run starts."), "dim"
    rest = [tr("Left out {0}").format(left_out_text(one)) for one in survey.left_out]
    doubts = sorted(survey.suspicions, key=lambda one: not one.serious)
    rest += [tr("Doubtful: {0}").format(one.words) for one in doubts]
    if len(rest) > _SHOWN:
        rest[_SHOWN:] = [tr("{0} more: look closer").format(len(rest) - _SHOWN)]
    if survey.images == 0:
        return ". ".join([tr("There are no images in this folder"), *rest]) + ".", "error"
    if survey.smallest is None or survey.largest is None:
        return tr("None of the {0} images here can be read.").format(f"{survey.images:,}"), "error"
    text = tr("{0} images").format(f"{survey.images:,}") if survey.images > 1 else tr("1 image")
    if survey.class_count:
        text = tr("{0} in {1} classes").format(text, f"{survey.class_count:,}")
    text += ", " + pixels_text(*survey.smallest)
    if not survey.alike:
        text = tr("{0} to {1}").format(text, pixels_text(*survey.largest))
    text = ". ".join([text, *rest]) + "."
    role, hint = "warning", ""
    size = None if wanted is None else width_and_height(wanted)
    if size and not (survey.alike and survey.largest == size):
        role, hint = "dim", tr("Brought to {0} (Image size, under Advanced).").format(pixels_text(*size))
    elif not size and not survey.alike:
        hint = tr("Their sizes differ: choose an image size under Advanced.")
    elif not size and surveyor.suggested_side() is not None:
        hint = tr("Large: with an image size of 32 or 64, under Advanced, training is much faster.")
    return f"{text} {hint}".strip(), "warning" if rest else role if hint else "dim"


def _scored(text: str, score: float, images: int) -> str:
    """A final score and the number of images that it is the mean over, where that is recorded."""
    text = text.format(f"{score:.3f}")
    return tr("{0} ({1} images)").format(text, f"{images:,}") if images else text


def _epoch(progress: RunProgress, started: RunStarted) -> str:
    """How many passes over the training images; of a run of less than one, how many steps."""
    epoch, total_steps = progress.epoch, started.total_steps
    if total_steps is None:
        return tr("epoch {0}").format(f"{epoch:.1f}") if epoch >= 1 else tr("step {0}").format(f"{progress.step:,}")
    total = total_steps / max(1, started.steps_per_epoch)
    if total < 1:
        return tr("step {0} / {1}").format(f"{progress.step:,}", f"{total_steps:,}")
    digits = 0 if total >= 10 else 1
    return tr("epoch {0} / {1}").format(f"{epoch:.{digits}f}", f"{total:.{digits}f}")


def _score(live: LiveRun, *, briefly: bool) -> str:
    """The last validation and the best one, the training loss before the first, each under its name.

    With `briefly` the best alone, as the progress of scoring needs the room.
    """
    history, best = live.history, live.history.best
    if briefly and best is not None:
        return tr("best {0}").format(f"{best[1]:.3f}")
    if not len(history.validation):
        smoothed = history.smoothed.values
        return tr("{0} bits/dim in training").format(f"{smoothed[-1]:.3f}") if len(smoothed) else ""
    text = tr("{0} bits/dim in validation").format(f"{history.validation.values[-1]:.3f}")
    if best is not None:
        text += tr(" (best {0} @ {1})").format(f"{best[1]:.3f}", f"{best[0]:,}")
    return text
