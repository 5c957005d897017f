"""What a likelihood says of an image: numbers, and a verdict calibrated on reference images (`docs/scores.md`)."""

from nvp_studio._lazy import lazy_attributes

_MODULES = {
    "Interval": "nvp_studio.scores.separation",
    "Judge": "nvp_studio.scores.judge",
    "Measures": "nvp_studio.scores.measures",
    "Reference": "nvp_studio.scores.reference",
    "NoReferenceError": "nvp_studio.scores.reference",
    "auroc": "nvp_studio.scores.separation",
    "build_reference": "nvp_studio.scores.reference",
    "measure": "nvp_studio.scores.measures",
}

__all__ = list(_MODULES)

__getattr__, __dir__ = lazy_attributes(__name__, _MODULES)
