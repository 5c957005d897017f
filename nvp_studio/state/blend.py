"""Blending on Explore: two ends, the pictures between them, and how far from one to the other the picture lies."""

from collections.abc import Sequence

from nvp_studio.recipe import Base, Blend, Source
from nvp_studio.state.mixture import MixtureState, Place

STRIP_POSITIONS = tuple(step / 10 for step in range(11))


class BlendState(MixtureState):
    """The ends A (0) and B (1). Once both are there the picture is a `Blend` of them."""

    key = "blend"
    letters = "AB"
    middle = (0.5,)
    strip_places = tuple((position,) for position in STRIP_POSITIONS)

    @property
    def position(self) -> float:
        """How far from A (0) to B (1)."""
        return self.place[0]

    @property
    def title(self) -> str:
        return self.tr("blend")

    def end_title(self, end: int) -> str:
        return self.tr("image {0} of the blend").format(self.letters[end])

    def base_at(self, ends: Sequence[Source], place: Place) -> Base:
        return Blend(ends[0], ends[1], place[0])

    def taken_apart(self, base: Base) -> tuple[tuple[Source, ...], Place] | None:
        return ((base.a, base.b), (base.share,)) if isinstance(base, Blend) else None

    def set_position(self, position: float) -> None:
        """Show the picture at `position` between A (0) and B (1)."""
        self.set_place((max(0.0, min(position, 1.0)),))
