"""The NAS-Bench-201 cell space (Dong and Yang, arXiv 2001.00326): a cell of 4 nodes, 6 edges, one of 5 operations each.

Text as the benchmark writes it: for each node after the first the operations on the edges from all earlier nodes,
``|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|``. All 15,625 strings are kept apart, those
that compute the same function included, because the benchmark has trained and timed every one by itself.

The space declares no operators: its costs are measured ones, from a table of whole networks (``nagjax.tabular``).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

from nagjax.names import nearest
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = tuple((node, source) for node in (1, 2, 3) for source in range(node))
"""Edges in the order of the text: (node, the node it takes its input from)."""

NAMES = tuple(f"node{node}.from{source}" for node, source in EDGES)
FEATURES = tuple(f"{name}.{operation}" for name in NAMES for operation in OPERATIONS)
EXAMPLE = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
_EDGE = re.compile(r"\|([^|~+]*)~\d")


def make() -> Space:
    """The space of 15,625 cells."""
    graph, _ = tl.build(len(EDGES), "any", _edges, FEATURES)
    choices = tuple({"operation": operation} for operation in OPERATIONS)
    return Space(
        name="nas_bench_201",
        version=1,
        settings={},
        decisions=tuple(Decision(name, "edge", choices) for name in NAMES),
        trellis=graph,
        operators=(),
        feature_names=FEATURES,
        parse_text=_parse,
        format_tokens=_format,
        describe_tokens=_describe,
    )


def _edges(t: int, _: Hashable) -> list[tl.Edge]:
    return [tl.Edge(c, "any", features=(f"{NAMES[t]}.{operation}",)) for c, operation in enumerate(OPERATIONS)]


def _parse(text: str) -> list[int]:
    operations = _EDGE.findall(text)
    if len(operations) != len(EDGES) or _join(operations) != text:
        raise ValueError(f"architecture {text!r} is not of the form {EXAMPLE}")
    tokens = []
    for name, operation in zip(NAMES, operations, strict=True):
        if operation not in OPERATIONS:
            near = nearest(operation, OPERATIONS)
            hint = f"did you mean {near!r}? " if near else ""
            raise ValueError(
                f"architecture {text!r}: {name} is {operation!r}, which is not an operation; {hint}"
                f"operations: {', '.join(OPERATIONS)}"
            )
        tokens.append(OPERATIONS.index(operation))
    return tokens


def _format(tokens: Sequence[int]) -> str:
    return _join([OPERATIONS[token] for token in tokens])


def _join(operations: Sequence[str]) -> str:
    """The text of operations on the edges, in their order."""
    nodes: dict[int, str] = {}
    for (node, source), operation in zip(EDGES, operations, strict=True):
        nodes[node] = nodes.get(node, "") + f"|{operation}~{source}"
    return "+".join(f"{text}|" for text in nodes.values())


def _describe(tokens: Sequence[int]) -> str:
    lines = []
    for node in (1, 2, 3):
        inputs = [
            f"{OPERATIONS[token]} of node {source}"
            for token, (end, source) in zip(tokens, EDGES, strict=True)
            if end == node and OPERATIONS[token] != "none"
        ]
        lines.append(f"node {node}: {' + '.join(inputs) or 'nothing'}")
    return "\n".join(lines)
