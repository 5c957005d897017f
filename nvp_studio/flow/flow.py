"""The flow as a whole: images in [0, 1] to latents and back, with the log-density of the images."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nvp_studio.flow.config import FlowConfig, Scale
from nvp_studio.flow.dequantization import LEVELS, images_from_unit
from nvp_studio.flow.mixture import MixtureTransform
from nvp_studio.flow.multiscale import MultiScale
from nvp_studio.flow.normalization import ActNorm, RunningBatchNorm
from nvp_studio.flow.preprocessing import Equalization, Preprocessing, level_edges
from nvp_studio.flow.prior import standard_normal_log_prob


class Flow(nn.Module):
    """A RealNVP: log p(x) = log N(f(x); 0, I) + log|det df/dx| over images x in [0, 1]^D (section 3.1).

    It computes plainly, by the equations. `engine.acceleration.accelerate` makes it fast for training, and
    `engine.inference.Inference` wraps it to sample, score, encode and decode.

    Example::

        flow = Flow(preset_config("studio", (1, 28, 28)))
        flow.initialize(x)                     # x (N, 1, 28, 28)
        loss = -flow(x).mean()
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        of_values = config.law != "levels"
        self.preprocessing = Preprocessing(
            config.image_shape[0],
            config.logit_alpha if of_values else None,
            equalize=config.equalize and of_values,
        )
        self.body = MultiScale.of(config)

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The slices of z, finest first, with their (C, H, W)."""
        return self.config.latent_scales

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type that the flow computes in."""
        return next((p.dtype for p in self.parameters()), torch.get_default_dtype())

    @property
    def device(self) -> torch.device:
        """Where the flow computes."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def forward(self, x: Tensor) -> Tensor:
        """As `log_prob`; called as `flow(x)`, so that hooks run."""
        return self.log_prob(x)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats, (N,), of images x (N, C, H, W) over [0, 1]^D; nothing is checked (section 3.1)."""
        z, log_det = self.encode(x)
        return standard_normal_log_prob(z) + log_det

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, C, H, W) in [0, 1] -> z (N, D) and the log-determinant (N,), preprocessing included."""
        y, first = self.preprocessing(x)
        z, second = self.body(y)
        return z, first + second

    def decode(self, z: Tensor) -> Tensor:
        """z (N, D) -> x (N, C, H, W), the inverse of `encode`."""
        return self.preprocessing.inverse(self.body.inverse(z))

    def decode_with_log_det(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """As `decode`, with the log-determinant (N,) of the map from z to x."""
        y, first = self.body.inverse_with_log_det(z)
        x, second = self.preprocessing.inverse_with_log_det(y)
        return x, first + second

    @torch.no_grad()
    def initialize(self, x: Tensor, images: npt.NDArray[np.uint8] | None = None) -> None:
        """Initialize what depends on data, first to last.

        The frequencies of levels, of a flow that equalizes them, come from `images`, uint8 (N, H, W, C), or without
        them from x; the normalization layers from one batch x (N, C, H, W).
        """
        if self.config.equalize:
            levels = images_from_unit(x).cpu().numpy() if images is None else images
            edges = level_edges(levels)
            for layer in self.modules():
                if isinstance(layer, Equalization | MixtureTransform):
                    layer.edges.copy_(edges)
        handles = [
            layer.register_forward_pre_hook(lambda module, inputs: module.initialize(inputs[0]))
            for layer in self.modules()
            if isinstance(layer, ActNorm | RunningBatchNorm)
        ]
        training = self.training
        try:
            self.eval()(x)
        finally:
            self.train(training)
            for handle in handles:
                handle.remove()


def bits_per_dim_from_log_prob(log_prob: Tensor, dimensions: int) -> Tensor:
    """Bits/dim of 8-bit data from the log-density in nats over [0, 1]^D: -(log p / D - ln 256) / ln 2."""
    return (math.log(LEVELS) - log_prob / dimensions) / math.log(2)
