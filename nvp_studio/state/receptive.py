"""The receptive field of a latent of the picture that Inspect shows."""

from typing import Literal

import numpy as np
from PySide6.QtCore import QObject, Signal

from nvp_studio.recipe import Seed
from nvp_studio.state.inspect import InspectState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.inspect_messages import FieldFound, FindField
from nvp_studio.worker.messages import Answer, Failed

Direction = Literal["decoder", "encoder"]


class ReceptiveState(QObject):
    """Asks for the field of the chosen latent; `field` is the last one that came, with its values."""

    changed = Signal()
    """`field`, `problem` or `busy`."""

    def __init__(self, state: InspectState, parent: QObject) -> None:
        super().__init__(parent)
        self._state = state
        self.field: FieldFound | None = None
        self.values = np.empty((0, 0))
        """(H, W), see `explore.receptive`."""
        self.problem = ""
        self.scale = 0
        """From 0, finest first."""
        self.channel = 0
        self.direction: Direction = "decoder"
        self._x = self._y = 0.5
        """Where on the picture the latent is, as fractions of its sides."""
        self._drawn = 0
        self._channel = state.engine.explorer.channel("receptive field", self)
        state.first.came.connect(self.ask)

    @property
    def busy(self) -> bool:
        """Whether a field is on its way."""
        return self._channel.asking

    @property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(channels, height, width) of the latents of each scale."""
        model = self._state.engine.model
        return () if model is None else model.latent_shapes

    def choose(
        self, *, scale: int | None = None, channel: int | None = None, direction: Direction | None = None
    ) -> None:
        """Take another scale, channel or direction, at the same place."""
        self.scale = self.scale if scale is None else scale
        self.channel = self.channel if channel is None else channel
        self.direction = self.direction if direction is None else direction
        self.ask()

    def choose_place(self, x: float, y: float) -> None:
        """Take the latent at another place, in fractions of the picture's sides."""
        self._x, self._y = x, y
        self.ask()

    def place(self) -> tuple[int, int]:
        """(row, column) of the latent among those of its scale."""
        _, height, width = self.shapes[self.scale]
        return min(int(self._y * height), height - 1), min(int(self._x * width), width - 1)

    def ask(self) -> None:
        """Ask for the field of the chosen latent of the picture that is shown."""
        recipe, shapes = self._state.first.recipe, self.shapes
        if recipe is None or not shapes:
            return
        self.scale = min(self.scale, len(shapes) - 1)
        self.channel = min(self.channel, shapes[self.scale][0] - 1)
        row, column = self.place()
        request = FindField(
            recipe=recipe,
            scale=self.scale,
            channel=self.channel,
            row=row,
            column=column,
            direction=self.direction,
        )
        self._channel.ask(request, self._on_answer)
        self.changed.emit()

    def redraw(self) -> None:
        """Compare the picture with one whose latents of the chosen scale are drawn anew."""
        recipe = self._state.first.recipe
        if recipe is not None:
            self._drawn += 1
            name = self.tr("Scale {0} drawn anew").format(self.scale + 1)
            self._state.compare(True)
            self._state.second.show_recipe(recipe.with_scale(self.scale, Seed(self._drawn)), name)

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case FieldFound():
                _, height, width, _ = answer.image.shape
                self.field, self.problem = answer, ""
                self.values = np.frombuffer(answer.values, np.float32).reshape(height, width).astype(np.float64)
            case Failed(reason=reason):
                self.field, self.problem = None, reason
        self.changed.emit()
