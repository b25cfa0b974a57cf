"""Where jobs print: lines, tables and progress bars, all data in them shown escaped and never taken for instructions.

Names from files, flags and checkpoints may hold a terminal's commands and rich's markup. Jobs print through this module
alone (a test holds it), so that none of them has to think of it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from nagjax.names import shown, shown_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn


def say(*lines: object) -> None:
    """Print lines on the standard output; a line feed within one is data too, so that no name can forge a line."""
    print("\n".join(shown(str(line)) for line in lines), flush=True)


def complain(message: str) -> None:
    """Print a message, which may have several lines, on the standard error at once.

    A terminal that is gone, or a log on a full disk, ends no job.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(shown_lines(message), file=sys.stderr, flush=True)


def console(width: int | None = None, file: TextIO | None = None) -> Console:
    """A console to which text is data: no markup, no emoji codes, no highlighting; controls are escaped.

    Where the output is not a terminal, lines have ``width`` characters, or as many as rich chooses.
    """
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        # All text that is not styled by us comes by here: cells, headings, titles, lines.
        def render_str(self, text: str, **settings: Any) -> Text:
            return super().render_str(shown_lines(text), **{**settings, "markup": False, "emoji": False})

    stream = file or sys.stdout
    return Plain(
        file=file, width=None if stream.isatty() else width, markup=False, emoji=False, highlight=False
    )  # fmt: skip


def bars(*after: ProgressColumn, quiet: bool = False) -> Progress:
    """Progress bars: bar, description, what is given, time gone and left; descriptions are data."""
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    class Description(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(shown(task.description))

    class Left(ProgressColumn):
        def render(self, _task: Task) -> Text:
            return Text("left")

    columns = (BarColumn(), Description(), *after, TimeElapsedColumn(), Left(), TimeRemainingColumn())
    return Progress(*columns, console=console(), disable=quiet)


@contextlib.contextmanager
def counted(what: str | None) -> Iterator[Callable[[int, int], None] | None]:
    """A bar that counts: gives what is called with how much is done and of how much; None for no ``what``."""
    if what is None:
        yield None
        return
    from rich.progress import MofNCompleteColumn

    with bars(MofNCompleteColumn()) as shown_bars:
        task = shown_bars.add_task(what, total=None)
        yield lambda done, total: shown_bars.update(task, completed=done, total=total)
