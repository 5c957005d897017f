"""Explore: one picture, where it lies in the latent space, and how likely the flow finds it."""

from nvp_studio.views.pages.base import Page


class ExplorePage(Page):
    """The page in front at the first start."""

    key = "explore"
    icon_name = "compass"
