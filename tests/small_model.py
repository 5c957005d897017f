"""A small checkpoint for tests: an untrained flow with every weight moved, its directions and its reference scores."""

import json
from pathlib import Path

import msgspec
import numpy as np
import torch
from PIL import Image as Picture

from nvp_studio.checkpoints import Checkpoint, CheckpointInfo, DataInfo, build_flow, read_checkpoint, write_checkpoint
from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow


def small_config(image_shape: tuple[int, int, int] = (1, 8, 8), scales: int = 2) -> FlowConfig:
    """A flow of two scales that takes milliseconds."""
    return FlowConfig(
        image_shape=image_shape,
        scales=scales,
        checkerboard_couplings=2,
        channel_couplings=2,
        final_couplings=2,
        blocks=1,
        width=6,
        mixing="conv1x1",
    )


def small_pyramid(image_shape: tuple[int, int, int] = (3, 8, 8), scales: int = 2) -> FlowConfig:
    """A flow of mixtures over grey levels that takes milliseconds."""
    config = preset_config("pyramid", image_shape)
    return msgspec.structs.replace(config, scales=scales, blocks=1, width=6, pieces=3)


def random_images(count: int, image_shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> np.ndarray:
    """Smooth random uint8 images (N, H, W, C)."""
    channels, height, width = image_shape
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, 230, (count, -(-height // 4), -(-width // 4), channels))
    fine = coarse.repeat(4, 1).repeat(4, 2)[:, :height, :width] + chance.integers(
        0, 25, (count, height, width, channels)
    )
    return fine.astype(np.uint8)


def moved_flow(config: FlowConfig) -> Flow:
    """An untrained flow with all of its weights moved, so that every layer has terms of its own."""
    generator = torch.Generator().manual_seed(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        flow = Flow(config)
    images = random_images(40, config.image_shape)
    flow.initialize(unit_from_images(torch.from_numpy(images), 0.5), images)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.03 * torch.randn(parameter.shape, generator=generator)
    return flow


def write_small_model(
    path: Path,
    image_shape: tuple[int, int, int] = (1, 8, 8),
    *,
    seed: int = 0,
    directions: int = 12,
    named: tuple[str, ...] = (),
    scales: int = 2,
    config: FlowConfig | None = None,
) -> str:
    """Write the checkpoint; return its digest. Another `seed` makes another model, `named` are its last directions.

    With a `config` it says the shape and the scales.
    """
    config = config or small_config(image_shape, scales)
    image_shape = config.image_shape
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):  # the same model at every call: two pictures must not score alike by chance
        torch.manual_seed(seed)
        flow = Flow(config)
    images = random_images(200, image_shape)
    x = unit_from_images(torch.from_numpy(images), 0.5)
    flow.initialize(x, images)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.03 * torch.randn(parameter.shape, generator=generator)
        z = flow.eval().encode(x)[0]
    tensors = {f"average.{name}": tensor for name, tensor in flow.state_dict().items()}
    if directions:
        mean = z.mean(0)
        _, widths, components = torch.linalg.svd(z - mean, full_matrices=False)
        deviation = widths[:directions] / len(z) ** 0.5
        tensors |= {
            "directions.components": components[:directions].contiguous(),
            "directions.mean": mean,
            "directions.deviation": deviation.contiguous(),
            "directions.shares": deviation.square() / widths.square().sum() * len(z),
        }
    tensors["reference.bits_per_dim"] = (
        Inference(flow).bits_per_dim(random_images(100, image_shape, seed=1)).sort().values
    )
    info = CheckpointInfo(
        name="small",
        preset="pyramid" if config.law == "levels" else "quick",
        data=DataInfo(name="random", title="Random images", digest="", contrasts=named),
        step=7,
        epoch=0.5,
        seconds=1.0,
        images=70,
        seed=seed,
        validation=4.5,
    )
    return write_checkpoint(path, Checkpoint(flow.config, info, tensors))


def write_taught_model(path: Path, folder: Path, count: int = 200) -> str:
    """Write the checkpoint of a model whose training data, so many images, are in `folder`; return its digest."""
    folder.mkdir(parents=True)
    for number, image in enumerate(random_images(count, seed=2)):
        Picture.fromarray(image[:, :, 0]).save(folder / f"{number}.png")
    write_small_model(path)
    checkpoint = read_checkpoint(path)
    settings = json.dumps({"data": str(folder), "image_size": 8, "channels": 1})
    info = msgspec.structs.replace(checkpoint.info, train_config=settings)
    return write_checkpoint(path, Checkpoint(checkpoint.config, info, checkpoint.tensors))


def write_sick_model(path: Path) -> str:
    """Write the checkpoint of a model with three faults; return its digest.

    Mixing 1 of scale 1 is nearly singular, the s of coupling 2 of scale 1 are at their bound, and the feature maps of
    the network of coupling 2 of scale 2 are dead.
    """
    write_small_model(path)
    checkpoint = read_checkpoint(path)
    tensors = dict(checkpoint.tensors)
    scale = build_flow(checkpoint).flow.body.scales[0]
    law = next(layer.law for layer in scale.modules() if isinstance(layer, Coupling))
    for name, change in (
        ("0.layers.5.log_diagonal", lambda values: values[:1].fill_(-12)),
        ("0.layers.2.network.leave.bias", lambda values: values.view(law.params_per_value, -1)[-2].fill_(50)),
        ("1.layers.2.network.blocks.0.first.weight", lambda values: values.zero_()),
    ):
        tensor = tensors[f"average.body.scales.{name}"] = tensors[f"average.body.scales.{name}"].clone()
        change(tensor)
    return write_checkpoint(path, Checkpoint(checkpoint.config, checkpoint.info, tensors))
