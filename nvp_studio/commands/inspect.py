"""`nvp-studio ledger` and `nvp-studio doctor`: what each layer of a model adds to a score, and which one misbehaves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from nvp_studio.commands.console import (
    MODEL_HELP,
    CommandError,
    DeviceOption,
    JsonOption,
    ModelOption,
    out,
    print_columns,
    print_json,
    say,
)
from nvp_studio.commands.on_ranks import open_on_rank

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nvp_studio.explore.model import OpenedModel

_DIGITS = 4
"""Decimals of bits/dim, as `score` prints them."""


def ledger(
    image: Annotated[Path, typer.Argument(help="An image file.")],
    model: ModelOption = "",
    samples: Annotated[int, typer.Option(min=1, max=1000, help="Dequantization samples, as of `score`.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the dequantization noise.")] = 0,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Show what each layer adds to the score of an image: its log-determinant in nats and in bits/dim.

    The rows add up to the score that `score` gives the file with these samples and this seed. With several samples each
    row is their weighted mean. `sum` is the sum of the rows so far. A prior is the log-density of the latents that
    leave after a scale; the first row is the volume 256^-D of an 8-bit image.

    **Examples**

    `nvp-studio ledger face.png`

    `nvp-studio ledger photo.jpg --model runs/photos --json`
    """
    from nvp_studio.explore.ledger import ledger as made_ledger
    from nvp_studio.explore.ledger_rows import cumulative

    opened = open_on_rank(model, device)
    pixels, notes = _read(opened, image)
    made = made_ledger(opened, pixels, samples, seed)
    if json:
        print_json({"path": str(image), "model": opened.path, "notes": notes, **msgspec.to_builtins(made)})
        return
    rows = [["layer", "shape", "nats", "bits/dim", "sum"]]
    for row, (value, total) in zip(made.rows, cumulative(made.rows, _DIGITS), strict=True):
        shape = "" if row.shape is None else "x".join(map(str, row.shape))
        rows.append([row.layer, shape, f"{row.nats:.2f}", f"{value:.{_DIGITS}f}", f"{total:.{_DIGITS}f}"])
    rows.append(["score", "", f"{made.nats:.2f}", f"{made.bits_per_dim:.{_DIGITS}f}", ""])
    print_columns(rows)
    for note in notes:
        say(note)


def doctor(
    model: Annotated[str, typer.Argument(metavar="[MODEL|RUN]", help=MODEL_HELP)] = "",
    images: Annotated[
        list[Path] | None,
        typer.Option("--image", help="Measure on this image file (may be repeated), not on samples of the model."),
    ] = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Examine every layer of a model and say which one misbehaves, and what to do.

    Measured are the slopes of couplings and how many are at their bound, the condition of channel mixing, the values
    after each layer, dead feature maps, and the error that decoding has gathered at each layer. Ends with 0 where no
    problem was found, else with 1; notes are no problems.

    **Examples**

    `nvp-studio doctor`

    `nvp-studio doctor runs/photos --image a.png --image b.png --json`
    """
    import numpy as np  # not at the top: the command line starts without it

    from nvp_studio.explore.health import examine

    opened = open_on_rank(model, device)
    read = [_read(opened, path)[0] for path in images or ()]
    health = examine(opened, np.stack(read) if read else None)
    if json:
        print_json({"model": opened.path, "sound": health.sound, **msgspec.to_builtins(health)})
    else:
        rows = [["layer", "shape", "deviation", "largest", "slopes", "condition", "dead", "inverse error"]]
        for one in health.layers:
            slopes = "" if one.slope_low is None else f"{one.slope_low:.3g} to {one.slope_high:.3g}"
            dead = "" if one.dead_channels is None else f"{one.dead_channels:.0%}"
            figures = [f"{one.deviation:.3g}", f"{one.largest:.3g}", slopes, _figure(one.condition), dead]
            rows.append([one.layer, "x".join(map(str, one.shape)), *figures, _figure(one.inverse_error)])
        print_columns(rows)
        out("")
        for finding in health.findings:
            out(f"{finding.level}: {finding.text}")
        measured = f"{len(health.layers)} layers, measured on {health.images} {'images' if read else 'samples'}"
        out(f"{measured}: {'no problem was found' if health.sound else 'there are problems'}")
    if not health.sound:
        raise typer.Exit(1)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _read(opened: "OpenedModel", path: Path) -> "tuple[npt.NDArray[np.uint8], tuple[str, ...]]":
    """The pixels (H, W, C) that `score` would score of an image file, and what was done to them."""
    from nvp_studio.data.archive_paths import Archives
    from nvp_studio.data.decoding import decoders
    from nvp_studio.data.images import ImageError

    if path.is_dir():
        raise CommandError(f"{path} is a folder; give one image file")
    with Archives() as archives:
        source = archives.source(path)
        if isinstance(source, ImageError):
            raise source
        steps = decoders().read_one(source, opened.image_shape, opened.reading)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value.pixels, tuple(end.value.notes)
