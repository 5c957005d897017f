"""`nvp-studio neighbours`: the training images that are nearest to a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nvp_studio.commands.console import (
    CommandError,
    DeviceOption,
    JsonOption,
    ModelOption,
    out,
    print_columns,
    print_json,
    progress_bar,
    say,
)
from nvp_studio.commands.on_ranks import open_on_rank
from nvp_studio.text import error_line

if TYPE_CHECKING:
    from nvp_studio.data.dataset import Images
    from nvp_studio.explore.known_images import KnownImages
    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.explore.neighbours import Neighbours
    from nvp_studio.recipe import Space

_SPACES: dict[str, tuple["Space", ...]] = {"pixels": ("x",), "latents": ("z",), "both": ("x", "z")}
DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="NAME|PATH",
        help="Training images: a data set's name, a folder or a data file; without it the model's own data.",
    ),
]


def neighbours(
    image: Annotated[Path, typer.Argument(help="An image file, or a PNG saved by Explore.")],
    model: ModelOption = "",
    data: DataOption = "",
    space: Annotated[str, typer.Option(help="Compare in pixels, in latents, or both.")] = "pixels",
    count: Annotated[int, typer.Option(min=1, max=64, help="How many training images.")] = 8,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Find the training images nearest to a picture: does the model copy?

    The distance of the nearest one is compared with how far test images are from their nearest training image. In
    latents all training images are encoded first, which takes minutes and is kept for the next time.

    **Examples**

    `nvp-studio neighbours sample.png`

    `nvp-studio neighbours sample.png --model runs/faces --data photos/ --space both --json`
    """
    from nvp_studio.explore.known_images import known_images
    from nvp_studio.explore.pictures import read_picture
    from nvp_studio.explore.rendering import draw

    if space not in _SPACES:
        raise typer.BadParameter("give pixels, latents or both", param_hint="--space")
    opened = open_on_rank(model, device)
    opened.flow.compile()
    try:
        read = read_picture(opened, image)
        picture = draw(opened, [read.recipe]).images[0]
    except (ValueError, OSError) as error:
        raise CommandError(f"{image}: {error_line(error)}") from error
    known = known_images(opened, data)
    for note in read.notes:
        say(note)
    found = [_find(opened, known, picture, one, count) for one in _SPACES[space]]
    if json:
        print_json(
            {
                "image": str(image),
                "model": opened.path,
                "data": known.title,
                "held_out": "test" if known.tested else "validation",
                "neighbours": {name: _facts(one) for name, one in zip(_names(space), found, strict=True)},
            }
        )
        return
    for name, one in zip(_names(space), found, strict=True):
        _print(name, one, known)


def _names(space: str) -> list[str]:
    return ["pixels", "latents"] if space == "both" else [space]


def _find(opened: "OpenedModel", known: "KnownImages", picture: "Images", space: "Space", count: int) -> "Neighbours":
    from nvp_studio.explore.neighbours import finding

    steps = finding(opened, known, picture, space, count)
    with progress_bar("images") as bar:
        task = bar.add_task("")
        while True:
            try:
                work, done, total = next(steps)
            except StopIteration as end:
                found: Neighbours = end.value
                return found
            bar.update(task, description=f"{work} images", completed=done, total=total)


def _facts(found: "Neighbours") -> dict[str, object]:
    return {
        "unit": "grey levels" if found.space == "x" else "standard deviations of the prior",
        "indices": found.indices.tolist(),
        "distances": found.distances.tolist(),
        "searched": found.searched,
        "percent_as_near": found.percent,
        "held_out_images": len(found.held_distances),
        "held_out_median": float(found.held_distances[len(found.held_distances) // 2]),
        "training_image": found.known,
        "possible_copy": found.near,
    }


def _print(name: str, found: "Neighbours", known: "KnownImages") -> None:
    unit = "grey levels" if found.space == "x" else "standard deviations"
    digits = 2 if found.space == "x" else 3
    rows = [
        [str(index), f"{distance:.{digits}f}"] for index, distance in zip(found.indices, found.distances, strict=True)
    ]
    print_columns([[f"image of {known.title}", f"distance in {name}, {unit}"], *rows])
    kind = "test" if known.tested else "validation"
    share = f"{found.percent:.1f} % of {len(found.held_distances)} {kind} images are as near to a training image"
    if found.known:
        out(f"it is a training image; {share}")
    elif found.near:
        out(f"it may be a copy: {share}")
    else:
        out(f"no nearer than images that were not trained on: {share}")
