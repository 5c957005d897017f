from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nvp_studio.data.dataset import DataError
from nvp_studio.data.reading import Mapping, Reading, ValueFacts, as_options, parse_values
from nvp_studio.data.values import apply, choose, choose_all, facts_of, kind_of

RNG = np.random.default_rng(3)
STANDARDIZED = RNG.normal(0, 1, (20, 8, 8)).astype(np.float32)


def spread(low, high, dtype):
    return np.linspace(low, high, 20 * 64).reshape(20, 8, 8).astype(dtype)


CASES = {
    "bool": (spread(0, 1, float) > 0.5, (0, 1), ""),
    "bytes": (spread(0, 255, np.uint8), (0, 255), ""),
    "bytes of a dark set": (spread(0, 100, np.uint8), (0, 255), ""),
    "bytes 0 and 1": (spread(0, 1.9, np.uint8), (0, 1), "0 and 1"),
    "bytes up to 15": (spread(0, 15, np.uint8), (0, 255), "few values"),
    "bytes 0": (spread(0, 0, np.uint8), (0, 1), ""),
    "int64 of bytes": (spread(0, 255, np.int64), (0, 255), ""),
    "int64 0 and 1": (spread(0, 1.9, np.int64), (0, 1), "0 and 1"),
    "int8": (spread(-128, 127, np.int8), (-128, 127), "below zero"),
    "int16 of int8": (spread(-100, 100, np.int16), (-128, 127), "below zero"),
    "int16": (spread(-1000, 3000, np.int16), (-1000, 3000), "below zero"),
    "10 bits": (spread(0, 1000, np.uint16), (0, 1023), "part of the bits"),
    "12 bits": (spread(0, 4095, np.uint16), (0, 4095), "part of the bits"),
    "12 bits in int32": (spread(0, 4000, np.int32), (0, 4095), "part of the bits"),
    "16 bits": (spread(0, 64507, np.uint16), (0, 65535), ""),
    "8 bits in 16": (spread(0, 200, np.uint16), (0, 255), "part of the bits"),
    "more than 16 bits": (spread(0, 100_000, np.int64), (0, 100_000), "part of the bits"),
    "0..1": (spread(0, 1, np.float32), (0, 1), ""),
    "0..0.9": (spread(0, 0.9, np.float64), (0, 1), ""),
    "overshoot": (spread(0, 1.02, np.float32), (0, 1), "overshoot"),
    "undershoot": (spread(-0.01, 1, np.float16), (0, 1), "overshoot"),
    "-1..1": (spread(-1, 1, np.float32), (-1, 1), "below zero"),
    "float bytes": (spread(0, 255, np.float32), (0, 255), ""),
    "float 12 bits": (spread(0, 4095, np.float32), (0, 4095), "part of the bits"),
    "standardized": (STANDARDIZED, (STANDARDIZED.min(), STANDARDIZED.max()), "no usual range"),
    "constant": (np.full((4, 2, 2), 7.0), (7, 8), "no usual range"),
}


@pytest.mark.parametrize("case", CASES)
def test_range_is_told_from_the_numbers(case):
    values, expected, suspicion = CASES[case]
    mapping, suspicions = choose(facts_of(values, kind_of(values.dtype, "a")), Reading())
    assert (mapping.low, mapping.high) == pytest.approx(expected)
    assert [one.kind for one in suspicions] == ([suspicion] if suspicion else [])
    levels, outside = apply(values, mapping)
    assert levels.dtype == np.uint8
    assert levels.shape == values.shape
    assert outside == ((values < mapping.low) | (values > mapping.high)).sum()


@pytest.mark.parametrize("case", CASES)
def test_decision_that_is_stored_gives_the_same_range_again(case):
    values = CASES[case][0]
    facts = facts_of(values, kind_of(values.dtype, "a"))
    decided, _ = choose_all([facts], Reading())
    again, suspicions = choose_all([facts], decided)
    assert again == decided
    assert suspicions == []


@given(
    st.sampled_from(["u1", "u2", "i1", "i2", "i4", "f4", "f8"]).flatmap(
        lambda kind: arrays(
            kind,
            st.integers(2, 40),
            elements=None if kind[0] != "f" else st.floats(-1000, 1000, width=int(kind[1]) * 8),
        )
    )
)
def test_larger_numbers_never_become_darker(values):
    mapping, _ = choose(facts_of(values, kind_of(values.dtype, "a")), Reading())
    levels, _ = apply(np.sort(values), mapping)
    assert all(one <= other for one, other in pairwise(levels.tolist()))
    inverted, _ = apply(np.sort(values), mapping, inverted=True)
    assert np.array_equal(inverted, 255 - levels)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_same_numbers_of_another_type_give_the_same_levels(dtype):
    values = RNG.integers(0, 4096, (5, 6, 7))
    levels, _ = apply(values.astype(dtype), Mapping("", 0, 4095))
    assert np.array_equal(levels, (values * 255 + 2047) // 4095)


def test_ends_of_the_range_are_black_and_white():
    levels, outside = apply(np.array([-2.0, -1.0, 0.0, 1.0, 9.0]), Mapping("float", -1, 1))
    assert levels.tolist() == [0, 0, 128, 255, 255]
    assert outside == 2


def test_bytes_that_keep_their_range_are_not_copied():
    values = spread(0, 255, np.uint8)
    assert apply(values, Mapping("8-bit", 0, 255))[0] is values


def test_facts_of_parts_add_up_to_those_of_the_whole():
    values = RNG.normal(0, 1, 1000)
    values[[3, 500]] = np.nan, np.inf
    parts = facts_of(values[:100], "float") + facts_of(values[100:], "float")
    assert parts == facts_of(values, "float")
    assert parts.not_finite == 2
    empty = ValueFacts(kind="8-bit")
    few = facts_of(np.array([3, 3, 200], np.uint8), "8-bit")
    assert (empty + few + empty).levels == 2


def test_large_arrays_are_converted_in_bands(monkeypatch):
    values = RNG.integers(0, 65536, (50, 7, 5)).astype(np.uint16)
    whole = apply(values, Mapping("16-bit", 0, 65535))
    facts = facts_of(values, "16-bit")
    monkeypatch.setattr("nvp_studio.data.values._BAND", 100)
    assert np.array_equal(apply(values, Mapping("16-bit", 0, 65535))[0], whole[0])
    assert facts_of(np.asfortranarray(values), "16-bit") == facts


def test_range_of_no_kind_is_for_the_deeper_numbers():
    deep, flat = ValueFacts(kind="16-bit", low=0, high=900, count=9), ValueFacts(kind="8-bit", low=0, high=9, count=9)
    assert choose_all([deep, flat], Reading(values="0..4095"))[0].values == "8-bit:0..255,16-bit:0..4095"
    assert choose_all([flat], Reading(values="0..15"))[0].values == "8-bit:0..15"


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("16-bit", "type", (0, 65535)),
        ("8-bit", "type", (0, 255)),
        ("bool", "type", (0, 1)),
        ("float", "type", (0, 1)),
        ("16-bit", "found", (0, 1)),
        ("bool", "0..4095", (0, 1)),
        ("float", "8-bit:0..3,float:-1..2.5", (-1, 2.5)),
    ],
)
def test_reading_overrules_the_numbers(kind, values, expected):
    mapping, suspicions = choose(ValueFacts(kind=kind, low=0, high=1, count=9), Reading(values=values))
    assert (mapping.low, mapping.high) == expected
    assert suspicions == []


def test_bits_that_a_file_declares_are_its_range():
    mapping, suspicions = choose(ValueFacts(kind="16-bit", low=0, high=900, count=9, declared=12), Reading())
    assert (mapping.low, mapping.high) == (0, 4095)
    assert suspicions == []


def test_what_are_no_real_numbers_is_refused():
    with pytest.raises(DataError, match=r"faces\.npy holds complex128, not pixels"):
        kind_of(np.dtype(complex), "faces.npy")


@pytest.mark.parametrize("text", ["0..x", "5..5", "9..1", "0..nan", "0..inf", "deep:0..1", "0-255", "1..2..3"])
def test_values_that_are_no_range_are_refused(text):
    with pytest.raises(ValueError, match=r"such as 0\.\.4095 or -1\.\.1, or 'found' or 'type'; not"):
        Reading(values=text)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_text_of_a_range_reads_back(one, other):
    low, high = min(one, other), max(one, other)
    if low < high:
        assert parse_values(Mapping("float", low, high).text) == {"float": (low, high)}


def test_axes_are_an_order_of_letters():
    for axes in ("N", "flat", "HWN", "CHWN"):
        assert as_options(Reading(axes=axes)) == ["--axes", axes]
    with pytest.raises(ValueError, match="axes are an order of N, H, W"):
        Reading(axes="NWC")
