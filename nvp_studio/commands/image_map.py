"""`nvp-studio map`: many training images in two dimensions, as one picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nvp_studio.commands.console import (
    CommandError,
    DeviceOption,
    JsonOption,
    ModelOption,
    print_result,
    progress_bar,
)
from nvp_studio.commands.neighbours import DataOption
from nvp_studio.commands.on_ranks import open_on_rank

if TYPE_CHECKING:
    from nvp_studio.recipe import Space

_SPACES: dict[str, "Space"] = {"pixels": "x", "latents": "z"}


def image_map(
    output: Annotated[Path, typer.Option("--output", "-o", help="The .png file to write.")],
    model: ModelOption = "",
    data: DataOption = "",
    space: Annotated[str, typer.Option(help="What makes images alike: pixels or latents.")] = "pixels",
    method: Annotated[str, typer.Option(help="pca, or umap (pip install 'nvp-studio[map]').")] = "pca",
    count: Annotated[int, typer.Option(min=3, max=10_000, help="How many images, chosen at random.")] = 2000,
    side: Annotated[int, typer.Option(min=100, max=16_384, help="The longer side of the map in pixels.")] = 2400,
    scale: Annotated[int, typer.Option(min=1, max=16, help="Screen pixels for each image pixel.")] = 1,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Lay out training images so that those that are alike lie near each other, and write the map as a PNG.

    **Examples**

    `nvp-studio map -o map.png`

    `nvp-studio map --model runs/faces --data photos/ --space latents --method umap --count 5000 -o map.png`
    """
    import io

    import PIL.Image

    from nvp_studio.explore.image_map import mapping, require_umap
    from nvp_studio.explore.known_images import known_images
    from nvp_studio.explore.map_drawing import draw_map
    from nvp_studio.files import write_whole

    if output.suffix.lower() != ".png":
        raise typer.BadParameter("the map goes to a file that ends in .png", param_hint="--output")
    if space not in _SPACES:
        raise typer.BadParameter("give pixels or latents", param_hint="--space")
    if method not in ("pca", "umap"):
        raise typer.BadParameter("give pca or umap", param_hint="--method")
    if method == "umap":
        require_umap()
    opened = open_on_rank(model, device)
    if space == "latents":
        opened.flow.compile()
    known = known_images(opened, data)
    steps = mapping(opened, known, _SPACES[space], "umap" if method == "umap" else "pca", count)
    with progress_bar("") as bar:
        task = bar.add_task("")
        while True:
            try:
                work, done, total = next(steps)
            except StopIteration as end:
                made = end.value
                break
            bar.update(task, description=f"{work} images", completed=done, total=total or None)
    try:
        drawn = draw_map(made, side, scale)
    except ValueError as error:
        raise CommandError(str(error)) from error
    file = io.BytesIO()
    PIL.Image.fromarray(drawn[..., 0] if drawn.shape[2] == 1 else drawn).save(file, "PNG")
    write_whole(output, file.getvalue())
    facts = {
        "output": str(output),
        "data": known.title,
        "images": len(made.numbers),
        "method": method,
        "space": space,
        "variance": [round(share, 6) for share in made.shares] or None,
    }
    print_result(facts, json)
