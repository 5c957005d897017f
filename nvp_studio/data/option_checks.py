"""Options of loading data that cannot be heeded are refused."""

from nvp_studio.data.dataset import DataError
from nvp_studio.data.image_size import check_image_size
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.reading import Reading


def check_options(options: LoadOptions) -> None:
    """Raise `DataError` for a size or a number of channels that no image of a run may have."""
    if options.image_size is not None:
        try:
            check_image_size(options.image_size)
        except ValueError as error:
            raise DataError(str(error)) from error
    if options.channels not in (None, 1, 3):
        raise DataError(f"images have 1 channel (grey) or 3 (colour), not {options.channels}")


def check_published(name: str, reading: Reading) -> None:
    """Raise `DataError` for a reading that the set `name` of the catalogue would not heed."""
    of_numbers = reading.values not in ("", "type") or reading.axes not in ("", "N") or reading.white
    if of_numbers or reading.split or reading.leave_out:
        options = "values, white, axes, split and leave-out"
        raise DataError(f"{name} is read as it was published; {options} are for other data")


def check_folders(name: str, reading: Reading, *, has_folders: bool) -> None:
    """Raise `DataError` where folders are to be left out of what has none."""
    if reading.leave_out and not has_folders:
        raise DataError(f"{name} has no folders to leave out; --leave-out is for folders of images")
