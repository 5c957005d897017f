"""Fine-tuning: a run that begins from the weights of another model, its parent, and learns from data of its own.

The architecture stays that of the parent, and so does all that the weights depend on: the size and channels of the
images, the equalization and the logit, the normalization. Nothing is initialized from the new data.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from nvp_studio.checkpoints import Checkpoint, CheckpointError, find_checkpoint, read_checkpoint
from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.data.image_size import size_of, size_text, width_and_height
from nvp_studio.data.reading import Mapping, parse_values, recorded_reading
from nvp_studio.flow.config import PRESETS, FlowConfig
from nvp_studio.flow.flow import Flow
from nvp_studio.parent import Parent
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.text import shape_text
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError


@dataclass(frozen=True)
class ParentModel:
    """A model to begin from."""

    about: Parent
    checkpoint: Checkpoint = field(repr=False)

    @property
    def flow(self) -> FlowConfig:
        """Its architecture."""
        return self.checkpoint.config

    @property
    def preset(self) -> str:
        """The preset that its architecture came from; empty for one that this version does not have."""
        return self.checkpoint.info.preset if self.checkpoint.info.preset in PRESETS else ""

    def settled(self, config: TrainConfig) -> TrainConfig:
        """The configuration of a run from this model: with its architecture, image size and channels.

        Ranges of numbers of more than 8 bits are those that the model was trained with, unless the configuration has
        some. Raises `RunError` for one that contradicts the model, with what differs.
        """
        channels, height, width = self.flow.image_shape
        size, differing = size_of(width, height), []
        if config.image_size is not None and width_and_height(config.image_size) != (width, height):
            differing.append(f"image size {size_text(size)}, not {size_text(config.image_size)}")
        if config.channels not in (None, channels):
            differing.append(f"channels {channels}, not {config.channels}")
        if config.flow is not None and not differing:
            differing = _differing(self.flow, config.flow)
        self._refuse(differing)
        reading = config.reading
        if not reading.values and config.data not in CATALOGUE:
            reading = msgspec.structs.replace(reading, values=self._deep_values())
        return msgspec.structs.replace(
            config,
            preset=self.preset or config.preset,
            flow=self.flow,
            image_size=size,
            channels=channels,
            reading=reading,
        )

    def unchanged(self, change: Callable[[FlowConfig], FlowConfig]) -> Callable[[FlowConfig], FlowConfig]:
        """`change`, which must leave the architecture as it is: else `RunError` with what differs."""

        def checked(flow: FlowConfig) -> FlowConfig:
            self._refuse(_differing(self.flow, change(flow)))
            return flow

        return checked

    def give_weights(self, flow: Flow) -> None:
        """Set parameters and buffers of `flow` to the averaged ones of this model."""
        flow.load_state_dict(self.checkpoint.group("average"))

    def _refuse(self, differing: list[str]) -> None:
        if differing:
            raise RunError(f"a run that begins from {self.about.name} keeps what that has: {'; '.join(differing)}")

    def _deep_values(self) -> str:
        ranges = parse_values(recorded_reading(self.checkpoint.info.train_config).values).items()
        deep = (Mapping(kind, low, high) for kind, (low, high) in ranges if kind not in ("", "bool", "8-bit"))
        return ",".join(mapping.text for mapping in deep)


def read_parent(model: str) -> ParentModel:
    """Read the model that `checkpoints.find_checkpoint` finds; raises `RunError`."""
    try:
        path = find_checkpoint(model)
        checkpoint = read_checkpoint(path)
    except (CheckpointError, OSError) as error:
        raise RunError(f"no run can begin from {model}: {error}") from error
    place = model if model in INCLUDED_MODELS and not os.path.exists(model) else os.path.abspath(path)
    return ParentModel(Parent(name=checkpoint.info.name, path=place, digest=checkpoint.digest), checkpoint)


def _differing(own: FlowConfig, other: FlowConfig) -> list[str]:
    """What `other` has instead of what `own` has, each as a clause."""
    if own.image_shape != other.image_shape:
        return [f"images of {shape_text(*own.image_shape)}, not of {shape_text(*other.image_shape)}"]
    return [
        f"{name} {getattr(own, name)}, not {getattr(other, name)}"
        for name in FlowConfig.__struct_fields__
        if getattr(own, name) != getattr(other, name)
    ]
