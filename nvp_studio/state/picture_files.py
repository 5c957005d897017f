"""What the file of a picture is called."""

import re
from pathlib import Path

from nvp_studio.recipe import Blend, Corners, Image, Recipe, Seed

_MAX_STEM = 60
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
"""What a file name may not hold on one of the systems."""


def file_stem(recipe: Recipe) -> str:
    """The name proposed for a picture's file."""
    match recipe.base:
        case Seed(seed=seed):
            return f"sample-{seed}"
        case Blend(share=share):
            return f"blend-{100 * share:.0f}"
        case Corners(phi=phi, phi_prime=phi_prime):
            return f"corners-{100 * phi:.0f}-{100 * phi_prime:.0f}"
        case Image(name=name):
            return safe_stem(Path(name).stem)


def safe_stem(name: str) -> str:
    """A name that a person gave, as the name of a file on any system, without a suffix."""
    return _NOT_IN_NAMES.sub("-", name)[:_MAX_STEM].strip(" .-") or "picture"
