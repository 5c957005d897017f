"""Inference with a trained flow: images to latents and back, exact densities, samples and bits per dimension."""

import copy
import math
import threading
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from nvp_studio.flow.config import FlowConfig, Scale
from nvp_studio.flow.dequantization import unit_from_images, within_levels
from nvp_studio.flow.engine.folding import folded
from nvp_studio.flow.engine.precision import wide_type
from nvp_studio.flow.flow import Flow, bits_per_dim_from_log_prob
from nvp_studio.flow.noise import content_noise, latent_noise
from nvp_studio.flow.prior import standard_normal_log_prob
from nvp_studio.memory import is_out_of_memory


class Inference:
    """A `Flow` prepared for fast inference, with its weights as they are now.

    What depends on the weights alone is computed here (`folding`): after a change of the weights, make another one. The
    flow is put into evaluation mode, its parameters take no gradients any more, and its convolutions get the memory
    format that they are fastest with. Gradients of the results with respect to x and z are exact.

    Values pass through the couplings in float64, where the device has it, and latents come in it, so that `decode`
    gives back what was encoded up to rounding errors far below a grey level, in the same batch. In a batch of another
    size, and after `compile`, networks may sum in another order: the error then was below half a grey level wherever it
    was measured. Compiled flows with depthwise networks sum in the same order in a batch of any size. Networks compute
    in the type of the weights, those of flows over grey levels (`law="levels"`) in that of the values: by them an error
    of float32 would decide about a narrow level, and with it about all that depends on it. For the same reason, latents
    of such flows that were rounded to float32 may give another image, of noise mostly.

    Example::

        inference = Inference(flow)
        z, log_det = inference.encode(x)            # x (N, 1, 28, 28) -> z (N, 784), log_det (N,)
        x = inference.decode(z)
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow.eval().requires_grad_(False)
        # Convolutions of few channels are faster with the channels innermost, depthwise ones twice as fast.
        convert_conv2d_weight_memory_format(flow, torch.channels_last)
        self.config: FlowConfig = flow.config
        self.dtype: torch.dtype = flow.dtype
        """The type of the weights, and of decoded images."""
        self.device: torch.device = flow.device
        self.latent_dtype: torch.dtype = self._value_type()
        """The type of latents and log-determinants."""
        self.preprocessing = flow.preprocessing
        self._compiling = threading.Lock()
        self._compiled = False
        with torch.inference_mode(False), torch.no_grad():  # its tensors may be used with gradients later
            self.body = folded(flow.body, torch.empty(0, dtype=self.latent_dtype, device=self.device))

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The slices of z, finest first, with their (C, H, W)."""
        return self.config.latent_scales

    def double(self) -> "Inference":
        """The same flow with weights and networks in float64; this one stays as it is."""
        return type(self)(copy.deepcopy(self.flow).double())

    @property
    def can_compile(self) -> bool:
        """Whether `compile` changes anything: on the CPU alone, for weights in float32, and where there is numba."""
        types = self.dtype, self.latent_dtype
        return self.device.type == "cpu" and types == (torch.float32, torch.float64) and find_spec("numba") is not None

    def must_compile(self) -> bool:
        """Whether `compile` takes ten seconds, since no process of this machine has left on the disk what it needs."""
        if not self.can_compile:
            return False
        try:
            from nvp_studio.flow.engine.compiled import kernels
            from nvp_studio.flow.engine.kernels.compiling import is_stored
        except ImportError:
            return False
        return not self._compiled and not all(is_stored(kernel) for kernel in kernels(self.body))

    def compile(self) -> None:
        """Have couplings computed by compiled loops (`compiled`), which are several times as fast for a single image.

        Does nothing unless `can_compile`, and when it was called before. Results change in their last digits: whoever
        wants the scores that the program shows and prints calls this first. The first time on a machine it takes about
        ten seconds of processor time, later less than one. It may be called in another thread, while this one is in
        use; a second call waits for the first.
        """
        with self._compiling:
            if self._compiled or not self.can_compile:
                return
            try:
                from nvp_studio.flow.engine.compiled import compiled  # not needed on other devices
            except ImportError:  # a numba that does not fit this Python
                return
            with torch.inference_mode(False), torch.no_grad():
                body = compiled(self.body)
                body(body.inverse(torch.zeros(1, self.config.dimensions, dtype=self.latent_dtype)))
            self.body = body
            self._compiled = True

    @property
    def compiled(self) -> bool:
        """Whether `compile` has had an effect: results differ from those before in their last digits."""
        return self._compiled

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to latents.

        x: (N, C, H, W) in [0, 1]. Returns z (N, D) and the log-determinant (N,) of the whole map from x, preprocessing
        included. Raises `ValueError` for another shape, NaN, infinity, or values outside [0, 1].
        """
        _check("x", x, self.config.image_shape)
        if len(x) and not (x.amin() >= 0 and x.amax() <= 1):
            raise ValueError(f"x must lie in [0, 1], not [{x.amin().item():.4g}, {x.amax().item():.4g}]")
        y, first = self.preprocessing(x.to(self.latent_dtype))
        z, second = self.body(y)
        return z, first + second

    def decode(self, z: Tensor) -> Tensor:
        """Map latents (N, D) to images (N, C, H, W) of type `dtype`: the inverse of `encode`.

        Values may leave [0, 1] by up to a / (1 - 2 a) where the model has mass there, ten times as far with equalized
        levels. Raises `ValueError` for another shape, NaN or infinity.
        """
        _check("z", z, (self.config.dimensions,))
        return self._narrowed(self.preprocessing.inverse(self.body.inverse(z.to(self.latent_dtype))))

    def decode_with_log_det(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """As `decode`, with the log-determinant (N,) of the map from z to x."""
        _check("z", z, (self.config.dimensions,))
        y, first = self.body.inverse_with_log_det(z.to(self.latent_dtype))
        x, second = self.preprocessing.inverse_with_log_det(y)
        return self._narrowed(x), first + second

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
        self, images: Tensor | npt.NDArray[np.uint8], samples: int = 1, seed: int = 0, *, batch_size: int = 256
    ) -> Tensor:
        """Bits per dimension of 8-bit images under uniform dequantization, float64 (N,) on the CPU.

        images: uint8 (N, H, W, C). The score is -(log p / D - ln 256) / ln 2 with log p = log of the mean of
        p(image + u) over `samples` noises u: an upper bound on the discrete code length, tighter with more samples
        (importance weighting, Burda et al. 2016), and equal to it for flows whose `exact_code_length` is true. The
        noise is keyed by seed and image content. Where memory does not hold a batch, it and the rest are scored in
        smaller ones, down to single images.
        """
        array = images.cpu().numpy() if isinstance(images, Tensor) else images
        if array.dtype != np.uint8 or array.ndim != 4:
            raise ValueError(f"images must be uint8 of shape (N, H, W, C), not {array.dtype} {array.shape}")
        if samples < 1:
            raise ValueError(f"samples must be at least 1, not {samples}")
        scores: list[Tensor] = []
        start = 0
        while start < len(array):
            batch = np.array(array[start : start + batch_size], order="C")  # a copy, as mapped files are read-only
            try:
                log_prob = torch.stack([self._log_prob_of_images(batch, seed, sample) for sample in range(samples)])
            except (RuntimeError, MemoryError) as error:
                if len(batch) == 1 or not is_out_of_memory(error):
                    raise
                batch_size = len(batch) // 2
                continue  # outside of the handler, so that all that the error's traceback refers to is released
            mean = torch.logsumexp(log_prob, 0) - math.log(samples)
            scores.append(bits_per_dim_from_log_prob(mean, self.config.dimensions))
            start += len(batch)
        return torch.cat(scores) if scores else torch.empty(0, dtype=torch.float64)

    def _narrowed(self, x: Tensor) -> Tensor:
        """Decoded images in the type of the weights."""
        return within_levels(x, self.dtype) if self.config.law == "levels" else x.to(self.dtype)

    def _value_type(self) -> torch.dtype:
        return wide_type(self.dtype, self.device)

    def _log_prob_of_images(self, batch: npt.NDArray[np.uint8], seed: int, sample: int) -> Tensor:
        noise = torch.from_numpy(content_noise(batch, seed, sample)).to(self.device, self.dtype)
        x = unit_from_images(torch.from_numpy(batch).to(self.device), noise)
        return self.log_prob(x).to("cpu", torch.float64)


def _check(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(values.shape[1:]) != shape or values.ndim != len(shape) + 1:
        raise ValueError(f"{name} must have shape (N, {', '.join(map(str, shape))}), not {tuple(values.shape)}")
    if not torch.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinite values")
