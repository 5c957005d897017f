"""`nvp-studio sample`, `encode` and `decode`: pictures out of a flow, images into its latents and back."""

import os
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from nvp_studio.commands.console import (
    CommandError,
    DeviceOption,
    JsonOption,
    ModelOption,
    print_result,
    progress_bar,
    say,
)
from nvp_studio.commands.data_split import (
    DataOption,
    LimitOption,
    SplitImages,
    SplitOption,
    check_files_or_data,
    read_split,
)
from nvp_studio.commands.on_ranks import command_ranks, map_on_ranks, open_on_rank
from nvp_studio.commands.options import given_reading, options_of, with_options
from nvp_studio.commands.score_labels import LabelsOption, check_labels, labels_of_files
from nvp_studio.data.reading import Reading
from nvp_studio.file_labels import FileLabels
from nvp_studio.text import one_line, printable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nvp_studio.data.archive_paths import Archives
    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.recipe import Recipe

    Images = npt.NDArray[np.uint8]

BATCH = 64

ImagesOutput = Annotated[
    Path,
    typer.Option("--output", "-o", help="A contact sheet (.png), an array of images (.npz), or a folder of PNG files."),
]
ScaleOption = Annotated[int | None, typer.Option(min=1, help="Screen pixels for each image pixel in a contact sheet.")]


def sample(
    output: ImagesOutput,
    model: ModelOption = "",
    n: Annotated[int, typer.Option("-n", "--count", min=1, help="Number of images.")] = 64,
    temperature: Annotated[
        list[float] | None,
        typer.Option("--temperature", "-t", help="Spread of the latents; once, or once for each scale, finest first."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same images.")] = 0,
    scale: ScaleOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Draw new images from a trained flow.

    **Examples**

    `nvp-studio sample -o sheet.png`

    `nvp-studio sample --model runs/photos -n 1000 --temperature 0.8 --seed 7 -o samples.npz`
    """
    opened = open_on_rank(model, device)
    flow = opened.flow
    spread = temperature or [1.0]
    latents = flow.latents(n, spread[0] if len(spread) == 1 else spread, seed)
    images = _decode(opened, latents, "sampling")
    _write_images(output, images, [f"sample-{index:05}" for index in range(n)], scale)
    result = {"output": str(output), "images": n, "seed": seed, "temperature": spread, "checkpoint": opened.digest}
    print_result(result, json)


@with_options(options_of(Reading, omit=["split", "labels"]))  # which chooses the split that is encoded
def encode(
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz file to write.")],
    files: Annotated[list[Path] | None, typer.Argument(help="Image files, folders, zip and tar files.")] = None,
    model: ModelOption = "",
    data: DataOption = None,
    split: SplitOption = "test",
    limit: LimitOption = None,
    labels: LabelsOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    **fields: Any,
) -> None:
    """Compute the exact latents of images, from which `decode` gives the same 8-bit images again.

    Images are resized to the model's size first; each such change is printed. The file holds the arrays `z` (N, D),
    `names`, `exact` (whether decoding gave the same pixels here), `image_shape`, `checkpoint`, and `label` and
    `label_name`, where there are labels. A file that cannot be read is named and left out, and the command ends with 1.

    **Examples**

    `nvp-studio encode photos/ shirt.png -o latents.npz`

    `nvp-studio encode --data fashion-mnist --split validation -o latents.npz`

    `torchrun --nproc-per-node 8 -m nvp_studio encode photos/ -o latents.npz`
    """
    import numpy as np

    from nvp_studio.data.archive_paths import Archives
    from nvp_studio.files import stream_whole

    if output.suffix.lower() != ".npz":
        raise typer.BadParameter("latents go to a file that ends in .npz", param_hint="--output")
    check_files_or_data(files, data)
    given = given_reading(fields | {"labels": check_labels(labels, data)})
    named = labels_of_files(labels, files or [])
    names: list[str] = []
    latents: list[Any] = []
    exact: list[bool] = []
    label_names: list[str] = []
    arrays: dict[str, Any] = {}
    failed = 0
    with command_ranks() as ranks, Archives() as archives:
        opened = open_on_rank(model, device, ranks)
        opened = replace(opened, reading=given.after(opened.reading))
        total = None
        if data is None:
            found = archives.find(files or [])
            paths = (os.fsencode(path) for path in found if isinstance(path, Path))
            rows = map_on_ranks(ranks, paths, BATCH, partial(_encode_files, opened, archives, named), _Encoded)
        else:
            chosen = read_split(opened, data, given, split, limit, ranks)
            total = len(chosen.images)
            rows = map_on_ranks(ranks, range(total), BATCH, partial(_encode_split, opened, chosen), _Encoded)
            if chosen.labels is not None:
                arrays = {
                    "label": np.asarray(chosen.labels, np.int64),
                    "label_name": np.array([chosen.label_name(index) for index in range(total)], np.str_),
                }
        if not ranks.first:
            deque(rows, maxlen=0)
            return
        with progress_bar("images") as bar:
            task = bar.add_task("encoding", total=total)
            for row in rows:
                if row.note:
                    say(f"{row.name}: {row.note}")
                if row.z:
                    names.append(row.name)
                    label_names.append(row.label_name)
                    latents.append(np.frombuffer(row.z))
                    exact.append(row.exact)
                else:
                    failed += 1
                bar.advance(task)
    if not names:
        raise CommandError("none of the files is an image that can be read")
    if data is None:
        known = sorted({name for name in label_names if name})
        numbers = {name: number for number, name in enumerate(known)}
        label = np.array([numbers.get(name, -1) for name in label_names], np.int64)
        arrays = {"label": label, "label_name": np.array(label_names, np.str_)}
    with stream_whole(output, devices=True) as file:
        np.savez(
            file,
            z=np.stack(latents),
            names=np.array(names),
            exact=np.array(exact),
            image_shape=np.array(opened.image_shape),
            checkpoint=np.array(opened.digest),
            **arrays,
        )
    inexact = exact.count(False)
    if inexact:
        say(f"{inexact} images do not decode to exactly the same pixels; they are marked in the array `exact`")
    print_result({"output": str(output), "images": len(names), "exact": len(names) - inexact, "failed": failed}, json)
    if failed:
        raise typer.Exit(1)


def decode(
    output: ImagesOutput,
    latents: Annotated[Path | None, typer.Argument(help="The .npz file that encode wrote.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A PNG saved by Explore, or a recipe's .json: render what it describes.")
    ] = None,
    model: ModelOption = "",
    scale: ScaleOption = None,
    force: Annotated[bool, typer.Option("--force", help="Decode latents of another checkpoint all the same.")] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Turn latents, or the recipe inside a saved picture, back into images.

    **Examples**

    `nvp-studio decode latents.npz -o images/`

    `nvp-studio decode --recipe picture.png -o again.png --scale 1`
    """
    if (latents is None) == (recipe is None):
        raise typer.BadParameter("give either a file of latents or --recipe PICTURE")
    opened = open_on_rank(model, device)
    if recipe is not None:
        _decode_recipe(opened, recipe, output, scale, json)
        return
    assert latents is not None
    z, names = _read_latents(opened, latents, force)
    images = _decode(opened, z, "decoding")
    _write_images(
        output, images, [f"{index:05}-{one_line(Path(name).stem, 100)}" for index, name in enumerate(names)], scale
    )
    print_result({"output": str(output), "images": len(images), "checkpoint": opened.digest}, json)


class _Encoded(msgspec.Struct, array_like=True):
    """The result for one file, as sent between ranks; without `z` (float64 bytes) the file cannot be read."""

    name: str
    note: str = ""
    """How the image was changed, or why it cannot be read."""
    z: bytes = b""
    exact: bool = False
    label_name: str = ""


def _encode_files(
    opened: "OpenedModel", archives: "Archives", named: FileLabels, paths: Sequence[bytes]
) -> list[_Encoded]:
    """A row for each image file, resized to the model's size and encoded."""
    import numpy as np

    from nvp_studio.data.decoding import decoders
    from nvp_studio.data.images import ImageError

    rows: list[_Encoded] = []
    images: dict[int, Images] = {}
    files = [Path(os.fsdecode(path)) for path in paths]
    sources = map(archives.source, files)
    with closing(decoders().read(sources, opened.image_shape, opened.reading)) as decoded:
        for path, image in zip(files, (image for image in decoded if image is not None), strict=True):
            if isinstance(image, ImageError):
                rows.append(_Encoded(printable(str(path)), printable(str(image))))
            else:
                images[len(rows)] = image.pixels
                rows.append(_Encoded(printable(str(path)), ", ".join(image.notes), label_name=named.of(path)))
    if images:
        latents, same = _encode(opened, np.stack(list(images.values())))
        for number, z, exact in zip(images, latents, same, strict=True):
            rows[number].z, rows[number].exact = z.tobytes(), bool(exact)
    return rows


def _encode_split(opened: "OpenedModel", chosen: SplitImages, indices: Sequence[int]) -> list[_Encoded]:
    """A row for each of these images of a split, named ``split/index``."""
    if not indices:
        return []
    latents, same = _encode(opened, chosen.images[indices[0] : indices[-1] + 1].copy())  # a file may be mapped
    return [
        _Encoded(chosen.name(index), z=z.tobytes(), exact=bool(exact))
        for index, z, exact in zip(indices, latents, same, strict=True)
    ]


def _encode(opened: "OpenedModel", images: "Images") -> tuple[Any, Any]:
    """Latents (N, D), float64, of 8-bit images at the middle of each grey level, and whether each decodes to itself."""
    import torch

    from nvp_studio.flow.dequantization import images_from_unit, unit_from_images

    flow = opened.flow
    with torch.inference_mode():
        x = unit_from_images(torch.from_numpy(images), 0.5).to(flow.device, flow.dtype)
        z, _ = flow.encode(x)
        again = images_from_unit(flow.decode(z)).cpu().numpy()
    return z.cpu().double().numpy(), (again == images).reshape(len(images), -1).all(axis=1)


def _decode(opened: "OpenedModel", latents: Any, description: str) -> "Images":
    """The 8-bit images (N, H, W, C) of latents (N, D)."""
    import numpy as np
    import torch

    from nvp_studio.flow.dequantization import images_from_unit

    parts = []
    with progress_bar("images") as bar, torch.inference_mode():
        task = bar.add_task(description, total=len(latents))
        for start in range(0, len(latents), BATCH):
            z = latents[start : start + BATCH].to(opened.flow.device, opened.flow.latent_dtype)
            parts.append(images_from_unit(opened.flow.decode(z)).cpu().numpy())
            bar.advance(task, len(z))
    return np.concatenate(parts)


def read_recipe(opened: "OpenedModel", picture: Path) -> "Recipe":
    """The recipe in a PNG or .json file, for the open model; raises `CommandError` where there is none."""
    from nvp_studio.explore.pictures import read_picture

    read = read_picture(opened, picture)
    if not read.had_recipe:
        raise CommandError(f"{picture} holds no usable recipe ({'; '.join(read.notes) or 'it is a plain image'})")
    for note in read.notes:
        say(note)
    return read.recipe


def _decode_recipe(opened: "OpenedModel", picture: Path, output: Path, scale: int | None, json: bool) -> None:
    """Render the recipe in `picture`; a PNG output holds it as well."""
    from nvp_studio.explore.pictures import save_picture
    from nvp_studio.explore.rendering import render

    recipe = read_recipe(opened, picture)
    rendering = render(opened, [recipe])
    if output.suffix.lower() == ".png":
        save_picture(output, rendering.images[0], recipe, scale or 1)
    else:
        _write_images(output, rendering.images, [picture.stem], scale)
    print_result({"output": str(output), "images": 1, "bits_per_dim": float(rendering.bits_per_dim[0])}, json)


def _read_latents(opened: "OpenedModel", path: Path, force: bool) -> tuple[Any, list[str]]:
    """Latents (N, D) as a tensor and the images' names; raises `CommandError` when they are not the model's."""
    import numpy as np
    import torch

    from nvp_studio.data.numpy_files import read_arrays

    try:
        arrays = read_arrays(path, ("z", "names", "checkpoint"))
        z, names, checkpoint = arrays["z"], arrays["names"].tolist(), str(arrays["checkpoint"])
    except ValueError as error:
        raise CommandError(f"{path} was not written by nvp-studio encode ({one_line(error)})") from error
    dimensions = opened.flow.config.dimensions
    if (
        z.ndim != 2
        or z.shape[1] != dimensions
        or z.dtype not in (np.float32, np.float64)
        or not isinstance(names, list)
    ):
        raise CommandError(f"{path} holds latents of shape {z.shape}; this model's are (N, {dimensions})")
    if len(names) != len(z):
        raise CommandError(f"{path} holds {len(z)} latents but {len(names)} names")
    if checkpoint != opened.digest and not force:
        raise CommandError(
            f"{path} was encoded with another checkpoint ({checkpoint[:12]}); give that --model, or --force"
        )
    return torch.from_numpy(z), [str(name) for name in names]


def _write_images(output: Path, images: "Images", names: list[str], scale: int | None) -> None:
    """Write images (N, H, W, C) to `output` in the form that its suffix names: .png, .npz, or else a folder."""
    import numpy as np

    from nvp_studio.commands.sheet import contact_sheet, png
    from nvp_studio.files import stream_whole, write_whole

    ending = output.suffix.lower()
    if ending == ".png":
        write_whole(output, png(contact_sheet(images, scale)), devices=True)
    elif ending == ".npz":
        with stream_whole(output, devices=True) as file:
            np.savez(file, images=images)
    elif ending and not output.is_dir():
        raise typer.BadParameter(f"{output}: give .png, .npz or a folder", param_hint="--output")
    else:
        output.mkdir(parents=True, exist_ok=True)
        for name, image in zip(names, images, strict=True):
            write_whole(output / f"{name}.png", png(image))
