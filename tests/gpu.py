"""The mark of tests that need a CUDA GPU, which are skipped where there is none."""

import pytest
import torch

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_cuda)]
