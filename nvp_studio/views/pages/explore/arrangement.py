"""How Explore is arranged: what is shown beside the picture, and which directions in which order."""

import msgspec

from nvp_studio.state.stored_session import MAX_SEARCH, Arrangement
from nvp_studio.views.actions import ActionRegistry
from nvp_studio.views.pages.explore.preview_tool import PreviewTool
from nvp_studio.views.widgets.directions_panel import DirectionsPanel

_SWITCHES = {"comparing": "explore.compare", "original": "explore.original", "previews": "explore.previews"}
"""Actions that are checked or not, by the name of the arrangement's field."""


class PageArrangement:
    """Takes and restores an `Arrangement` of the page."""

    def __init__(self, registry: ActionRegistry, panel: DirectionsPanel, previews: PreviewTool) -> None:
        self._registry, self._panel, self._previews = registry, panel, previews

    def take(self) -> Arrangement:
        """The present one."""
        values: dict[str, object] = {field: self._registry[key].isChecked() for field, key in _SWITCHES.items()}
        values |= {"directions": self._panel.kind, "order": self._previews.order}
        values["search"] = self._panel.search.text()[:MAX_SEARCH]
        return msgspec.convert(values, Arrangement)

    def restore(self, arrangement: Arrangement) -> None:
        """Arrange the page so."""
        for field, key in _SWITCHES.items():
            if getattr(arrangement, field) != self._registry[key].isChecked():
                self._registry[key].trigger()
        self._previews.sort(arrangement.order)
        self._panel.search.setText(arrangement.search)
        self._panel.show_kind(arrangement.directions)
