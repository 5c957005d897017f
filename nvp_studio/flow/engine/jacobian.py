"""The Jacobian of the decoder, J = d decode / dz at one latent: products with it, and its leading singular vectors."""

import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor
from torch.overrides import TorchFunctionMode

from nvp_studio.flow.engine.inference import Inference

PROBES = 4
"""More vectors than are wanted, which the iteration follows as well: it converges sooner then."""
ROUNDS = 2
"""Products with J and its transpose, each so often."""
_AT_ONCE = 4
"""Vectors of one product, so that a step is short."""


class DecoderJacobian:
    """J (D, D) at a latent z (1, D): row i is pixel value i in the order (C, H, W), column j is latent value j.

    Both products are exact up to rounding, those of the plain modules also where `Inference.compile` was called. Images
    are in [0, 1], as `Inference.decode` gives them before they are clipped.
    """

    def __init__(self, flow: Inference, z: Tensor) -> None:
        self._flow = flow
        self._z = z.detach().clone()
        with _tracked():
            self._input = self._z.clone().requires_grad_()
            self._output = self._decode(self._input)

    def times(self, vectors: Tensor) -> Tensor:
        """J v for each row v of `vectors` (N, D), as rows (N, D); forward mode."""
        with _tracked(), _WithForwardMode(), forward_ad.dual_level():
            z = self._z.expand(len(vectors), -1).clone().requires_grad_()  # else compiled loops would be used
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, of what it loads the first time
                dual: Tensor = forward_ad.make_dual(z, vectors)  # type: ignore[no-untyped-call]
            product: Tensor = forward_ad.unpack_dual(self._decode(dual)).tangent  # type: ignore[no-untyped-call]
            return product.detach()

    def transposed_times(self, vectors: Tensor) -> Tensor:
        """J^T u for each row u of `vectors` (N, D), as rows (N, D); reverse mode."""
        with _tracked():
            grads = torch.autograd.grad(
                self._output, self._input, vectors[:, None], is_grads_batched=True, retain_graph=True
            )
        return grads[0].flatten(1)

    def _decode(self, z: Tensor) -> Tensor:
        return self._flow.preprocessing.inverse(self._flow.body.inverse(z)).flatten(1)


@dataclass(frozen=True)
class Leading:
    """The K largest singular values of a Jacobian, the largest first, and their vectors."""

    values: Tensor
    """(K,): length of J v for the right vector v of length 1; until the iteration has converged a lower bound of it,
    and of the true singular value."""
    right: Tensor
    """(K, D), orthonormal rows in latent space. Their signs are such that the picture becomes brighter."""
    left: Tensor
    """(K, D), orthonormal rows in the space of pictures: J v divided by its length, once it has converged."""


def finding_leading(
    flow: Inference, z: Tensor, count: int, *, rounds: int = ROUNDS, probes: int = PROBES, seed: int = 0
) -> Generator[None, None, Leading]:
    """The `count` leading singular vectors of J = d decode / dz at z (1, D); yields None between short steps.

    Randomized subspace iteration (Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.1): `rounds` products of
    `count` + `probes` vectors with J and with its transpose. Errors shrink with each round by the square of the ratio
    of a singular value to the first one that is not followed. The same seed gives the same vectors. Raises `ValueError`
    where the Jacobian is not finite.
    """
    jacobian = DecoderJacobian(flow, z)
    yield None
    size = min(count + probes, z.shape[1])
    generator = torch.Generator().manual_seed(seed)
    right = torch.randn(size, z.shape[1], dtype=torch.float64, generator=generator).to(z)
    for number in range(rounds):
        if number:
            right = _orthonormal(right)
        left = _orthonormal((yield from _in_parts(jacobian.times, right)))
        right = yield from _in_parts(jacobian.transposed_times, left)
    if not torch.isfinite(right).all():
        raise ValueError("the Jacobian of the decoder is not finite here")
    turn, values, vectors = torch.linalg.svd(right, full_matrices=False)
    pictures = turn.T @ left
    signs = torch.where(pictures.sum(1) < 0, -1.0, 1.0).to(z)[:, None]
    count = min(count, size)
    return Leading(values[:count], (signs * vectors)[:count], (signs * pictures)[:count])


def leading(flow: Inference, z: Tensor, count: int = 8, *, rounds: int = ROUNDS, probes: int = PROBES) -> Leading:
    """As `finding_leading`, in one go."""
    steps = finding_leading(flow, z, count, rounds=rounds, probes=probes)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Leading = end.value
            return found


def _in_parts(product: Callable[[Tensor], Tensor], vectors: Tensor) -> Generator[None, None, Tensor]:
    parts = []
    for part in torch.split(vectors, _AT_ONCE):
        parts.append(product(part))
        yield None
    return torch.cat(parts)


def _orthonormal(rows: Tensor) -> Tensor:
    if not torch.isfinite(rows).all():
        raise ValueError("the Jacobian of the decoder is not finite here")
    basis: Tensor = torch.linalg.qr(rows.T)[0].T.contiguous()
    return basis


class _tracked:  # noqa: N801 (used as a function)
    """Gradients are recorded, also within `torch.inference_mode`."""

    def __enter__(self) -> None:
        self._modes: tuple[Any, ...] = torch.inference_mode(False), torch.enable_grad()
        for mode in self._modes:
            mode.__enter__()

    def __exit__(self, *error: object) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*error)


class _WithForwardMode(TorchFunctionMode):
    """`torch.addcmul` as sum and product: it has no forward mode but one that loads torch's compiler for seconds."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.addcmul and not kwargs:
            return args[0] + args[1] * args[2]
        return func(*args, **(kwargs or {}))
