"""Text on terminals that cannot show all of it: a sign they lack gets its form in ASCII."""

from __future__ import annotations

import codecs
import contextlib
import sys
import unicodedata
from collections.abc import Iterator

HANDLER = "nagjax-ascii"

_SAID = (
    "± +-", "→ ->", "← <-", "… ...", "× x", "· *", "– -", "— -", "− -", "≤ <=", "≥ >=", "µ u", "μ u",  # noqa: RUF001
    "“ \"", "” \"", "’ '", "‘ '", "• *", "τ tau",  # noqa: RUF001
)  # fmt: skip
ASCII = dict(entry.split(" ") for entry in _SAID)
"""Signs with a usual spelling; letters lose their accents, anything else is shown by its number."""


def spell(text: str) -> str:
    r"""A text in ASCII.

    >>> spell("5 ± 1 → café \U0001f600")
    '5 +- 1 -> cafe \\U0001f600'
    """
    return "".join(_spell(sign) for sign in text)


def _spell(sign: str) -> str:
    if sign.isascii():
        return sign
    if sign in ASCII:
        return ASCII[sign]
    plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return plain or sign.encode("ascii", "backslashreplace").decode()


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    """Within the block no sign that stdout or stderr cannot encode is an error."""
    codecs.register_error(HANDLER, _handle)
    changed = []
    for stream in (sys.stdout, sys.stderr):
        errors = getattr(stream, "errors", None)
        if errors is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)
            changed.append((stream, errors))
    try:
        yield
    finally:
        for stream, errors in changed:
            with contextlib.suppress(OSError, ValueError):  # a terminal that is gone
                stream.reconfigure(errors=errors)


def _handle(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return spell(error.object[error.start : error.end]), error.end
