"""The 8x8 digits that scikit-learn ships, for whoever has it: 1797 images, their 17 grey levels spread over 0..255."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import Parts
from nvp_studio.data.dataset import DataError, Split
from nvp_studio.data.published import LoadOptions, Published

_LEVELS = 16
"""The highest grey level in the files; the lowest is 0."""


class _InPackage(Published):
    """A set that is found in a Python package instead of a folder."""

    def find_anywhere(self, data_root: object = None) -> Path | None:
        """Where the package is installed, or None."""
        spec = find_spec("sklearn")
        return Path(spec.origin).parent if spec is not None and spec.origin is not None else None

    @property
    def how_to_get(self) -> str:
        """How a person gets it, as part of a sentence."""
        return "it comes with scikit-learn: pip install scikit-learn"


def read_digits(place: Path, options: LoadOptions | None = None) -> Parts:
    """Return the digits; they are one split, from which validation is held out."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError(f"scikit-learn cannot be imported: {error}") from error
    digits = load_digits()
    levels = np.rint(digits.images * 255 / _LEVELS).astype(np.uint8)
    return Parts(
        Split(levels[..., None], digits.target.astype(np.int64)),
        notes=(f"{_LEVELS + 1} grey levels spread over 0..255",),
    )


DIGITS = _InPackage(
    name="digits",
    title="Digits of scikit-learn",
    image_shape=(1, 8, 8),
    train_images=1797,
    test_images=0,
    licence="CC BY 4.0",
    credit="Alpaydin and Kaynak: Optical Recognition of Handwritten Digits (1998), UCI Machine Learning Repository",
    homepage="https://scikit-learn.org",
    find=lambda folder: None,
    read=read_digits,
    label_names=tuple("0123456789"),
)
