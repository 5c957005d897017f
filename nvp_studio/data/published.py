"""Published data sets that do not ship with the program: where their files come from and how they are read."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nvp_studio.data.arrays import Parts
from nvp_studio.data.dataset import DataError
from nvp_studio.data.download import RemoteFile
from nvp_studio.data.places import data_folder, data_roots
from nvp_studio.data.progress import Progress

_MOST_UNREADABLE = 0.01
"""Fraction of a set's files that may be unreadable."""


@dataclass(frozen=True)
class LoadOptions:
    """Options of loading a data set; `image_size` and `channels` are None to leave the images as they are.

    `data_root` is a folder in which files are looked for first. `progress` may raise, which ends the loading.
    """

    image_size: int | None = None
    channels: int | None = None
    data_root: str | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class Published:
    """A published data set.

    `image_shape` is (C, H, W); `train_images` and `test_images` are what the files hold, to be compared with what was
    found. `files` are what a download brings; without any, `by_hand` says where a person gets them. In a data root,
    the set is looked for in the folder of its name, in the `other_folders` that other programs use, and, where its
    files cannot be those of another set (`unmistakable`), in the root itself. `find` says where the set is in such a
    folder, and `read` reads what was found.
    """

    name: str
    title: str
    image_shape: tuple[int, int, int]
    train_images: int
    test_images: int
    licence: str
    credit: str
    homepage: str
    find: Callable[[Path], Path | None]
    read: Callable[[Path, LoadOptions], Parts]
    label_names: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] = ()
    by_hand: str = ""
    folder: str = ""
    """Folder of a data root that downloads go to; empty for one of the set's name."""
    other_folders: tuple[str, ...] = ()
    unmistakable: bool = False
    validation_images: int = 0
    """Images that the files name for validation; 0 where they are held out of the training images."""
    held_out_images: int | None = None
    """How many `held_out` takes of the training images, where that was counted; about a tenth otherwise."""
    mirror: bool = False
    """Whether mirrored images are as plausible, so that training may mirror them."""

    @property
    def home(self) -> Path:
        """The folder that a download fills."""
        return data_folder() / (self.folder or self.name)

    def find_in(self, root: Path) -> Path | None:
        """Where the set is below `root`, or None."""
        places = [root / (self.folder or self.name), *(root / other for other in self.other_folders)]
        if self.unmistakable or _plain(root.name) in (_plain(self.name), _plain(self.folder)):
            places.append(root)
        for place in places:
            try:
                path = self.find(place) if place.is_dir() else None
            except OSError:
                path = None
            if path is not None:
                return path
        return None

    def find_anywhere(self, data_root: str | os.PathLike[str] | None = None) -> Path | None:
        """Where the set is on this machine, `data_root` first; None when it is nowhere."""
        return next((path for root in data_roots(data_root) if (path := self.find_in(root)) is not None), None)

    def load(self, options: LoadOptions) -> tuple[Path, Parts]:
        """Return the set and where it was found; raises `DataError`, which says how to get it when it is nowhere."""
        place = self.find_anywhere(options.data_root)
        if place is None:
            raise DataError(f"{self.title} is not on this machine: {self.how_to_get}")
        if options.progress is not None:
            options.progress(0, 0, f"opening {place.name}")
        return place, self._checked(self.read(place, options), place)

    @property
    def how_to_get(self) -> str:
        """How a person gets the files, as part of a sentence."""
        if not self.files:
            return f"{self.by_hand} into {self.home}"
        return (
            f"'nvp-studio data prepare {self.name} --download' downloads it, or put "
            f"{', '.join(file.name for file in self.files)} from {self.homepage} into {self.home}"
        )

    def _checked(self, parts: Parts, place: Path) -> Parts:
        """Return `parts`; `DataError` unless they are the whole set, of which few files may be unreadable."""
        counts = [0 if split is None else len(split) for split in (parts.train, parts.validation, parts.test)]
        whole = [self.train_images, self.validation_images, self.test_images]
        no_more = all(count <= most for count, most in zip(counts, whole, strict=True))
        tolerable = parts.unreadable <= _MOST_UNREADABLE * sum(whole)
        if no_more and tolerable and sum(counts) + parts.unreadable == sum(whole):
            return parts
        held = " and ".join(f"{count:,}" for count in counts if count)
        wanted = " and ".join(f"{count:,}" for count in whole if count)
        damage = f"; {parts.unreadable:,} files are unreadable" if parts.unreadable else ""
        raise DataError(f"{place} is not the whole of {self.title}: it holds {held} images, not {wanted}{damage}")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
