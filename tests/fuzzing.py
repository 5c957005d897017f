"""Random damage that can be repeated: case `index` is the same on every machine and in every order.

The environment variable NVP_STUDIO_FUZZ_CASES says how many cases each fuzzed reader gets, NVP_STUDIO_FUZZ_FIRST with
which number they begin; a failure names its case, so that FIRST=case CASES=1 repeats it alone.
"""

import os
import random
from collections.abc import Iterator
from typing import Any

INTERESTING = (0, 1, 0x7F, 0x80, 0xC1, 0xC4, 0xC6, 0xDB, 0xDD, 0xDF, 0xFE, 0xFF)
EXTREMES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 0.5, -0.0, 1e308, 5e-324,
    float("nan"), float("inf"), float("-inf"), "", "\0", "\x1b[2J", "a\nb", "x" * 5000, "../../x", b"", b"\xff" * 9, [],
    [[]] * 50, {}, {"type": "ping"},
)  # fmt: skip


def cases(default: int) -> Iterator[tuple[int, random.Random]]:
    """Numbers of cases, each with a generator of its own; `default` of them unless the environment says otherwise."""
    first = int(os.environ.get("NVP_STUDIO_FUZZ_FIRST", "0"))
    count = int(os.environ.get("NVP_STUDIO_FUZZ_CASES", "0")) or default
    return ((index, random.Random(f"case {index}")) for index in range(first, first + count))


def damaged(chance: random.Random, content: bytes) -> bytes:
    """The content after one to four changes: bits, bytes, pieces inserted, removed, doubled, moved, cut off."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not found:
            break
        start = chance.randrange(len(found))
        size = chance.choice((1, 1, 2, 4, 8, 40))
        match chance.randrange(8):
            case 0:
                found[start] ^= 1 << chance.randrange(8)
            case 1:
                found[start] = chance.choice(INTERESTING)
            case 2:
                found[start : start + 4] = chance.choice(
                    (b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", chance.randbytes(4))
                )
            case 3:
                found[start:start] = chance.randbytes(size)
            case 4:
                del found[start : start + size]
            case 5:
                found[start:start] = found[start : start + size]
            case 6:
                other = chance.randrange(len(found))
                found[other : other + size] = found[start : start + size]
            case _:
                if chance.random() < 0.3:
                    del found[start:]
    return bytes(found)


def with_an_extreme(chance: random.Random, value: Any) -> Any:
    """A copy of nested tables and lists in which one value, somewhere, is another one or gone."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: with_an_extreme(chance, value[key])}
    if isinstance(value, list | tuple) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        if chance.random() < 0.1:
            return [*value[:place], *value[place + 1 :]]
        return [*value[:place], with_an_extreme(chance, value[place]), *value[place + 1 :]]
    return chance.choice(EXTREMES)
