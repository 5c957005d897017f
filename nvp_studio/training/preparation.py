"""What every rank does before training: load the data, choose the device, make the flow."""

import os
import time
from collections.abc import Callable

import msgspec
import torch

from nvp_studio.data.catalogue import CATALOGUE, load_data
from nvp_studio.data.dataset import DataSet
from nvp_studio.data.hugging_face import PREFIX
from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.flow.flow import Flow
from nvp_studio.ranks import Ranks
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.training.config import TrainConfig, check_trainable
from nvp_studio.training.control import Control
from nvp_studio.training.determinism import claim_workspace
from nvp_studio.training.distributed import check_divisible, rank_device, rank_threads
from nvp_studio.training.errors import StoppedError, UnfitDataError
from nvp_studio.training.events import RunState
from nvp_studio.training.publisher import Report
from nvp_studio.training.train_state import settled_precision

_REPORT_SECONDS = 0.3
"""Shortest time between two reports on how far the data are read."""

FlowChange = Callable[[FlowConfig], FlowConfig]


def settled(config: TrainConfig) -> TrainConfig:
    """The configuration with absolute paths, so that a resume finds the data from anywhere, and mirroring decided."""
    entry, begin_from = CATALOGUE.get(config.data), config.begin_from
    if begin_from and not (begin_from in INCLUDED_MODELS and not os.path.exists(begin_from)):
        config = msgspec.structs.replace(config, begin_from=os.path.abspath(os.path.expanduser(begin_from)))
    if config.horizontal_flip is None:
        config = msgspec.structs.replace(config, horizontal_flip=entry is not None and entry.mirror)
    if config.data_root is not None:
        config = msgspec.structs.replace(config, data_root=os.path.abspath(os.path.expanduser(config.data_root)))
    if entry is not None or config.data.startswith(PREFIX):
        return config
    return msgspec.structs.replace(config, data=os.path.abspath(os.path.expanduser(config.data)))


def prepare(
    config: TrainConfig, control: Control, report: Report, ranks: Ranks, change_flow: FlowChange = lambda flow: flow
) -> tuple[TrainConfig, DataSet, Flow]:
    """Load the data and make the flow on this rank's device, with weights drawn from the seed.

    They come with the configuration, in which the flow, the precision and the reading of the data are filled in. Sets
    torch's number of threads.
    Raises `StoppedError` when `control` says stop meanwhile, and `UnfitDataError`, `RunError` or another `ValueError`,
    `RuntimeError` or `OSError` when data or flow cannot be had.
    """
    check_trainable(config)
    report(RunState("preparing", "reading the data"))
    if config.deterministic:
        claim_workspace()
    device = rank_device(config.device, ranks)
    torch.set_num_threads(rank_threads(config.threads, ranks))
    data = load_data(
        config.data,
        image_size=config.image_size,
        channels=config.channels,
        data_root=config.data_root,
        progress=_progress(control, report),
        reading=config.reading,
    )
    if not len(data.train.images):
        raise UnfitDataError(f"{config.data} has no training images")
    flow_config = change_flow(config.flow or preset_config(config.preset, data.image_shape))
    if flow_config.image_shape != data.image_shape:
        wanted, given = ("x".join(map(str, shape)) for shape in (flow_config.image_shape, data.image_shape))
        raise UnfitDataError(f"the flow is for images of {wanted} (channels, height, width), the data have {given}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        flow = Flow(flow_config).to(device)
    check_divisible(config, flow, ranks)
    precision = settled_precision(config.precision, flow.device)
    config = msgspec.structs.replace(config, flow=flow_config, precision=precision, reading=data.reading)
    return config, data, flow


def _progress(control: Control, report: Report) -> Callable[[int, int, str], None]:
    """Make a function that reports how many images are read, and raises `StoppedError` when the run is to stop."""
    reported_at = time.monotonic()

    def progress(done: int, total: int, action: str) -> None:
        nonlocal reported_at
        if control.stop_reason is not None:
            raise StoppedError(control.stop_reason)
        if time.monotonic() - reported_at >= _REPORT_SECONDS:
            reported_at = time.monotonic()
            reason = f"{action}: {done:,} of {total:,}" if total else action
            report(RunState("preparing", reason, done / total if total else None))

    return progress
