"""Maps of bits as pictures: drawn over the image, in colours that the reference fixes for all images."""

import io

import numpy as np
import numpy.typing as npt
import PIL.Image

from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.engine.ledger import BitMap, Ledger, gradient
from nvp_studio.scores.map_colours import SLOPES, overlay
from nvp_studio.scores.measures import Images
from nvp_studio.scores.reference import MapRange

SIDE = 256
"""Pixels of the longer side of each panel, at least; a pixel of the image becomes a square."""
_GAP = 4
_OUTLINE = np.array([0, 255, 255], np.uint8)


class MapMaker:
    """Draws maps of a model with the ranges of one reference."""

    def __init__(self, flow: Inference, ranges: MapRange) -> None:
        self._flow, self._ranges = flow, ranges
        self._ledger = Ledger(flow)

    def pictures(self, images: Images, seed: int = 0) -> list[bytes]:
        """A PNG file for each 8-bit image (N, H, W, C).

        Its panels, from left to right: the image; its bits, with places outlined that have more than a hundredth of the
        reference images have there; the bits of each scale, finest first; the size of d log p / dx, where the model has
        gradients.
        """
        bits = self._ledger.bits(images, seed)
        slopes = gradient(self._flow, images, seed) if self._flow.config.has_gradients else None
        return [_png(self._panels(image, bits, slopes, index)) for index, image in enumerate(images)]

    def _panels(
        self, image: Images, bits: BitMap, slopes: npt.NDArray[np.float32] | None, index: int
    ) -> list[npt.NDArray[np.uint8]]:
        part = max(1, -(-SIDE // max(image.shape[:2])))
        total, ranges = bits.total[index], self._ranges
        plain = np.broadcast_to(image, (*image.shape[:2], 3)) if image.shape[2] == 1 else image
        panels = [_enlarged(plain, part)]
        panels.append(
            outlined(_enlarged(overlay(image, total, ranges.low[0], ranges.high[0]), part), total > ranges.limit, part)
        )
        for scale, layer in enumerate(bits.by_scale[index], 1):
            panels.append(_enlarged(overlay(image, layer, ranges.low[scale], ranges.high[scale]), part))
        if slopes is not None:
            slope = np.log10(np.abs(slopes[index]).sum(2).astype(np.float64) + 1e-12)
            panels.append(_enlarged(overlay(image, slope, *SLOPES), part))
        return panels


def outlined(panel: npt.NDArray[np.uint8], marked: npt.NDArray[np.bool_], part: int) -> npt.NDArray[np.uint8]:
    """Draw the outlines of the marked pixels (H, W) on a panel where a pixel is a square of `part`."""
    inside = np.pad(marked, 1).repeat(part, 0).repeat(part, 1)
    edge = np.zeros_like(inside)
    for axis in (0, 1):
        for step in (1, -1):
            edge |= inside & ~np.roll(inside, step, axis)
    result = panel.copy()
    result[edge[part:-part, part:-part]] = _OUTLINE
    return result


def _enlarged(image: npt.NDArray[np.uint8], part: int) -> npt.NDArray[np.uint8]:
    return image.repeat(part, 0).repeat(part, 1)


def _png(panels: list[npt.NDArray[np.uint8]]) -> bytes:
    height = panels[0].shape[0]
    gap = np.full((height, _GAP, 3), 255, np.uint8)
    row = [piece for panel in panels for piece in (panel, gap)][:-1]
    file = io.BytesIO()
    PIL.Image.fromarray(np.concatenate(row, 1)).save(file, "PNG")
    return file.getvalue()
