"""Asks ``generator.npz``, as ``Generator.export`` wrote it, with NumPy alone: ``python answer.py 15 20 30``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FORMAT, VERSION, INFINITE = "nagjax-generator", 1, 2**30


class Column:
    """A cost column: exact costs of architectures, and budgets in ticks (``nagjax.problems.costs`` says why)."""

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray], number: int) -> None:
        self.name, self.unit, self.reduce, self.about = about["name"], about["unit"], about["reduce"], about
        self.edges = {t: arrays[f"edges_{number}_{t}"] for t in about["layers"]}
        self.steps = [arrays[f"steps_{number}_{part}"] for part in ("costs", "ticks")] if about["ranked"] else None
        self.scale, self.stretch = 10.0 ** about["decimals"], 1 + about["tolerance"]

    def of(self, nodes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Costs float64 ``[B]`` of tokens ``[B, T]`` taken at nodes ``[B, T]``."""
        paid = [edge[nodes[:, t], tokens[:, t]] for t, edge in self.edges.items()] or [np.zeros(len(tokens))]
        return (np.sum(paid, 0) if self.reduce == "sum" else np.max(paid, 0)) / self.scale

    def ticks(self, budgets: np.ndarray, strict: bool) -> np.ndarray:
        """Ticks int64 ``[B]`` that leave open all that is within budgets, or (strictly) nothing that is not."""
        about, allowed = self.about, budgets * self.stretch
        if self.steps is not None:
            last = np.searchsorted(self.steps[0], allowed, side="right") - 1
            return np.where(last < 0, -1, self.steps[1][np.maximum(last, 0)])
        most = np.ldexp(float(INFINITE), -about["exponent"]) / self.scale
        floor = np.floor(np.ldexp(np.clip(allowed, -most, most) * self.scale, about["exponent"])).astype(np.int64)
        ticks = np.minimum(floor + about["slack"] * (not strict), about["top"])
        unlimited = np.inf if strict or about["filler"] is None else about["filler"]
        return np.where((allowed >= unlimited) & (unlimited < np.inf), INFINITE - 1, ticks)


class Generator:
    """Answers budgets from a file that ``nagjax.Generator.export`` wrote; ``header`` is what that says of itself."""

    def __init__(self, path: str | Path) -> None:
        with np.load(path, allow_pickle=False) as held:
            self.arrays = {name: held[name] for name in held.files}
        self.header = json.loads(self.arrays.pop("header", np.zeros(0, np.uint8)).tobytes() or "{}")
        if (self.header.get("format"), self.header.get("version")) != (FORMAT, VERSION):
            raise ValueError(f"{path}: is not a {FORMAT} file of version {VERSION}; export the generator again")
        self.columns = [Column(about, self.arrays, k) for k, about in enumerate(self.header["costs"])]
        self.names, self.sums = [c.name for c in self.columns], np.array([c.reduce == "sum" for c in self.columns])

    def answer(self, budgets: Any, decode: str = "") -> list[dict[str, Any]]:
        """An architecture for each budget, as a dict; what cannot be asked is a ValueError.

        Args:
          budgets: numbers in the first column's unit, or a dict of numbers by cost column, all of one length.
          decode: ``best`` (of the stored front) or ``greedy`` (the policy); the first that the file has where empty.
        """
        decode = decode or self.header["decodes"][0]
        if decode not in self.header["decodes"]:
            raise ValueError(f"decode={decode!r}: this file has {self.header['decodes']}")
        asked = self._asked(budgets)
        rows = self._best(asked) if decode == "best" else None
        tokens = self._greedy(asked) if rows is None else self.arrays["front_tokens"][rows]
        costs = self._costs(tokens) if rows is None else self.arrays["front_costs"][rows]
        is_open, out = self.arrays["open"][np.arange(tokens.shape[1]), self._nodes(tokens)], []
        for i, one in enumerate(tokens.tolist()):
            named = zip(self.header["decisions"], one, is_open[i], strict=True)
            limits = [limit if np.isfinite(limit) else None for limit in asked[i].tolist()]  # JSON has no infinity
            found = {"budget": dict(zip(self.names, limits, strict=True)), "tokens": one}
            found["choices"] = {about["name"]: about["choices"][token] for about, token, shown in named if shown}
            found |= {"costs": dict(zip(self.names, costs[i].tolist(), strict=True))}
            found["within"] = bool(self._within(costs[i], asked[i]))
            found["guaranteed"] = found["within"] and not any(column.about.get("learned") for column in self.columns)
            if rows is not None:
                found |= {name: self.arrays[f"front_{name}"][rows[i]].item() for name in ("architecture", "quality")}
            out.append(found)
        return out

    def _asked(self, budgets: Any) -> np.ndarray:
        given = budgets if isinstance(budgets, Mapping) else {self.columns[0].name: budgets}
        if not given or set(given) - set(self.names):
            raise ValueError(f"budgets of {list(given)}; the costs are {self.names}")
        arrays = {name: np.atleast_1d(np.asarray(values, np.float64)) for name, values in given.items()}
        asked = np.stack([arrays.get(name, next(iter(arrays.values())) + np.inf) for name in self.names], -1)
        for k, column in enumerate(self.columns):
            low, high = column.about["range"]
            wrong = ~(low <= asked[:, k] * column.stretch)
            if wrong.any():
                which = f"{column.name}={asked[wrong, k][0]:g} (number {np.argmax(wrong) + 1})"
                raise ValueError(f"budget {which}: possible are {low!r} to {high!r} {column.unit}")
        return asked

    def _costs(self, tokens: np.ndarray) -> np.ndarray:
        return np.stack([column.of(self._nodes(tokens), tokens) for column in self.columns], -1)

    def _within(self, costs: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Whether costs ``[..., K]`` are within budgets ``[..., K]``, float64 sums in any order being equal."""
        return (costs <= asked * np.array([column.stretch for column in self.columns])).all(-1)

    def _best(self, asked: np.ndarray) -> np.ndarray:
        score = np.nan_to_num(self.arrays["front_objective"], neginf=-1e30)
        return np.argmax(np.where(self._within(self.arrays["front_costs"][None], asked[:, None]), score, -np.inf), 1)

    def _greedy(self, asked: np.ndarray) -> np.ndarray:
        a, columns = self.arrays, list(zip(self.columns, asked.T, strict=True))
        tokens = self._walk(np.stack([column.ticks(budgets, strict=False) for column, budgets in columns], -1))
        strict = np.stack([column.ticks(budgets, strict=True) for column, budgets in columns], -1)
        again = ~self._within(self._costs(tokens), asked) & (strict >= a["togo"][:, 0, 0]).all(1)
        tokens[again] = self._walk(strict[again])
        fits = self._within(self._costs(tokens), asked)
        for i in np.flatnonzero(~fits) if len(self.columns) == 1 else ():  # so little is left that all of it is listed
            score = np.where(self._within(a["bottom_costs"], asked[i]), a["bottom_objective"], -np.inf)
            tokens[i] = a["bottom_tokens"][np.argmax(score)]
        return tokens

    def _nodes(self, tokens: np.ndarray) -> np.ndarray:
        nodes = np.zeros(tokens.shape, np.int64)
        for t, target in enumerate(self.arrays["target"][:-1]):
            nodes[:, t + 1] = target[nodes[:, t], tokens[:, t]]
        return nodes

    def _walk(self, budgets: np.ndarray) -> np.ndarray:
        """Tokens int32 ``[B, T]`` for budgets ``[B, K]`` in ticks: at each layer the best open choice of the policy."""
        a, weights = self.arrays, self._anchor_weights(budgets)
        gates = weights @ a["embedding"] + a["bias"]
        unary = a["layer_bias"] + np.tensordot(weights, a["anchor_logits"], 1)
        hidden = cell = np.zeros((len(budgets), len(a["recurrent"])), np.float32)
        node, spent, before = np.zeros(len(budgets), np.int64), np.zeros_like(budgets), np.zeros_like(gates)
        tokens = np.zeros((len(budgets), len(a["target"])), np.int32)
        for t, (start, width) in enumerate(zip(self.header["starts"], self.header["widths"], strict=True)):
            left = budgets - np.where(self.sums, spent, 0)
            mask = self._open(t, node, width, left, budgets)
            slack = self._encode_slack(left - a["togo"][:, t, node].T) @ a["slack"]
            i, f, g, o = np.split(gates + before + a["position"][t] + hidden @ a["recurrent"] + slack, 4, -1)
            i, f, o = (np.float32(0.5) * (np.tanh(np.float32(0.5) * gate) + np.float32(1)) for gate in (i, f, o))
            cell = f * cell + i * np.tanh(g)
            hidden = o * np.tanh(cell)
            logits = hidden @ a["heads"][:, start : start + width] + unary[:, t, :width]
            tokens[:, t] = np.argmax(np.where(mask, np.nan_to_num(logits), -np.inf), -1)
            before = a["tokens"][start + tokens[:, t]]
            paid = a["cost"][:, t, node, tokens[:, t]].T
            spent = np.where(self.sums, spent + paid, np.maximum(spent, paid))
            node = a["target"][t, node, tokens[:, t]]
        return tokens

    def _open(self, t: int, node: np.ndarray, width: int, left: np.ndarray, budgets: np.ndarray) -> np.ndarray:
        """Choices bool ``[B, C]`` that fit (two columns: looked up); where none does, those that overrun least."""
        a, need = self.arrays, self.arrays["need"][:, t, node, :width]
        fits = np.logical_and.reduce(need <= left.T[..., None], 0)
        if len(self.columns) == 1:
            return fits
        over = (need - left.T[..., None]).astype(np.float32) / np.maximum(budgets, 1).astype(np.float32).T[..., None]
        over = np.where((need < INFINITE).all(0), over.max(0), np.inf)
        fits = np.where(fits.any(-1, keepdims=True), fits, (over == over.min(-1, keepdims=True)) & (over < np.inf))
        if "within" not in a:
            return fits
        (first, second), (paid, used), levels = left.T[..., None], a["cost"][:, t, node, :width], a["levels"]
        after = second - used if self.sums[1] else np.where(used <= second, second, -1)
        reached = after // levels[1] + 1 if self.sums[1] else np.searchsorted(levels, after, side="right")
        ahead = a["within"][t + 1, a["target"][t, node, :width], np.clip(reached, 0, len(levels))]
        both = (after >= 0) & (ahead < INFINITE) & (need < INFINITE).all(0)
        both &= (paid + ahead if self.sums[0] else np.maximum(paid, ahead)) <= first
        return np.where(both.any(-1, keepdims=True), both, fits)

    def _anchor_weights(self, budgets: np.ndarray) -> np.ndarray:
        """Linear interpolation between anchor budgets on a logarithmic scale, float32 ``[B, K * A]``."""
        low = np.maximum(self.arrays["low"], 1).astype(np.float32)
        high = np.maximum(self.arrays["high"].astype(np.float32), low * np.float32(1.000001))
        places = np.log(np.clip(budgets.astype(np.float32), low, high) / low) / np.log(high / low)
        out = []
        for anchors, place in zip(self.arrays["anchors"], places.T, strict=True):
            inside, last = np.clip(place, anchors[0], anchors[-1]), len(anchors) - 1
            left = np.clip(np.searchsorted(anchors, inside, side="right") - 1, 0, max(last - 1, 0))
            right, hot = np.minimum(left + 1, last), np.eye(last + 1, dtype=np.float32)
            share = (inside - anchors[left]) / np.maximum(anchors[right] - anchors[left], np.float32(1e-30))
            out.append(hot[left] * (1 - share[:, None]) + hot[right] * share[:, None])
        return np.concatenate(out, -1)

    def _encode_slack(self, slack: np.ndarray) -> np.ndarray:
        """Piecewise linear code float32 ``[B, K * knots]`` of what is left beyond the cheapest way to finish."""
        span, knots = np.maximum(self.arrays["high"] - self.arrays["low"], 1), self.arrays["knots"]
        share = (slack.astype(np.float32) / span.astype(np.float32))[..., None]
        return np.clip((share - knots[:-1]) / np.diff(knots), 0.0, 1.0).reshape(len(slack), len(self.arrays["slack"]))


def main(argv: Sequence[str]) -> None:
    """Print an answer a line, as JSON, for each number given."""
    try:
        found = Generator(Path(__file__).with_name("generator.npz")).answer([float(value) for value in argv])
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(*map(json.dumps, found), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
