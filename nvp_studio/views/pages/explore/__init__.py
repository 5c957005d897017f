"""The Explore page."""

from nvp_studio.views.pages.explore.page import ExplorePage

__all__ = ["ExplorePage"]
