"""What a training step costs by arithmetic: floating-point operations an image, and operations asked of torch.

    python -m benchmarks.operations --set '{}' '{"width": 96}' '{"width": 192, "blocks": 2}'
    python -m benchmarks.operations --preset paper

Counted on the CPU, on two images, so no figure depends on the machine. Views, which launch nothing on a GPU, are not
among the operations.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.flow.engine.acceleration import accelerate
from nvp_studio.flow.flow import Flow


class _Count(TorchDispatchMode):
    """Counts operations that make or change a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.operations += not function.is_view  # type: ignore[attr-defined] # of torch's operators
        return function(*args, **(kwargs or {}))


def counted(config: FlowConfig) -> tuple[int, float, float, int]:
    """Parameters, GFLOP an image forward and backward, and operations of both."""
    torch.manual_seed(0)
    flow = accelerate(Flow(config).train())
    x = torch.rand(2, *config.image_shape)
    flow.initialize(x)
    with FlopCounterMode(display=False) as forward:
        loss = flow(x).mean()
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    with _Count() as count:
        flow(x).mean().backward()
    parameters = sum(parameter.numel() for parameter in flow.parameters())
    flops = (part.get_total_flops() / len(x) / 1e9 for part in (forward, backward))
    return parameters, *flops, count.operations


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="studio")
    parser.add_argument("--shape", type=int, nargs=3, default=(3, 32, 32), metavar=("C", "H", "W"))
    parser.add_argument("--set", nargs="+", default=["{}"], metavar="JSON", help="changes to the preset, a row each")
    options = parser.parse_args()
    print("| changes | parameters | forward, GFLOP | backward, GFLOP | operations |\n|---|---:|---:|---:|---:|")
    for changes in options.set:
        config = msgspec.structs.replace(preset_config(options.preset, tuple(options.shape)), **json.loads(changes))
        parameters, forward, backward, operations = counted(config)
        print(f"| `{changes}` | {parameters:,} | {forward:.2f} | {backward:.2f} | {operations:,} |", flush=True)


if __name__ == "__main__":
    main()
