"""`nvp-studio reference`: the images that verdicts compare with; and how other commands come by a reference."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nvp_studio.commands.console import (
    CommandError,
    DeviceOption,
    JsonOption,
    ModelOption,
    print_columns,
    print_json,
    progress_bar,
    say,
)
from nvp_studio.commands.on_ranks import on_first, open_on_rank

if TYPE_CHECKING:
    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.ranks import Ranks
    from nvp_studio.scores.reference import Progress, Reference

ReferenceOption = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="NAME|FOLDER",
        help="What verdicts compare with: the name of a reference, or a folder of good images to make one of. "
        "Without it the data that the model was trained on; 'none' for no verdicts.",
    ),
]
RateOption = Annotated[
    str,
    typer.Option(
        "--false-alarms",
        metavar="SHARE",
        help="The share of images like the reference's that are called unusual, such as 1% or 0.01.",
    ),
]


def reference(
    images: Annotated[list[Path] | None, typer.Argument(help="Files, folders and archives of good images.")] = None,
    model: ModelOption = "",
    name: Annotated[str, typer.Option(help="What the reference is called; without it as the folder.")] = "",
    show: Annotated[bool, typer.Option("--list", help="List the references that the model has.")] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Make a reference of images that are known to be good, which `score --reference NAME` compares others with.

    It is kept beside the model, or in the user's folder where that cannot be written. Without images it is that of the
    model's own training and validation data, which `score` makes when it needs it.

    **Examples**

    `nvp-studio reference good-parts/ --model runs/parts --name good`

    `nvp-studio reference --list --model runs/parts`
    """
    from nvp_studio.explore.references import make_reference, needed_reference

    opened = open_on_rank(model, device)
    if show:
        _list(opened, json)
        return
    with _Progress("making the reference") as progress:
        if images:
            made = make_reference(opened, images, name or images[0].resolve().name, progress=progress)
        else:
            made = needed_reference(opened, progress)
    facts = {
        "name": made.name,
        "images": made.images,
        "calibration_images": len(made.judge.calibration),
        "least_false_alarm_rate": made.judge.least_rate,
        "source": made.source,
        "created": made.created,
        "model": opened.path,
    }
    if json:
        print_json(facts)
    else:
        say(f"reference {made.name}: {made.images} images of {made.source}; {_calibration(made)}")


def rate_of(text: str) -> float:
    """The rate that `--false-alarms` gives; wrong ones are wrong usage."""
    try:
        rate = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        rate = -1.0
    if not 0 < rate < 1:
        raise typer.BadParameter(f"--false-alarms is a share such as 1% or 0.01, not {text}")
    return rate


def chosen_reference(opened: "OpenedModel", wanted: str | None, ranks: "Ranks") -> "Reference | None":
    """The reference that `--reference` means, on every rank; None for no verdicts.

    Without the option, where the model's own cannot be made, a line says so, and there are no verdicts.
    """
    from nvp_studio.scores.reference import NoReferenceError
    from nvp_studio.scores.reference_file import read_reference, write_reference

    if wanted == "none":
        return None

    def make() -> "Reference | None":
        try:
            return _reference(opened, wanted)
        except NoReferenceError as error:
            if wanted is not None:
                raise CommandError(str(error)) from error
            say(f"no verdicts: {error}; 'nvp-studio reference FOLDER' makes a reference of other images")
            return None

    found = on_first(ranks, make)
    if ranks.world == 1:
        return found
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "shared.reference"
        if found is not None:
            write_reference(file, found)
        content = ranks.broadcast_bytes(file.read_bytes() if found is not None else b"")
        if not content:
            return None
        if not ranks.first:
            file.write_bytes(content)
            found = read_reference(file, opened.flow.config)
    return found


def say_rate(found: "Reference", rate: float) -> None:
    """Say where the calibration images are too few for the rate."""
    if rate < found.judge.least_rate:
        say(
            f"warning: {len(found.judge.calibration)} calibration images cannot tell a false-alarm rate of {rate:.2%}; "
            f"{found.judge.least_rate:.2%} holds instead"
        )


def _reference(opened: "OpenedModel", wanted: str | None) -> "Reference":
    from nvp_studio.explore.references import known_reference, make_reference, needed_reference, reference_names
    from nvp_studio.scores.reference import OWN

    if wanted is not None and Path(wanted).exists():
        with _Progress("making the reference") as progress:
            return make_reference(opened, [wanted], Path(wanted).resolve().name, progress=progress)
    if wanted is None or wanted == OWN:
        with _Progress("making the reference of this model, which is done once") as progress:
            return needed_reference(opened, progress)
    found = known_reference(opened, wanted)
    if found is None:
        names = ", ".join(reference_names(opened)) or "none yet"
        raise CommandError(f"the model has no reference {wanted!r}, and there is no such folder; it has {names}")
    return found


class _Progress:
    """Reports how many images are done on a progress bar that appears with the first of them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._bar = progress_bar("images")

    def __enter__(self) -> "Progress":
        self._task = self._bar.add_task(self._text, total=None, visible=False)
        self._bar.start()
        return self._report

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def _report(self, done: int, total: int) -> None:
        if self._bar.tasks[0].total is None:
            say(f"{self._text}: {total:,} images")
        self._bar.update(self._task, completed=done, total=total, visible=True)


def _calibration(made: "Reference") -> str:
    count = len(made.judge.calibration)
    return f"{count} of them calibrate, which can tell false-alarm rates down to {made.judge.least_rate:.2%}"


def _list(opened: "OpenedModel", json: bool) -> None:
    from nvp_studio.explore.references import known_reference, reference_names

    found = [(name, known_reference(opened, name)) for name in reference_names(opened)]
    facts = [
        {"name": name, "images": one and one.images, "source": one and one.source, "created": one and one.created}
        for name, one in found
    ]
    if json:
        print_json(facts)
    elif not facts:
        say("the model has no reference yet; score makes its own when it needs it")
    else:
        rows = [
            [name, f"{one.images} images" if one else "of other weights", one.source if one else ""]
            for name, one in found
        ]
        print_columns([["name", "made of", "source"], *rows])
