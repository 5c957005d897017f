"""Where data sets are looked for, and where what was prepared from them is kept."""

import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

SYSTEM_FOLDERS = (Path("/usr/share/datasets"),)
"""Where the packages of a Linux distribution put data sets: Debian's dataset-fashion-mnist, for one."""


def data_folder() -> Path:
    """Where sets that do not ship are looked for and downloaded to.

    The folder that the environment names in NVP_STUDIO_DATA, else one in the user's data folder.
    """
    named = os.environ.get("NVP_STUDIO_DATA")
    return Path(named) if named else platformdirs.user_data_path("nvp-studio") / "data"


def data_roots(first: str | os.PathLike[str] | None = None) -> list[Path]:
    """The folders in which data sets are looked for, in this order; `first` is one that a person named."""
    named = [Path(os.path.expanduser(first))] if first is not None else []
    return [*named, data_folder(), *SYSTEM_FOLDERS]


def cache_folder() -> Path:
    """Where prepared images are kept: the folder in NVP_STUDIO_CACHE, else in the user's cache folder.

    All in it can be made again from the original files, so it may be deleted.
    """
    named = os.environ.get("NVP_STUDIO_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("nvp-studio") / "data"


def prepared_folders() -> Iterator[Path]:
    """The folders of prepared sets below `cache_folder`, finished or not."""
    try:
        yield from sorted(path for path in cache_folder().iterdir() if path.is_dir())
    except OSError:
        return
