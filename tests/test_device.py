"""Devices and threads."""

import numpy as np
import pytest
import torch

from nvp_studio.checkpoints import load
from nvp_studio.device import choose_device, choose_threads, exact
from nvp_studio.training.evaluation import HALF_A_LEVEL, inverse_error, noise_inverse_error
from tests.gpu import needs_cuda


def test_device_and_threads() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    for name in ("warp drive", "cuda:99", "meta?"):
        with pytest.raises(ValueError, match="there is no device"):
            choose_device(name)
    assert choose_threads(3) == 3
    assert choose_threads() >= 1


def test_float32_is_float32_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert exact(torch.device("cpu")) == torch.device("cpu")
    assert torch.backends.cudnn.allow_tf32, "other devices are left alone"
    assert exact(torch.device("cuda", 1)) == torch.device("cuda", 1)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@needs_cuda
@pytest.mark.parametrize("model", ["fashion-mnist", "peeps"])
def test_included_models_are_inverted_on_a_gpu(model: str) -> None:
    flow = load(model, "cuda")
    channels, height, width = flow.config.image_shape
    images = np.random.default_rng(0).integers(0, 256, (16, height, width, channels), np.uint8)
    assert inverse_error(flow, images) < HALF_A_LEVEL
    assert noise_inverse_error(flow, 16) < HALF_A_LEVEL
    torch.testing.assert_close(flow.bits_per_dim(images), load(model).bits_per_dim(images), rtol=1e-4, atol=1e-3)
