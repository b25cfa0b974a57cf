"""Problems of a comparison, by name, with all that is known of the truth behind them.

``macro`` is NAS-Bench-Macro with its published accuracies; ``macro_200`` the same with a predictor fitted to 200 of
them, other ones for every seed, and answers judged by all. ``note10`` and ``i7`` are OFA MobileNetV3 with the OFA
predictor. ``tiny`` and ``tiny_wide`` are made up and exact, to try a study in seconds. ``name=FILE`` is the problem of
any flagfile of ``experiments.run``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from absl import flags

from experiments.comparison.case import Case, Points, make_case, truth
from experiments.frame import cli, settings
from experiments.inputs import setup
from experiments.reports import run_report
from nagjax.devices.pricing import analytic
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.kinds.registry import fit
from nagjax.predictors.records.records import Records, draw
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Description
from nagjax.reports.front import Reference
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl

NAMES = ("macro", "macro_50", "macro_200", "macro_1000", "note10", "i7", "tiny", "tiny_wide")
"""Names that are suggested; ``macro_`` takes any number of labels."""

FLAGFILES = Path(__file__).parent.parent / "flags"


def check_names(entries: Sequence[str]) -> None:
    """Refuse unknown problems before any is built.

    Raises:
      ValueError: with the nearest name.
    """
    for entry in entries:
        label, separator, path = entry.partition("=")
        if separator:
            if not re.fullmatch(r"[\w.-]+", label) or label in NAMES:
                raise ValueError(f"--problems={entry}: {label!r} must be a new name of letters, digits, _ . -")
            if not settings.user_path(path, "problems").is_file():
                raise ValueError(f"--problems={entry}: {path}: no such flagfile; check the path")
        elif entry not in NAMES and not re.fullmatch(r"macro_[1-9][0-9]*", entry):
            near = settings.nearest(entry, NAMES)
            raise ValueError(f"--problems: {entry!r} is not a problem{near}; or write name=FLAGFILE")
    labels = [entry.partition("=")[0] for entry in entries]
    if not labels or len(set(labels)) < len(labels):
        raise ValueError(f"--problems={','.join(entries)}: name each problem once; known: {', '.join(NAMES)}")


def build(entry: str, data_dir: str, seed: int, num_budgets: int, kind: Sequence[str] = ()) -> Case:
    """A problem by its entry in ``--problems``; the seed draws the labels where only some are used.

    The folder has ``nas_bench_macro/`` and ``ofa_mobilenet_v3/``. ``kind`` are flags that say how predictors are
    fitted, where the problem fits one; empty for what it says itself.

    Raises:
      ValueError: if a file is missing or cannot be used.
    """
    name, separator, path = entry.partition("=")
    if separator:
        return _from_flagfile(name, settings.user_path(path, "problems"), data_dir, num_budgets, seed, kind)
    if name in ("note10", "i7"):
        file = FLAGFILES / {"note10": "note10.flags", "i7": "i7_8700k.flags"}[name]
        folder = str(settings.user_path(data_dir, "data_dir") / "ofa_mobilenet_v3")
        return _from_flagfile(name, file, folder, num_budgets, seed, kind)
    if name.startswith("tiny"):
        return _tiny(name, num_budgets)
    labels = int(name.removeprefix("macro_")) if name != "macro" else 0
    return _macro(name, data_dir, labels, seed, num_budgets, kind)


def _macro(name: str, data_dir: str, labels: int, seed: int, num_budgets: int, kind: Sequence[str]) -> Case:
    space = nas_bench_macro.make()
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid)
    quality = macro_accuracies(settings.user_path(data_dir, "data_dir") / "nas_bench_macro" / "cifar10.json", tokens)
    prices = [analytic(space, "madds")]
    exact, description = make_problem(space, prices, tabular_quality(space, tokens, quality))
    if not labels:
        return make_case(name, exact, description, num_budgets)
    if not 10 <= labels <= len(tokens):
        raise ValueError(f"--problems={name}: between 10 and {len(tokens)} labels are possible, such as macro_200")
    records = draw(Records(tokens, quality, source="NAS-Bench-Macro"), labels, seed)
    fitted = fit(setup.predictor_kind(cli.parse(setup.define_kind_flags, list(kind))), space, records, seed)
    problem, description = make_problem(space, prices, fitted.predictor, quality_report=fitted.report)
    true, costs = truth(exact, records.tokens)
    rivals = {"best label": (costs[:, 0], true)}
    return make_case(name, problem, description, num_budgets, exact, labels, rivals)


def macro_accuracies(path: Path, tokens: np.ndarray) -> np.ndarray:
    """Mean accuracy of the three published runs, fractions float64 ``[N]``, of canonical tokens ``[N, 8]``.

    Raises:
      ValueError: if the file is not there, or is not the published one.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; --data_dir is the folder that holds nas_bench_macro/cifar10.json")
    try:
        published = json.loads(path.read_text(encoding="utf-8"))
        runs = [published["".join(map(str, row))]["test_acc"] for row in tokens.tolist()]
        quality = np.array([np.mean([float(value) for value in values]) for values in runs]) / 100
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: not the published NAS-Bench-Macro file ({type(error).__name__}: {error}); download it again"
        ) from None
    if not ((quality > 0) & (quality <= 1)).all():
        raise ValueError(f"{path}: an accuracy is not within 0 to 100 %; download the file again")
    return quality


def _tiny(name: str, num_budgets: int) -> Case:
    from nagjax import testing

    tiny = testing.tiny_problem(variant="wide" if name == "tiny_wide" else "depth")
    return make_case(name, tiny.problem, tiny.description, num_budgets)


def draws_labels(entry: str, data_dir: str) -> bool:
    """Whether the labels of a problem, and so its predictor, are other ones for every seed.

    Raises:
      ValueError: if its flagfile cannot be used.
    """
    _, separator, path = entry.partition("=")
    if not separator:
        return entry.startswith("macro_")
    values = _flags(settings.user_path(path, "problems"), data_dir)
    return bool(values.num_labels) and values.labels_seed is None


def _flags(path: Path, data_dir: str, more: Sequence[str] = ()) -> flags.FlagValues:
    from experiments import run

    define: Callable[[flags.FlagValues], None] = run.define_flags
    # Given first, so that a flagfile that names its own folder keeps it.
    return cli.parse(define, [f"--data_dir={data_dir}", f"--flagfile={path}", *more])


def _from_flagfile(name: str, path: Path, data_dir: str, num_budgets: int, seed: int, kind: Sequence[str]) -> Case:
    values = _flags(path, data_dir)
    if kind and not values.predictor and (values.records or values.num_labels):
        values = _flags(path, data_dir, kind)
    if values.num_labels and values.labels_seed is None:
        values["labels_seed"].value = seed
    built = setup.with_ranker(setup.build_problem(values), values)
    reference = run_report.read_request(values).reference
    report = built.description.quality_report
    labels = int(report["train"]) + int(report.get("validation", 0)) if "train" in report else 0
    rivals = _rivals(built.description, reference)
    return make_case(name, built.problem, built.description, num_budgets, built.judge, labels, rivals)


def _rivals(description: Description, reference: Reference | None) -> dict[str, Points]:
    if reference is None:
        return {}
    return {reference.name: (description.costs[0].to_ticks(reference.cost), reference.quality)}
