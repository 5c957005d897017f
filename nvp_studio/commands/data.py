"""`nvp-studio data`: which data sets there are, what is known of one, what it holds, and getting one ready."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from nvp_studio.commands.console import (
    CommandError,
    JsonOption,
    Stopped,
    errors,
    on_stop,
    out,
    print_columns,
    print_json,
    print_result,
    progress_bar,
    say,
)
from nvp_studio.commands.options import SIZE, given_reading, options_of, size_option, with_options
from nvp_studio.data.places import cache_folder, data_folder, prepared_folders
from nvp_studio.data.reading import Reading
from nvp_studio.data.report import suspicion_text
from nvp_studio.files import write_whole
from nvp_studio.text import shape_text

if TYPE_CHECKING:
    from nvp_studio.data.catalogue import CatalogueEntry
    from nvp_studio.data.download import RemoteFile
    from nvp_studio.data.options import Progress
    from nvp_studio.data.prepared import PreparedInfo

app = typer.Typer(
    help="List the data sets, describe one, get one ready.", no_args_is_help=True, rich_markup_mode="markdown"
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name of 'nvp-studio data list'.")]
RootOption = Annotated[str | None, typer.Option(help="Folder in which files are looked for first.")]
SizeOption = Annotated[
    Any,  # an ImageSize or None
    typer.Option(
        parser=size_option,
        metavar=SIZE,
        help="Size in pixels that images are brought to: 32 for squares, or width x height such as 32x48.",
    ),
]
ChannelsOption = Annotated[int | None, typer.Option(help="1 for grey, 3 for colour; without it as they are.")]


@app.command("list")
def list_data(data_root: RootOption = None, json: JsonOption = False) -> None:
    """List the data sets of the catalogue, and the folders of images that are prepared already."""
    from nvp_studio.data.catalogue import CATALOGUE
    from nvp_studio.data.hugging_face import PREFIX
    from nvp_studio.data.prepared import info_of

    rows = [_facts(entry, data_root) for entry in CATALOGUE.values()]
    prepared = [_prepared_facts(info) for folder in prepared_folders() if (info := info_of(folder)) is not None]
    if json:
        print_json({"data_sets": rows, "prepared": prepared, "data_folder": str(data_folder())})
        return
    columns = [[row["name"], f"{row['images']:>9,}", f"{row['shape']:>14}", row["state"], row["title"]] for row in rows]
    print_columns([*columns, [f"{PREFIX}NAME", "", "", "", "an image data set of Hugging Face"]])
    if prepared:
        out("", f"prepared, in {cache_folder()} (may be deleted; they are made again from the originals):")
    for row in prepared:
        state = "" if row["finished"] else ", unfinished"
        source = row["source"] or row["folder"]
        out(f"{row['images']:>11,} images {row['shape']:>10}  {_megabytes(row['bytes'])}{state}  {source}")


@app.command()
def info(name: NameArgument, data_root: RootOption = None, json: JsonOption = False) -> None:
    """Show what is known of a data set: size, licence, whether it is on this machine, and how to get it."""
    entry = _entry(name)
    facts = _facts(entry, data_root)
    facts |= {
        "train_images": entry.train_images,
        "classes": list(entry.label_names),
        "attributes": [attribute.name for attribute in entry.attributes],
        "mirrored_in_training": entry.mirror,
        "licence": entry.licence,
        "credit": entry.credit,
        "homepage": entry.homepage,
        "files": [{"url": file.url, "md5": file.md5, "bytes": file.size} for file in entry.files],
    }
    print_result(
        facts,
        json,
        [
            ("name", entry.name),
            ("title", entry.title),
            ("images", f"{entry.images:,}, about {entry.train_images:,} of them to train on"),
            ("shape", facts["shape"]),
            ("classes", _some(entry.label_names)),
            ("attributes", ", ".join(facts["attributes"]) or None),
            ("mirrored", "yes, unless --no-flip is given" if entry.mirror else "only with --flip"),
            ("licence", entry.licence),
            ("credit", entry.credit),
            ("homepage", facts["homepage"]),
            ("place", facts["place"] or ("inside the program" if entry.ships else "not on this machine")),
            *(("file", _file_text(file)) for file in entry.files),
            ("to get it", None if entry.ships or facts["place"] else entry.how_to_get),
        ],
    )


@app.command()
@with_options(options_of(Reading))
def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A name, 'hf:NAME', or a folder of images.")],
    download_files: Annotated[
        bool, typer.Option("--download", help="Download the files, if they are not on this machine.")
    ] = False,
    data_root: RootOption = None,
    image_size: SizeOption = None,
    channels: ChannelsOption = None,
    json: JsonOption = False,
    **fields: Any,
) -> None:
    """Get a data set ready: find its files (or download them, only with --download), verify and read them once.

    Ctrl+C stops it; the next call continues from there.

    **Examples**

    `nvp-studio data prepare mnist --download`

    `nvp-studio data prepare photos/ --image-size 64`
    """
    from nvp_studio.data.catalogue import CATALOGUE, load_data
    from nvp_studio.data.describe import describe
    from nvp_studio.data.hugging_face import PREFIX, download_size, load_hugging_face
    from nvp_studio.data.options import LoadOptions
    from nvp_studio.data.report import left_out_text, rows

    started = time.monotonic()
    reading = given_reading(fields)
    entry = CATALOGUE.get(name)
    with _progress("; the next call continues from there") as progress:
        if download_files and entry is not None and not entry.ships:
            _download_set(entry, data_root, progress)
        elif download_files and name.startswith(PREFIX):
            size = download_size(name, progress)
            say(f"{name}: {'of unknown size' if size is None else _megabytes(size)} from Hugging Face")
            load_hugging_face(name, LoadOptions(image_size, channels, data_root, progress, reading), download=True)
        elif download_files and entry is None:
            raise CommandError(f"there is nothing to download for {name}; see 'nvp-studio data list'")
        data = load_data(
            name, image_size=image_size, channels=channels, data_root=data_root, progress=progress, reading=reading
        )
    seconds = time.monotonic() - started
    about = describe(data)
    facts: dict[str, Any] = {
        "name": data.name,
        "title": data.title,
        "shape": shape_text(*data.image_shape),
        "images": {split.name: split.images for split in about.splits},
        "classes": list(data.label_names),
        "notes": list(data.notes),
        "left_out": [left_out_text(one) for one in about.left_out],
        "reading": msgspec.to_builtins(data.reading),
        "warnings": [suspicion_text(one) for one in about.suspicions],
        "digest": data.digest,
        "seconds": seconds,
    }
    ready = [("ready", data.title), *rows(about), ("digest", data.digest), ("took", f"{seconds:.1f} s")]
    print_result(facts, json, ready)


@app.command()
@with_options(options_of(Reading))
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A name, or a path that --data of train takes.")],
    data_root: RootOption = None,
    image_size: SizeOption = None,
    channels: ChannelsOption = None,
    sheet: Annotated[Path | None, typer.Option(help="Write sample images side by side into this PNG file.")] = None,
    json: JsonOption = False,
    **fields: Any,
) -> None:
    """Show what a run would train on: images, classes, sizes, levels, what is left out, and what is doubtful.

    Nothing is prepared or stored. Ends with 1 where no run can train on the data as they are read.

    **Examples**

    `nvp-studio data show photos/ --image-size 32 --sheet photos.png`
    """
    from nvp_studio.data.options import LoadOptions
    from nvp_studio.data.report import DataReport, facts, rows
    from nvp_studio.data.survey import survey_data

    reading = given_reading(fields)
    with _progress() as progress:
        for step in survey_data(name, LoadOptions(image_size, channels, data_root, progress, reading)):
            if isinstance(step, DataReport):
                report = step
            else:
                progress(step, 0, "counting images" if step else "looking")
    if sheet is not None and report.samples is not None:
        from nvp_studio.commands.sheet import contact_sheet, png

        write_whole(sheet, png(contact_sheet(report.samples.array())), devices=True)
    print_result(facts(report), json, [("data", report.title), *rows(report)])
    if report.problem:
        raise typer.Exit(1)


def _download_set(entry: "CatalogueEntry", data_root: str | None, progress: "Progress") -> None:
    """Print the size and licence of a set that is not on this machine yet, and download its files."""
    from nvp_studio.data.download import download, size_of

    place = entry.find_anywhere(data_root)
    if place is not None:
        say(f"{entry.title} is here already: {place}")
        return
    if not entry.files:
        raise CommandError(f"{entry.title} cannot be downloaded by a program: {entry.how_to_get}")
    sizes = [size_of(file) for file in entry.files]
    known = sum(size for size in sizes if size is not None)
    size = _megabytes(known) + (" and files of unknown size" if None in sizes else "")
    say(f"{entry.title}: {size} from {entry.files[0].url.split('/')[2]} into {entry.home}")
    say(f"licence: {entry.licence}")
    for file in entry.files:
        if file.md5 is None:
            say(f"{file.name} has no published checksum; its content cannot be verified")
        download(file, entry.home, progress)


@contextmanager
def _progress(advice: str = "") -> "Iterator[Progress]":
    """A progress bar, and the function that moves it, which raises `Stopped` when a person has asked to stop.

    `advice` follows the words that say so.
    """
    reason = ""

    def stop(why: str) -> None:
        nonlocal reason
        reason = why

    with on_stop(stop), progress_bar("") as bar:
        task = bar.add_task("looking", total=None)
        shown_at, shown = 0.0, ""

        def progress(done: int, total: int, description: str) -> None:
            nonlocal shown_at, shown
            if reason:
                raise Stopped(f"stopped by {reason}{advice}")
            now = time.monotonic()
            if now - shown_at < 0.1 and description == shown:
                return
            if description != shown:
                bar.reset(task, description=description)
                if not errors.is_terminal:
                    say(description)
            shown_at, shown = now, description
            bar.update(task, completed=done, total=total or None)

        yield progress


def _entry(name: str) -> "CatalogueEntry":
    from nvp_studio.data.catalogue import CATALOGUE

    if name not in CATALOGUE:
        raise CommandError(f"no data set {name!r} in the catalogue; there are {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def _facts(entry: "CatalogueEntry", data_root: str | None) -> dict[str, Any]:
    place = None if entry.ships else entry.find_anywhere(data_root)
    state = "in the program" if entry.ships else "here" if place else "to download"
    if not entry.ships and place is None and not entry.files:
        state = "to get by hand"
    return {
        "name": entry.name,
        "title": entry.title,
        "images": entry.images,
        "shape": shape_text(*entry.image_shape),
        "state": state,
        "place": None if place is None else str(place),
    }


def _prepared_facts(info: "PreparedInfo") -> dict[str, Any]:
    return {
        "folder": str(info.folder),
        "source": info.source,
        "images": info.images,
        "shape": shape_text(*info.image_shape) if info.finished else "",
        "bytes": info.size,
        "finished": info.finished,
    }


def _some(names: tuple[str, ...], limit: int = 12) -> str | None:
    """How many names there are, and the first of them."""
    if not names:
        return None
    return f"{len(names)}: {', '.join(names[:limit])}{', ...' if len(names) > limit else ''}"


def _file_text(file: "RemoteFile") -> str:
    size = "size not stated" if file.size is None else _megabytes(file.size)
    return f"{file.url} ({size}, {f'MD5 {file.md5}' if file.md5 else 'no published checksum'})"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"
