"""The message of a worker whose open model has been compiled."""

import msgspec

from nvp_studio.limits import Name


class Compiled(msgspec.Struct, frozen=True, tag="compiled"):
    """The model of this digest is compiled from here on: what is decoded now may differ by a grey level from before."""

    digest: Name
