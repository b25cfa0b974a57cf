"""What a search space has to keep, each a check of a factory and its settings.

What a space is refused for as soon as it is made is in ``nagjax.spaces.soundness``; here is what takes longer or needs
the factory, and what a space that lists only a part of its network, or branches, may do otherwise. ``SPACE_CHECKS`` is
a tuple of functions: leave out what is not meant for yours, and say why.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nagjax import plugins
from nagjax.operators import Operator, parse_key
from nagjax.spaces import trellis as tl
from nagjax.spaces.soundness import check_space as check_soundness
from nagjax.spaces.soundness import check_text, complete_edges, follow, neighbours
from nagjax.spaces.space import Space
from nagjax.testing.runs import claim

SAMPLES = 256
"""Architectures drawn uniformly by each check."""

MOST_LISTED = 5_000
"""Spaces of at most so many architectures are listed whole."""

MakeSpace = Callable[..., Space]


def check_space_settings(make: MakeSpace, **settings: Any) -> None:
    """A checkpoint keeps name, version and settings alone: called again with them the factory makes the same space."""
    name = "space settings"
    space = make(**settings)
    claim(name, isinstance(space, Space), f"the factory returned {type(space).__name__}, no Space")
    claim(name, isinstance(space.name, str) and bool(space.name.strip()), f"name is {space.name!r}; it must be text")
    claim(name, type(space.version) is int and space.version > 0, f"version is {space.version!r}, no integer above 0")
    try:
        written = json.loads(json.dumps(dict(space.settings)))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{name}: settings cannot be written as JSON: {error}") from error
    again = make(**written)
    claim(
        name, again.identity == space.identity, f"made from its settings it is {again.identity}, not {space.identity}"
    )
    for field in ("decisions", "operators", "feature_names", "free"):
        same = getattr(again, field) == getattr(space, field)
        claim(name, same, f"made from its settings {written} it has other {field}")
    for field in ("target", "valid", "open", "operators", "features"):
        same = np.array_equal(getattr(again.trellis, field), getattr(space.trellis, field))
        claim(name, same, f"made from its settings {written} it has another trellis.{field}")


def check_space_soundness(make: MakeSpace, **settings: Any) -> None:
    """Decisions, graph, operators and text fit together (what every space is refused for when it is made)."""
    check_soundness(make(**settings))


def check_space_text(make: MakeSpace, **settings: Any) -> None:
    """Text is read back as the architecture, has the decisions in order, and other text is a ValueError."""
    name = "space text"
    space = make(**settings)
    tokens = _samples(space)
    check_text(space, tokens)
    texts = [space.format(row) for row in tokens]
    distinct = len(np.unique(tokens, axis=0))
    claim(name, len(set(texts)) == distinct, f"{distinct} architectures have {len(set(texts))} texts")
    padded = space.parse(f" {texts[0]}\n")
    claim(name, np.array_equal(padded, tokens[0]), f"{texts[0]!r} with blanks around it is another architecture")
    for text in ("", "?", texts[0] + "?", texts[0][:-1] + "\u00e9", texts[0] * 2):
        try:
            space.parse(text)
        except plugins.PluginError as error:  # what is not a ValueError is reported under the space's name
            kind = type(error.__cause__ or error).__name__
            raise AssertionError(f"{name}: parse({text!r}) raises {kind}, no ValueError") from error
        except ValueError:
            continue
        except Exception as error:
            raise AssertionError(f"{name}: parse({text!r}) raises {type(error).__name__}, no ValueError") from error
        raise AssertionError(f"{name}: parse({text!r}) is read as an architecture; refuse it with a ValueError")


def check_space_description(make: MakeSpace, **settings: Any) -> None:
    """The description is text, and tells architectures apart that differ in one decision."""
    name = "space description"
    space = make(**settings)
    for one, other, t in _pairs(space):
        first, second = space.describe(one), space.describe(other)
        claim(name, isinstance(first, str) and bool(first.strip()), f"describe gives {first!r} for {space.format(one)}")
        differ = f"{space.format(one)} and {space.format(other)}, which differ in {space.decisions[t].name!r}"
        claim(name, first != second, f"{differ}, are described alike: {first!r}")


def check_space_features(make: MakeSpace, **settings: Any) -> None:
    """Path features tell architectures apart that differ in one decision, or no predictor can; each is switched on."""
    name = "space features"
    space = make(**settings)
    if not space.feature_names:
        return
    for one, other, t in _pairs(space):
        features = space.features(np.stack([one, other]))
        differ = f"{space.format(one)} and {space.format(other)}, which differ in {space.decisions[t].name!r}"
        claim(name, not np.array_equal(*features), f"{differ}, have equal features")
    index = space.trellis.features[_edges(space)]
    unused = sorted(set(range(len(space.feature_names))) - set(np.unique(index).tolist()))
    claim(name, not unused, f"{len(unused)} features are never on: {[space.feature_names[i] for i in unused[:3]]}")


def check_space_operators(make: MakeSpace, **settings: Any) -> None:
    """Operators have keys that are read back, each is used, and along a path each takes what another gives.

    Shapes are compared as ``(pixels, channels)``: on every path at most one is taken that no operator gives (the
    network's input) and at most one is given that none takes (its output). That holds for chains and for branches that
    are added. Leave the check out for branches that are concatenated, or where a part of the network is not listed.
    """
    name = "space operators"
    space = make(**settings)
    if not space.operators:
        return
    for op in space.operators:
        written = parse_key(op.key)
        claim(name, written.key == op.key, f"{op.key} is read back as {written.key}")
    used = set(np.unique(space.trellis.operators[_edges(space)]).tolist())
    idle = [op.key for i, op in enumerate(space.operators) if i not in used]
    claim(name, not idle, f"{len(idle)} operators are on no path: {idle[:3]}")
    for tokens in _samples(space)[:64]:
        loose = _loose_ends([op for op in _operators_of(space, tokens) if op.kind != "identity"])
        for what, ops in loose.items():
            shapes = sorted({_shapes(op)[what == "given"] for op in ops})
            other = "none taken" if what == "given" else "none given"
            examples = ", ".join(op.key for op in ops[:2])
            text = f"{len(shapes)} shapes (pixels, channels) are {what} by an operator and by {other}: {shapes}"
            claim(name, len(shapes) <= 1, f"{space.format(tokens)}: {text}, for example of {examples}")


def check_space_conditions(make: MakeSpace, **settings: Any) -> None:
    """Every choice of every decision can be asked for (``--where``) and leaves architectures, all of which have it."""
    name = "space conditions"
    space = make(**settings)
    graph, rng = space.trellis, np.random.default_rng(0)
    for t, decision in enumerate(space.decisions):
        for c, choice in enumerate(decision.choices):
            conditions = {f"{decision.name}.{key}": value for key, value in choice.items()}
            asked = ", ".join(f"{key}={value}" for key, value in conditions.items())
            try:
                left = complete_edges(graph.target, space.where(conditions))
            except Exception as error:
                raise AssertionError(f"{name}: {asked} cannot be asked for: {type(error).__name__}: {error}") from error
            claim(name, bool(left.any()), f"no architecture is left for {asked}")
            tokens = follow(space, left, rng.random((8, *left.shape[::2])))
            nodes, _ = tl.walk(graph.target, graph.valid, tokens)
            wrong = graph.open[t, nodes[:, t]] & (tokens[:, t] != c)
            claim(name, not wrong.any(), f"{asked} leaves {space.format(tokens[wrong.argmax()])}")


def check_space_count(make: MakeSpace, **settings: Any) -> None:
    """``count`` and ``sample`` agree with a list of all architectures, where the space is small enough to list."""
    name = "space count"
    space = make(**settings)
    total = space.count()
    claim(name, total > 0, "count is 0")
    if total > MOST_LISTED:
        return
    graph = space.trellis
    every = tl.enumerate_paths(graph.target, graph.valid, MOST_LISTED)
    claim(name, len(every) == total, f"count is {total}, listed are {len(every)}")
    texts = {space.format(row) for row in every}
    claim(name, len(texts) == total, f"{total} architectures have {len(texts)} texts")
    same = np.array_equal(space.canonical(every), every)
    claim(name, same, "a path is not canonical: at a closed node it has another choice than 0")


SPACE_CHECKS: tuple[Callable[..., None], ...] = (
    check_space_settings,
    check_space_soundness,
    check_space_text,
    check_space_description,
    check_space_features,
    check_space_operators,
    check_space_conditions,
    check_space_count,
)


def check_space(make: MakeSpace, **settings: Any) -> None:
    """Run every check on a factory of spaces.

    Args:
      make: what the entry point of the space names.
      **settings: its settings, as ``--space_settings`` would give them.

    Raises:
      AssertionError: if a check fails; the text begins with its name.
      ValueError: if the space is refused when it is made.
    """
    for check in SPACE_CHECKS:
        check(make, **settings)


def _samples(space: Space) -> np.ndarray:
    return space.sample(np.random.default_rng(0), SAMPLES)


def _edges(space: Space) -> np.ndarray:
    return complete_edges(space.trellis.target, space.trellis.valid)


def _pairs(space: Space) -> Iterable[tuple[np.ndarray, np.ndarray, int]]:
    """Architectures that differ in one decision alone, and which."""
    for seed in range(4):
        first, *others = neighbours(space, _edges(space), np.random.default_rng(seed))
        for other in others:
            changed = np.flatnonzero(first != other)
            if len(changed) == 1:
                yield first, other, int(changed[0])


def _operators_of(space: Space, tokens: np.ndarray) -> list[Operator]:
    nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, tokens[None])
    index = space.trellis.operators[np.arange(len(tokens)), nodes[0], tokens].ravel()
    return [space.operators[i] for i in index if i < len(space.operators)]


def _shapes(op: Operator) -> tuple[tuple[int, int], tuple[int, int]]:
    return (op.in_size, op.in_channels), (op.out_size, op.out_channels)


def _loose_ends(operators: list[Operator]) -> dict[str, list[Operator]]:
    """Operators that take what none gives, and those that give what none takes; an operator is not its own neighbour.

    A residual block gives what it takes, so it would connect itself to anything.
    """
    loose: dict[str, list[Operator]] = {"taken": [], "given": []}
    for i, op in enumerate(operators):
        others = list(itertools.chain(operators[:i], operators[i + 1 :]))
        takes, gives = _shapes(op)
        if all(takes != _shapes(other)[1] for other in others):
            loose["taken"].append(op)
        if all(gives != _shapes(other)[0] for other in others):
            loose["given"].append(op)
    return loose
