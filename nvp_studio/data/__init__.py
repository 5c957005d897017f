"""Bytes on disk to uint8 images: image files, folders, arrays, and a catalogue of data sets."""

from nvp_studio._lazy import lazy_attributes

_MODULES = {
    "DataSet": "nvp_studio.data.dataset",
    "ReadImage": "nvp_studio.data.images",
    "Split": "nvp_studio.data.dataset",
    "find_images": "nvp_studio.data.images",
    "load_data": "nvp_studio.data.catalogue",
    "read_image": "nvp_studio.data.images",
}

__all__ = list(_MODULES)

__getattr__, __dir__ = lazy_attributes(__name__, _MODULES)
