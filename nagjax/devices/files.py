"""Reading text files: one place that turns everything that can be wrong with a path into a ValueError."""

from __future__ import annotations

from pathlib import Path


def read_text(path: Path) -> str:
    """Text of a UTF-8 file.

    Raises:
      ValueError: if the file is missing, a folder, unreadable, empty or not text; the message says what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; check the path to the device table") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: is a folder, not a file; give the path of one device table file") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text (byte {error.start}); give a text file, unpacked") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); check path and permissions") from None
    if not text.strip():
        raise ValueError(f"{path}: the file is empty; export the device table again")
    return text
