"""Explore's action that shows a picture larger than those that the model was trained on."""

from PySide6.QtCore import QObject

from nvp_studio.state.explore import ExploreState
from nvp_studio.state.larger import LargerState
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page


class LargerTool(QObject):
    """Keeps the checked action and the recipe in step."""

    def __init__(self, context: WindowContext, page: Page, explore: ExploreState) -> None:
        super().__init__(page)
        self.state = LargerState(explore)
        text = self.tr("Twice as large as trained")
        tip = self.tr("A sample whose sides are twice as long: the model knows parts and textures, not whole pictures")
        self._action = context.registry.add(
            "explore.larger", text, self._toggle, "Alt+G", "maximize", tip=tip, checkable=True, page=page
        )
        self._explore = explore
        explore.recipe_changed.connect(self._show)
        self._show()

    def show_state(self) -> None:
        """Let the action be taken where the model fits larger pictures."""
        model = self._explore.model
        self._action.setEnabled(model is not None and model.flow.can_be_enlarged)

    def _toggle(self) -> None:
        self.state.set_active(self._action.isChecked())
        self._show()

    def _show(self) -> None:
        self._action.setChecked(self.state.active)
