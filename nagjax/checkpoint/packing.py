"""Artefacts and problems as nested dictionaries of arrays plus JSON, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from nagjax.controllers import Artefact
from nagjax.generator.policy import Policy, PolicyNetwork
from nagjax.populations.archive import Archive
from nagjax.predictors.forms import registry
from nagjax.predictors.forms.residual import Residual
from nagjax.problems.contexts import Contexts, References
from nagjax.problems.costs import CostInfo, ExactCosts
from nagjax.problems.problem import Description, Problem, Spec, close_jointly
from nagjax.problems.residual import Above
from nagjax.problems.ticks import exact_costs
from nagjax.spaces.space import Space
from nagjax.spaces.trie import Listing, refine

LEAVES = ("target", "open", "features", "allowed", "cost", "need", "togo", "tick", "low", "high", "pessimism")
"""Fields of a problem that are arrays and travel as they are."""


def pack(artefact: Artefact, problem: Problem, description: Description) -> dict[str, Any]:
    """All arrays, as nested dictionaries. A learned ranker is for training and stays behind.

    Raises:
      ValueError: if the quality is of a kind that cannot be saved.
    """
    tree: dict[str, Any] = {"problem": {name: getattr(problem, name) for name in LEAVES}}
    tree["exact"] = {
        f"{k}": {f"{t:04d}": values for t, values in column.edges.items()}
        for k, column in enumerate(description.exact)
        if column.edges
    }
    operators = {f"{k}": one.operators for k, one in enumerate(description.exact) if one.operators is not None}
    if operators:
        tree["operators"] = operators
    if residuals := _residuals(description):
        tree["residuals"] = {k: form.arrays() for k, form in residuals.items()}
    if description.space.refinement:
        # Name and settings do not make this graph; its targets are the problem's.
        tree["graph"] = {"valid": description.space.trellis.valid}
    if description.listing is not None:
        rows = {} if description.listing.rows is None else {"rows": description.listing.rows}
        tree["listing"] = {"quality": description.listing.quality, **rows}
    tree["quality"] = registry.check_form(problem.quality).arrays()
    if problem.contexts is not None:
        own = problem.contexts
        references = {name: getattr(own.references, name) for name in ("tokens", "mean", "spread")}
        tree["contexts"] = {"low": own.low, "high": own.high, "traits": own.traits, "references": references}
    if artefact.policy is not None:
        tree["policy"] = {"params": artefact.policy.params, "anchors": artefact.policy.anchors}
    if artefact.archive is not None:
        tree["archive"] = {name: getattr(artefact.archive, name) for name in ("tokens", "costs", "quality")}
    return tree


def describe(artefact: Artefact, problem: Problem, description: Description) -> dict[str, Any]:
    """All that is not an array, as JSON values."""
    space, policy, residuals = description.space, artefact.policy, _residuals(description)
    network = None
    if policy is not None:
        network = {name: getattr(policy.network, name) for name in ("hidden", "num_anchors")}
        network |= {"traits": policy.network.traits} if policy.network.traits else {}
    return {
        "space": {
            "name": space.name,
            "version": space.version,
            "settings": dict(space.settings),
            **({"refinement": space.refinement} if space.refinement else {}),
        },
        "spec": dataclasses.asdict(problem.spec),
        "costs": [dataclasses.asdict(info) for info in description.costs],
        "ranges": description.ranges.tolist(),
        "where": dict(description.where),
        "quality_report": dict(description.quality_report),
        "quality": registry.describe(problem.quality),
        "policy": network,
        **({"residuals": {k: form.static() for k, form in residuals.items()}} if residuals else {}),
    }


def unpack(config: Mapping[str, Any], tree: Mapping[str, Any], space: Space) -> tuple[Artefact, Problem, Description]:
    """The inverse of ``pack`` and ``describe``, for the space that ``config`` names."""
    spec = Spec(**_tuples(config["spec"]))
    if "graph" in tree:
        target, valid = np.asarray(tree["problem"]["target"]), np.asarray(tree["graph"]["valid"])
        space = refine(space, target, valid, config["space"]["refinement"])
    arrays = _arrays({name: tree["problem"][name] for name in LEAVES})
    quality = registry.restore(config["quality"], _arrays(tree["quality"]))
    problem = Problem(**arrays, quality=quality, ranker=None, spec=spec, contexts=_contexts(tree))
    if spec.num_costs == 2:
        problem = close_jointly(problem)  # follows from the costs, and is large
    policy = None
    if config["policy"] is not None:
        network = PolicyNetwork(spec, **config["policy"])
        policy = Policy(_arrays(tree["policy"]["params"]), _arrays(tree["policy"]["anchors"]), network)
    archive = Archive(**_arrays(tree["archive"])) if "archive" in tree else None
    costs = tuple(CostInfo(**_tuples(info)) for info in config["costs"])
    ranges = np.asarray(config["ranges"], np.float64)
    exact = _exact(costs, tree, problem, space, config.get("residuals", {}))
    listing = Listing(**{k: np.asarray(v) for k, v in tree["listing"].items()}) if "listing" in tree else None
    description = Description(space, costs, ranges, config["where"], config["quality_report"], exact, listing)
    return Artefact(policy, archive), problem, description


def _contexts(tree: Mapping[str, Any]) -> Contexts | None:
    if "contexts" not in tree:
        return None
    own = _arrays(tree["contexts"])
    return Contexts(own["low"], own["high"], own["traits"], References(**own["references"]))


def _exact(
    costs: Sequence[CostInfo], tree: Mapping[str, Any], problem: Problem, space: Space, residuals: Mapping[str, Any]
) -> tuple[ExactCosts, ...]:
    # Indexed as NumPy: an index into an array of jax is a program to compile.
    allowed, cost, high = (np.asarray(array) for array in (problem.allowed, problem.cost, problem.high))
    out = []
    for k, info in enumerate(costs):
        ticks = cost[k]
        if "exact" in tree:
            layers = {int(t): np.asarray(values) for t, values in tree["exact"].get(f"{k}", {}).items()}
        else:  # format 1 kept ticks alone: they are what it priced by
            layers = dict(enumerate(info.to_unit(ticks)))
        own = tree.get("operators", {}).get(f"{k}")
        found = exact_costs(info, space.trellis, layers, ticks, allowed, int(high[k]))
        above = None
        if f"{k}" in residuals:
            above = Above(space, Residual.restore(residuals[f"{k}"], _arrays(tree["residuals"][f"{k}"])))
        out.append(dataclasses.replace(found, operators=None if own is None else np.asarray(own), residual=above))
    return tuple(out)


def _residuals(description: Description) -> dict[str, Residual]:
    """What cost columns have above a sum, by their number."""
    return {f"{k}": one.residual.form for k, one in enumerate(description.exact) if one.residual is not None}


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a frozen dataclass as JSON gave them: its tuples come as lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def _arrays(tree: Any) -> Any:
    """The arrays on the device. ``jnp.asarray`` would compile a copy for each shape, half a second in all."""
    return jax.device_put(tree)
