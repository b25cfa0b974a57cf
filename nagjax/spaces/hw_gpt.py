"""GPT-2-like decoders of three scales: the space of HW-GPT-Bench (Sukthanker et al., arXiv 2405.10299).

One width for the whole network, a depth, and linear layers with or without bias; then each block picks one of three
MLP ratios and one of three numbers of heads. A node remembers width, bias and blocks that are left, 18 of them at most.
The two choices of a block are one decision, so that a device's price of the pair is exact without more nodes. Costs are
those of a forward pass of the benchmark's whole batch, 1024 tokens per sequence.

Text: ``width=384:bias=no:ratios=2-3-...:heads=4-8-...``, an entry of both lists for each block.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import cast

import numpy as np

from nagjax.operators import Operator
from nagjax.operators.on_tokens import FRAME, TokenOperator, block, frame
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Count, Decision, Space

VOCABULARY, SEQUENCE = 50254, 1024
RATIOS = (2, 3, 4)
BIASES = (True, False)
FIRST = 3
"""Decisions before those of the blocks: width, depth, bias."""

FIELDS = ("width", "bias", "ratios", "heads")


@dataclasses.dataclass(frozen=True)
class Scale:
    """Choices of a scale, and the batch that its networks are timed with.

    Attributes:
      widths, depths, heads: choices of the network's width and depth and of a block's heads, ascending.
      batch: sequences in a forward pass.
      reserved: bytes by width that a forward pass holds beside weights, fitted by the benchmark's data.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    batch: int
    reserved: Mapping[int, int]

    @property
    def blocks(self) -> int:
        """Blocks of the deepest network."""
        return max(self.depths)

    @property
    def tokens(self) -> int:
        """Tokens of a forward pass."""
        return self.batch * SEQUENCE


SCALES: Mapping[str, Scale] = {
    "s": Scale((192, 384, 768), (10, 11, 12), (4, 8, 12), 8, {192: 8_670_000, 384: 15_410_000, 768: 23_710_000}),
    "m": Scale((256, 512, 1024), (22, 23, 24), (8, 12, 16), 4, {256: 14_230_000, 512: 34_840_000, 1024: 22_950_000}),
    "l": Scale((320, 640, 1280), (34, 35, 36), (8, 16, 20), 1, {320: 22_460_000, 640: 68_870_000, 1280: 62_520_000}),
}


def scale_of(name: str) -> Scale:
    """The scale of a name.

    Raises:
      ValueError: if there is none.
    """
    if name not in SCALES:
        raise ValueError(f"hw_gpt: scale {name!r} is not one of {', '.join(SCALES)}")
    return SCALES[name]


def make(scale: str = "s") -> Space:
    """The space at scale s (28 to 124 million parameters), m or l.

    >>> space = make("s")
    >>> space.count(), space.trellis.shape
    (1903784282946, (15, 18, 9))

    Raises:
      ValueError: for another scale.
    """
    return space_of(scale, scale_of(scale))


def space_of(name: str, of: Scale) -> Space:
    """The space of a scale, which may have other choices than those of ``SCALES``, which are registered."""
    names = feature_names(of)
    graph, operators = tl.build(FIRST + of.blocks, "start", lambda t, node: _edges(of, t, node), names)
    return Space(
        name="hw_gpt",
        version=1,
        settings={"scale": name},
        decisions=_decisions(of),
        trellis=graph,
        operators=operators,
        feature_names=names,
        parse_text=lambda text: _parse(text, of),
        format_tokens=lambda tokens: _format(tokens, of),
        describe_tokens=lambda tokens: _describe(tokens, of),
        counts={
            "flops": Count(lambda op: _on_tokens(op).flops, "G", 10**9),
            "memory": Count(lambda op: _memory(_on_tokens(op), of), "MB", 10**6),
            "kv_cache": Count(lambda op: _on_tokens(op).cache_bytes, "MB", 10**6),
        },
    )


def pairs(of: Scale) -> tuple[tuple[int, int], ...]:
    """MLP ratio and heads of each choice of a block.

    >>> pairs(SCALES["s"])[:4]
    ((2, 4), (2, 8), (2, 12), (3, 4))
    """
    return tuple((ratio, heads) for ratio in RATIOS for heads in of.heads)


def feature_names(of: Scale) -> tuple[str, ...]:
    """Names of path features, in the order of the inputs of the benchmark's perplexity networks."""
    blocks = range(of.blocks)
    return (
        *(f"width{width}" for width in of.widths),
        *(f"depth{depth}" for depth in of.depths),
        *(f"block{i}.ratio{ratio}" for i in blocks for ratio in RATIOS),
        *(f"block{i}.heads{heads}" for i in blocks for heads in of.heads),
        *(f"bias{_yes(bias)}" for bias in BIASES),
    )


def tokens_of(
    space: Space, widths: np.ndarray, depths: np.ndarray, biases: np.ndarray, ratios: np.ndarray, heads: np.ndarray
) -> np.ndarray:
    """Tokens int32 ``[N, T]`` of networks of ``hw_gpt`` that are told by numbers.

    Widths, depths (blocks) and biases are ``[N]``, ratios and heads ``[N, L]``, L at least the blocks of the deepest
    network; behind a network's depth they mean nothing.

    Raises:
      ValueError: if the space is another one, or a number is no choice of it; the row is named.
    """
    if space.name != "hw_gpt":
        raise ValueError(f"these are decoders of hw_gpt, not networks of {space.name}")
    given = {"width": widths, "depth": depths, "bias": biases}
    tokens = np.zeros((len(widths), len(space.decisions)), np.int32)
    for t, (name, values) in enumerate(given.items()):
        tokens[:, t] = _rank(name, [choice[name] for choice in space.decisions[t].choices], np.asarray(values))
    num = tokens.shape[1] - FIRST
    there = np.arange(num) < np.asarray(depths)[:, None]
    pair = [(choice["ratio"], choice["heads"]) for choice in space.decisions[FIRST].choices]
    known = [ratio * _APART + head for ratio, head in pair]
    asked = np.asarray(ratios, np.int64)[:, :num] * _APART + np.asarray(heads, np.int64)[:, :num]
    tokens[:, FIRST:] = _rank("ratio and heads", known, np.where(there, asked, known[0]))
    return tokens * np.concatenate([np.ones((len(tokens), FIRST), bool), there], 1)


_APART = 1000
"""Numbers of heads are below it."""


def _rank(name: str, known: Sequence[int], values: np.ndarray) -> np.ndarray:
    """Which of the choices values are, int32 of their shape."""
    fits = values[..., None] == np.asarray(known)
    if not fits.any(-1).all():
        row, *_ = np.argwhere(~fits.any(-1))[0]
        raise ValueError(f"network {row}: {name} is none of the space's; is it of another scale?")
    return fits.argmax(-1).astype(np.int32)


def _decisions(of: Scale) -> tuple[Decision, ...]:
    blocks = tuple({"ratio": ratio, "heads": heads} for ratio, heads in pairs(of))
    return (
        Decision("width", "width", tuple({"width": width} for width in of.widths)),
        Decision("depth", "depth", tuple({"depth": depth} for depth in of.depths)),
        Decision("bias", "bias", tuple({"bias": bias} for bias in BIASES)),
        *(Decision(f"block{i}", "block", blocks) for i in range(of.blocks)),
    )


def _edges(of: Scale, t: int, node: Hashable) -> list[tl.Edge]:
    """A node is what was decided so far; behind the three first decisions (width, bias, blocks left), then "done"."""
    if t == 0:
        return [tl.Edge(c, width, (), (f"width{width}",)) for c, width in enumerate(of.widths)]
    if t == 1:
        return [tl.Edge(c, (node, depth), (), (f"depth{depth}",)) for c, depth in enumerate(of.depths)]
    if t == 2:
        width, depth = cast("tuple[int, int]", node)
        return [
            tl.Edge(c, (width, bias, depth), (frame(of.tokens, width, VOCABULARY, bias=bias),), (f"bias{_yes(bias)}",))
            for c, bias in enumerate(BIASES)
        ]
    if node == "done":
        return [tl.Edge(0, "done")]
    width, bias, left = cast("tuple[int, bool, int]", node)
    after: Hashable = (width, bias, left - 1) if left > 1 else "done"
    i = t - FIRST
    return [
        tl.Edge(
            c,
            after,
            (block(of.tokens, width, ratio * width, heads, bias=bias),),
            (f"block{i}.ratio{ratio}", f"block{i}.heads{heads}"),
        )
        for c, (ratio, heads) in enumerate(pairs(of))
    ]


def _on_tokens(op: Operator) -> TokenOperator:
    if not isinstance(op, TokenOperator):
        raise TypeError(f"hw_gpt: {op.key} is no operator on tokens")
    return op


def _memory(op: TokenOperator, of: Scale) -> int:
    """Bytes that a part of the network adds to a forward pass on a GPU; the frame brings what is reserved."""
    return op.weight_bytes + (of.reserved[op.in_channels] if op.kind == FRAME else 0)


def _yes(bias: bool) -> str:
    return "yes" if bias else "no"


def _taken(tokens: Sequence[int], of: Scale) -> list[tuple[int, int]]:
    """MLP ratio and heads of the blocks that there are."""
    choices = pairs(of)
    return [choices[token] for token in tokens[FIRST : FIRST + of.depths[tokens[1]]]]


def _format(tokens: Sequence[int], of: Scale) -> str:
    taken = _taken(tokens, of)
    ratios, heads = ("-".join(str(block[k]) for block in taken) for k in range(2))
    values = (of.widths[tokens[0]], _yes(BIASES[tokens[2]]), ratios, heads)
    return ":".join(f"{field}={value}" for field, value in zip(FIELDS, values, strict=True))


def _parse(text: str, of: Scale) -> list[int]:
    parts = [part.partition("=") for part in text.split(":")]
    if tuple(name for name, _, _ in parts) != FIELDS:
        raise ValueError(f"architecture {text!r} is not width=W:bias=yes:ratios=R-R-...:heads=H-H-... (bias yes or no)")
    width, bias, ratios, heads = (value for _, _, value in parts)
    found = [ratios.split("-"), heads.split("-")]
    if len(found[0]) != len(found[1]):
        raise ValueError(f"architecture {text!r}: {len(found[0])} ratios and {len(found[1])} heads; give one a block")
    choices = [_index(text, "ratio and heads", f"{r}/{h}", [f"{a}/{b}" for a, b in pairs(of)])
               for r, h in zip(*found, strict=True)]  # fmt: skip
    return [
        _index(text, "width", width, of.widths),
        _index(text, "number of blocks", str(len(choices)), of.depths),
        _index(text, "bias", bias, [_yes(bias) for bias in BIASES]),
        *choices,
        *[0] * (of.blocks - len(choices)),
    ]


def _index(text: str, what: str, given: str, known: Sequence[object]) -> int:
    texts = [str(one) for one in known]
    if given not in texts:
        raise ValueError(f"architecture {text!r}: {what} {given!r} is not one of {', '.join(texts)}")
    return texts.index(given)


def _describe(tokens: Sequence[int], of: Scale) -> str:
    taken = _taken(tokens, of)
    width = of.widths[tokens[0]]
    head = f"width {width}, {len(taken)} blocks, {'with' if BIASES[tokens[2]] else 'without'} bias"
    lines = [f"block {i + 1}: MLP {ratio * width}, {heads} heads" for i, (ratio, heads) in enumerate(taken)]
    return "\n".join([head, *lines])
