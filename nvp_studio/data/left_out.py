"""What lies in a source of images and is not used, counted by reason, to be said wherever images are counted."""

import os
from collections.abc import Sequence

from nvp_studio.data.report import LeftOut
from nvp_studio.text import one_line

_EXAMPLES = 3
_MAX_CHARACTERS = 60
_NO_IMAGES = frozenset(
    {
        ".cfg",
        ".csv",
        ".db",
        ".doc",
        ".docx",
        ".htm",
        ".html",
        ".ini",
        ".ipynb",
        ".json",
        ".jsonl",
        ".lnk",
        ".log",
        ".lst",
    }
    | {".m", ".md", ".md5", ".names", ".pdf", ".py", ".rst", ".sh", ".sha1", ".sha256", ".tex", ".toml", ".tsv", ".txt"}
    | {".url", ".xls", ".xlsx", ".xml", ".yaml", ".yml"}
)
"""Extensions of texts and tables, which nobody takes for images."""
_TEXTS = frozenset({"authors", "changelog", "checksums", "copying", "license", "licence", "makefile", "readme"})
"""Names of such files without an extension."""
_ADVICE = (
    ({".heic", ".heif", ".jxl", ".pcx", ".psd", ".svg", ".xcf"}, "convert them to PNG or JPEG"),
    ({".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".raw", ".rw2"}, "convert them to TIFF or PNG"),
    ({".dcm", ".mha", ".mhd", ".nii", ".nrrd"}, "save their slices as 16-bit PNG or TIFF files"),
    ({".czi", ".exr", ".fit", ".fits", ".hdr", ".nd2", ".pfm", ".svs"}, "convert them to TIFF"),
    ({".avi", ".mkv", ".mov", ".mp4", ".mpg", ".webm"}, "save their frames as images"),
    (
        {".7z", ".bz2", ".gz", ".lz4", ".rar", ".tar", ".tbz", ".tbz2", ".tgz", ".txz", ".xz", ".zip", ".zst"},
        "unpack them",
    ),
)


class LeftOutCount:
    """Counts what is left out, in the order in which the reasons come up."""

    def __init__(self, before: Sequence[LeftOut] = ()) -> None:
        """`before` was counted already."""
        self._counts = {one.reason: one.count for one in before}
        self._examples = {one.reason: dict.fromkeys(one.examples) for one in before}
        self._options = {one.reason: one.option for one in before}

    def add(self, reason: str, example: str, count: int = 1, option: tuple[str, ...] = ()) -> None:
        """Count files for this reason; `example` names the file or its folder, `option` would take it in."""
        self._counts[reason] = self._counts.get(reason, 0) + count
        self._options[reason] = option
        examples = self._examples.setdefault(reason, {})
        if len(examples) < _EXAMPLES:
            examples[example] = None

    def all(self) -> tuple[LeftOut, ...]:
        """What was counted."""
        return tuple(
            LeftOut(reason=reason, count=count, examples=self._named(reason), option=self._options[reason])
            for reason, count in self._counts.items()
        )

    def _named(self, reason: str) -> tuple[str, ...]:
        names = [one_line(name, _MAX_CHARACTERS) for name in self._examples[reason] if name]
        return tuple(names)


def why_unread(name: str) -> str:
    """Why a file of this name in a folder of images is not read, with advice; empty for texts and tables.

    `name` has no extension of an image that is read.
    """
    stem, extension = os.path.splitext(name.lower())
    if extension == ".gz" and (inner := os.path.splitext(stem)[1]) in (".nii", ".tif"):
        extension = inner
    if extension in _NO_IMAGES or (not extension and stem in _TEXTS):
        return ""
    if not extension:
        return "files without an extension are not read"
    advice = next((advice for extensions, advice in _ADVICE if extension in extensions), "")
    return one_line(f"files with the extension {extension} are not read{': ' if advice else ''}{advice}", 100)
