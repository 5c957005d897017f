"""Evaluation of a model during a run: scores, inversion errors, samples and reconstructions of fixed images."""

import io
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from nvp_studio.flow.bijection import Bijection
from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import bits_per_dim_from_log_prob
from nvp_studio.flow.noise import content_noise, keyed_generator, step_noise
from nvp_studio.flow.prior import standard_normal_log_prob
from nvp_studio.ranks import ALONE, Ranks
from nvp_studio.training.scoring_budget import ScoringBudget

Images = npt.NDArray[np.uint8]
"""uint8 (N, H, W, C)."""
_MEASURED = 8
_BATCH_ON_CPU, _BATCH = 64, 250
"""Images that are scored at once; on a CPU, more would take longer for each."""


class _AbandonedError(Exception):
    """A batch is left for a request, and begun again afterwards."""


def _never() -> bool:
    return False


def scores(
    flow: Inference,
    images: Images,
    keep_going: Callable[[], bool],
    batch_size: int | None = None,
    ranks: Ranks = ALONE,
    count: Callable[[int], object] | None = None,
    budget: ScoringBudget | None = None,
    enough: Callable[[], bool] = _never,
    has_news: Callable[[], bool] = _never,
) -> Tensor | None:
    """Bits/dim of each image, float64 (N,), with content-keyed noise; None when `keep_going` returned False.

    Each rank scores a part of the images, and all get all scores; `keep_going` and `enough` must return the same on
    each. They are asked before each batch; where there is `enough`, the scores are those of the first images alone.
    One process alone abandons a batch between two layers as soon as it `has_news`, asks them, and begins it again.
    `count` is called before each batch and at the end with the number of images scored, and `budget` counts the time.
    """
    bits = torch.zeros(len(images), dtype=torch.float64)
    batch_size = batch_size or (_BATCH_ON_CPU if flow.device.type == "cpu" else _BATCH)
    done, counted = 0, -1
    while done < len(images):
        if not keep_going():
            return None
        if enough():
            break
        if count is not None and done > counted:
            count(done)
            counted = done
        end = min(done + batch_size * ranks.world, len(images))
        low, high = ranks.own_range(done, end)
        try:
            with ExitStack() as stack:
                stack.enter_context(nullcontext() if budget is None else budget.timed(scored=end - done))
                stack.enter_context(_abandoned_on(has_news if ranks.world == 1 else _never, flow))
                bits[low:high] = flow.bits_per_dim(images[low:high], batch_size=batch_size)
        except _AbandonedError:
            continue
        done = end
    if count is not None:
        count(done)
    return ranks.all_reduce(bits[:done])


@contextmanager
def _abandoned_on(has_news: Callable[[], bool], flow: Inference) -> Iterator[None]:
    """Within the block, raise `_AbandonedError` before the next layer of `flow` once it `has_news`."""

    def look(*_: object) -> None:
        if has_news():
            raise _AbandonedError

    layers = [module for module in flow.body.modules() if isinstance(module, Bijection)]
    handles = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def measure_speed(flow: Inference, images: Images, budget: ScoringBudget, ranks: Ranks = ALONE) -> None:
    """Score and decode a few images (N, H, W, C), so that `budget` knows how fast that is."""
    some = np.resize(images, (_MEASURED, *images.shape[1:]))
    with budget.timed():
        flow.bits_per_dim(some[:2])  # allocates
    with budget.timed(scored=_MEASURED * ranks.world):
        flow.bits_per_dim(some)
    with budget.timed(decoded=_MEASURED):
        samples(flow, _MEASURED, 1.0, 0)


def chosen_images(images: Images, count: int, after: int = 0) -> Images:
    """`count` of the images (N, H, W, C), all if there are no more, without the first `after` of them.

    They are in a random order, which is always the same, as images are often sorted by class.
    """
    return images[keyed_generator(b"scored images").permutation(len(images))[after:count]]


@torch.no_grad()
def samples(flow: Inference, count: int, temperature: float, seed: int) -> Images:
    """Sampled images; the same noise each time."""
    return _to_images(flow.sample(count, temperature, seed))


@torch.no_grad()
def reconstructions(flow: Inference, images: Images) -> Images:
    """The images, and below them (second half of the batch) their reconstructions decode(encode(x))."""
    x = unit_from_images(torch.from_numpy(np.array(images)).to(flow.device), 0.5)
    return np.concatenate([images, _to_images(flow.decode(torch.nan_to_num(flow.encode(x)[0])))])


HALF_A_LEVEL = 1 / 512
"""Half a grey level of an 8-bit image; a value in the middle of a level that changes by less keeps its level."""


@torch.no_grad()
def inverse_error(flow: Inference, images: Images, seed: int = 0) -> float:
    """The largest |decode(encode(x)) - x|, in units of [0, 1]; infinite when something is not finite.

    x are the images (N, H, W, C) themselves and as many samples at temperature 1.
    """
    pictures = unit_from_images(torch.from_numpy(np.array(images)).to(flow.device), 0.5)
    x = torch.cat((pictures, torch.nan_to_num(flow.sample(len(images), 1.0, seed))))
    return _inverse_errors(flow, x).max().item()


@torch.no_grad()
def noise_inverse_error(flow: Inference, count: int, seed: int = 0) -> float:
    """As `inverse_error`, of images of uniform noise, which are far from all data."""
    channels, height, width = flow.config.image_shape
    noise = torch.from_numpy(step_noise(seed, 0, (count, channels, height, width)))
    return _inverse_errors(flow, noise.to(flow.device, flow.dtype)).max().item()


@torch.no_grad()
def _inverse_errors(flow: Inference, x: Tensor) -> Tensor:
    """The largest |decode(z) - x| of each image (N,) of x (N, C, H, W), z = encode(x); infinite where not finite.

    z is rounded to the type of the weights first. As it came, x comes back nearly exactly in the same batch; rounded,
    the error is about what is left when networks sum in another order, as in other batches or on another machine. Where
    networks see grey levels, z stays as it is: an unlikely level is too narrow in z for a rounded one.
    """
    z = flow.encode(x)[0]
    if flow.config.law != "levels":
        z = z.to(flow.dtype)
    errors = (flow.decode(torch.nan_to_num(z)) - x).abs().amax((1, 2, 3))
    return torch.where(torch.isfinite(z).all(1) & torch.isfinite(errors), errors, math.inf)


@torch.no_grad()
def bits_by_scale(flow: Inference, images: Images) -> tuple[float, ...]:
    """What each scale, finest first, adds to the mean bits/dim of images (N, H, W, C); they sum up to it.

    A scale's part is the code length of its slice of z less the log-determinant of its layers. What belongs to pixels
    (the 8 bits of their levels, equalization and the logit) is shared out by the sizes of the slices. Empty when not
    finite.
    """
    noise = torch.from_numpy(content_noise(np.ascontiguousarray(images), 0, 0)).to(flow.device, flow.dtype)
    x = unit_from_images(torch.from_numpy(np.array(images)).to(flow.device), noise)
    h, pixels = flow.preprocessing(x.to(flow.latent_dtype))
    dimensions = flow.config.dimensions
    level_bits = bits_per_dim_from_log_prob(pixels.double().mean(), dimensions).item()
    parts: list[float] = []
    for latent, (z, log_det) in zip(flow.scales, flow.body.by_scale(h), strict=True):
        nats = (standard_normal_log_prob(z) + log_det).double().mean().item()
        share = (latent.stop - latent.start) / dimensions
        parts.append(share * level_bits - nats / dimensions / math.log(2))
    return tuple(parts) if all(map(math.isfinite, parts)) else ()


def finite(value: float) -> float | None:
    """The value, None for NaN and infinity."""
    return value if math.isfinite(value) else None


def contact_sheet(images: Images, columns: int) -> bytes:
    """All images side by side in rows of `columns`, as the content of a PNG file."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, height, width, channels), np.uint8)
    sheet[:count] = images
    grid = sheet.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    pixels = grid.reshape(rows * height, columns * width, channels)
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _to_images(x: Tensor) -> Images:
    # A model that diverged decodes to NaN, which has no grey level.
    pixels: Images = images_from_unit(torch.nan_to_num(x)).cpu().numpy()
    return pixels
