"""Frames on a byte stream: a 4-byte little-endian length, then one message as msgpack.

A frame is at most 64 MB. Reading raises `FrameError` and no other error, whatever bytes arrive, and checks a length
before it allocates memory for it.
"""

import os
import struct
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from nvp_studio.text import one_line

MAX_FRAME_BYTES = 64 * 2**20
"""Largest body of a frame."""

_CHUNK_BYTES = 2**18
_LENGTH = struct.Struct("<I")
_ENCODER = msgspec.msgpack.Encoder()

Message = TypeVar("Message")


class FrameError(ValueError):
    """The stream does not hold frames of the expected messages; it cannot be read any further."""


def encode(message: msgspec.Struct) -> bytes:
    """Return the frame of `message`; `FrameError` when it is larger than a frame may be."""
    body = _ENCODER.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(
            f"a message of {len(body) / 2**20:.0f} MB is larger than the {MAX_FRAME_BYTES // 2**20} MB of a frame"
        )
    return _LENGTH.pack(len(body)) + body


class FrameReader(Generic[Message]):
    """Turns the chunks of a stream, cut anywhere, into messages of one kind (`WindowMessage` or `WorkerMessage`).

    >>> from nvp_studio.worker.messages import Ping, WindowMessage
    >>> reader = FrameReader[WindowMessage](WindowMessage)
    >>> frame = encode(Ping(7))
    >>> reader.feed(frame[:3]), reader.feed(frame[3:])
    ([], [Ping(number=7)])
    """

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(kind)
        self._buffer = bytearray()
        self._broken = ""

    @property
    def inside_frame(self) -> bool:
        """Whether the stream so far ends within a frame."""
        return bool(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Message]:
        """Return the messages that `data` completes; `FrameError` when a frame is damaged, and ever after."""
        if self._broken:
            raise FrameError(self._broken)
        self._buffer += data
        messages: list[Message] = []
        start = 0
        try:
            while len(self._buffer) >= start + _LENGTH.size:
                (length,) = _LENGTH.unpack_from(self._buffer, start)
                if length > MAX_FRAME_BYTES:
                    raise FrameError(
                        f"damaged stream: a frame of {length} bytes is announced, the most is {MAX_FRAME_BYTES}"
                    )
                stop = start + _LENGTH.size + length
                if stop > len(self._buffer):
                    break
                messages.append(self._decode(start + _LENGTH.size, stop))
                start = stop
        except FrameError as error:
            self._broken = str(error)
            self._buffer = bytearray()
            raise
        del self._buffer[:start]
        return messages

    def _decode(self, start: int, stop: int) -> Message:
        try:
            with memoryview(self._buffer) as whole, whole[start:stop] as body:
                return self._decoder.decode(body)
        except Exception as error:  # the decoder may raise other errors than its own for arbitrary bytes
            raise FrameError(f"damaged frame: {one_line(error) or 'it cannot be decoded'}") from error


def read_messages(descriptor: int, kind: Any) -> Iterator[Any]:
    """Yield the messages of the stream on a file descriptor until its end, waiting for each.

    Raises `FrameError` when a frame is damaged or the stream ends within one.
    """
    reader = FrameReader[Any](kind)
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        yield from reader.feed(chunk)
    if reader.inside_frame:
        raise FrameError("the stream ended within a frame")
