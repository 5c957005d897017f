"""Types of bounded length, for structures that come from another process or a file.

Without bounds, a few million empty texts in one message would take a gigabyte. The bounds are far above what is used.
"""

from typing import Annotated

from msgspec import Meta

Name = Annotated[str, Meta(max_length=4096)]
"""A name, title, digest or device."""
PathText = Annotated[str, Meta(max_length=32_768)]
"""A path; Windows has paths of 32 767 characters."""
Sentence = Annotated[str, Meta(max_length=100_000)]
"""A reason or note."""
Sentences = Annotated[tuple[Sentence, ...], Meta(max_length=1000)]
Names = Annotated[tuple[Name, ...], Meta(max_length=4096)]
ImageBytes = Annotated[bytes, Meta(max_length=4 * 2**20)]
"""The pixels of one image of a flow, whose sides are at most 1024."""
VectorBytes = Annotated[bytes, Meta(max_length=6 * 2**20)]
"""Two bytes for each value of one image of a flow."""
BatchBytes = Annotated[bytes, Meta(max_length=64 * 2**20)]
"""The pixels of the images of one message."""
DirectionValues = Annotated[tuple[float, ...], Meta(max_length=4096)]
"""A number for each direction of a model."""
ScaleValues = Annotated[tuple[float, ...], Meta(max_length=64)]
"""A number for each scale of a flow."""
Scores = Annotated[tuple[float, ...], Meta(max_length=100_000)]
