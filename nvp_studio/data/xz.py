"""The xz files in which data sets ship with the program."""

import lzma
from pathlib import Path

import numpy as np

from nvp_studio.data.dataset import DataError, Images


def read_xz(path: Path, shape: tuple[int, ...]) -> Images:
    """Return the bytes in the file as an array of this shape; raises `DataError` when the installation is damaged."""
    try:
        data = lzma.decompress(path.read_bytes(), format=lzma.FORMAT_XZ)
        return np.frombuffer(bytearray(data), np.uint8).reshape(shape)
    except (OSError, lzma.LZMAError, ValueError) as error:
        raise DataError(f"the installation is damaged: {path.name}: {error}; reinstall NVP Studio") from None
