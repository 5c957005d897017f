"""The Jacobian of the decoder, J = d decode / dz at one latent: products with it, and its leading singular vectors."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from nvp_studio.flow.engine.inference import Inference

ROUNDS = 4
"""Products with J and its transpose, each so often."""
BLOCK = 4
"""Vectors of one product, so that it is short."""


class DecoderJacobian:
    """J (D, D) at a latent z (1, D): row i is pixel value i in the order (C, H, W), column j is latent value j.

    Both products are exact up to rounding, those of the plain modules also where `Inference.compile` was called. Images
    are in [0, 1], as `Inference.decode` gives them before they are clipped.
    """

    def __init__(self, flow: Inference, z: Tensor, block: int = BLOCK) -> None:
        """A product is of up to `block` vectors, and takes as long as one of so many."""
        with _tracked(), _DepthwiseConvolutions():
            self._z = z.detach().expand(block, -1).clone().requires_grad_()
            self._images = flow.preprocessing.inverse(flow.body.inverse(self._z)).flatten(1)
            self._vectors = torch.zeros_like(self._images, requires_grad=True)
            self._products = torch.autograd.grad(self._images, self._z, self._vectors, create_graph=True)[0]

    def times(self, vectors: Tensor) -> Tensor:
        """J v for each row v of `vectors` (N, D), N up to the block, as rows (N, D).

        J^T u, as reverse mode computes it, is linear in u: its own transposed derivative is J.
        """
        return self._product(self._products, self._vectors, vectors)

    def transposed_times(self, vectors: Tensor) -> Tensor:
        """J^T u for each row u of `vectors` (N, D), N up to the block, as rows (N, D); reverse mode."""
        return self._product(self._images, self._z, vectors)

    def _product(self, outputs: Tensor, inputs: Tensor, vectors: Tensor) -> Tensor:
        with _tracked():
            padded = torch.zeros_like(outputs)
            padded[: len(vectors)] = vectors
            return torch.autograd.grad(outputs, inputs, padded, retain_graph=True)[0][: len(vectors)]


@dataclass(frozen=True)
class Leading:
    """The K largest singular values of a Jacobian, the largest first, and their vectors."""

    values: Tensor
    """(K,): the length of J^T u for the left vector u of length 1; until the iteration has converged a lower bound of
    the true singular value."""
    right: Tensor
    """(K, D), orthonormal rows in latent space: J^T u divided by its length. Their signs are such that the picture
    becomes brighter."""
    left: Tensor
    """(K, D), orthonormal rows in the space of pictures."""


def finding_leading(
    flow: Inference, z: Tensor, count: int, *, rounds: int = ROUNDS, seed: int = 0
) -> Generator[None, None, Leading]:
    """The `count` leading singular vectors of J = d decode / dz at z (1, D); yields None between short steps.

    Randomized block Krylov iteration (Musco and Musco 2015, algorithm 2): subspace iteration of `BLOCK` random vectors
    that keeps the subspaces of all rounds and takes the singular vectors of J within their sum. At most `BLOCK` times
    `rounds` vectors can be found. The same seed gives the same vectors. Raises `ValueError` where the Jacobian is not
    finite.
    """
    jacobian = DecoderJacobian(flow, z)
    yield None
    size = z.shape[1]
    block = min(BLOCK, size)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(block, size, dtype=torch.float64, generator=generator).to(z)
    latents, left, right = z.new_zeros(0, size), z.new_zeros(0, size), z.new_zeros(0, size)
    vectors = jacobian.transposed_times(images)
    for _ in range(max(1, min(rounds, size // block))):
        yield None
        latents = _extended(latents, vectors)
        images = jacobian.times(latents[-block:])
        yield None
        left = _extended(left, images)
        vectors = jacobian.transposed_times(left[-block:])
        right = torch.cat((right, vectors))
    if not torch.isfinite(right).all():
        raise ValueError(_NOT_FINITE)
    turn, values, vectors = torch.linalg.svd(right, full_matrices=False)
    pictures = turn.T @ left
    signs = torch.where(pictures.sum(1) < 0, -1.0, 1.0).to(z)[:, None]
    return Leading(values[:count], (signs * vectors)[:count], (signs * pictures)[:count])


def leading(flow: Inference, z: Tensor, count: int = 8, *, rounds: int = ROUNDS) -> Leading:
    """As `finding_leading`, in one go."""
    steps = finding_leading(flow, z, count, rounds=rounds)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Leading = end.value
            return found


_NOT_FINITE = "the Jacobian of the decoder is not finite here"


def _extended(basis: Tensor, rows: Tensor) -> Tensor:
    """Orthonormal rows: those of `basis`, then as many as `rows` has, which span the rest of these."""
    if not torch.isfinite(rows).all():
        raise ValueError(_NOT_FINITE)
    for _ in range(2):  # twice, as once leaves rounding errors
        rows = rows - rows @ basis.T @ basis
        rows = torch.linalg.qr(rows.T)[0].T
    return torch.cat((basis, rows))


class _tracked:  # noqa: N801 (used as a function)
    """Gradients are recorded, also within `torch.inference_mode`."""

    def __enter__(self) -> None:
        self._modes: tuple[Any, ...] = torch.inference_mode(False), torch.enable_grad()
        for mode in self._modes:
            mode.__enter__()

    def __exit__(self, *error: object) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)


class _DepthwiseConvolutions(TorchFunctionMode):
    """Derives depthwise convolutions by `_Depthwise`: torch's second derivative of them takes a step per channel."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        groups = kwargs.get("groups", 1)
        if func is not functional.conv2d or groups == 1 or not groups == args[0].shape[1] == args[1].shape[0]:
            return func(*args, **kwargs)
        x, weight, bias = args
        y = _Depthwise.apply(x, weight, kwargs["padding"])  # type: ignore[no-untyped-call]
        return y if bias is None else y + bias[:, None, None]


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution that keeps the image's size; its transpose is one with kernels turned by 180 degrees."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
        ctx.weight, ctx.padding = weight, padding
        return functional.conv2d(x, weight, padding=padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        turned = ctx.weight.flip(2, 3)
        return _Depthwise.apply(gradients[0], turned, ctx.padding), None, None  # type: ignore[no-untyped-call]
