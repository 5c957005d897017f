"""What a person may mean by the text of a number, in four locales, and how numbers are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvp_studio.text import number_text
from nvp_studio.views.numbers import Separators, parse_number

LOCALES = {
    "C": Separators(".", ","),
    "en_US": Separators(".", ","),
    "de_DE": Separators(",", "."),
    "fr_FR": Separators(",", "\u202f"),
}
DOUBT = "doubt"
REFUSED = "refused"

SAME_EVERYWHERE: dict[str, float | str] = {
    "16": 16,
    " 16 ": 16,
    "+16": 16,
    "007": 7,
    "-7": -7,
    "\u22127": -7,
    "1e-3": 1e-3,
    "1E-3": 1e-3,
    "1.5e-4": 1.5e-4,
    "1,5e-4": 1.5e-4,
    "5e-4": 5e-4,
    "1e9": 1e9,
    "1e+2": 100,
    ".01": 0.01,
    ",01": 0.01,
    ".5": 0.5,
    "5.": 5,
    "0.001": 0.001,
    "0,001": 0.001,
    "0.00000012": 1.2e-7,
    "2.5": 2.5,
    "2,5": 2.5,
    "0.999": 0.999,
    "0,999": 0.999,
    "3.123456": 3.123456,
    "12345.678": 12345.678,
    "1.000.000": 1_000_000,
    "1,000,000": 1_000_000,
    "1 000 000": 1_000_000,
    "1\u202f000\u202f000": 1_000_000,
    "1\u00a0000": 1000,
    "1'000": 1000,
    "1\u2019000": 1000,
    "1_000_000": 1_000_000,
    "1,234.5": 1234.5,
    "1.234,5": 1234.5,
    "1 234,5": 1234.5,
    "1\u202f234.567": 1234.567,
    "99999999999": 99_999_999_999,
    "": REFUSED,
    "  ": REFUSED,
    "-": REFUSED,
    ".": REFUSED,
    "e5": REFUSED,
    "1e": REFUSED,
    "1/1000": REFUSED,
    "1 %": REFUSED,
    "32x48": REFUSED,
    "1,2,3": REFUSED,
    "1.2.3": REFUSED,
    "1.234.5": REFUSED,
    "12,34,567": REFUSED,
    "1 2": REFUSED,
    "10 00": REFUSED,
    "1__0": REFUSED,
    "- 7": -7,
    "--7": REFUSED,
    "nan": REFUSED,
    "inf": REFUSED,
    "1e9999": REFUSED,
    "0x10": REFUSED,
    "two": REFUSED,
    "１６": REFUSED,
}
BY_LOCALE: dict[str, dict[str, float | str]] = {
    "10,000": {"C": 10_000, "en_US": 10_000, "de_DE": 10, "fr_FR": 10},
    "10.000": {"C": 10, "en_US": 10, "de_DE": DOUBT, "fr_FR": DOUBT},
    "-1.500": {"C": -1.5, "en_US": -1.5, "de_DE": DOUBT, "fr_FR": DOUBT},
}
WHOLE: dict[str, dict[str, float | str]] = {
    "16": dict.fromkeys(LOCALES, 16),
    "1e3": dict.fromkeys(LOCALES, 1000),
    "2.0": dict.fromkeys(LOCALES, 2),
    "16.5": dict.fromkeys(LOCALES, REFUSED),
    "16,5": dict.fromkeys(LOCALES, REFUSED),
    "1e-3": dict.fromkeys(LOCALES, REFUSED),
    "9007199254740993": dict.fromkeys(LOCALES, 2**53 + 1),
    "70 000": dict.fromkeys(LOCALES, 70_000),
    "1,000": {"C": 1000, "en_US": 1000, "de_DE": DOUBT, "fr_FR": DOUBT},
    "1.000": {"C": DOUBT, "en_US": DOUBT, "de_DE": 1000, "fr_FR": DOUBT},
}


def meant(text: str, locale: str, *, whole: bool = False) -> float | str:
    parsed = parse_number(text, LOCALES[locale], whole=whole)
    if parsed.value is None:
        assert parsed.reason
        return DOUBT if " or " in parsed.reason else REFUSED
    assert not parsed.reason
    return parsed.value


@pytest.mark.parametrize("locale", LOCALES)
def test_a_text_with_one_meaning_has_it_in_every_locale(locale: str) -> None:
    assert {text: meant(text, locale) for text in SAME_EVERYWHERE} == SAME_EVERYWHERE


@pytest.mark.parametrize("locale", LOCALES)
def test_a_text_with_two_meanings_has_that_of_the_locale_or_is_in_doubt(locale: str) -> None:
    assert {text: meant(text, locale) for text in BY_LOCALE} == {text: row[locale] for text, row in BY_LOCALE.items()}


@pytest.mark.parametrize("locale", LOCALES)
def test_a_whole_number_is_never_read_from_a_broken_one(locale: str) -> None:
    assert {text: meant(text, locale, whole=True) for text in WHOLE} == {t: row[locale] for t, row in WHOLE.items()}


def test_doubt_is_explained_with_both_meanings() -> None:
    assert parse_number("10.000", LOCALES["fr_FR"]).reason == "10.000 is in doubt: write 10 or 10000"
    assert parse_number("1.234", LOCALES["fr_FR"]).reason == "1.234 is in doubt: write 1.2340 or 1234"


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("32 px", "px", 32),
        ("32px", "px", 32),
        ("32", "px", 32),
        ("32 bits", "px", None),
        ("2 min", "min", 2),
        ("2.5 Minutes", "min", 2.5),
        ("2m", "min", 2),
        ("2 h", "min", None),
        ("2 s", "min", None),
        ("1 validation", "validations", 1),
        ("3,2 bits/dim", "bits/dim", 3.2),
        ("1e3 images", "images", 1000),
        ("5 px", "", None),
    ],
)
def test_the_unit_may_be_typed_and_another_one_is_refused(text: str, unit: str, value: float | None) -> None:
    assert parse_number(text, LOCALES["C"], unit=unit).value == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (16, "16"),
        (5.0, "5"),
        (-0.0, "0"),
        (0.004, "0.004"),
        (1e-6, "0.000001"),
        (0.00005, "0.00005"),
        (1.5e-8, "1.5e-8"),
        (1e-7, "1e-7"),
        (0.04, "0.04"),
        (1.26, "1.26"),
        (3.123456, "3.123456"),
        (2e6, "2000000"),
        (2**63 - 1, "9223372036854775807"),
        (1e22, "1e22"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_a_number_is_written_so_that_it_reads_back(value: float, text: str) -> None:
    assert number_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(list(LOCALES)))
def test_what_is_written_is_read_as_the_same_number_or_is_in_doubt(value: float, locale: str) -> None:
    parsed = parse_number(number_text(value), LOCALES[locale])
    assert parsed.value == value or (parsed.value is None and " or " in parsed.reason)


@given(st.text(max_size=12), st.sampled_from(list(LOCALES)), st.booleans())
def test_any_text_is_a_finite_number_or_has_a_reason(text: str, locale: str, whole: bool) -> None:
    parsed = parse_number(text, LOCALES[locale], whole=whole)
    assert (parsed.value is None) == bool(parsed.reason)
    assert parsed.value is None or math.isfinite(parsed.value)
