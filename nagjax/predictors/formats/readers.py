"""Reading a predictor from a file of any known format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nagjax import plugins
from nagjax.names import nearest
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.formats import hw_gpt, npz, storage
from nagjax.predictors.formats.ofa_npz import import_ofa
from nagjax.predictors.formats.storage import load_predictor
from nagjax.predictors.forms.registry import check_form
from nagjax.spaces.space import Space

Reader = Callable[[str | Path, Space], FittedPredictor]
FORMATS: Mapping[str, Reader] = {"hw_gpt": hw_gpt.read, "ofa_npz": import_ofa, "nagjax": load_predictor}
"""Formats that the library brings; plugins add theirs under the entry-point group ``nagjax.predictor_formats``."""


def read_predictor(
    path: str | Path, space: Space, predictor_format: str = "auto", formats: Mapping[str, Reader] | None = None
) -> FittedPredictor:
    """Read a predictor of a format by name, or ``"auto"``: the built-in one that the keys of the .npz file tell of.

    ``formats`` are further readers by name, usually those of plugins; a name that is built in may be replaced.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the format is unknown or cannot be told, or the file is not what the format says.
    """
    known = {**FORMATS, **(formats or {})}
    name = _detect(path) if predictor_format == "auto" else predictor_format
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean {near!r}? " if near else ""
        raise ValueError(
            f"{path}: predictor format {name!r} is not known; {hint}formats: auto, {', '.join(known)}, and those of "
            "plugins (docs/plugins.md, predictor_formats)"
        )
    return _kept(name, plugins.expect("predictor_formats", name, known[name](path, space), FittedPredictor))


def _kept(name: str, found: FittedPredictor) -> FittedPredictor:
    try:
        check_form(found.predictor)
    except ValueError as error:
        raise plugins.fault("predictor_formats", name, str(error)) from None
    return found


def foreign(name: str) -> dict[str, Reader]:
    """The plugin's reader of a format by name, none where the format is built in, ``"auto"`` or not known.

    Raises:
      PluginError: if the plugin is broken, or is registered where readers no longer are.
    """
    # Built-in formats are read without the registry, so that a broken plugin stops only those who ask for it.
    if name in ("auto", *FORMATS):
        return {}
    if name in plugins.claimed("predictor_formats"):
        return {name: plugins.load("predictor_formats", name)}
    if name in plugins.claimed("predictors"):
        raise plugins.fault(
            "predictors",
            name,
            "is not a format: readers of files are registered under nagjax.predictor_formats, nagjax.predictors is for "
            "kinds; change the group in its pyproject.toml",
        )
    return {}


def _detect(path: str | Path) -> str:
    keys = set(npz.read_arrays(path))
    if storage.HEADER in keys:
        return "nagjax"
    # One key is enough to tell: the importer says what else of the file is missing.
    if any(key.endswith(("_weight", "_bias")) and key[0].isdigit() for key in keys):
        return "ofa_npz"
    if "layer1_weight" in keys:
        return "hw_gpt"
    raise ValueError(
        f"{path}: cannot tell the predictor's format from its keys {', '.join(sorted(keys)[:8])}; "
        f"if it is one of {', '.join(FORMATS)}, name it (--predictor_format); else write a reader of it "
        "(docs/plugins.md, predictor_formats), or fit a predictor to labelled architectures (--records)"
    )
