"""What is known of the data at a path, as it is found by `survey_data` and sent to the window."""

import msgspec


class DataSurvey(msgspec.Struct, frozen=True, tag="data-survey"):
    """What is known of a folder or file.

    `train` is the number of images that a run learns from, about, where there are many; `smallest` and `largest` are
    (width, height) of those looked at, by area, None where none could be read; `alike` says that all of these have one
    size. `unreadable` of the `looked_at` files are no images. `unread` says that these are data files of which no more
    is told before they are read, for their size or because a library reads them.
    """

    images: int = 0
    train: int = 0
    classes: int = 0
    smallest: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None
    alike: bool = True
    looked_at: int = 0
    unreadable: int = 0
    unread: bool = False
