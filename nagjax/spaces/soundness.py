"""What every space is checked for when it is made: that decisions, graph, operators and text tell the same story.

A fault here is not seen later: a choice without an edge is never offered, a text that names another architecture spoils
every answer. So all of it is refused, at the price of milliseconds. What takes longer, or is not always a fault, is in
``nagjax.testing.SPACE_CHECKS``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nagjax.operators import Operator
from nagjax.spaces import trellis as tl

if TYPE_CHECKING:
    from nagjax.spaces.space import Space

SAMPLES = 8
"""Random architectures whose text is written and read back."""

MOST_PROBES = 64
"""Decisions that are changed one at a time, of the first of them."""


def check_space(space: Space) -> None:
    """Check a space against itself.

    Raises:
      ValueError: naming the space, the decision and the choice, if
        a name stands twice, a decision has no choice, or decisions of one kind have different ones;
        the graph has another shape than the decisions, was built with another number of operators or feature names,
        or has an index beyond nodes, operators or feature names;
        a choice has no edge at any open node (unless ``space.refinement`` says why), or an edge has no choice;
        a closed node has another edge than that of choice 0;
        an operator has sizes that kernel and stride cannot give, or a skip between different shapes;
        sampled architectures are not what their text is read as, or it writes like decisions in reverse.
    """
    _check_decisions(space)
    _check_shapes(space)
    _check_indices(space)
    alive = complete_edges(space.trellis.target, space.trellis.valid)
    _check_choices(space, alive)
    _check_closed(space, alive)
    for index, operator in enumerate(space.operators):
        if fault := size_fault(operator):
            raise _fault(f"{_user(space, index)}: operator {operator.key} {fault}", space)
    check_text(space, neighbours(space, alive, np.random.default_rng(0)))


def complete_edges(target: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Of edges ``valid`` bool ``[T, S, C]`` those on a path from the start to the end; ``target`` int ``[T, S, C]``."""
    alive = valid.copy()
    ahead = np.ones(valid.shape[1], bool)
    for t in reversed(range(len(valid))):
        alive[t] &= ahead[target[t]]
        ahead = alive[t].any(-1)
    here = np.arange(valid.shape[1]) == 0
    for t in range(len(valid)):
        alive[t] &= here[:, None]
        here = np.zeros(valid.shape[1], bool)
        here[target[t][alive[t]]] = True
    return alive


def neighbours(space: Space, alive: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random architectures, then the first of them with one decision changed at a time; int32 ``[N, T]``, canonical.

    The first has the most open decisions of all. After a change later decisions keep their choice where it is left,
    else take the first that is. They walk on ``alive`` edges, bool ``[T, S, C]``, and are not uniform over
    architectures.
    """
    layers, _, choices = space.trellis.shape
    drawn = follow(space, alive, rng.random((SAMPLES, layers, choices)))
    nodes, _ = tl.walk(space.trellis.target, alive, drawn)
    most_open = space.trellis.open[np.arange(layers), nodes].sum(-1).argmax()
    drawn[[0, most_open]] = drawn[[most_open, 0]]
    changed = np.unique(np.linspace(0, layers - 1, min(layers, MOST_PROBES)).astype(int))
    wish = np.repeat((np.arange(choices) == drawn[0][:, None])[None].astype(float), len(changed), 0)
    wish += np.linspace(0.5, 0.0, choices)  # the first that is left, where the wish cannot be had
    wish[np.arange(len(changed)), changed] = rng.random((len(changed), choices))
    wish[np.arange(len(changed)), changed, drawn[0][changed]] = -1.0
    probes = follow(space, alive, wish)
    return np.concatenate([drawn, probes[(probes != drawn[0]).any(1)]])


def follow(space: Space, alive: np.ndarray, wish: np.ndarray) -> np.ndarray:
    """Paths int32 ``[N, T]`` that take the choice of the greatest wish ``[N, T, C]`` among edges that are alive."""
    tokens = np.zeros(wish.shape[:2], np.int32)
    here = np.zeros(len(wish), np.int32)
    for t in range(wish.shape[1]):
        tokens[:, t] = np.where(alive[t, here], wish[:, t], -np.inf).argmax(-1)
        here = space.trellis.target[t, here, tokens[:, t]]
    return tokens


def check_text(space: Space, tokens: np.ndarray) -> None:
    """Check that architectures int ``[N, T]`` are what their text is read as, and that it has the decisions in order.

    Raises:
      ValueError: naming the space, the architecture, and the decision in which the two differ.
    """
    texts = [_format(space, row) for row in tokens]
    read = np.stack([_parse(space, text, row) for text, row in zip(texts, tokens, strict=True)])
    for row, (text, found) in enumerate(zip(texts, read, strict=True)):
        read[row] = _canonical(space, text, found)
    wrong = np.argwhere(read != tokens)
    if len(wrong):
        row, t = wrong[0]
        raise _fault(
            f"decision {space.decisions[t].name!r}: choice {_choice(space, t, tokens[row, t])} is written as "
            f"{texts[row]!r} and read back as {_choice(space, t, read[row, t])}; parse_text must invert format_tokens",
            space,
        )
    _check_order(space, tokens, texts)


def size_fault(op: Operator) -> str:
    """What is wrong with an operator's sizes, to follow its key; empty where nothing is.

    A window of ``kernel`` with ``stride`` leaves from ``(in - kernel) // stride + 1`` (no padding) to ``ceil(in /
    stride)`` (full padding); pooling may go down to one pixel.

    >>> size_fault(Operator("conv", 32, 32, 3, 8, kernel=3, stride=2))
    'gives 32 pixels of 32 with stride 2: 15 to 16 are possible'
    """
    if op.skip and (op.in_size, op.in_channels, op.stride) != (op.out_size, op.out_channels, 1):
        return f"has a skip from {op.in_size}x{op.in_channels} to {op.out_size}x{op.out_channels}: they must be equal"
    if op.kind not in ("conv", "mbconv", "pool") or (op.kind == "pool" and op.out_size == 1):
        return ""
    least, most = (op.in_size - op.kernel) // op.stride + 1, -(-op.in_size // op.stride)
    if least <= op.out_size <= most:
        return ""
    possible = f"{max(least, 1)} to {most} are" if least < most else f"{most} is"
    return f"gives {op.out_size} pixels of {op.in_size} with stride {op.stride}: {possible} possible"


def _fault(what: str, space: Space) -> ValueError:
    return ValueError(f"space {space.name}: {what}")


def _choice(space: Space, t: int, choice: int) -> str:
    """A choice as people know it: index and attributes."""
    choices = space.decisions[t].choices
    shown = ", ".join(f"{key}={value}" for key, value in choices[choice].items()) if choice < len(choices) else "none"
    return f"{choice} ({shown})"


def _check_decisions(space: Space) -> None:
    names = [decision.name for decision in space.decisions]
    if not names:
        raise _fault("has no decisions; give at least one", space)
    for what, given in (("decision", names), ("feature", space.feature_names), ("operator", space.operators)):
        if len(set(given)) < len(given):
            seen: set[object] = set()
            twice = next(one for one in given if one in seen or seen.add(one))  # type: ignore[func-returns-value]
            raise _fault(f"{what} {twice!r} stands twice; names and operators must be different", space)
    first: dict[str, int] = {}
    for t, decision in enumerate(space.decisions):
        if decision.context and t:
            raise _fault(f"decision {decision.name!r} is a context, and only the first decision can be", space)
        keys = [list(choice) for choice in decision.choices]
        if not keys or not keys[0] or any(key != keys[0] for key in keys):
            raise _fault(
                f"decision {decision.name!r} has choices with the attributes {keys}; "
                "give at least one choice, each with the same attributes",
                space,
            )
        if len({repr(choice) for choice in decision.choices}) < len(keys):
            raise _fault(f"decision {decision.name!r} has a choice twice: {_listed(decision.choices)}", space)
        like = space.decisions[first.setdefault(decision.kind, t)]
        if list(like.choices) != list(decision.choices):
            raise _fault(
                f"decisions {like.name!r} and {decision.name!r} are both of kind {decision.kind!r}, but have the "
                f"choices {_listed(like.choices)} and {_listed(decision.choices)}; give them kinds of their own",
                space,
            )


def _listed(choices: Sequence[object]) -> str:
    shown = ", ".join(map(str, choices[:3]))
    return f"[{shown}{', ...' if len(choices) > 3 else ''}]"


def _check_shapes(space: Space) -> None:
    graph = space.trellis
    layers, _, choices = graph.shape
    most = max(len(decision.choices) for decision in space.decisions)
    if layers != len(space.decisions):
        raise _fault(f"the graph has {layers} layers for {len(space.decisions)} decisions; one each is needed", space)
    for name, wanted in (("target", 3), ("valid", 3), ("open", 2), ("operators", 3), ("features", 3)):
        shape, kind = getattr(graph, name).shape, getattr(graph, name).dtype.kind
        if kind not in ("b" if name in ("valid", "open") else "iu"):
            needed = "truth values" if name in ("valid", "open") else "integers"
            raise _fault(f"trellis.{name} is of type {getattr(graph, name).dtype}; it must hold {needed}", space)
        if shape[:wanted] != graph.valid.shape[:wanted]:
            raise _fault(
                f"trellis.{name} has shape {list(shape)}, valid {list(graph.valid.shape)}: make them fit", space
            )
    for t, decision in enumerate(space.decisions):
        beyond = np.argwhere(graph.valid[t, :, len(decision.choices) :])
        if len(beyond):
            c = len(decision.choices) + int(beyond[0, 1])
            raise _fault(
                f"decision {decision.name!r}: the graph has an edge for choice {c} at node {beyond[0, 0]}, but there "
                f"are {len(decision.choices)} choices; remove the edge or add the choice",
                space,
            )
    if choices < most:
        t = next(t for t, decision in enumerate(space.decisions) if len(decision.choices) > choices)
        raise _never(space, t, choices)
    if choices > most:
        raise _fault(f"the graph has room for {choices} choices, the decisions have at most {most}", space)


def _check_indices(space: Space) -> None:
    graph = space.trellis
    for name, counted, given in (
        ("operators", graph.num_operators, space.operators),
        ("feature_names", graph.num_features, space.feature_names),
    ):
        if counted != len(given):  # with one too few the last index would be that of the padding: of nothing at all
            raise _fault(
                f"the graph was built with {counted} {name}, the space has {len(given)}; give both the same, in the "
                "same order",
                space,
            )
    for name, limit, what in (
        ("target", graph.shape[1] - 1, "nodes"),
        ("operators", len(space.operators), "space.operators"),
        ("features", len(space.feature_names), "space.feature_names"),
    ):
        index, padded = getattr(graph, name), name != "target"
        if index.size and (index.min() < 0 or index.max() > limit):
            outside = graph.valid & ((index < 0) | (index > limit)).reshape(*graph.shape, -1).any(-1)
            if outside.any():
                t, s, c = np.argwhere(outside)[0]
                raise _fault(
                    f"decision {space.decisions[t].name!r}, choice {_choice(space, t, c)}, node {s}: trellis.{name} "
                    f"is {index[t, s, c].tolist()}; indices of {what} are 0 to {limit - padded}"
                    f"{f', padded with {limit}' if padded else ''}",
                    space,
                )


def _check_choices(space: Space, alive: np.ndarray) -> None:
    if not alive.any():
        raise _fault("no path leads from the first node to the end; every node needs an edge", space)
    if space.refinement:
        return  # listed architectures need not have every choice
    at_open: np.ndarray = alive & space.trellis.open[:, :, None]
    for edges in (alive, at_open):
        offered: np.ndarray = np.any(edges, axis=1, keepdims=False)
        for t, decision in enumerate(space.decisions):
            missing = np.flatnonzero(~offered[t, : len(decision.choices)])
            if len(missing) and len(decision.choices) > 1:
                raise _never(space, t, int(missing[0]))


def _never(space: Space, t: int, choice: int) -> ValueError:
    return _fault(
        f"decision {space.decisions[t].name!r}: choice {_choice(space, t, choice)} has no edge at any open node that "
        "a path passes, so it would never be offered; add the edge or remove the choice",
        space,
    )


def _check_closed(space: Space, alive: np.ndarray) -> None:
    others = (alive & ~space.trellis.open[:, :, None])[:, :, 1:]
    if others.any():
        t, s, c = np.argwhere(others)[0]
        raise _fault(
            f"decision {space.decisions[t].name!r}: node {s} is closed, but has an edge for choice "
            f"{_choice(space, t, c + 1)}; a closed node has choice 0 alone: open it or remove the edge",
            space,
        )


def _user(space: Space, operator: int) -> str:
    """The first decision and choice that add an operator."""
    graph = space.trellis
    used = np.argwhere((graph.operators == operator).any(-1) & graph.valid)
    if not len(used):
        return "no decision"
    t, _, c = used[0]
    return f"decision {space.decisions[t].name!r}, choice {_choice(space, t, c)}"


def _format(space: Space, tokens: np.ndarray) -> str:
    try:
        text = space.format_tokens(tokens.tolist())
    except Exception as error:  # whatever the author's function raises is reported under the space's name
        raise _fault(f"format_tokens({tokens.tolist()}) raises {type(error).__name__}: {error}", space) from error
    if not isinstance(text, str) or text != text.strip() or not text:
        raise _fault(f"format_tokens({tokens.tolist()}) is {text!r}; give text without blanks at its ends", space)
    return text


def _parse(space: Space, text: str, tokens: np.ndarray) -> np.ndarray:
    try:
        read = np.asarray(space.parse_text(text), np.int32)
    except Exception as error:
        raise _fault(
            f"parse_text refuses {text!r}, which format_tokens wrote for {tokens.tolist()}: "
            f"{type(error).__name__}: {error}",
            space,
        ) from error
    if read.shape != tokens.shape:
        raise _fault(f"parse_text({text!r}) has shape {list(read.shape)}; one choice a decision is needed", space)
    return read


def _canonical(space: Space, text: str, read: np.ndarray) -> np.ndarray:
    try:
        return space.canonical(read[None])[0]
    except ValueError:
        raise _fault(
            f"parse_text reads {text!r}, which format_tokens wrote, as {read.tolist()}: not a path", space
        ) from None


def _check_order(space: Space, tokens: np.ndarray, texts: Sequence[str]) -> None:
    """Refuse a text that has three and more decisions, all or those of a kind, in reverse and does not name them.

    Such a text is read back rightly, and still everybody who writes one by the decisions' order gets another network.
    """
    places: dict[str, dict[int, int]] = {"": {}}
    for row, text in zip(tokens, texts, strict=True):
        changed = np.flatnonzero(row != tokens[0])
        if len(changed) == 1:
            t = int(changed[0])
            first = next((i for i, (a, b) in enumerate(zip(text, texts[0], strict=False)) if a != b), len(text))
            places.setdefault(f" of kind {space.decisions[t].kind!r}", {})[t] = first
            places[""][t] = first
    for kind, by_decision in reversed(places.items()):
        found = sorted(by_decision.items())
        at = [place for _, place in found]
        named = any(space.decisions[t].name in texts[0] for t, _ in found)
        if len(at) >= 3 and not named and all(one > other for one, other in itertools.pairwise(at)):
            (t, early), (u, late) = found[0], found[-1]
            raise _fault(
                f"{texts[0]!r} writes the decisions{kind} in reverse: {space.decisions[t].name!r} is at character "
                f"{early}, {space.decisions[u].name!r} at {late}; write them in their order, or with their names",
                space,
            )
