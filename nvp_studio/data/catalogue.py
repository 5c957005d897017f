"""The data sets a person can name, and `load_data`, which turns a name or a path into a data set."""

from collections.abc import Callable
from dataclasses import dataclass

from nvp_studio.data import fashion_mnist
from nvp_studio.data.dataset import DataError, DataSet

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CatalogueEntry:
    """What can be said about a data set before it is loaded."""

    name: str
    title: str
    images: int
    image_shape: tuple[int, int, int]
    licence: str
    credit: str
    label_names: tuple[str, ...]
    load: Callable[[Progress | None], DataSet]


CATALOGUE: dict[str, CatalogueEntry] = {
    fashion_mnist.NAME: CatalogueEntry(
        name=fashion_mnist.NAME,
        title=fashion_mnist.TITLE,
        images=fashion_mnist.TRAIN_IMAGES + fashion_mnist.VALIDATION_IMAGES + fashion_mnist.TEST_IMAGES,
        image_shape=(1, fashion_mnist.SIDE, fashion_mnist.SIDE),
        licence=fashion_mnist.LICENCE,
        credit=fashion_mnist.CREDIT,
        label_names=fashion_mnist.LABEL_NAMES,
        load=fashion_mnist.load_fashion_mnist,
    )
}


def load_data(
    spec: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """Load the data set that `spec` names.

    Raises `DataError`, a `ValueError` whose message is one line, when there is none or it cannot be used.
    """
    entry = CATALOGUE.get(spec)
    if entry is None:
        raise DataError(f"no data set named {spec!r}; there are: {', '.join(CATALOGUE)}")
    return entry.load(progress)
