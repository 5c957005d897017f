"""What is measured of an image before anything is compared: its likelihood, its latents, its size as a file."""

import io
import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from torch import Tensor

from nvp_studio.flow.dequantization import LEVELS, unit_from_images
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.noise import content_noise
from nvp_studio.flow.prior import standard_normal_log_prob
from nvp_studio.memory import is_out_of_memory

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measures:
    """Measured of N images of D values by a flow of S scales."""

    dimensions: int
    """D."""
    log_probs: Floats
    """(K, N): log-density in nats over [0, 1]^D, of each of K dequantization noises."""
    log_det: Floats
    """(N,): log-determinant in nats of the map from image to latent, of the first noise, as all that follows."""
    squares: Floats
    """(N, S): mean of z² at each scale, finest first; 1 on average for samples of the model."""
    fourths: Floats
    """(N, S): mean of z⁴ at each scale; 3 on average for samples of the model."""
    coarse: Floats
    """(N, d): latents of the coarsest scale."""
    png: npt.NDArray[np.int64]
    """(N,): bytes of the image as a PNG file."""
    webp: npt.NDArray[np.int64]
    """(N,): bytes of the image as a lossless WebP file."""
    sizes: tuple[int, ...]
    """S numbers of latents, one of each scale."""

    def __len__(self) -> int:
        return len(self.log_det)

    @property
    def first_bits(self) -> Floats:
        """(N,): bits/dim of the first noise."""
        return bits_per_dim(self.log_probs[0], self.dimensions)

    @property
    def webp_bits(self) -> Floats:
        """(N,): bits/dim of the lossless WebP file."""
        result: Floats = 8.0 * self.webp / self.dimensions
        return result

    @property
    def complexity(self) -> Floats:
        """(N,): bits/dim less those of lossless WebP; high: the model describes the image worse than WebP does.

        The score of Serrà et al. 2020, "Input complexity and out-of-distribution detection", equation 2.
        """
        result: Floats = self.first_bits - self.webp_bits
        return result

    @property
    def kurtosis(self) -> Floats:
        """(N, S): mean of z⁴ over the squared mean of z²; 3 for a normal distribution."""
        result: Floats = self.fourths / np.maximum(self.squares, 1e-12) ** 2
        return result

    @property
    def norm_p(self) -> Floats:
        """(N, S): two-sided p-value of |z|² at each scale under its chi-squared distribution."""
        freedom = torch.tensor(self.sizes, dtype=torch.float64)
        below = torch.special.gammainc(freedom / 2, torch.from_numpy(self.squares) * freedom / 2).numpy()
        result: Floats = np.minimum(1.0, 2 * np.minimum(below, 1 - below))
        return result

    def bound(self, *, weighted: bool = True) -> tuple[Floats, Floats]:
        """Bits/dim (N,), an upper bound on the discrete code length, and its standard error (N,) over the K noises.

        The mean over the noises, or `weighted` the importance-weighted bound: the bits of their mean density (Burda et
        al. 2016), which is lower and comes closer with each noise. The error is NaN for one noise. Where
        `FlowConfig.exact_code_length` is true, both are the code length.
        """
        count = len(self.log_probs)
        if not weighted or count == 1:
            bits = bits_per_dim(self.log_probs, self.dimensions)
            error = bits.std(0, ddof=1) / math.sqrt(count) if count > 1 else np.full(len(self), np.nan)
            return bits.mean(0), error
        top = self.log_probs.max(0)
        weights = np.exp(self.log_probs - top)
        mean = weights.mean(0)
        error = weights.std(0, ddof=1) / (mean * math.sqrt(count)) / (self.dimensions * math.log(2))
        return bits_per_dim(top + np.log(mean), self.dimensions), error

    @classmethod
    def joined(cls, parts: "list[Self]") -> Self:
        """The measures of all parts, in their order."""
        first = parts[0]
        by_image = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("log_det", "squares", "fourths", "coarse", "png", "webp")
        }
        log_probs = np.concatenate([part.log_probs for part in parts], 1)
        return cls(dimensions=first.dimensions, log_probs=log_probs, sizes=first.sizes, **by_image)


def measure(flow: Inference, images: Images, samples: int = 1, seed: int = 0) -> Measures:
    """Measure 8-bit images (N, H, W, C), N at least 1, with `samples` dequantization noises keyed by content and seed.

    Where memory does not hold the batch it is halved. Raises `ValueError` for images of another shape.
    """
    try:
        return _measure(flow, images, samples, seed)
    except (RuntimeError, MemoryError) as error:
        if len(images) == 1 or not is_out_of_memory(error):
            raise
    half = len(images) // 2  # outside of the handler, so that what the error's traceback refers to is released
    return Measures.joined([measure(flow, part, samples, seed) for part in (images[:half], images[half:])])


@torch.no_grad()
def _measure(flow: Inference, images: Images, samples: int, seed: int) -> Measures:
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"images must be uint8 of shape (N, H, W, C), not {images.dtype} {images.shape}")
    if samples < 1:
        raise ValueError(f"samples must be at least 1, not {samples}")
    batch = np.array(images, order="C")  # a copy, as mapped files are read-only
    z, log_det = _encoded(flow, batch, seed, 0)
    log_probs = [(standard_normal_log_prob(z) + log_det).numpy()]
    for sample in range(1, samples):
        other, other_log_det = _encoded(flow, batch, seed, sample)
        log_probs.append((standard_normal_log_prob(other) + other_log_det).numpy())
    slices = [z[:, scale.start : scale.stop] for scale in flow.scales]
    sizes = [file_sizes(image) for image in batch]
    return Measures(
        dimensions=flow.config.dimensions,
        log_probs=np.stack(log_probs),
        log_det=log_det.numpy(),
        squares=torch.stack([part.square().mean(1) for part in slices], 1).numpy(),
        fourths=torch.stack([part.square().square().mean(1) for part in slices], 1).numpy(),
        coarse=slices[-1].numpy().copy(),
        png=np.array([png for png, _ in sizes], np.int64),
        webp=np.array([webp for _, webp in sizes], np.int64),
        sizes=tuple(scale.stop - scale.start for scale in flow.scales),
    )


def file_sizes(image: Images) -> tuple[int, int]:
    """Bytes of an image (H, W, C) as PNG and as lossless WebP, as Pillow writes them."""
    picture = PIL.Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    sizes = []
    for kind, options in (("PNG", {"optimize": True}), ("WEBP", {"lossless": True})):
        file = io.BytesIO()
        picture.save(file, kind, **options)
        sizes.append(file.tell())
    return sizes[0], sizes[1]


def bits_per_dim(log_prob: Floats, dimensions: int) -> Floats:
    """Bits/dim of 8-bit data from the log-density in nats over [0, 1]^D."""
    result: Floats = (math.log(LEVELS) - log_prob / dimensions) / math.log(2)
    return result


def _encoded(flow: Inference, batch: Images, seed: int, sample: int) -> tuple[Tensor, Tensor]:
    """Latents (N, D) and log-determinants (N,) of one noise, float64 on the CPU."""
    noise = torch.from_numpy(content_noise(batch, seed, sample)).to(flow.device, flow.dtype)
    z, log_det = flow.encode(unit_from_images(torch.from_numpy(batch).to(flow.device), noise))
    return z.to("cpu", torch.float64), log_det.to("cpu", torch.float64)
