"""Devices and threads."""

import pytest
import torch

from nvp_studio.device import choose_device, choose_threads


def test_device_and_threads() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    for name in ("warp drive", "cuda:99", "meta?"):
        with pytest.raises(ValueError, match="there is no device"):
            choose_device(name)
    assert choose_threads(3) == 3
    assert choose_threads() >= 1
