"""The same flow on larger images than it was trained on (Dinh et al. 2017, appendix: extrapolation).

Every layer is applied at each place alike: networks are convolutions, transforms, normalization, mixing and equalized
levels have parameters for channels alone, and masks follow the place. So the weights fit any size whose sides are
multiples of the trained ones. Nothing was learnt about that size: networks see the zeros around an image at its new
edges alone, and no layer sees farther than its receptive field.

A flow of mixtures over grey levels fits no other size: its networks know each place, and its grids of pixels begin with
a single one.
"""

import copy
from itertools import chain

import msgspec

from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.flow import Flow
from nvp_studio.flow.masks import CheckerboardMask, Mask


def enlarged(flow: Flow, factor: int) -> Flow:
    """The flow on images whose sides are `factor` times as long, with the same parameters, which are not copied.

    Its latents have `factor` squared times as many values. Raises `ValueError` where the sides would be longer than a
    flow may have them, and where the flow fits no other size.
    """
    if not flow.config.can_be_enlarged:
        raise ValueError("a flow of mixtures over grey levels knows the places of pixels: it has no larger pictures")
    channels, height, width = flow.config.image_shape
    config = msgspec.structs.replace(flow.config, image_shape=(channels, factor * height, factor * width))
    shared = {id(tensor): tensor for tensor in chain(flow.parameters(), flow.buffers())}
    larger = copy.deepcopy(flow, shared)
    larger.config = config
    larger.body.latents = config.latent_scales
    for layer in larger.modules():
        if isinstance(layer, Coupling):
            layer.mask = _enlarged_mask(layer.mask, factor)
    return larger


def _enlarged_mask(mask: Mask, factor: int) -> Mask:
    """A mask of the same kind, also where one of another kind would be chosen for the new, even sides."""
    channels, height, width = mask.network_shape
    if isinstance(mask, CheckerboardMask):
        larger = CheckerboardMask((channels - 1, factor * height, factor * width), flip=mask.flip)
        mask = larger.to(mask.mask.device, mask.mask.dtype)
    else:
        mask = copy.copy(mask)
        mask.network_shape = channels, factor * height, factor * width
    return mask
