"""The Runs page."""

from nvp_studio.views.pages.runs.page import RunsPage

__all__ = ["RunsPage"]
