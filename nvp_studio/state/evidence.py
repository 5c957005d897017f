"""Where the bits of the chosen file are: maps that the engine makes, in colours that the reference fixes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from nvp_studio.scores.map_colours import SLOPES, overlay
from nvp_studio.state.scoring import ScoreState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed
from nvp_studio.worker.score_messages import BitsMapped, MapBits


@dataclass(frozen=True)
class ShownMap:
    """A map as it is shown."""

    picture: npt.NDArray[np.uint8]
    """(H, W, 3)."""
    values: npt.NDArray[np.float64]
    """(H, W): bits, or for the gradient nats per grey level."""
    low: float
    high: float
    """What the ends of the colours stand for."""
    beyond: npt.NDArray[np.bool_] | None = None
    """(H, W): places with more bits than 99 % of the reference images have there."""
    gradient: bool = False


class EvidenceState(QObject):
    """Asks for the maps of the file that is looked at, and keeps those of the last one."""

    changed = Signal()
    """Maps have come, or `problem` has."""

    def __init__(self, state: ScoreState, parent: QObject) -> None:
        super().__init__(parent)
        self._state = state
        self.problem = ""
        self._found: BitsMapped | None = None
        self._wanted = ("", "", "")
        self._channel = state.engine.explorer.channel("bits map", self)

    def map_of(self, path: str, layer: str) -> ShownMap | None:
        """A layer of a file's map (``total``, ``gradient``, or the number of a scale); None until it has come."""
        model, reference = self._state.model, self._state.reference
        opened = self._state.engine.model
        if model is None or reference is None:
            return None
        if opened is None or opened.digest != model.digest:
            self.problem = self.tr("Another model is open than the one that scored this file.")
            return None
        wanted = (path, model.digest, reference.name)
        if wanted != self._wanted:
            self._wanted, self._found, self.problem = wanted, None, ""
            self._channel.cancel()
            self._channel.ask(MapBits(path, reference.name), self._on_answer)
        return None if self._found is None else _shown(self._found, layer)

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, BitsMapped):
            self._found = answer
        elif isinstance(answer, Failed):
            self.problem = answer.reason
        else:
            self._wanted = ("", "", "")  # asked for again with the next look
            return
        self.changed.emit()


def _shown(found: BitsMapped, layer: str) -> ShownMap | None:
    image = found.image.array()[0]
    height, width = image.shape[:2]
    if layer == "gradient":
        if not found.slopes:
            return None
        slopes = np.frombuffer(found.slopes, np.float32).reshape(height, width).astype(np.float64)
        picture = overlay(image, np.log10(slopes + 1e-12), *SLOPES)
        return ShownMap(picture, slopes, 10.0 ** SLOPES[0], 10.0 ** SLOPES[1], gradient=True)
    index = 0 if layer == "total" else int(layer)
    layers = np.frombuffer(found.layers, np.float32).reshape(-1, height, width).astype(np.float64)
    if index >= len(layers) or index >= len(found.low):
        return None
    values, low, high = layers[index], found.low[index], found.high[index]
    beyond = values > np.frombuffer(found.limit, np.float32).reshape(height, width) if index == 0 else None
    return ShownMap(overlay(image, values, low, high), values, low, high, beyond)
