"""The flow as a whole: images in [0, 1] to latents and back, exact densities, samples and bits per dimension."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from nvp_studio.flow.bijection import Chain
from nvp_studio.flow.config import FlowConfig, Scale
from nvp_studio.flow.dequantization import LEVELS, images_from_unit, unit_from_images
from nvp_studio.flow.folding import FoldedMultiScale, folded
from nvp_studio.flow.multiscale import MultiScale
from nvp_studio.flow.noise import content_noise, latent_noise
from nvp_studio.flow.normalization import ActNorm, RunningBatchNorm
from nvp_studio.flow.precision import Conditioned, wide_type
from nvp_studio.flow.preprocessing import Preprocessing
from nvp_studio.flow.prior import standard_normal_log_prob
from nvp_studio.flow.recording import recorded
from nvp_studio.flow.reversible import check_repeatable
from nvp_studio.memory import is_out_of_memory


class Flow(nn.Module):
    """A RealNVP: log p(x) = log N(f(x); 0, I) + log|det df/dx| over images x in [0, 1]^D.

    Example::

        flow = Flow(preset_config("studio", (1, 28, 28)))
        z, log_det = flow.encode(x)            # x (N, 1, 28, 28) -> z (N, 784), log_det (N,)
        x = flow.decode(z)                     # exact up to rounding
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.preprocessing = Preprocessing(config.image_shape[0], config.logit_alpha, equalize=config.equalize)
        self.body = MultiScale(config)
        self._folded: FoldedMultiScale | None = None
        self._folding = False
        self._recorded: tuple[FoldedMultiScale, Callable[[Tensor], Tensor]] | None = None
        self._weights: list[Tensor] = []
        self._version = 0

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The slices of z, finest first, with their (C, H, W)."""
        return self.config.latent_scales

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type that the flow computes in."""
        return next((p.dtype for p in self.parameters()), torch.get_default_dtype())

    @property
    def latent_dtype(self) -> torch.dtype:
        """What latents and log-determinants come in: `dtype`, or after `fold` float64 (`precision.wide_type`)."""
        return wide_type(self.dtype, self.device) if self._folding else self.dtype

    @property
    def device(self) -> torch.device:
        """Where the flow computes."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def set_memory(self, memory: Literal["fast", "constant"]) -> None:
        """Choose how gradients are computed: `fast` keeps all activations, `constant` recomputes them (`reversible`).

        The two agree up to rounding. Raises `ValueError` when a layer cannot be recomputed.
        """
        if memory == "constant":
            check_repeatable(self)
        for part in self.modules():
            if isinstance(part, Chain):
                part.constant_memory = memory == "constant"

    def set_precision(self, precision: torch.dtype | None) -> None:
        """Choose what the networks s and t compute in during training: a shorter type, or None for the flow's own.

        Only they round to it (`precision`): weights, log-determinants and densities stay in the flow's type, and
        everything does in evaluation mode.
        """
        for part in self.modules():
            if isinstance(part, Chain | Conditioned):
                part.precision = precision

    def fold(self) -> Self:
        """Freeze the parameters and fold what depends on them alone (`folding`): the same flow, faster and more exact.

        Values pass through the couplings in float64 from here on, and latents come in it, so that `decode` gives back
        what was encoded, mostly to the bit, in a batch of another size too. Moves and changes of type and of weights
        are noticed, but for those behind autograd's back (`.data`). `train` and `requires_grad_` end it.
        """
        self.eval().requires_grad_(False)
        self._folding = True
        return self

    def for_inference(self) -> Self:
        """`fold`, with the weights as convolutions like them best."""
        # Convolutions of few channels are faster with the channels innermost, depthwise ones twice as fast.
        convert_conv2d_weight_memory_format(self, torch.channels_last)
        return self.fold()

    def record_decoding(self) -> None:
        """After `for_inference`, on the CPU: have single images decoded by a recording (`recording`), to the same bits.

        It takes about a second, may be done in another thread, and holds until the flow changes. On other devices and
        for a flow not prepared for inference it does nothing.
        """
        map_ = self._map()
        if not isinstance(map_, FoldedMultiScale) or self.device.type != "cpu":
            return
        z = torch.zeros(1, self.config.dimensions, dtype=self.latent_dtype)
        self._recorded = map_, recorded(lambda z: self._decoded(map_, z), z)

    def train(self, mode: bool = True) -> Self:
        """As any module's; ends `for_inference`."""
        self._unfold(forever=mode)
        return super().train(mode)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """As any module's; ends `for_inference`."""
        self._unfold(forever=requires_grad)
        return super().requires_grad_(requires_grad)

    def _apply(self, fn: Callable[..., Tensor], recurse: bool = True) -> Self:
        self._unfold()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call] # torch leaves it without types
        return self

    def _unfold(self, *, forever: bool = False) -> None:
        self._folded = self._recorded = None
        self._folding = self._folding and not forever

    def _map(self) -> MultiScale | FoldedMultiScale:
        """The body, folded where it is asked for."""
        if not self._folding:
            return self.body
        if self._folded is None or self._version != _version(self._weights):
            self._weights = [*self.parameters(), *self.buffers()]
            self._version = _version(self._weights)
            with torch.inference_mode(False), torch.no_grad():  # what is kept may be wanted for gradients later
                self._folded = folded(self.body, torch.empty(0, dtype=self.latent_dtype, device=self.device))
        return self._folded

    def load_state_dict(self, *arguments: Any, **named: Any) -> Any:
        """As any module's; folds anew."""
        self._unfold()
        return super().load_state_dict(*arguments, **named)

    def forward(self, x: Tensor) -> Tensor:
        """Log-density of x without checks, as the training loop calls it; shapes as in `log_prob`."""
        y, first = self.preprocessing(x)
        z, second = self.body(y)
        log_prob: Tensor = standard_normal_log_prob(z) + first + second
        return log_prob

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to latents.

        x: (N, C, H, W) in [0, 1]. Returns z (N, D) and the log-determinant (N,) of the whole map from x, preprocessing
        included. Raises `ValueError` for another shape, NaN, infinity, or values outside [0, 1].
        """
        self._check("x", x, self.config.image_shape)
        if len(x) and not (x.amin() >= 0 and x.amax() <= 1):
            raise ValueError(f"x must lie in [0, 1], not [{x.amin().item():.4g}, {x.amax().item():.4g}]")
        y, first = self.preprocessing(x.to(self.latent_dtype))
        z, second = self._map()(y)
        return z, first + second

    def decode(self, z: Tensor) -> Tensor:
        """Map latents (N, D) to images (N, C, H, W) of type `dtype`: the exact inverse of `encode`.

        Values may leave [0, 1] by up to a / (1 - 2 a) where the model puts mass there, ten times as far with equalized
        levels. Raises `ValueError` for another shape, NaN or infinity.
        """
        self._check("z", z, (self.config.dimensions,))
        map_ = self._map()
        z = z.to(self.latent_dtype)
        if self._recorded and len(z) == 1 and self._recorded[0] is map_ and not torch.is_grad_enabled():
            return self._recorded[1](z)
        return self._decoded(map_, z)

    def _decoded(self, map_: MultiScale | FoldedMultiScale, z: Tensor) -> Tensor:
        return self.preprocessing.undo(map_.undo(z)).to(self.dtype)

    def decode_with_log_det(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """As `decode`, with the log-determinant (N,) of the map from z to x."""
        self._check("z", z, (self.config.dimensions,))
        y, first = self._map().inverse(z.to(self.latent_dtype))
        x, second = self.preprocessing.inverse(y)
        return x.to(self.dtype), first + second

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats, (N,), of images x (N, C, H, W) over [0, 1]^D; raises `ValueError` as `encode` does."""
        z, log_det = self.encode(x)
        return standard_normal_log_prob(z) + log_det

    def latents(self, count: int, temperature: float | Sequence[float] = 1.0, seed: int = 0) -> Tensor:
        """Latents (count, D) from the prior; row i depends on (seed, i) alone.

        `temperature` multiplies the standard deviation: one number, or one for each scale, finest first.
        """
        z = latent_noise(seed, count, self.config.dimensions).to(self.device, self.latent_dtype)
        return self.with_temperature(z, temperature)

    def with_temperature(self, z: Tensor, temperature: float | Sequence[float]) -> Tensor:
        """z (N, D) times the temperature of each scale; `ValueError` unless there is one or one for each scale."""
        values = [temperature] * len(self.scales) if isinstance(temperature, int | float) else list(temperature)
        if len(values) != len(self.scales):
            raise ValueError(f"{len(values)} temperatures for {len(self.scales)} scales")
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise ValueError(f"temperatures must be finite and not negative: {values}")
        factors = torch.cat(
            [
                torch.full((scale.stop - scale.start,), float(value), dtype=z.dtype, device=z.device)
                for scale, value in zip(self.scales, values, strict=True)
            ]
        )
        return z * factors

    @torch.no_grad()
    def sample(self, n: int, temperature: float | Sequence[float] = 1.0, seed: int = 0) -> Tensor:
        """Draw n images (n, C, H, W), clipped to [0, 1]; image i is the same for every n > i."""
        return self.decode(self.latents(n, temperature, seed)).clamp(0, 1)

    @torch.no_grad()
    def bits_per_dim(
        self,
        images: Tensor | npt.NDArray[np.uint8],
        samples: int = 1,
        seed: int = 0,
        *,
        batch_size: int = 256,
        proceed: Callable[[], bool] = lambda: True,
    ) -> Tensor:
        """Bits per dimension of 8-bit images under uniform dequantization, float64 (N,) on the CPU.

        images: uint8 (N, H, W, C). The figure is -(log p / D - ln 256) / ln 2 with log p = log of the mean of
        p(image + u) over `samples` noises u: an upper bound on the discrete code length, tighter with more samples
        (importance weighting, Burda et al. 2016). The noise is keyed by seed and image content. `proceed` is asked
        before each batch; once false, the scores so far are returned. Where memory does not hold a batch, it and the
        rest are scored in smaller ones, down to single images.
        """
        array = images.cpu().numpy() if isinstance(images, Tensor) else images
        if array.dtype != np.uint8 or array.ndim != 4:
            raise ValueError(f"images must be uint8 of shape (N, H, W, C), not {array.dtype} {array.shape}")
        if samples < 1:
            raise ValueError(f"samples must be at least 1, not {samples}")
        scores: list[Tensor] = []
        start = 0
        while start < len(array) and proceed():
            batch = np.array(array[start : start + batch_size], order="C")  # a copy, as mapped files are read-only
            try:
                log_prob = torch.stack([self._log_prob_of(batch, seed, sample) for sample in range(samples)])
            except (RuntimeError, MemoryError) as error:
                if len(batch) == 1 or not is_out_of_memory(error):
                    raise
                batch_size = len(batch) // 2
                continue  # and the handler is left, with all that the error's traceback held
            mean = torch.logsumexp(log_prob, 0) - math.log(samples)
            scores.append(bits_per_dim_from_log_prob(mean, self.config.dimensions))
            start += len(batch)
        return torch.cat(scores) if scores else torch.empty(0, dtype=torch.float64)

    @torch.no_grad()
    def initialize(self, x: Tensor, images: npt.NDArray[np.uint8] | None = None) -> None:
        """Initialize what depends on data, first to last.

        The frequencies of levels, of a flow that equalizes them, come from `images`, uint8 (N, H, W, C), or without
        them from x; the normalization layers from one batch x (N, C, H, W).
        """
        if self.preprocessing.equalization is not None:
            levels = images_from_unit(x).cpu().numpy() if images is None else images
            self.preprocessing.equalization.initialize(levels)
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

    def _log_prob_of(self, batch: npt.NDArray[np.uint8], seed: int, sample: int) -> Tensor:
        noise = torch.from_numpy(content_noise(batch, seed, sample)).to(self.device, self.dtype)
        x = unit_from_images(torch.from_numpy(batch).to(self.device), noise)
        return self.log_prob(x).to("cpu", torch.float64)

    @staticmethod
    def _check(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
        if tuple(values.shape[1:]) != shape or values.ndim != len(shape) + 1:
            raise ValueError(f"{name} must have shape (N, {', '.join(map(str, shape))}), not {tuple(values.shape)}")
        if not torch.isfinite(values).all():
            raise ValueError(f"{name} holds NaN or infinite values")


def _version(weights: list[Tensor]) -> int:
    """A number that changes with the weights; those made in inference mode keep no count of their changes."""
    return sum(0 if tensor.is_inference() else tensor._version for tensor in weights)


def bits_per_dim_from_log_prob(log_prob: Tensor, dimensions: int) -> Tensor:
    """Bits/dim of 8-bit data from the log-density in nats over [0, 1]^D: -(log p / D - ln 256) / ln 2."""
    return (math.log(LEVELS) - log_prob / dimensions) / math.log(2)
