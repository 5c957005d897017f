"""The 8x8 digits that scikit-learn ships, for whoever has it: 1797 images, their 17 grey levels spread over 0..255."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.dataset import DataError, Split
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.reading import Mapping
from nvp_studio.data.values import apply

_WHITE = 16
"""The highest grey level in the files; the lowest is 0."""


def find_digits(variant: str, folder: Path) -> Path | None:
    """Where scikit-learn is installed, whatever the folder, or None."""
    spec = find_spec("sklearn")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def read_digits(variant: str, place: Path, options: LoadOptions | None = None) -> LoadedData:
    """Return the digits; they are one split, from which validation is held out."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError(f"scikit-learn cannot be imported: {error}") from error
    digits = load_digits()
    levels, _ = apply(digits.images, Mapping("float", 0, _WHITE))
    return LoadedData(
        Split(levels[..., None], digits.target.astype(np.int64)),
        notes=(f"{_WHITE + 1} grey levels spread over 0..255",),
    )
