"""Pictures larger than those that the model was trained on."""

from msgspec.structs import replace
from PySide6.QtCore import QCoreApplication, QObject

from nvp_studio.flow.config import MAX_SIDE
from nvp_studio.recipe import can_be_enlarged
from nvp_studio.state.explore import ExploreState

FACTOR = 2


def no_larger_text() -> str:
    """Why there are no larger pictures of a model that fits no other size."""
    return QCoreApplication.translate(
        "LargerState", "This model knows the place of each pixel: it has no pictures larger than it was trained on."
    )


class LargerState(QObject):
    """Turns Explore's picture into one of sides twice as long, and back, each as one edit."""

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self._explore = explore

    @property
    def active(self) -> bool:
        """Whether the picture is larger than trained."""
        return self._explore.recipe.enlarged > 1

    def set_active(self, active: bool) -> None:
        """Make the picture larger, without moves along directions, or of the trained size; says why where it cannot."""
        explore, model = self._explore, self._explore.model
        if model is None or active == self.active:
            return
        if not active:
            explore.show(replace(explore.recipe, enlarged=1), self.tr("trained size"), explore.notes)
        elif not model.flow.can_be_enlarged:
            explore.failed.emit(no_larger_text())
        elif FACTOR * max(model.image_shape[1:]) > MAX_SIDE:
            text = self.tr("A picture has at most {0} pixels a side: this model's cannot be made larger.")
            explore.failed.emit(text.format(MAX_SIDE))
        elif not can_be_enlarged(explore.recipe):
            explore.failed.emit(
                self.tr(
                    "A larger picture begins from noise, which an image does not have: take a new sample (N) first."
                )
            )
        else:
            recipe = replace(explore.recipe.without_moves(), moves=(), locked=(), enlarged=FACTOR)
            explore.show(recipe, self.tr("picture larger than trained"), explore.notes)
