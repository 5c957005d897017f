"""Text for a person: any text or error as one printable line, sentences, numbers, durations, sizes of images."""

import os
import re
import shlex
import subprocess
import unicodedata
from decimal import Decimal

from nvp_studio.memory import is_out_of_memory

MAX_CHARACTERS = 300
_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Categories of characters that can move a cursor, reverse the direction of writing, hide or break a line."""


def one_line(text: object, limit: int = MAX_CHARACTERS) -> str:
    """Return `text` as one line of printable characters, at most `limit` of them; a longer text ends with an ellipsis.

    Line breaks and runs of spaces become single spaces. Control characters, unpaired surrogates and marks that change
    the direction of writing are dropped, so that text from a file or another program can neither move the cursor of a
    terminal nor break a stream.
    """
    words = " ".join(str(text)[: 10 * limit].split())
    line = "".join(character for character in words if character.isprintable())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def escaped(text: str) -> str:
    """Return `text` on one line, its control and format characters, line breaks and unpaired surrogates as escapes.

    They look as in Python, such as ``\\x1b`` or ``\\u202e``, so that different names stay different.
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _UNSAFE else character
        for character in text
    )


def escaped_lines(text: str) -> str:
    """As `escaped`, but line feeds stay."""
    return "\n".join(map(escaped, text.split("\n")))


def printable(text: str) -> str:
    """Return `text` with bytes of a path that are not UTF-8 as escapes, so that every stream and JSON can hold it."""
    return text.encode("utf-8", "backslashreplace").decode()


def error_line(error: BaseException, limit: int = MAX_CHARACTERS) -> str:
    """Return what went wrong as one line of at most `limit` characters, the home of such lines.

    It is an `OSError` with its file, else the first line of the error's message, never the name of a class. An error
    without a message, and one that is neither a `ValueError`, an `OSError` nor a `RuntimeError`, is called unexpected.
    Lack of memory is said in words of its own.
    """
    if isinstance(error, OSError) and error.strerror:
        return one_line(f"{error.filename}: {error.strerror}" if error.filename else error.strerror, limit)
    text = next((line for line in str(error).splitlines() if line.strip()), "")
    if not text or not isinstance(error, ValueError | OSError | RuntimeError):
        text = f"unexpected error: {text}".removesuffix(": ")
    return one_line(f"not enough memory ({text})" if is_out_of_memory(error) else text, limit)


def command_line(*words: object) -> str:
    """A command that can be pasted into the system's shell, with quotes where they are needed."""
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if os.name == "nt" else shlex.join(texts)


def figure(value: float, form: str = "g") -> str:
    """Return a number in a form of Python, with the sign that typesetters use for minus."""
    return format(value, form).replace("-", "\u2212")


def sentence(reason: object) -> str:
    """Return a reason, such as that of an error, as a sentence: with a capital letter and a full stop.

    A first word that is the name or path of a file stays as it is.
    """
    text = str(reason)
    named = re.match(r"\S*([/\\]|\.\w)", text)
    return f"{text[:1] if named else text[:1].upper()}{text[1:]}."


def number_text(value: float) -> str:
    """`value` with a decimal point and the fewest digits that read back as the same number, without groups."""
    if isinstance(value, int):
        return str(value)
    mantissa, _, exponent = repr(value + 0.0).partition("e")
    mantissa = mantissa.removesuffix(".0")
    if not exponent:
        return "0" if mantissa == "-0" else mantissa
    if -6 <= int(exponent) < 0:
        return format(Decimal(repr(value)), "f")
    return f"{mantissa}e{int(exponent)}"


def grouped_number(value: float) -> str:
    """`number_text` with its digits in groups of three from a million on, for a number that is read and not edited."""
    text = number_text(value)
    exact = Decimal(text)
    return f"{exact:,}" if exact.is_finite() and abs(exact) >= 1_000_000 and "e" not in text else text


def duration(seconds: float) -> str:
    """A duration for a person, such as 45 s, 12 min 05 s, 40 min, 3 h 20 min."""
    if not abs(seconds) < 1e10:
        return f"{seconds:g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest:02d} s" if minutes < 20 else f"{minutes} min"
    hours, rest = divmod(whole, 3600)
    return f"{hours} h {rest // 60:02d} min"


def counted(count: int, noun: str) -> str:
    """A number with its noun, such as 1 image or 2,000 images."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shape_text(channels: int, height: int, width: int) -> str:
    """The shape of an image for a person, such as 32x32 colour."""
    return f"{pixels_text(width, height)} {'grey' if channels == 1 else 'colour'}"


def pixels_text(width: int, height: int) -> str:
    """The size of an image for a person, such as 32x48."""
    return f"{width}x{height}"
