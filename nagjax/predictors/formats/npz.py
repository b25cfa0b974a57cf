"""Reading .npz files of others: arrays only, never a pickle, and every way to be broken has its message."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from nagjax.files import check_file


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Every array of a .npz file.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not a .npz file, is truncated, or holds anything but plain arrays.
    """
    path = Path(path)
    check_file(path, "the predictor (a .npz file)")
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise ValueError(
            f"{path}: not a whole .npz file ({path.stat().st_size} bytes, no zip directory); fetch or write it again"
        ) from None
    with archive:
        members = archive.namelist()
    odd = [name for name in members if not name.endswith(".npy")]
    if odd or not members:
        raise ValueError(f"{path}: holds {', '.join(odd[:3]) or 'nothing'}; write plain arrays with numpy.savez")
    arrays = {}
    with np.load(path, allow_pickle=False) as loaded:
        for key in loaded.files:
            arrays[key] = _one(path, key, loaded)
    return arrays


def _one(path: Path, key: str, loaded: np.lib.npyio.NpzFile) -> np.ndarray:
    try:
        value = np.asarray(loaded[key])
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        if "pickle" in str(error) or "Object arrays" in str(error):
            raise ValueError(
                f"{path}: {key} holds pickled Python objects, which are never loaded; save it as an array of numbers"
            ) from None
        raise ValueError(f"{path}: {key} cannot be read ({error}); fetch or write the file again") from None
    return value


def require_float(path: str | Path, arrays: dict[str, np.ndarray], key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array of a key as float32, after its shape, type and values have been checked.

    Raises:
      ValueError: if it is missing, has another shape, is not real numbers or is not finite.
    """
    if key not in arrays:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise ValueError(f"{path}: {key} is missing, an array of shape {shape}; the file holds {held}")
    value = arrays[key]
    if value.shape != shape:
        raise ValueError(f"{path}: {key} has shape {value.shape}, not {shape}")
    if value.dtype.kind not in "fiu":
        raise ValueError(f"{path}: {key} has type {value.dtype}, not float32")
    out = value.astype(np.float32)
    if not np.isfinite(out).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(out))[0])
        raise ValueError(f"{path}: {key}[{', '.join(map(str, place))}] is {value[place]}; weights must be finite")
    return out
