"""The forms by name: a quality as JSON and arrays, and back; what is not a form is refused before training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nagjax.names import suggestion
from nagjax.predictors.forms.additive import Additive
from nagjax.predictors.forms.behind import Behind
from nagjax.predictors.forms.evaluated import Evaluated
from nagjax.predictors.forms.exported import Exported
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.gaussian_process import GaussianProcess
from nagjax.predictors.forms.graph import Graph
from nagjax.predictors.forms.kernel import Kernel
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.forms.mix import Mix
from nagjax.predictors.forms.mlp import Predictor
from nagjax.predictors.forms.neighbours import Neighbours
from nagjax.predictors.forms.pair import Pair
from nagjax.predictors.forms.residual import Residual
from nagjax.predictors.forms.table import TabularQuality
from nagjax.predictors.forms.trees import Trees

FORMS: Mapping[str, type[Any]] = {
    one.form: one
    for one in (
        TabularQuality, Predictor, Graph, Linear, Additive, Kernel, GaussianProcess, Trees, Pair, Neighbours, Mix,
        Evaluated, Behind, Exported, Residual,
    )
}  # fmt: skip

FORMER = {"tabular": "table", "predicted": "mlp"}
"""Names under ``kind`` in checkpoints of formats 1 and 2."""

NEEDED = ("form", "known", "rank_valued", "__call__", "static", "arrays", "restore")


def check_form(quality: Any) -> Form:
    """``quality``, if a checkpoint can keep it.

    Raises:
      ValueError: naming what is missing and what to do.
    """
    what = f"a quality of type {type(quality).__name__} cannot be kept in a checkpoint"
    remedy = (
        f"end in one of the forms of nagjax.predictors.forms ({', '.join(FORMS)}); a function of your own becomes one "
        "by nagjax.predictors.forms.exported.export"
    )
    missing = [name for name in NEEDED if not hasattr(quality, name)]
    if missing:
        raise ValueError(f"{what}: it lacks {', '.join(missing)}; {remedy}")
    if type(quality) is not FORMS.get(quality.form):
        raise ValueError(f"{what}: the library owns no form {quality.form!r} of this type; {remedy}")
    inner = getattr(quality, "inner", ())
    for one in inner if isinstance(inner, tuple) else (inner,):
        check_form(one)
    found: Form = quality
    return found


def describe(quality: Form) -> dict[str, Any]:
    """All of a form that is not an array, as JSON values; ``quality.arrays()`` is the rest."""
    return {"form": quality.form, **quality.static()}


def restore(config: Mapping[str, Any], arrays: Mapping[str, Any]) -> Form:
    """The form that ``describe`` and its arrays tell of.

    Raises:
      ValueError: if there is no such form.
    """
    static = {key: value for key, value in config.items() if key not in ("form", "kind")}
    name = config["form"] if "form" in config else FORMER.get(config["kind"], config["kind"])
    if name not in FORMS:
        hint = suggestion(str(name), FORMS)
        raise ValueError(f"predictor form {name!r} is not known{hint}; known: {', '.join(FORMS)}")
    form: Form = FORMS[name].restore(static, arrays)
    return form
