"""How much memory there is for images, asked before they are read."""

from __future__ import annotations

import os
from pathlib import Path

SHARE = 0.4
"""Images take at most this share of the memory that is free: drawing the validation images copies them once."""

MEMINFO, LIMIT = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")


def available_bytes(meminfo: Path = MEMINFO, limit: Path = LIMIT) -> int | None:
    """Bytes that a process could take now, within the limit of its control group; None where the system tells nothing.

    Linux tells of the machine and of the group in the two files.
    """
    known = [value for value in (_free(meminfo), _group(limit)) if value is not None]
    return min(known, default=None)


def gib(count: float) -> str:
    """Bytes for a person.

    >>> gib(1.5 * 2**30)
    '1.5 GiB'
    """
    return f"{count / 2**30:,.1f} GiB"


def _free(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return _pages()


def _pages() -> int | None:
    """Free pages, or all where no one counts the free ones."""
    names = getattr(os, "sysconf_names", {})
    name = next((name for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES") if name in names), None)
    return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE") if name else None


def _group(limit: Path) -> int | None:
    try:
        return int(limit.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such group, or "max"
        return None
