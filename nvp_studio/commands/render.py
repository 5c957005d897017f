"""`nvp-studio render`: the picture of a recipe again, a sheet of pictures that it leads to, or an animation."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from nvp_studio.commands import changes
from nvp_studio.commands.animate import read_animation_file, render_animation
from nvp_studio.commands.console import CommandError, DeviceOption, JsonOption, ModelOption, print_result
from nvp_studio.commands.directions import find_direction
from nvp_studio.commands.on_ranks import open_on_rank
from nvp_studio.commands.region import read_region
from nvp_studio.recipe import MAX_ENLARGED, Kept


def render(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The .png file to write, with the recipe inside; with --animation .gif, .webp, .mp4 too.",
        ),
    ],
    picture: Annotated[
        Path | None,
        typer.Argument(help="A PNG saved by Explore, any image, seed:N, or the .json file of a recipe or animation."),
    ] = None,
    model: ModelOption = "",
    animation: Annotated[
        Path | None, typer.Option(help="Render an animation instead: the .json file of one, or a film that holds it.")
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            help="Move along this direction in steps: its number from 1, its name, or 'local 1' to 'local 8'."
        ),
    ] = None,
    first: Annotated[float, typer.Option("--from", help="First offset of a sweep, in standard deviations.")] = -3.0,
    last: Annotated[float, typer.Option("--to", help="Last offset of a sweep.")] = 3.0,
    steps: Annotated[int, typer.Option(min=2, max=1024, help="Pictures of a sweep.")] = 9,
    grid: Annotated[
        int | None, typer.Option(min=2, max=256, help="The manifold through four corners, so many pictures a side.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="With --grid: four quarter turns a side, as in the paper, not one.")
    ] = False,
    between: Annotated[
        list[str] | None,
        typer.Option(
            help="Another picture, or seed:N: once for a blend with it, three times for four corners; see --place."
        ),
    ] = None,
    place: Annotated[
        str,
        typer.Option(help="With --between: the share of the other picture, or of four RIGHT,DOWN in quarter turns."),
    ] = "0.5",
    take: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCALE=PICTURE",
            help="Take a scale, from 1, the finest, from another picture; of seed:N it is drawn anew.",
        ),
    ] = None,
    move: Annotated[
        list[str] | None,
        typer.Option(metavar="DIRECTION=OFFSET", help="Move along a direction, named as for --sweep; may be repeated."),
    ] = None,
    lock: Annotated[
        list[str] | None,
        typer.Option(metavar="DIRECTION", help="Make what moves along others orthogonal to this one; may be repeated."),
    ] = None,
    keep_length: Annotated[
        bool, typer.Option("--keep-length", help="Let moves along directions keep the length of the latent.")
    ] = False,
    keep: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Keep this share of the latent, the coarsest; draw the rest.")
    ] = None,
    kept: Annotated[
        bool, typer.Option("--kept", help="With 100, 50, 25, 12.5 and 6.25 % of the latent kept, the rest drawn anew.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="With --keep, --kept or --redraw: seed of what is drawn anew.")] = 0,
    temperature: Annotated[
        list[float] | None,
        typer.Option(
            help="Spread of the latents; once, or once for each scale, finest first. With --keep or --kept: the rest's."
        ),
    ] = None,
    nudge: Annotated[
        str | None,
        typer.Option(help="One step of the density, up or down its gradient, in latents or pixels: z+, z-, x+ or x-."),
    ] = None,
    redraw: Annotated[
        str | None,
        typer.Option(help="Draw a region anew: LEFT,TOP,WIDTH,HEIGHT in pixels, or an image that is light there."),
    ] = None,
    larger: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_ENLARGED, help="Sides so many times as long as trained; for pictures of noise alone."
        ),
    ] = None,
    scale: Annotated[int, typer.Option(min=1, help="Screen pixels for each image pixel.")] = 1,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Render the recipe inside a picture, or a sheet of pictures that begin from it.

    **Examples**

    `nvp-studio render picture.png -o again.png`

    `nvp-studio render picture.png --sweep glasses --from -2 --to 2 --steps 5 --scale 4 -o sweep.png`

    `nvp-studio render corners.png --grid 9 -o grid.png`

    `nvp-studio render one.png --between two.png --between three.png --between seed:4 --grid 9 -o grid.png`

    `nvp-studio render a.png --take 1=b.png --move 3=1.5 --move glasses=2 -o other.png`

    `nvp-studio render sample.png --larger 2 -o larger.png`

    `nvp-studio render picture.png --redraw 9,10,15,8 --seed 3 -o other.png`

    `nvp-studio render walk.json --scale 4 -o walk.gif`
    """
    from nvp_studio.explore.animation import may_be_animation
    from nvp_studio.explore.grids import corners_grid, draw_sheet, kept_strip
    from nvp_studio.explore.grids import sweep as sweep_of
    from nvp_studio.explore.nudge import step_density
    from nvp_studio.explore.pictures import write_png
    from nvp_studio.explore.redraw import redraw_region

    if picture is not None and picture.suffix.lower() == ".json" and animation is None and may_be_animation(picture):
        picture, animation = None, picture
    if (picture is None) == (animation is None):
        raise typer.BadParameter("give either a picture or --animation FILE")
    if (sweep is not None) + (grid is not None) + kept > 1:
        raise typer.BadParameter("give one of --sweep, --grid and --kept")
    if keep is not None and kept:
        raise typer.BadParameter("give --keep SHARE for one picture, or --kept for a strip")
    fields = (between, take, move, lock, keep, temperature, larger, nudge, redraw)
    changed = keep_length or any(field not in (None, []) for field in fields)
    if animation is not None:
        if changed or sweep is not None or grid is not None or kept:
            raise typer.BadParameter("an animation goes with --scale, --model and --device alone")
        film = read_animation_file(animation)
        render_animation(open_on_rank(model, device), film, output, scale, json)
        return
    assert picture is not None
    if output.suffix.lower() != ".png":
        raise typer.BadParameter("the picture goes to a file that ends in .png", param_hint="--output")
    if nudge not in (None, "z+", "z-", "x+", "x-"):
        raise typer.BadParameter("give z+, z-, x+ or x-", param_hint="--nudge")
    opened = open_on_rank(model, device)
    try:
        recipe = changes.first_recipe(opened, picture)
        if between:
            recipe = changes.between(opened, recipe, between, place)
        recipe = changes.with_scales(opened, recipe, take or ())
        rest = temperature[0] if temperature and (kept or keep is not None) else 1.0
        if keep is not None:
            recipe = msgspec.structs.replace(recipe, kept=Kept(keep, seed, rest))
        elif temperature and not kept:
            recipe = changes.with_temperatures(opened, recipe, temperature)
        recipe = changes.with_moves(opened, recipe, move or (), lock or ())
        if keep_length:
            recipe = msgspec.structs.replace(recipe, keep_length=True)
        if larger is not None:
            recipe = msgspec.structs.replace(recipe, enlarged=larger)
        if nudge is not None:
            recipe = step_density(opened, recipe, "z" if nudge[0] == "z" else "x", nudge[1] == "+")
        if redraw is not None:
            recipe = redraw_region(opened, recipe, read_region(opened, redraw), seed)
        recipes, columns = [recipe], 1
        if sweep is not None:
            offsets = [first + (last - first) * step / (steps - 1) for step in range(steps)]
            recipes, columns = sweep_of(recipe, find_direction(opened, recipe, sweep), offsets), steps
        elif grid is not None:
            recipes, columns = corners_grid(recipe, grid, grid, 4.0 if whole else 1.0), grid
        elif kept:
            recipes = kept_strip(recipe, seed, rest)
            columns = len(recipes)
        sheet = draw_sheet(opened, recipes, columns, scale)
    except ValueError as error:
        raise CommandError(f"{picture}: {error}") from error
    write_png(output, sheet, recipe)
    print_result({"output": str(output), "images": len(recipes), "checkpoint": opened.digest}, json)
