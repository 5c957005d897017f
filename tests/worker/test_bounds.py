"""What a message may hold: each text and sequence has a bound, so that no frame takes much more than its own size."""

import struct
import tracemalloc
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect as types

from nvp_studio.worker.framing import FrameError, FrameReader
from nvp_studio.worker.messages import WindowMessage, WorkerMessage

MEGABYTE = 2**20


def unbounded(kind: types.Type, place: str, seen: set[type]) -> Iterator[str]:
    """The places of texts, bytes and containers of any length in a type."""
    if isinstance(kind, types.Metadata):
        yield from unbounded(kind.type, place, seen)
    elif isinstance(kind, types.UnionType):
        for one in kind.types:
            yield from unbounded(one, place, seen)
    elif isinstance(kind, types.StructType):
        if kind.cls not in seen:
            seen.add(kind.cls)
            for field in kind.fields:
                yield from unbounded(field.type, f"{kind.cls.__name__}.{field.name}", seen)
    elif isinstance(kind, types.TupleType):
        for one in kind.item_types:
            yield from unbounded(one, place, seen)
    else:
        if isinstance(kind, types.AnyType | types.RawType) or getattr(kind, "max_length", 0) is None:
            yield place
        for name in ("item_type", "key_type", "value_type"):
            if hasattr(kind, name):
                yield from unbounded(getattr(kind, name), place, seen)


@pytest.mark.parametrize("messages", [WindowMessage, WorkerMessage], ids=["window", "worker"])
def test_everything_in_a_message_is_bounded(messages: Any) -> None:
    seen: set[type] = set()
    assert list(unbounded(types.type_info(messages), "", seen)) == []
    assert len(seen) > 15


def test_what_is_not_bounded_is_found() -> None:
    class Inner(msgspec.Struct):
        names: dict[str, bytes]

    class Outer(msgspec.Struct):
        inner: tuple[Inner | None, ...]

    assert list(unbounded(types.type_info(Outer), "", set())) == ["Outer.inner", *["Inner.names"] * 3]


def many(item: bytes, megabytes: int = 48) -> msgspec.Raw:
    """A sequence of `item` as msgpack, of so many megabytes."""
    count = megabytes * MEGABYTE // len(item)
    return msgspec.Raw(b"\xdd" + struct.pack(">I", count) + item * count)


def encoded(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


RECIPE = {"checkpoint": "a", "base": {"type": "seed", "seed": 1}}


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        (WindowMessage, {"type": "score", "paths": many(b"\xa0")}),
        (WindowMessage, {"type": "score", "paths": many(b"\xa1a")}),
        (WindowMessage, {"type": "render-sheet", "recipes": many(encoded(RECIPE))}),
        (WindowMessage, {"type": "render", "recipe": RECIPE | {"offsets": many(b"\x92\x01\x01")}}),
        (WorkerMessage, {"type": "score-rows", "rows": many(encoded({"path": ""}))}),
        (WorkerMessage, {"type": "sheet", "bits_per_dim": many(b"\x01")}),
        (WorkerMessage, {"type": "picture-read", "path": "", "notes": many(b"\xa0")}),
        (WorkerMessage, {"type": "data-report", "left_out": many(encoded({"reason": "", "count": 1}))}),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_a_large_frame_of_small_things_is_refused_before_it_takes_memory(messages: Any, body: dict[str, Any]) -> None:
    where = {"channel": "a", "request_id": 1}
    message = {"type": "ask", **where, "request": body} if messages is WindowMessage else None
    content = encoded(message or {"type": "reply", **where, "answer": body})
    frame = struct.pack("<I", len(content)) + content
    reader = FrameReader[Any](messages)
    tracemalloc.start()
    try:
        with pytest.raises(FrameError, match="length"):
            reader.feed(frame)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < len(frame) + 20 * MEGABYTE, "the frame itself is kept once"
