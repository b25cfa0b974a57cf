"""Numbers in text that people and programs wrote: one strict reading, and the reason where there is none.

Python reads more as a number than a file means by one: ``1_000``, digits of other scripts, ``1e999`` as infinity and
``1e-999`` as 0. Other programs write less plainly: ``1,234`` is 1.234 to some and 1234 to others. What has two readings
is refused here and never guessed.
"""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Sequence

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
_TWO_READINGS = re.compile(r"[+-]?[1-9][0-9]{0,2}([,.])[0-9]{3}")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:([,.' \u00a0\u2009\u202f\u2019])[0-9]{3})+(?:[.,][0-9]*)?")
_LONGEST = 4000
"""Digits of an integer; Python refuses longer ones with a message of its own."""


def number(text: str) -> float:
    """The number that ``text`` is; nan and infinity, where a file says so in words, are left to the caller.

    >>> number(" 2.5e-1 "), number("-3")
    (0.25, -3.0)

    Raises:
      ValueError: if it is not plainly one number, or no float64 is near it; the message is the reason, without a place.
    """
    text = text.strip(" \t\r\n")
    if not _NUMBER.fullmatch(text):
        if _NOT_FINITE.fullmatch(text):
            return float(text)
        why = _why_not(text)
        raise ValueError(f"{_short(text)} is not a number" + (f": {why}" if why else ""))
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{_short(text)} is too large for a number of 64 bits; choose a larger unit")
    if value == 0 and re.search("[1-9]", re.split("[eE]", text)[0]):
        raise ValueError(f"{_short(text)} is so small that it would become 0; choose a smaller unit")
    return value


def integer(text: str) -> int:
    """The integer that ``text`` is, in digits 0 to 9.

    >>> integer("12")
    12

    Raises:
      ValueError: otherwise; the message is the reason, without a place.
    """
    text = text.strip(" \t\r\n")
    if _INTEGER.fullmatch(text) and len(text) <= _LONGEST:
        return int(text)
    why = _why_not(text)
    raise ValueError(f"{_short(text)} is not an integer" + (f": {why}" if why else ""))


def plain(text: str) -> int | float | None:
    """``text`` as an integer or else a finite float; None where it is neither, or larger than a float can be.

    >>> plain("3"), plain("0.5"), plain("1_000"), plain("nan"), plain("9" * 400)
    (3, 0.5, None, None, None)
    """
    for read in (integer, number):
        try:
            value = read(text)
            return value if math.isfinite(value) else None
        except ValueError:
            continue
        except OverflowError:
            return None
    return None


def scaled(value: float, factor: float, name: str) -> float:
    """``value * factor``, as units are converted: in decimals, so that 43.1 us are 0.0431 ms and nothing near it.

    >>> scaled(2.5, 1000.0, "mean"), scaled(43.1, 0.001, "mean")
    (2500.0, 0.0431)

    Raises:
      ValueError: if a finite number becomes infinite, or one that is not 0 becomes 0; ``name`` says of what.
    """
    out = float(decimal.Decimal(repr(float(value))) * decimal.Decimal(repr(float(factor))))
    if math.isfinite(out) == math.isfinite(value) and bool(out) == bool(value):
        return out
    raise ValueError(
        f"{name} is {out!r} once its unit is converted ({value!r} times {factor:g}); it must stay a finite number "
        "and not become 0: correct it, or the unit"
    )


def has_decimal_commas(texts: Sequence[str], commas_are_free: bool) -> bool:
    """Whether the fields of a column are written with decimal commas and nothing else can be meant.

    ``commas_are_free``: the file's separator says so (a semicolon stands where the comma is the decimal mark).

    >>> has_decimal_commas(["0,5", "12"], False), has_decimal_commas(["1,234"], False)
    (True, False)
    >>> has_decimal_commas(["1,234"], True)
    True
    """
    commas = [text for text in texts if "," in text and _COMMA.fullmatch(text)]
    if not commas or any("." in text for text in texts):
        return False
    return commas_are_free or not any(_TWO_READINGS.fullmatch(text) for text in commas)


def has_two_readings(text: str) -> bool:
    """Whether a mark stands where it may part thousands as well as decimals.

    >>> has_two_readings("1,234"), has_two_readings("0.234")
    (True, False)
    """
    return _TWO_READINGS.fullmatch(text) is not None


def readings(text: str) -> str:
    """Both readings of a text that ``has_two_readings``.

    >>> readings("1,234")
    '1.234 or 1234'
    """
    mark = "," if "," in text else "."
    return f"{text.replace(mark, '.')} or {text.replace(mark, '')}"


def _why_not(text: str) -> str:
    """What a text has that numbers must not have, and how it is written instead; "" if nothing is known."""
    if len(text) > _LONGEST:
        return "it is too long"
    if has_two_readings(text):
        return f"it may be {readings(text)}; write the one that is meant"
    if _COMMA.fullmatch(text):
        return f"it has a decimal comma; write {text.replace(',', '.')}"
    if _THOUSANDS.fullmatch(text):
        return "it has marks between thousands; write digits and a decimal point only"
    return next((why for pattern, why in _REASONS if re.search(pattern, text)), "")


_REASONS = (
    (r"^[+-]?0[xXoObB]", "it is not in decimal digits; write it in decimal"),
    (r"[0-9]_[0-9]", "it has underscores; leave them out"),
    (r"^[+-]?[0-9]+(:[0-9]+)+", "it is in base 60 to some and a time to others; write it in decimal"),
    (r"^[+-]?[0-9.,eE+-]+\s*%$", "leave the percent sign out, and give the unit of the column"),
    (r"^[\u2010-\u2015\u2212]", "its minus sign is not the character -"),
    (r"(?![0-9])\d", "its digits are not 0 to 9"),
)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:20]!r}... ({len(text)} characters)"
