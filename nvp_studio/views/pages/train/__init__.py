"""The Train page."""

from nvp_studio.views.pages.train.page import TrainPage

__all__ = ["TrainPage"]
