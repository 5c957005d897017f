"""Which images are held out for validation: decided by a hash of each name, not by their order or number."""

import hashlib
import os
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FRACTION = 0.1


def held_out(names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Say for each of `names` whether it is held out: about `FRACTION` of them, at least one and never all.

    The choice for a name depends on that name alone, so that files added later move none of the old ones from
    one side to the other; only in sets so small that a side would be empty does the lowest or highest hash fill it.
    """
    hashes = np.array([_name_hash(name) for name in names], np.float64)
    chosen = hashes < FRACTION
    if len(names) > 1 and not chosen.any():
        chosen[hashes.argmin()] = True
    if len(names) > 0 and chosen.all():
        chosen[hashes.argmax()] = False
    return chosen


def _name_hash(name: str) -> float:
    """Return the hash of the name in [0, 1); composed and decomposed accents are the same, as file systems differ."""
    encoded = os.fsencode(unicodedata.normalize("NFC", name)) if not name.isascii() else name.encode()
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=6).digest(), "big") / 2**48
