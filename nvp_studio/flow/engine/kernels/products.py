"""Products of small matrices, at about the speed of a library's for large ones.

The sums of a tile, mostly of four rows by sixteen columns, stay in registers while the product passes all of its
terms. numba has no words for that, so a tile is written in the instructions of LLVM, with vectors of eight values of
float32, or four of float64: one register with AVX2 and wider, two with less.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nvp_studio.flow.engine.kernels.compiling import Array, part

_CONTRACT = ("contract",)  # a product and a sum may become one instruction, which rounds once


def _tile(rows: int, lanes: int, vectors: int) -> Any:
    """A function that adds to a tile of so many rows, and columns in vectors of so many lanes."""

    @intrinsic
    def add_to_tile(context: Any, a: Any, b: Any, out: Any, row: Any, column: Any) -> Any:
        """out[row, column] and further += a[row] and further by b[:, column] and further; of one type, C-contiguous."""
        vector = ir.VectorType(ir.FloatType() if a.dtype == types.float32 else ir.DoubleType(), lanes)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b, out = (
                context.make_array(kind)(context, builder, value=value)
                for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
            )
            row, column = arguments[3:]

            def at(array: Any, row: Any, column: Any) -> Any:
                width = _side(builder, array, 1)
                return builder.gep(array.data, [builder.add(builder.mul(row, width), column)])

            def parts(pointer: Any) -> list[Any]:
                first = builder.bitcast(pointer, vector.as_pointer())
                return [builder.gep(first, [_integer(v)]) for v in range(vectors)]

            places = [builder.add(row, _integer(i)) for i in range(rows)]
            targets = [target for place in places for target in parts(at(out, place, column))]
            factors = [at(a, place, _integer(0)) for place in places]
            sums = [_variable(builder, vector) for _ in targets]
            for target, total in zip(targets, sums, strict=True):
                builder.store(builder.load(target, align=4), total)
            with cgutils.for_range(builder, _side(builder, b, 0)) as loop:
                terms = [builder.load(term, align=4) for term in parts(at(b, loop.index, column))]
                for i, factor in enumerate(factors):
                    every = _broadcast(builder, builder.load(builder.gep(factor, [loop.index])), vector)
                    for term, total in zip(terms, sums[i * vectors : (i + 1) * vectors], strict=True):
                        product = builder.fmul(every, term, flags=_CONTRACT)
                        builder.store(builder.fadd(builder.load(total), product, flags=_CONTRACT), total)
            for target, total in zip(targets, sums, strict=True):
                builder.store(builder.load(total), target, align=4)
            return context.get_dummy_value()

        return types.void(a, b, out, types.int64, types.int64), generate

    return add_to_tile


def _integer(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _side(builder: Any, array: Any, axis: int) -> Any:
    return cgutils.unpack_tuple(builder, array.shape, 2)[axis]  # type: ignore[no-untyped-call]


def _variable(builder: Any, kind: Any) -> Any:
    return cgutils.alloca_once(builder, kind)  # type: ignore[no-untyped-call] # becomes a register


def _broadcast(builder: Any, value: Any, vector: Any) -> Any:
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None))


def _columns(lanes: int, vectors: int) -> Any:
    """A function that adds to so many columns of all rows, four rows at a time."""
    four_rows, one_row = _tile(4, lanes, vectors), _tile(1, lanes, vectors)

    @part
    def add_to_columns(a: Array, b: Array, out: Array, start: int) -> None:
        rows = len(out)
        fours = rows - rows % 4
        for m in range(0, fours, 4):
            four_rows(a, b, out, m, start)
        for m in range(fours, rows):
            one_row(a, b, out, m, start)

    return add_to_columns


_add_to_sixteen, _add_to_eight = _columns(8, 2), _columns(8, 1)
_add_to_eight_wide = _columns(4, 2)
_add_to_four, _add_to_one = _columns(4, 1), _columns(1, 1)


@part
def add_product(a: Array, b: Array, out: Array) -> None:
    """out (M, P) += a (M, K) b (K, P), all float32 or all float64, and C-contiguous.

    The terms of a value are added one after another, so it is the same whatever M and P are.
    """
    columns = out.shape[1]
    start = 0
    if out.itemsize == 4:
        while start + 16 <= columns:
            _add_to_sixteen(a, b, out, start)
            start += 16
        if start + 8 <= columns:
            _add_to_eight(a, b, out, start)
            start += 8
    else:
        while start + 8 <= columns:
            _add_to_eight_wide(a, b, out, start)
            start += 8
    if start + 4 <= columns:
        _add_to_four(a, b, out, start)
        start += 4
    while start < columns:
        _add_to_one(a, b, out, start)
        start += 1
