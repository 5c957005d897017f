"""Runs that repeat to the bit on a GPU as they do on a CPU: torch uses deterministic algorithms only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nvp_studio.training.errors import RunError

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_WORKSPACES = (":4096:8", ":16:8")
"""Those with which cuBLAS is deterministic; the first is the larger and faster one."""
_NO_ALGORITHM = " does not have a deterministic implementation"


def claim_workspace() -> None:
    """Give cuBLAS a workspace with which it is deterministic; call this before the process uses CUDA.

    cuBLAS reads the setting once, so it stays for the process. Raises `RunError` when it is too late, or the
    environment asks for another one.
    """
    if not torch.cuda.is_available():
        return
    workspace = os.environ.get(WORKSPACE)
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call] # torch leaves it without types
    if workspace is None and used and torch.cuda.memory_allocated():
        raise RunError(f"this process has used CUDA already; start it with {WORKSPACE}={_WORKSPACES[0]}")
    if workspace is not None and workspace not in _WORKSPACES:
        raise RunError(f"deterministic training needs {WORKSPACE} to be {' or '.join(_WORKSPACES)}, not {workspace!r}")
    os.environ.setdefault(WORKSPACE, _WORKSPACES[0])


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Hold torch to deterministic algorithms, if `wanted`, and leave its settings as they were.

    An operation that has none raises a `RunError` that names it.
    """
    if not wanted:
        yield
        return
    cudnn = torch.backends.cudnn
    before = torch.get_deterministic_debug_mode(), cudnn.deterministic, cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    except RuntimeError as error:
        operation, matched, _ = str(error).partition(_NO_ALGORITHM)
        if not matched:
            raise
        raise RunError(f"{operation} has no deterministic algorithm here; train without --deterministic") from error
    finally:
        torch.set_deterministic_debug_mode(before[0])
        cudnn.deterministic, cudnn.benchmark = before[1:]
