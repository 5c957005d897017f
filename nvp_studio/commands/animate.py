"""`nvp-studio animate`: an animation between pictures, as a film or as a file that the window opens."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nvp_studio.commands.changes import first_recipe
from nvp_studio.commands.console import CommandError, DeviceOption, JsonOption, ModelOption, print_result, progress_bar
from nvp_studio.commands.on_ranks import open_on_rank
from nvp_studio.text import printable

if TYPE_CHECKING:
    from nvp_studio.explore.animation import Animation
    from nvp_studio.explore.model import OpenedModel


def animate(
    pictures: Annotated[
        list[Path],
        typer.Argument(
            help="Keyframes in their order: images, PNGs saved by Explore with a recipe, or seed:N. "
            "Or one .json file of an animation, which is rendered as it is."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="A .gif, .webp, .png or (where ffmpeg is) .mp4 file, or a .json file for Explore and render.",
        ),
    ],
    model: ModelOption = "",
    path: Annotated[
        Literal["sphere", "spline"],
        typer.Option(help="From each keyframe to the next as a blend goes, or a smooth spline through all of them."),
    ] = "sphere",
    seconds: Annotated[float, typer.Option(help="Length of the whole animation.")] = 4.0,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 25.0,
    loop: Annotated[
        bool, typer.Option("--loop", help="Let the path go on from the last keyframe to the first.")
    ] = False,
    keep_length: Annotated[
        bool, typer.Option(help="Of a spline: let lengths at every scale go evenly from keyframe to keyframe.")
    ] = True,
    scale: Annotated[int, typer.Option(min=1, help="Screen pixels for each image pixel.")] = 4,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Animate the way between pictures in the latent space.

    An image that holds no recipe becomes a keyframe by its exact latent, cropped and resized to the model's size.

    **Examples**

    `nvp-studio animate boot.png bag.png shirt.png --loop --seconds 6 -o clothes.webp`

    `nvp-studio animate one.png two.png three.png --path spline -o walk.json`
    """
    from nvp_studio.explore.animating import check_animation
    from nvp_studio.explore.animation import MOST_KEYFRAMES, Animation, may_be_animation
    from nvp_studio.files import write_whole

    if len(pictures) == 1 and pictures[0].suffix.lower() == ".json" and may_be_animation(pictures[0]):
        film = read_animation_file(pictures[0])
        render_animation(open_on_rank(model, device), film, output, scale, json)
        return
    if len(pictures) > MOST_KEYFRAMES:
        raise CommandError(f"{len(pictures)} keyframes are too many; the most are {MOST_KEYFRAMES}")
    try:  # before a model is opened
        Animation(path=path, seconds=seconds, frames_per_second=fps)
    except ValueError as error:
        raise CommandError(str(error)) from error
    opened = open_on_rank(model, device)
    keyframes = []
    for picture in pictures:
        try:
            keyframes.append(first_recipe(opened, picture))
        except (ValueError, OSError) as error:
            raise CommandError(f"{printable(str(picture))}: {error}") from error
    animation = Animation(
        keyframes=tuple(keyframes),
        path=path,
        seconds=seconds,
        frames_per_second=fps,
        loop=loop,
        keep_length=keep_length,
    )
    if output.suffix.lower() != ".json":
        render_animation(opened, animation, output, scale, json)
        return
    try:
        check_animation(opened, animation)
    except ValueError as error:
        raise CommandError(str(error)) from error
    write_whole(output, animation.to_json().encode(), devices=True)
    print_result({"output": str(output), "keyframes": len(keyframes), "frames": animation.frames}, json)


def read_animation_file(path: Path) -> "Animation":
    """The animation in a .json file, or in a film that holds it; raises `CommandError` where there is none."""
    from nvp_studio.explore.animation_files import read_animation

    try:
        return read_animation(path)
    except ValueError as error:
        raise CommandError(f"{printable(str(path))}: {error}") from error


def render_animation(opened: "OpenedModel", animation: "Animation", output: Path, scale: int, json: bool) -> None:
    """Write an animation as a film, with progress on stderr; raises `CommandError`."""
    from nvp_studio.explore.animation_files import write_animation

    try:
        with progress_bar("steps") as bar:
            task = bar.add_task("animating", total=None)
            write_animation(
                output, opened, animation, scale, lambda done, total: bar.update(task, completed=done, total=total)
            )
    except ValueError as error:
        raise CommandError(str(error)) from error
    print_result({"output": str(output), "frames": animation.frames, "checkpoint": opened.digest}, json)
