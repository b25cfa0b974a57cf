"""What a kind of predictor has to keep, each a check of a factory and its settings.

A kind is fitted to 90 of 135 architectures, some of which have a layer less than others, and asked about all. Small
settings make the suite fast.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nagjax.checkpoint.packing import describe, pack, unpack
from nagjax.controllers import Artefact
from nagjax.populations.cells import Cells
from nagjax.predictors.formats.storage import load_predictor, save_predictor
from nagjax.predictors.forms import registry as forms
from nagjax.predictors.forms.form import Form
from nagjax.predictors.kinds.kind import Kind
from nagjax.predictors.kinds.registry import fit
from nagjax.predictors.records.records import Records
from nagjax.problems.build import make_problem
from nagjax.problems.problem import evaluate
from nagjax.testing.problems import Tiny, prices_of, tiny_problem
from nagjax.testing.runs import as_json, check_refused, claim, same

LABELS = 90
LEAST_TAU = 0.3
"""Kendall's tau on architectures that were not labelled; the library's own kinds reach 0.6 and more."""

MakeKind = Callable[..., Kind]


def check_predictor_settings(make: MakeKind, **settings: Any) -> None:
    """Settings are JSON, and the factory called with them makes an equal kind: that is how a fit is repeated."""
    name = "predictor settings"
    kind = make(**settings)
    claim(name, isinstance(kind, Kind), f"the factory returned {type(kind).__name__}, no Kind")
    claim(name, isinstance(kind.name, str) and bool(kind.name), f"name is {kind.name!r}; it must be text")
    written = as_json(name, "settings", kind.settings)
    claim(name, make(**written) == kind, f"made from its settings {written} it is another kind")
    lacking = sorted(set(settings) - set(written))
    claim(name, not lacking, f"settings lack {', '.join(lacking)}, which the factory was given")


def check_predictor_determinism(make: MakeKind, **settings: Any) -> None:
    """The same records and seed give equal arrays, from a kind that fitted before and from one made anew."""
    tiny, records = _data()
    made = make(**settings)
    first, again = (fit(made, tiny.space, records, 3).predictor for _ in range(2))
    anew = fit(make(**settings), tiny.space, records, 3).predictor
    told = "two fits with the same seed give different predictors; draw from the seed that fit is given alone"
    claim("predictor determinism", same(first, again) and same(first, anew), told)


def check_predictor_form(make: MakeKind, **settings: Any) -> None:
    """The predictor is a form of the library: float32 mean and deviation, row by row, under jit and vmap alike."""
    name = "predictor form"
    tiny, records = _data()
    fitted = fit(make(**settings), tiny.space, records, 0)
    report = dict(fitted.report)
    claim(name, isinstance(report.get("source"), str), f"the report {report} has no source, where records are from")
    try:
        json.dumps(report, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{name}: the report cannot be written as JSON: {error}") from error
    tokens, features = _inputs(tiny)
    mean, std = jax.jit(lambda form: form(tokens, features))(fitted.predictor)
    for what, value in (("mean", mean), ("deviation", std)):
        kind = (value.shape, str(value.dtype))
        claim(name, kind == ((len(tokens),), "float32"), f"the {what} is {kind}, not float32 [{len(tokens)}]")
        claim(name, bool(np.isfinite(value).all()), f"the {what} is not finite everywhere")
    claim(name, bool((np.asarray(std) >= 0).all()), "a deviation is negative")
    part = fitted.predictor(tokens[5:7], features[5:7])
    twice = jax.vmap(fitted.predictor.__call__)(
        jnp.stack([tokens[:4], tokens[4:8]]), jnp.stack([features[:4], features[4:8]])
    )
    # A deviation near 0 is the root of what rounding leaves.
    for what, atol, whole, own, both in zip(("mean", "deviation"), (1e-4, 2e-3), (mean, std), part, twice, strict=True):
        apart = bool(np.allclose(own, whole[5:7], atol=atol))
        claim(name, apart, f"the {what} of a row depends on what else is asked, padding too; compute each row alone")
        claim(name, bool(np.allclose(both.ravel(), whole[:8], atol=atol)), f"under vmap the {what} is something else")
    if fitted.predictor.rank_valued:
        claim(name, bool((np.asarray(mean) >= 0).all() and (np.asarray(mean) <= 1).all()), "a rank is not within 0..1")


def check_predictor_known(make: MakeKind, **settings: Any) -> None:
    """``known`` is one truth value a path feature, or None; what only unseen records would show may be False."""
    tiny, records = _data()
    known = fit(make(**settings), tiny.space, records, 0).predictor.known
    wanted = (len(tiny.space.feature_names),)
    fine = known is None or (known.shape == wanted and known.dtype == bool)
    claim("predictor known", fine, f"known is {getattr(known, 'shape', known)}, not bool {wanted}")
    claim("predictor known", known is None or bool(np.asarray(known).all()), "a feature that was seen is not known")


def check_predictor_kept(make: MakeKind, **settings: Any) -> None:
    """It comes back from a file and from a checkpoint as it was, without the code that fitted it."""
    name = "predictor kept"
    tiny, records = _data()
    fitted = fit(make(**settings), tiny.space, records, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictor.npz"
        save_predictor(fitted, tiny.space, path)
        read = load_predictor(path, tiny.space)
    claim(name, same(read.predictor, fitted.predictor), "read from a file it is another predictor")
    claim(name, read.report == fitted.report, "read from a file it has another report")
    problem, description = make_problem(tiny.space, prices_of(tiny.space), fitted.predictor)
    artefact = Artefact(None, Cells.empty(problem.spec, 8))
    config = json.loads(json.dumps(describe(artefact, problem, description)))
    tree = jax.tree.map(np.asarray, pack(artefact, problem, description))
    again = unpack(config, tree, tiny.space)[1]
    claim(name, same(again.quality, fitted.predictor), "read from a checkpoint it is another predictor")
    tokens = jnp.asarray(tiny.oracle.tokens)
    claim(name, same(evaluate(again, tokens), evaluate(problem, tokens)), "read from a checkpoint it answers otherwise")
    claim(name, forms.check_form(again.quality) is again.quality, "read from a checkpoint it is not a form")


def check_predictor_order(make: MakeKind, **settings: Any) -> None:
    """It tells better architectures from worse that were not labelled, and its figures, unless ranks, are qualities."""
    name = "predictor order"
    tiny, records = _data()
    predictor: Form = fit(make(**settings), tiny.space, records, 0).predictor
    seen = np.isin(np.arange(len(tiny.oracle.tokens)), _rows(tiny))
    mean = np.asarray(predictor(*_inputs(tiny))[0], np.float64)[~seen]
    quality = tiny.oracle.quality[~seen]
    tau = float(stats.kendalltau(mean, quality).statistic)
    claim(name, tau >= LEAST_TAU, f"Kendall's tau on {len(quality)} others is {tau:.2f}, below {LEAST_TAU}")
    if not predictor.rank_valued:
        error, spread = np.sqrt(np.mean((mean - quality) ** 2)), float(quality.std())
        claim(name, error < spread, f"its error, {error:.3f}, is not below that of always the mean, {spread:.3f}")


def check_predictor_refusals(make: MakeKind, **settings: Any) -> None:
    """A setting that does not exist, and a single record, are refused by a ValueError or a TypeError of the call."""
    name = "predictor refusals"
    check_refused(name, lambda: make(**settings, a_setting_that_does_not_exist=1))
    tiny, records = _data()
    few = Records(records.tokens[:1], records.quality[:1])
    try:
        fitted = fit(make(**settings), tiny.space, few, 0)
    except ValueError:
        return
    mean, _ = fitted.predictor(*_inputs(tiny))
    claim(name, bool(np.isfinite(mean).all()), "fitted to one record it answers NaN instead of refusing it")


def check_predictor(make: MakeKind, **settings: Any) -> None:
    """All checks, one after the other."""
    for check in PREDICTOR_CHECKS:
        check(make, **settings)


PREDICTOR_CHECKS: tuple[Callable[..., None], ...] = (
    check_predictor_settings,
    check_predictor_determinism,
    check_predictor_form,
    check_predictor_known,
    check_predictor_kept,
    check_predictor_order,
    check_predictor_refusals,
)


def _rows(tiny: Tiny) -> np.ndarray:
    return np.random.default_rng(0).permutation(len(tiny.oracle.tokens))[:LABELS]


def _data() -> tuple[Tiny, Records]:
    tiny = tiny_problem()
    rows = _rows(tiny)
    return tiny, Records(tiny.oracle.tokens[rows], tiny.oracle.quality[rows], source="tiny")


def _inputs(tiny: Tiny) -> tuple[jax.Array, jax.Array]:
    tokens = tiny.oracle.tokens
    return jnp.asarray(tokens), jnp.asarray(tiny.space.features(tokens))
