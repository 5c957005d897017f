"""How quickly the networks of a single image are multiplied: `kernels.products.add_product` against torch.

    OMP_NUM_THREADS=1 python -m benchmarks.products

Sizes (rows, terms, columns) are those of the included models' networks. Both are called as often as takes some
milliseconds, in turn; GFLOP/s of processor time, medians of the rounds.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from numba import njit

from nvp_studio.flow.engine.kernels.compiling import Array
from nvp_studio.flow.engine.kernels.products import add_product

SIZES = [
    (234, 56, 256),
    (112, 56, 256),
    (468, 56, 64),
    (16, 56, 936),
    (4, 56, 1872),
    (42, 48, 196),
    (48, 96, 196),
    (49, 48, 96),
    (49, 48, 84),
]
_WORK = 1e8
"""Multiplications and additions of a measurement."""


@njit(error_model="numpy")  # type: ignore[untyped-decorator] # numba leaves it without types
def _repeatedly(a: Array, b: Array, out: Array, times: int) -> None:
    for _ in range(times):
        add_product(a, b, out)


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print("| rows, terms, columns | own, GFLOP/s | torch, GFLOP/s | times as fast |\n|---|---:|---:|---:|")
    for rows, terms, columns in SIZES:
        random = np.random.default_rng(0)
        a, b = (random.normal(size=shape).astype(np.float32) for shape in ((rows, terms), (terms, columns)))
        print(f"| {rows}, {terms}, {columns} | {_compared(a, b, rounds)} |")


def _compared(a: Array, b: Array, rounds: int) -> str:
    out, sums = np.zeros((len(a), b.shape[1]), np.float32), torch.zeros(len(a), b.shape[1])
    left, right = torch.from_numpy(a), torch.from_numpy(b)
    work = 2.0 * a.size * b.shape[1]
    times = max(1, int(_WORK / work))
    _repeatedly(a, b, out, 1)
    pairs = [
        (
            _seconds(lambda: _repeatedly(a, b, out, times)),
            _seconds(lambda: [sums.addmm_(left, right) for _ in range(times)]),
        )
        for _ in range(rounds)
    ]
    own, library = (median(work * times / seconds / 1e9 for seconds in column) for column in zip(*pairs, strict=True))
    ratio = median(theirs / ours for ours, theirs in pairs)
    return f"{own:.0f} | {library:.0f} | {ratio:.2f}"


if __name__ == "__main__":
    main()
