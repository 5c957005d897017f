"""What tells whether a file was scored already: digests of its name and of its content."""

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from nvp_studio.csv_file import csv_cell

if TYPE_CHECKING:
    from nvp_studio.data.archive_paths import Archives

DIGEST_BYTES = 12
_PART = 2**20
"""Bytes at the start and at the end of a file that its digest covers."""


def content_of(archives: "Archives", path: Path) -> str:
    """A digest of the size, the first and the last megabyte of an image file or a member of an archive.

    Empty for what is no regular file or cannot be read.
    """
    try:
        source = archives.source(path)
    except OSError:
        return ""
    return content_of_source(source)


def content_of_source(source: object) -> str:
    """As `content_of`, of what `Archives.source` gave: a path or the content of a member."""
    try:
        if isinstance(source, bytes):
            return _content(len(source), source[:_PART] + source[_PART:][-_PART:])
        if not isinstance(source, str | os.PathLike) or not stat.S_ISREG(os.stat(source).st_mode):
            return ""
        with open(source, "rb") as file:
            start = file.read(_PART)
            size = os.fstat(file.fileno()).st_size
            if size > _PART:
                file.seek(max(_PART, size - _PART))
                start += file.read(_PART)
        return _content(size, start)
    except OSError:
        return ""


def name_of(cell: str) -> str:
    """The path that a cell of a table stands for."""
    bare = cell.removeprefix("'")
    return bare if csv_cell(bare) == cell else cell


def has_changed(path: str, content: str, archives: "Archives") -> bool:
    """Whether a file has another content than `content_of` said once; not where it is gone, or that is not known."""
    now = content_of(archives, Path(path)) if content else ""
    return bool(now) and now != content


def name_digest(path: str) -> bytes:
    """`DIGEST_BYTES` that stand for a path."""
    return hashlib.blake2b(csv_cell(path).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _content(size: int, parts: bytes) -> str:
    return hashlib.blake2b(parts, digest_size=8, salt=size.to_bytes(8, "little")).hexdigest()
