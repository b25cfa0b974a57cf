"""A generator as a file that answers without nagjax and jax: arrays, and the NumPy program that reads them.

``nagjax.inference.portable`` is that program; what it needs of policy, graph and costs is laid out here by layer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import durable
from nagjax.generator.policy import KNOTS, Policy, PolicyNetwork, offsets
from nagjax.generator.walk import segments
from nagjax.inference import portable
from nagjax.inference.asked import with_cheaper
from nagjax.inference.distinct import enumerate_within
from nagjax.inference.nondominated import evaluate_all
from nagjax.inference.scope import BOTTOM, Scope, predict_all
from nagjax.problems.costs import ExactCosts
from nagjax.problems.problem import Problem, cheapest

FILE, PROGRAM = "generator.npz", "answer.py"


def write(scope: Scope, folder: Path, config: Mapping[str, Any], seed: int) -> None:
    """Write ``generator.npz``, with a front drawn by the seed, and ``answer.py``, over those of an earlier export.

    Raises:
      ValueError: if nothing of the generator can be asked without the library.
      OSError: if it cannot be written.
    """
    arrays, header = contents(scope, seed)
    about = {name: config[name] for name in ("controller", "step") if name in config}
    text = json.dumps({**header, "trained": about, "nagjax": metadata.version("nagjax")}, default=str)
    folder.mkdir(parents=True, exist_ok=True)
    with durable.replacing(folder / FILE) as file:
        np.savez(file, **arrays, header=np.frombuffer(text.encode(), np.uint8))  # type: ignore[arg-type]
    durable.replace(folder / PROGRAM, Path(portable.__file__).read_text(encoding="utf-8"))


def contents(scope: Scope, seed: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What an exported file holds: arrays by name, and its header.

    Raises:
      ValueError: if there is neither a policy that the program knows nor a front that answers every budget.
    """
    policy, problem, description = scope.artefact.policy, scope.problem, scope.description
    if policy is not None and type(policy.network) is not PolicyNetwork:
        raise ValueError(
            f"export: the policy is a {type(policy.network).__name__}, and the program that answers computes only the "
            "library's PolicyNetwork; ask this generator through nagjax"
        )
    has_front = scope.has_front
    if scope.has_residual and has_front:
        description = with_cheaper(description, scope.front(seed).costs)
    if scope.has_residual:
        policy = None  # the program adds up edges, and what lies above them takes a model
    if policy is None and not has_front:
        raise ValueError(
            f"export: this generator has no policy, and with {scope.columns} cost columns no fixed list of "
            "architectures answers every budget; train a controller that ends in a policy, or with one cost column"
        )
    arrays = {"target": np.asarray(problem.target), "open": np.asarray(problem.open)}
    if has_front:
        arrays |= _front(scope, seed)
    if policy is not None:
        arrays |= {name: np.asarray(getattr(problem, name)) for name in ("need", "togo", "cost", "low", "high")}
        if problem.joint is not None:
            arrays |= {name: np.asarray(getattr(problem.joint, name)) for name in ("levels", "within")}
        arrays |= _policy(policy, problem) | _bottom(scope)
    costs = []
    for k, column in enumerate(description.exact):
        held, about = _column(column, k)
        arrays |= held
        costs.append({**about, "range": description.ranges[k].tolist()})
    spec = problem.spec
    header = {
        "format": portable.FORMAT, "version": portable.VERSION, "space": description.space.identity,
        "decodes": [name for name, there in (("best", has_front), ("greedy", policy is not None)) if there],
        "where": dict(description.where or {}), "costs": costs, "starts": offsets(spec), "widths": spec.choices,
        "decisions": [{"name": one.name, "choices": [dict(c) for c in one.choices]} for one in
                      description.space.decisions],
        "quality_report": dict(description.quality_report),
    }  # fmt: skip
    return arrays, header


def _policy(policy: Policy, problem: Problem) -> dict[str, np.ndarray]:
    """Parameters by name; what belongs to layers as ``layer_bias [T, C]`` and ``anchor_logits [K * A, T, C]``.

    What the policy makes of its context is a constant here, and part of the biases.
    """
    spec, held = problem.spec, {name: np.asarray(value) for name, value in policy.params.items()}
    seen = _seen_of_context(policy, problem, held)
    bias = np.zeros((spec.num_layers, spec.num_choices), np.float32)
    logits = np.zeros((len(held["embedding"]), *bias.shape), np.float32)
    for first, last, width in segments(spec.choices):
        bias[first:last, :width] = held.pop(f"layer_bias_{first}")
        if seen is not None:
            bias[first:last, :width] += np.tensordot(seen, held.pop(f"traits_logits_{first}"), 1)
        logits[:, first:last, :width] = held.pop(f"anchor_logits_{first}")
    anchors = np.asarray(policy.anchors)
    return {
        **held,
        "layer_bias": bias,
        "anchor_logits": logits,
        "anchors": anchors,
        "knots": np.array(KNOTS, np.float32),
    }


def _seen_of_context(policy: Policy, problem: Problem, held: dict[str, np.ndarray]) -> np.ndarray | None:
    """What the policy makes of its context's traits, float32 ``[H]``, put into the bias; None where it is told none."""
    if not policy.network.traits:
        return None
    seen: np.ndarray = np.tanh(np.asarray(problem.traits) @ held.pop("traits_in") + held.pop("traits_bias"))
    held["bias"] = held["bias"] + seen @ held.pop("traits_out")
    tokens = held["tokens"].copy()
    tokens[: problem.spec.contexts] = 0
    held["tokens"] = tokens
    return seen


def _bottom(scope: Scope) -> dict[str, np.ndarray]:
    """Architectures that budgets below the cheapest one's ticks can be met by, in the order they are looked at."""
    tokens = np.zeros((0, scope.problem.spec.num_layers), np.int32)
    info = scope.description.costs[0]
    if scope.columns == 1 and info.slack and not info.ranked:
        most = np.asarray(cheapest(scope.problem)).astype(np.int64) - 1 + info.slack
        tokens, _ = enumerate_within(scope.problem, most, BOTTOM)
    objective = evaluate_all(scope.problem, tokens) if len(tokens) else np.zeros(0, np.float32)
    return {
        "bottom_tokens": tokens, "bottom_objective": objective, "bottom_costs": scope.description.costs_of(tokens)
    }  # fmt: skip


def _front(scope: Scope, seed: int) -> dict[str, np.ndarray]:
    front = scope.front(seed)
    return {
        "front_tokens": front.tokens, "front_costs": front.costs, "front_objective": front.objective,
        "front_quality": predict_all(scope.problem, front.tokens)[0],
        "front_architecture": np.array([scope.description.space.format(row) for row in front.tokens]),
    }  # fmt: skip


def _column(column: ExactCosts, number: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and header of a cost column; decimal numbers become the whole multiples that are added up."""
    info = column.info
    scale = 10.0**info.decimals
    edges = {t: np.rint(edge * scale) if info.decimals else edge for t, edge in column.edges.items()}
    arrays = {f"edges_{number}_{t}": edge for t, edge in edges.items()}
    if column.steps is not None:
        arrays |= {f"steps_{number}_costs": column.steps[0], f"steps_{number}_ticks": column.steps[1]}
    names = ("name", "unit", "reduce", "device", "source", "exponent", "decimals", "slack", "filler",
             "learned", "level")  # fmt: skip
    about = {name: getattr(info, name) for name in names}
    known = {
        "tolerance": column.tolerance,
        "top": column.top,
        "layers": list(edges),
        "ranked": column.steps is not None,
    }
    return arrays, {**about, **known}
