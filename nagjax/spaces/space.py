"""A search space: named decisions over a trellis, and the text form of its architectures."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nagjax import plugins
from nagjax.elastic import Elastic
from nagjax.names import nearest
from nagjax.operators import Operator, madds
from nagjax.spaces import trellis as tl
from nagjax.spaces.soundness import check_space

LONGEST = 40
"""Characters of a setting that stand in a space's identity as they are."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """One decision of a space.

    Attributes:
      name: unique within the space, for example ``"unit2.depth"``.
      kind: decisions of one kind share their choices and a head of the policy, for example ``"depth"``.
      choices: for each choice its attributes, for example ``{"kernel": 3, "ratio": 6}``.
      optional: a device table or predictor may lack some choices altogether (a resolution that was not measured): they
        are closed. What is missing elsewhere is an error.
      context: it is given and not chosen (a task, a device): only the first decision can be. Archives, tournaments and
        budgets are then kept apart by it.
    """

    name: str
    kind: str
    choices: tuple[Mapping[str, Any], ...]
    optional: bool = False
    context: bool = False


@dataclasses.dataclass(frozen=True)
class Count:
    """A cost that follows from an operator's shape, a whole number.

    Attributes:
      of: the number of an operator.
      unit: what the column is told in, such as ``"MB"``.
      size: so many make one of the unit.
      reduce: ``"sum"`` of operators, or ``"max"`` over them.
    """

    of: Callable[[Operator], int]
    unit: str = "M"
    size: int = 10**6
    reduce: str = "sum"


@dataclasses.dataclass(frozen=True, eq=False)
class Space:
    """A search space.

    Attributes:
      name, version, settings: what identifies it in a checkpoint; token meaning is fixed by the three.
      decisions: T decisions, in the order of the tokens.
      trellis: the graph.
      operators: distinct operators, indexed by ``trellis.operators``.
      free: kinds of operator that cost nothing by declaration (identity).
      elastic: ``elastic(dtype="float32")``, one set of weights for all its architectures; None where there is none.
      edge_sizes: float64 ``[T, S, C]``, which choices are larger, added up over a path; the multiply-adds of the
        operators where None. ``largest`` and ``smallest`` go by it.
      counts: costs that the space counts from its operators, by name, beside multiply-adds and parameters.
      refinement: what the trellis is, where it is not the one that name and settings make (a prefix trie of listed
        architectures); a checkpoint then keeps the graph.
      behind: the space behind the context, where the first decision is one.
      feature_names: names of the path features, indexed by ``trellis.features``.
      parse_text: text to the choice of every decision (closed ones too); raises ValueError.
      format_tokens: canonical tokens to text; ``parse`` reads it back.
      describe_tokens: canonical tokens to a description that a person can read.

    Raises:
      ValueError: if these contradict each other, see ``nagjax.spaces.soundness``; it names decision and choice.
    """

    name: str
    version: int
    settings: Mapping[str, Any]
    decisions: tuple[Decision, ...]
    trellis: tl.Trellis
    operators: tuple[Operator, ...]
    feature_names: tuple[str, ...]
    parse_text: Callable[[str], Sequence[int]]
    format_tokens: Callable[[Sequence[int]], str]
    describe_tokens: Callable[[Sequence[int]], str]
    free: tuple[str, ...] = ("identity",)
    elastic: Callable[..., Elastic] | None = None
    edge_sizes: np.ndarray | None = None
    refinement: str = ""
    behind: Space | None = None
    counts: Mapping[str, Count] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_space(self)

    @property
    def identity(self) -> str:
        """Name, settings and version in one word: ``"ofa_mobilenet_v3(width=1.2)/v1"``; long settings by their hash."""
        settings = ",".join(f"{key}={_short(value)}" for key, value in sorted(self.settings.items()))
        return f"{self.name}({settings})/v{self.version}"

    def parse(self, text: str) -> np.ndarray:
        """Tokens int32 ``[T]`` of an architecture's text, canonical.

        Raises:
          ValueError: if the text does not name an architecture of the space.
        """
        with plugins.raised_by("spaces", self.name, f"parse_text({text[:LONGEST]!r})", passing=(ValueError,)):
            choices = np.asarray(self.parse_text(text.strip()), np.int32)
        return self.canonical(choices[None])[0]

    def format(self, tokens: np.ndarray) -> str:
        """Text of canonical tokens int ``[T]``; ``parse`` is its inverse."""
        self.check(np.asarray(tokens)[None])
        with plugins.raised_by("spaces", self.name, "format_tokens"):
            return self.format_tokens([int(token) for token in tokens])

    def describe(self, tokens: np.ndarray) -> str:
        """Description of canonical tokens int ``[T]`` for a person."""
        self.check(np.asarray(tokens)[None])
        with plugins.raised_by("spaces", self.name, "describe_tokens"):
            return self.describe_tokens([int(token) for token in tokens])

    def canonical(self, tokens: np.ndarray) -> np.ndarray:
        """Tokens int32 ``[B, T]`` with 0 at every decision that is not open."""
        out = np.array(tokens, np.int32)
        here = np.zeros(len(out), np.int32)
        for t in range(out.shape[1]):
            out[:, t] = np.where(self.trellis.open[t, here], out[:, t], 0)
            here = self.trellis.target[t, here, np.clip(out[:, t], 0, self.trellis.shape[2] - 1)]
        self.check(out)
        return out

    def check(self, tokens: np.ndarray) -> None:
        """Raise ValueError unless tokens int ``[B, T]`` are canonical paths of the space."""
        tokens = np.asarray(tokens)
        if tokens.dtype.kind not in "iu":
            raise ValueError(f"tokens of {self.name} have type {tokens.dtype}; they must be integers, the choices")
        if tokens.ndim != 2 or tokens.shape[1] != len(self.decisions):
            raise ValueError(f"tokens of {self.name} have shape [B, {len(self.decisions)}], not {list(tokens.shape)}")
        _, fine = tl.walk(self.trellis.target, self.trellis.valid, tokens)
        if not fine.all():
            row = int(np.argmin(fine))
            what = f"{self.name} ({self.refinement})" if self.refinement else self.name
            which = f"row {row}, {tokens[row].tolist()}," if len(tokens) > 1 else f"{tokens[row].tolist()}"
            raise ValueError(f"{which} is not an architecture of {what}: {self._misstep(tokens[row])}")

    def _misstep(self, tokens: np.ndarray) -> str:
        """The first choice of tokens int ``[T]``, no architecture's, that cannot be taken where it is."""
        nodes, _ = tl.walk(self.trellis.target, self.trellis.valid, tokens[None])
        left = [np.flatnonzero(self.trellis.valid[t, node]).tolist() for t, node in enumerate(nodes[0])]
        t, token = next((t, token) for t, token in enumerate(tokens.tolist()) if token not in left[t])
        decision = self.decisions[t]
        if not self.trellis.open[t, nodes[0, t]]:
            return f"after what stands before it {decision.name} is closed, so it is 0, not {token}"
        may = ", ".join(_words(decision, choice) for choice in left[t])
        return f"after what stands before it {decision.name} may be {may}, not {_words(decision, token)}"

    def count(self) -> int:
        """Exact number of distinct architectures."""
        return tl.count(self.trellis.target, self.trellis.valid)[0][0]

    def sample(self, rng: np.random.Generator, num: int) -> np.ndarray:
        """Tokens int32 ``[num, T]`` drawn exactly uniformly."""
        return tl.sample_uniform(self.trellis.target, self.trellis.valid, rng, num)

    def path_values(self, tokens: np.ndarray, edge_values: np.ndarray) -> np.ndarray:
        """Edge values ``[T, S, C]`` met by tokens ``[B, T]``, as ``[B, T]``; sum (or max) them over the path."""
        nodes, _ = tl.walk(self.trellis.target, self.trellis.valid, tokens)
        return edge_values[np.arange(len(self.decisions)), nodes, tokens]

    def operator_sum(self, tokens: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Sum over an architecture's operators of ``values[operator]``: ``[B]`` in the type of ``values``."""
        padded = np.append(values, np.zeros(1, values.dtype))
        return self.path_values(tokens, padded[self.trellis.operators].sum(-1)).sum(-1)

    def sizes(self) -> np.ndarray:
        """What each edge adds to the size of an architecture, float64 ``[T, S, C]``.

        Raises:
          ValueError: if the space declares neither sizes nor operators.
        """
        if self.edge_sizes is not None:
            return np.asarray(self.edge_sizes, np.float64)
        if not self.operators:
            raise ValueError(
                f"space {self.name}: declares neither operators nor edge_sizes, so none of its architectures is the "
                "largest; give it edge_sizes"
            )
        counted = np.array([*(madds(op) for op in self.operators), 0], np.float64)
        return counted[self.trellis.operators].sum(-1)

    def largest(self, edges: np.ndarray | None = None) -> np.ndarray:
        """Tokens int32 ``[T]`` of the largest architecture that edges bool ``[T, S, C]`` leave; of equal, the last.

        Raises:
          ValueError: if no architecture is left, or the space declares no sizes.
        """
        return self._extreme(edges, 1.0)

    def smallest(self, edges: np.ndarray | None = None) -> np.ndarray:
        """Tokens int32 ``[T]`` of the smallest architecture that edges bool ``[T, S, C]`` leave; of equal, the first.

        Raises:
          ValueError: as ``largest``.
        """
        return self._extreme(edges, -1.0)

    def _extreme(self, edges: np.ndarray | None, sign: float) -> np.ndarray:
        allowed = self.trellis.valid if edges is None else edges
        tokens = tl.longest(self.trellis.target, allowed, sign * self.sizes(), last=sign > 0)
        if tokens is None:
            raise ValueError(f"no architecture of {self.identity} is left; allow more choices")
        return tokens

    def features(self, tokens: np.ndarray) -> np.ndarray:
        """Path features float32 ``[B, F]`` of tokens ``[B, T]``: how often each is switched on along the path."""
        nodes, _ = tl.walk(self.trellis.target, self.trellis.valid, tokens)
        index = self.trellis.features[np.arange(len(self.decisions)), nodes, tokens].reshape(len(tokens), -1)
        out = np.zeros((len(tokens), len(self.feature_names) + 1), np.float32)
        np.add.at(out, (np.arange(len(tokens))[:, None], index), 1.0)
        return out[:, :-1]

    def where(self, conditions: Mapping[str, Any]) -> np.ndarray:
        """Edge mask bool ``[T, S, C]`` of the architectures that satisfy every condition.

        A key is the name of a decision, a kind of decision, an attribute of choices, or an attribute of one decision
        (``"layer3.width"``); a value is one allowed attribute value or a list of them (``{"resolution": 224, "kernel":
        [3, 5]}``). A name or kind stands for its only attribute.

        Raises:
          ValueError: if a key or value is unknown, or nothing satisfies a condition.
        """
        check_conditions(conditions)
        choice_mask = np.ones((len(self.decisions), self.trellis.shape[2]), bool)
        for key, value in conditions.items():
            _restrict(choice_mask, self.decisions, key, value)
        return self.trellis.valid & (choice_mask[:, None, :] | ~self.trellis.open[:, :, None])


def _words(decision: Decision, token: int) -> str:
    """A choice by the values of its attributes; one that there is not by its number."""
    known = 0 <= token < len(decision.choices)
    return "/".join(map(str, decision.choices[token].values())) if known else f"choice {token}"


def check_conditions(conditions: Any) -> None:
    """Refuse what is not a mapping of names.

    Raises:
      ValueError: with what it should be.
    """
    if not isinstance(conditions, Mapping) or not all(isinstance(key, str) for key in conditions):
        raise ValueError(f"where={conditions!r:.80}: give a dict of names and values, such as {{'kernel': [3, 5]}}")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"#{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _restrict(choice_mask: np.ndarray, decisions: Sequence[Decision], key: str, value: Any) -> None:
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    wanted = list(value) if isinstance(value, list | tuple | set | frozenset | range) else [value]
    seen: list[Any] = []
    for t, decision in enumerate(decisions):
        attribute = _attribute(decision, key)
        if attribute is None:
            continue
        for c, choice in enumerate(decision.choices):
            seen += [choice[attribute]] if choice[attribute] not in seen else []
            choice_mask[t, c] &= choice[attribute] in wanted
    if not seen:
        _refuse_of_several(decisions, key)
        names = sorted({d.kind for d in decisions} | {key for d in decisions for key in d.choices[0]})
        near = nearest(key, names)
        hint = f"did you mean {near!r}? " if near else ""
        raise ValueError(f"where: {key!r} is not a decision or attribute of the space; {hint}known: {', '.join(names)}")
    unknown = [value for value in wanted if value not in seen]
    if unknown or not wanted:
        raise ValueError(f"where: {key}={unknown or wanted} is not a choice; choices: {', '.join(map(str, seen))}")


def _refuse_of_several(decisions: Sequence[Decision], key: str) -> None:
    """Refuse a decision or kind by name alone whose choices have several attributes, with what names each."""
    for decision in decisions:
        if key in (decision.name, decision.kind):
            begin = f"{key}." if key == decision.name else ""
            each = ", ".join(f"{begin}{attribute}" for attribute in decision.choices[0])
            raise ValueError(f"where: choices of {key!r} have several attributes; give a condition on one: {each}")


def _attribute(decision: Decision, key: str) -> str | None:
    if key in decision.choices[0]:
        return key
    prefix, _, last = key.rpartition(".")
    if prefix == decision.name and last in decision.choices[0]:
        return last
    if key in (decision.name, decision.kind) and len(decision.choices[0]) == 1:
        return next(iter(decision.choices[0]))
    return None
