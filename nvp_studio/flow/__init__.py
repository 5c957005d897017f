"""The mathematics: bijections with exact log-determinants, the multi-scale RealNVP built from them, and its density."""

from nvp_studio._lazy import lazy_attributes

_MODULES = {
    "Flow": "nvp_studio.flow.flow",
    "FlowConfig": "nvp_studio.flow.config",
    "Inference": "nvp_studio.flow.engine.inference",
    "PRESETS": "nvp_studio.flow.config",
    "Scale": "nvp_studio.flow.config",
    "images_from_unit": "nvp_studio.flow.dequantization",
    "preset_config": "nvp_studio.flow.config",
    "unit_from_images": "nvp_studio.flow.dequantization",
}

__all__ = list(_MODULES)

__getattr__, __dir__ = lazy_attributes(__name__, _MODULES)
