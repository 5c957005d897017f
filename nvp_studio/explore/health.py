"""What is wrong with the layers of a trained flow, as measured on images: plain sentences that say what to do."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nvp_studio.explore.health_report import Finding, Health, LayerHealth
from nvp_studio.explore.ledger import dequantized
from nvp_studio.explore.model import OpenedModel
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.dequantization import LEVELS, images_from_unit
from nvp_studio.flow.engine.walk import Stage, Walk, kept_of
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.mixture import MixtureTransform
from nvp_studio.flow.spline import BOUND
from nvp_studio.flow.transforms import AffineTransform, SplineTransform

_VALUES = 2**18
"""About how many values the images have together, at least one image and at most `_IMAGES`."""
_IMAGES = 16
_DRAWN = 4
"""Samples that are decoded at once."""
_SATURATED = 0.98
"""|s| above this part of its bound a counts as saturated."""
_MANY_SATURATED = 0.25
_STEEP = 100.0
_MANY_OUTSIDE = 0.05
_ILL_CONDITIONED = 1e3
_LARGE = 1e3
_FLAT = 0.01
_MANY_DEAD = 0.25
_HALF_LEVEL = 0.5 / LEVELS


def examine(
    model: OpenedModel,
    images: npt.NDArray[np.uint8] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Health:
    """Measure every layer on 8-bit images (N, H, W, C), or on samples of the model itself, and judge it.

    `progress` gets how many steps are done and their total; what it raises ends the work.
    """
    flow = model.flow
    walk = Walk(flow)
    count = max(1, min(_IMAGES, _VALUES // flow.config.dimensions)) if images is None else 0
    total, done = -(-count // _DRAWN) + 2 * len(walk), 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    samples = images is None
    if images is None:
        latents = flow.latents(count)
        drawn = []
        for part in torch.split(latents, _DRAWN):
            with torch.no_grad():
                drawn.append(images_from_unit(flow.decode(part).clamp(0, 1)).cpu().numpy())
            step()
        images = np.concatenate(drawn)
    with _network_activity(flow.flow) as dead, torch.no_grad():
        stages = []
        for stage in walk.stages(dequantized(flow, images, 0, 0)):
            stages.append(stage)
            step()
        inputs = _inputs(stages)
        errors = _inverse_errors(stages, inputs, step)
        rows = zip(inputs, stages, errors, strict=True)
        layers = tuple(_measured(before, stage, error, dead) for before, stage, error in rows)
    normalized = flow.config.normalization != "none"
    steep = {
        stage.name
        for stage in stages
        if isinstance(stage.layer, Coupling) and isinstance(stage.layer.law, MixtureTransform)
    }
    findings = sorted(_findings(layers, steep, normalized=normalized), key=lambda one: one.level != "problem")
    return Health(len(images), samples, layers, tuple(findings))


def _inputs(stages: list[Stage]) -> list[Tensor]:
    """What each stage was given."""
    inputs: list[Tensor] = []
    x = stages[0].tensor
    for stage in stages:
        inputs.append(x)
        x = kept_of(x, stage) if stage.kind == "prior" else stage.tensor
    return inputs


def _inverse_errors(stages: list[Stage], inputs: list[Tensor], step: Callable[[], None]) -> list[float | None]:
    """How far decoding from the latents is from the input of each stage; None for stages without a layer."""
    errors: list[float | None] = [None] * len(stages)
    decoded = stages[-1].tensor[:, :0]
    for index in range(len(stages) - 1, -1, -1):
        stage = stages[index]
        if stage.kind == "prior":
            decoded = torch.cat((decoded, stage.tensor), 1)
        elif stage.layer is not None:
            decoded = stage.layer.inverse(decoded)
            errors[index] = float((decoded - inputs[index]).abs().max())
        step()
    return errors


def _measured(before: Tensor, stage: Stage, error: float | None, dead: dict[nn.Module, float]) -> LayerHealth:
    tensor = stage.tensor.double() if stage.tensor.device.type != "mps" else stage.tensor
    channels, height, width = tensor.shape[1:]
    slopes: tuple[float, float] | tuple[None, None] = None, None
    saturated = outside = condition = dead_channels = None
    layer = stage.layer
    if isinstance(layer, Coupling) and stage.parameters is not None:
        changing = stage.parameters.log_derivative[stage.parameters.stays == 0]
        slopes = math.exp(min(700.0, float(changing.min()))), math.exp(min(700.0, float(changing.max())))
        x1, x2 = layer.mask.split(before)
        s, _ = layer.law.log_scale_and_shift(layer.params(x1))
        counted = layer.mask.only_changing(torch.ones_like(s)).sum()
        if isinstance(layer.law, AffineTransform | SplineTransform):
            bound = layer.law.scale.abs().view(1, -1, 1, 1)
            at_bound = ((s.abs() > _SATURATED * bound) & (bound > _FLAT)).to(s.dtype)
            saturated = float(layer.mask.only_changing(at_bound).sum() / counted)
        if isinstance(layer.law, SplineTransform):
            outside = float(layer.mask.only_changing((x2.abs() > BOUND).to(s.dtype)).sum() / counted)
        dead_channels = dead.get(layer.network)
    if isinstance(layer, InvertibleConv1x1):
        eye = torch.eye(channels, dtype=tensor.dtype, device=tensor.device)[:, :, None, None]
        condition = float(torch.linalg.cond(layer(eye)[0][:, :, 0, 0].double().cpu()))
    return LayerHealth(
        layer=stage.name,
        shape=(channels, height, width),
        mean=float(tensor.mean()),
        deviation=float(tensor.std()),
        largest=float(tensor.abs().max()),
        slope_low=slopes[0],
        slope_high=slopes[1],
        saturated=saturated,
        outside=outside,
        condition=condition,
        dead_channels=dead_channels,
        inverse_error=error,
    )


@contextmanager
def _network_activity(flow: nn.Module) -> Iterator[dict[nn.Module, float]]:
    """Gives, of every network that runs meanwhile, the part of the feature maps between its convolutions that are flat.

    A network that runs again is measured again; what other threads compute is not.
    """
    own = threading.get_ident()
    found: dict[nn.Module, float] = {}
    counts: dict[nn.Module, tuple[int, int]] = {}

    def watch(network: nn.Module) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def see(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if threading.get_ident() != own:
                return
            h = inputs[0]
            flat = int(((h.amax((0, 2, 3)) - h.amin((0, 2, 3))) <= 0).sum())
            dead, all_ = counts.get(network, (0, 0))
            counts[network] = dead + flat, all_ + h.shape[1]
            found[network] = counts[network][0] / counts[network][1]

        return see

    handles = []
    for layer in flow.modules():
        if isinstance(layer, Coupling):
            for name, module in layer.network.named_modules():
                if name.rpartition(".")[2] in ("second", "narrow"):  # they see feature maps after the nonlinearity
                    handles.append(module.register_forward_pre_hook(watch(layer.network)))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _findings(layers: tuple[LayerHealth, ...], steep: set[str], *, normalized: bool) -> Iterator[Finding]:
    """What is wrong, first layer to last.

    `steep` are the layers whose slopes may have any size: a mixture stretches a grey level the more, the more probable
    it is, or the farther out in the normal distribution. `normalized` says whether values are normalized between
    couplings.
    """
    lost = False
    closer = (
        "Train with a lower learning rate" if normalized else "Normalize the values before it (normalization=actnorm)"
    )
    for layer in layers:
        name = layer.layer[:1].upper() + layer.layer[1:]
        if not all(map(math.isfinite, (layer.mean, layer.largest))):
            yield Finding(
                layer.layer,
                "problem",
                f"{name} gives values that are not finite. Go back to an earlier checkpoint, and train with a lower "
                "learning rate.",
            )
            return
        if layer.saturated is not None and layer.saturated > _MANY_SATURATED:
            yield Finding(
                layer.layer,
                "note",
                f"{name} has {layer.saturated:.0%} of its scales s at their bound, where they hardly learn. Lower the "
                "learning rate, or add couplings that share the work.",
            )
        if layer.outside is not None and layer.outside > _MANY_OUTSIDE:
            yield Finding(
                layer.layer,
                "note",
                f"{name} gets {layer.outside:.0%} of its values outside of [-{BOUND:g}, {BOUND:g}], where its splines "
                f"are straight lines. {closer}, or use affine couplings (law=affine).",
            )
        if layer.slope_low is not None and layer.slope_high is not None and layer.layer not in steep:
            if layer.slope_high > _STEEP:
                yield Finding(
                    layer.layer,
                    "note",
                    f"{name} stretches a value up to {layer.slope_high:.3g} times. Lower the learning rate, or train "
                    "with weight decay, if decoding becomes inexact.",
                )
            if layer.slope_low < 1 / _STEEP:
                yield Finding(
                    layer.layer,
                    "note",
                    f"{name} compresses a value to {layer.slope_low:.3g} of its range. Lower the learning rate, or "
                    "train with weight decay, if decoding becomes inexact.",
                )
        if layer.condition is not None and layer.condition > _ILL_CONDITIONED:
            yield Finding(
                layer.layer,
                "problem",
                f"{name} is nearly singular: its matrix has the condition number {layer.condition:.3g}. Lower the "
                "learning rate, or train without mixing.",
            )
        if layer.dead_channels is not None and layer.dead_channels > _MANY_DEAD:
            yield Finding(
                layer.layer,
                "note",
                f"The network of {layer.layer} has {layer.dead_channels:.0%} dead feature maps, the same at every "
                "pixel. Train with a leak above 0, or with a smaller width.",
            )
        if layer.largest > _LARGE:
            yield Finding(
                layer.layer,
                "note",
                f"{name} gives values up to {layer.largest:.3g}. Train with a normalization, or a lower learning rate.",
            )
        if layer.deviation < _FLAT and not layer.layer.startswith(("dequantization", "equalization")):
            yield Finding(
                layer.layer,
                "note",
                f"{name} gives nearly the same value everywhere (standard deviation {layer.deviation:.2g}). Examine it "
                "on images of the kind it was trained on; if it stays so, train with a normalization.",
            )
        if not lost and layer.inverse_error is not None and not layer.inverse_error <= _HALF_LEVEL:
            lost = True
            yield Finding(
                layer.layer,
                "problem",
                f"Decoding is inexact before {layer.layer}: values come back with an error of "
                f"{layer.inverse_error:.2g}. A coupling behind it stretches too much: take an earlier checkpoint, and "
                "train with a lower learning rate.",
            )
