"""The process that decodes image files for another: batches of jobs on stdin, their results on stdout, in this order.

Each message is its length (4 bytes) and a structure in msgpack; a batch is followed by the contents that its jobs name.
Each result is written as soon as it is there, so that the first job without one is that at which the process is. What C
libraries print goes nowhere. The process ends with its stdin.
"""

import os
import signal
import struct
import sys
from collections.abc import Iterator
from typing import IO, BinaryIO, Literal

import msgspec

from nvp_studio.data.decode_limits import MEMORY_BYTES, limit_memory, limit_time
from nvp_studio.data.images import ImageError, read_facts, read_header, read_image
from nvp_studio.data.reading import UNDECIDED, Reading, ValueFacts

ImageShape = tuple[int, int, int]


class Job(msgspec.Struct, frozen=True, array_like=True):
    """An image to be read: the file at `path`, or `content_bytes` of content that follow."""

    path: bytes
    content_bytes: int = 0
    page: int | None = None


class Want(msgspec.Struct, frozen=True, array_like=True):
    """What is wanted of an image: its header, the facts of its numbers, or its pixels.

    Pixels are read by `reading` and brought to `image_shape` (C, H, W).
    """

    what: Literal["header", "facts", "pixels"]
    image_shape: ImageShape = (1, 1, 1)
    reading: Reading = UNDECIDED


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Images of which the same is wanted; `seconds` is the time of computing that each may take."""

    want: Want
    seconds: float
    jobs: list[Job]


class Pixels(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The fields of a `ReadImage`, with its pixels (H, W, C) as bytes."""

    pixels: bytes
    notes: tuple[str, ...]
    size: tuple[int, int]
    text: dict[str, str]


class Header(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The shape (C, H, W) of the image in a file, the kind of its numbers, and the number of pages that are alike."""

    image_shape: ImageShape
    kind: str
    pages: int


class Facts(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The facts of an image's numbers, None where these are no levels."""

    facts: ValueFacts | None


class Problem(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Why the file cannot be read."""

    reason: str


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The first message: the process takes jobs."""


Result = Ready | Pixels | Header | Facts | Problem

_LENGTH = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()
decode_result = msgspec.msgpack.Decoder(Result).decode
"""The result in a message; its time is a large part of a small file's."""


def framed(message: msgspec.Struct) -> bytes:
    """A message with its length."""
    content = _encoder.encode(message)
    return _LENGTH.pack(len(content)) + content


def read_frames(file: IO[bytes]) -> Iterator[bytes]:
    """The messages that arrive, without their lengths, until the file or its other end is closed."""
    while len(length := file.read(_LENGTH.size)) == _LENGTH.size:
        content = file.read(_LENGTH.unpack(length)[0])
        yield content


def take_frames(received: bytearray) -> list[bytes]:
    """Remove the messages that are complete from the start of what was received, and return them."""
    frames, start = [], 0
    while len(received) - start >= _LENGTH.size:
        end = start + _LENGTH.size + _LENGTH.unpack_from(received, start)[0]
        if end > len(received):
            break
        frames.append(bytes(received[start + _LENGTH.size : end]))
        start = end
    del received[:start]
    return frames


def main() -> None:
    """Serve the process that started this one."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent, which closes stdin
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    limit_memory()
    decoder = msgspec.msgpack.Decoder(Batch)
    try:
        _send(outgoing, Ready())
        for frame in read_frames(incoming):
            batch = decoder.decode(frame)
            for job in batch.jobs:
                source = incoming.read(job.content_bytes) if job.content_bytes else os.fsdecode(job.path)
                limit_time(batch.seconds)
                _send(outgoing, _result(source, batch.want, job.page))
            limit_time(0)
    except BrokenPipeError:
        pass
    sys.exit()


def _send(outgoing: BinaryIO, result: Result) -> None:
    outgoing.write(framed(result))
    outgoing.flush()


def _result(source: str | bytes, want: Want, page: int | None) -> Result:
    try:
        if want.what == "header":
            return Header(*read_header(source))
        if want.what == "facts":
            return Facts(read_facts(source, page))
        image = read_image(source, want.image_shape, want.reading, page)
        return Pixels(image.pixels.tobytes(), image.notes, image.size, image.text)
    except ImageError as error:
        if isinstance(error.__cause__, MemoryError):
            return Problem(f"takes more than {MEMORY_BYTES / 2**30:.0f} GB of memory to decode")
        return Problem(str(error))


if __name__ == "__main__":
    main()
