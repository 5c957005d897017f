"""Formulas in the notation of TeX, as far as the lessons use it, as HTML with sub- and superscripts and italics."""

import re
from html import escape

_SYMBOLS = {
    "mu": "<i>μ</i>",
    "sigma": "<i>σ</i>",
    "pi": "<i>π</i>",
    "partial": "∂",
    "sum": "∑",
    "prod": "∏",
    "cdot": "·",
    "odot": "⊙",
    "times": "×",
    "sim": "∼",
    "to": "→",
    "dots": "…",
    ",": "\u2009",
}
_WORDS = ("exp", "log", "det")
"""Functions, which are upright."""
_TIGHT = ("mu", "sigma", "pi", "partial")
"""Commands whose following space only ends their name."""
_TOKEN = re.compile(r"\\(?P<command>[A-Za-z]+|,)|(?P<mark>[_^{}])|(?P<letter>[A-Za-z])|(?P<space> +)|(?P<other>.)")
_NO_BREAK = "\u00a0"
_JOIN = "\u2060"
"""Keeps a line from being broken here."""


def formula_html(source: str) -> str:
    r"""The HTML of a formula such as ``x_2 \odot \exp(s(x_1)) + t(x_1)``.

    Letters are italic; spaces are kept, but for one behind the name of a letter or of the sign of a derivative. ``_``
    and ``^`` take one letter, digit or command, or what is in braces. Raises `ValueError` for a command that is not
    known and for braces that do not match.
    """
    tokens = list(_TOKEN.finditer(source))
    html, end = _sequence(tokens, 0, source)
    if end != len(tokens):
        raise ValueError(f"a brace too many in the formula {source!r}")
    return html


def _sequence(tokens: list[re.Match[str]], start: int, source: str) -> tuple[str, int]:
    """The HTML up to a closing brace or the end, and where that is."""
    parts, at = [], start
    while at < len(tokens) and tokens[at].group() != "}":
        tight = tokens[at]["command"] in _TIGHT
        part, at = _element(tokens, at, source)
        parts.append(part)
        if tight and at < len(tokens) and tokens[at]["space"]:
            at += 1
    return _JOIN.join(parts), at


def _element(tokens: list[re.Match[str]], at: int, source: str) -> tuple[str, int]:
    token = tokens[at]
    text = token.group()
    if token["mark"] in ("_", "^"):
        if at + 1 == len(tokens) or tokens[at + 1].group() in ("_", "^", "}"):
            raise ValueError(f"nothing follows {text} in the formula {source!r}")
        inner, end = _element(tokens, at + 1, source)
        name = "sub" if text == "_" else "sup"
        return f"<{name}>{inner}</{name}>", end
    if text == "{":
        inner, end = _sequence(tokens, at + 1, source)
        if end == len(tokens):
            raise ValueError(f"a brace is not closed in the formula {source!r}")
        return inner, end + 1
    return _plain(token, source), at + 1


def _plain(token: re.Match[str], source: str) -> str:
    command = token["command"]
    if command in _WORDS:
        return command
    if command is not None:
        if command not in _SYMBOLS:
            raise ValueError(f"unknown \\{command} in the formula {source!r}")
        return _SYMBOLS[command]
    if token["letter"]:
        return f"<i>{token.group()}</i>"
    if token["space"]:
        return _NO_BREAK
    return "−" if token.group() == "-" else escape(token.group())
