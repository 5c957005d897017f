"""Points at every layer of a flow of points, and at any place between two layers; travels between window and worker."""

from typing import TYPE_CHECKING, Annotated

import msgspec

from nvp_studio.limits import BatchBytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]


class Points(msgspec.Struct, frozen=True):
    """Points of the plane, as float32 pairs in raw bytes."""

    content: BatchBytes = b""

    def __post_init__(self) -> None:
        if len(self.content) % 8:
            raise ValueError(f"points do not have {len(self.content)} bytes")

    @staticmethod
    def of(points: "npt.ArrayLike") -> "Points":
        """Of points (N, 2)."""
        import numpy as np  # not at the top: messages are imported without it

        return Points(np.asarray(points, np.float32).reshape(-1, 2).tobytes())

    def array(self) -> "Floats":
        """(N, 2), which cannot be written to."""
        import numpy as np

        return np.frombuffer(self.content, np.float32).reshape(-1, 2)


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """N points before and after each of L layers, from data (stage 0) to latents (stage L)."""

    layers: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    origin: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    """The stage at which the points were given."""
    places: Points
    """(L + 1) * N points, stage by stage."""
    log_dets: BatchBytes
    """float32 (L + 1, N): log|det J| of the map from the origin to a stage, in nats."""
    traces: BatchBytes
    """float32 (L, N): the trace of each layer's Jacobian, from data to latents."""
    signs: Annotated[tuple[int, ...], msgspec.Meta(max_length=1000)]
    """The sign of each layer's determinant."""

    def __post_init__(self) -> None:
        count = len(self.places.content) // 8 // (self.layers + 1)
        numbers = len(self.places.content) // 8, len(self.log_dets) // 4, len(self.traces) // 4, len(self.signs)
        if numbers != ((self.layers + 1) * count, (self.layers + 1) * count, self.layers * count, self.layers):
            raise ValueError("the parts of these stages do not fit together")
        if self.origin > self.layers:
            raise ValueError(f"there is no stage {self.origin} of {self.layers}")

    def arrays(self) -> "tuple[Floats, Floats, Floats]":
        """Places (L + 1, N, 2), log-determinants (L + 1, N) and traces (L, N)."""
        import numpy as np

        places = self.places.array().reshape(self.layers + 1, -1, 2)
        log_dets = np.frombuffer(self.log_dets, np.float32).reshape(self.layers + 1, -1)
        return places, log_dets, np.frombuffer(self.traces, np.float32).reshape(self.layers, -1)

    def at(self, position: float) -> "tuple[Floats, Floats]":
        """Points (N, 2) and log|det J| (N,) from the origin to there, at a position from 0 to L.

        A share a of the way through a layer is x + a * (f(x) - x), whose Jacobian is I + a * (J - I): its determinant
        is (1 - a)^2 + a * (1 - a) * trace(J) + a^2 * det(J).
        """
        import numpy as np

        places, log_dets, traces = self.arrays()
        position = min(max(position, 0.0), float(self.layers))
        before = min(int(position), self.layers - 1)
        share = np.float32(position - before)
        if share in (0, 1):
            stage = before + int(share)
            return places[stage], log_dets[stage]
        rest = 1 - share
        between = rest * places[before] + share * places[before + 1]
        det = self.signs[before] * np.exp(log_dets[before + 1] - log_dets[before])
        part = np.abs(rest**2 + share * rest * traces[before] + share**2 * det)
        return between, log_dets[before] + np.log(np.maximum(part, np.finfo(np.float32).tiny))
