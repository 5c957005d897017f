"""NVP Studio: train RealNVP normalizing flows on images and explore what they learnt.

Importing this package loads neither torch nor Qt; the public names below are resolved on first use.
"""

from nvp_studio._lazy import lazy_attributes

__version__ = "0.1.0"

__all__ = ["Flow", "FlowConfig", "Recipe", "TrainConfig", "load"]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "Flow": "nvp_studio.flow.flow",
        "FlowConfig": "nvp_studio.flow.config",
        "Recipe": "nvp_studio.recipe",
        "TrainConfig": "nvp_studio.training.config",
        "load": "nvp_studio.checkpoints",
    },
)
