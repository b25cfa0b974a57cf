"""Data as text in pages and plots: what HTML, SVG or matplotlib would obey stands there as it is written."""

from __future__ import annotations

from html import escape

from nagjax.names import shown, shown_lines

LONGEST = 80
"""Characters of a label in a plot."""


def html(text: str) -> str:
    r"""Text between the tags of a page or in an attribute; line feeds stay.

    >>> print(html("<b> & \x1b'"))
    &lt;b&gt; &amp; \x1b&#x27;
    """
    return escape(shown_lines(text))


def plot_text(text: str) -> str:
    r"""Text of a figure: a dollar is a dollar and begins no formula; an underscore in front hides no label.

    What is longer than ``LONGEST`` characters is cut in its middle, since the axes would have no room beside it.

    >>> print(plot_text("a $x$"), plot_text("_x"))
    a \$x\$  _x
    """
    seen = shown(text)
    if len(seen) > LONGEST:
        seen = f"{seen[: LONGEST - 20]} ... {seen[-15:]}"
    escaped = seen.replace("$", r"\$")
    # matplotlib leaves labels that begin with an underscore out of legends.
    return f" {escaped}" if escaped.startswith("_") else escaped
