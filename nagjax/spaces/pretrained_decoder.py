"""Decoders out of one that is trained: layers kept or left out, and of each its heads, hidden units and bits.

The largest is the given model itself, of the layout of GPT-2 or of LLaMA (``FAMILIES``); an architecture keeps the
first heads and hidden units of a layer, so their order should be that of what they are worth
(``nagjax.pretrained.importance``). Weights of a layer are kept in ``bits``, symmetric with a scale a channel
(``nagjax.operators.stored``). The node remembers whether the layer is there, and its bits. LLaMA-NAS (arXiv 2405.18377)
chooses layers and hidden units so, SimQ-NAS (arXiv 2312.13301) bits beside them.

Text: ``b32-h4-f256:b8-h2-f128:dropped``, bits, heads and hidden units of each layer.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from nagjax import arguments
from nagjax.elastic import Elastic
from nagjax.operators import Operator, kept_bytes, madds
from nagjax.operators.embedding import embedding
from nagjax.operators.gpt2_attention import gpt2_attention
from nagjax.operators.gpt2_mlp import gpt2_mlp
from nagjax.operators.llama_attention import NORM, THETA, llama_attention
from nagjax.operators.llama_mlp import llama_mlp
from nagjax.operators.rms_head import rms_head
from nagjax.operators.stored import WHOLE, stored_bytes
from nagjax.operators.token_head import token_head
from nagjax.operators.token_rows import token_rows
from nagjax.spaces import choices
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Count, Decision, Space

DECISIONS = 3
"""Of a layer: bits, or that it is left out; heads; hidden units."""

DROPPED = 0
"""Bits of a layer that is left out."""

BITS = (*range(2, 17), WHOLE)
"""Bits that weights can be kept in."""

LEFT_OUT = "dropped"
SHARES = 4
"""Choices of heads and of hidden units where none are given: as many equal parts of all."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of the given model, and what is chosen.

    Attributes:
      family: of ``FAMILIES``.
      length: tokens of a sequence.
      vocabulary: number of tokens that there are.
      width: channels of the residual stream.
      layers: of the given model.
      heads: of a layer of it.
      groups: heads of keys and values; as many as heads where they are not shared.
      head_size: channels of a head.
      hidden: units of a layer's MLP.
      theta: of the rotation of queries and keys.
      norm: RMS norms add ``10**-norm``.
      keep_heads, keep_hidden: choices, ascending, all of them last.
      bits: choices, ascending.
    """

    family: str
    length: int
    vocabulary: int
    width: int
    layers: int
    heads: int
    groups: int
    head_size: int
    hidden: int
    theta: int
    norm: int
    keep_heads: tuple[int, ...]
    keep_hidden: tuple[int, ...]
    bits: tuple[int, ...]

    @property
    def stem(self) -> Operator:
        """The embedding."""
        return FAMILIES[self.family].stem(self)

    @property
    def head(self) -> Operator:
        """What gives logits."""
        return FAMILIES[self.family].head(self)

    def attention(self, heads: int, bits: int = WHOLE) -> Operator:
        """A layer's attention."""
        return FAMILIES[self.family].attention(self, heads, bits)

    def feed_forward(self, hidden: int, bits: int = WHOLE) -> Operator:
        """A layer's MLP."""
        return FAMILIES[self.family].feed_forward(self, hidden, bits)


class Family(NamedTuple):
    """Operators of a layout, of a plan and what is chosen."""

    stem: Callable[[Plan], Operator]
    attention: Callable[[Plan, int, int], Operator]
    feed_forward: Callable[[Plan, int, int], Operator]
    head: Callable[[Plan], Operator]


FAMILIES: Mapping[str, Family] = {
    "gpt2": Family(
        lambda p: embedding(p.length, p.vocabulary, p.width),
        lambda p, heads, bits: gpt2_attention(p.length, p.width, heads, p.head_size, bits),
        lambda p, hidden, bits: gpt2_mlp(p.length, p.width, hidden, bits),
        lambda p: token_head(p.length, p.width, p.vocabulary),
    ),
    "llama": Family(
        lambda p: token_rows(p.length, p.vocabulary, p.width),
        lambda p, heads, bits: llama_attention(
            p.length, p.width, heads, heads * p.groups // p.heads, p.head_size, bits, p.theta, p.norm
        ),
        lambda p, hidden, bits: llama_mlp(p.length, p.width, hidden, bits, p.norm),
        lambda p: rms_head(p.length, p.width, p.vocabulary, p.norm),
    ),
}
"""Layouts by name."""


def make(
    family: str = "gpt2",
    length: int = 64,
    vocabulary: int = 96,
    width: int = 64,
    layers: int = 6,
    heads: int = 4,
    groups: int = 0,
    head_size: int = 0,
    hidden: int = 0,
    theta: int = THETA,
    norm: int = NORM,
    keep_heads: int | str = "",
    keep_hidden: int | str = "",
    bits: int | str = WHOLE,
) -> Space:
    """The space; choices are written with ``-`` between them.

    Args:
      family: ``gpt2`` or ``llama``.
      length: tokens of a sequence.
      vocabulary: number of tokens.
      width: channels of the residual stream.
      layers: of the given model.
      heads: of a layer of it.
      groups: heads of keys and values; 0: as many as heads.
      head_size: channels of a head; 0: width / heads.
      hidden: units of an MLP; 0: 4 width.
      theta: of rotated queries and keys (``llama``).
      norm: RMS norms add ``10**-norm`` (``llama``).
      keep_heads: choices of heads, all of them among them; empty: quarters of all.
      keep_hidden: choices of hidden units, likewise.
      bits: choices of 2 to 16, and 32 for weights as they are.

    >>> make(layers=2, keep_heads="2-4", keep_hidden="128-256", bits="8-32").count()  # (1 + 2 * 2 * 2) ** 2
    81

    Raises:
      ValueError: if a size or choice is out of range, or choices do not ascend.
    """
    if family not in FAMILIES:
        raise ValueError(f"pretrained_decoder: family={family!r} is not one of {', '.join(FAMILIES)}")
    given = {
        "length": length, "vocabulary": vocabulary, "width": width, "layers": layers, "heads": heads,
        "groups": groups or heads, "head_size": head_size or max(1, width // max(1, heads)),
        "hidden": hidden or 4 * width, "theta": theta, "norm": norm,
    }  # fmt: skip
    least = {"length": 2, "vocabulary": 2}
    sizes: dict[str, Any] = {
        name: arguments.count(value, f"pretrained_decoder: {name}", least.get(name, 1)) for name, value in given.items()
    }
    _check_heads(family, sizes)
    shared = sizes["heads"] // sizes["groups"]
    kept: dict[str, Any] = {
        "keep_heads": _kept("keep_heads", keep_heads, sizes["heads"], shared),
        "keep_hidden": _kept("keep_hidden", keep_hidden, sizes["hidden"], 1),
        "bits": choices.numbers("pretrained_decoder: bits", bits),
    }
    strange = [value for value in kept["bits"] if value not in BITS]
    if strange:
        raise ValueError(f"pretrained_decoder: bits={bits!r}: {strange[0]} is not one of 2 to 16, or {WHOLE}")
    written = {name: "-".join(map(str, values)) for name, values in kept.items()}
    return space_of(Plan(family=family, **sizes, **kept), {"family": family, **sizes, **written})


def space_of(plan: Plan, settings: dict[str, Any]) -> Space:
    """The space of a plan, which settings make again."""
    names = _feature_names(plan)
    graph, operators = tl.build(DECISIONS * plan.layers, "here", lambda t, node: _edges(plan, t, node), names)

    def elastic(dtype: Any = "float32") -> Elastic:
        from nagjax.spaces import pretrained_elastic  # it needs the plan

        return pretrained_elastic.elastic(plan, dtype)

    return Space(
        name="pretrained_decoder",
        version=1,
        settings=settings,
        decisions=_decisions(plan),
        trellis=graph,
        operators=operators,
        feature_names=names,
        parse_text=lambda text: _parse(plan, text),
        format_tokens=lambda tokens: _format(plan, tokens),
        describe_tokens=lambda tokens: _describe(plan, tokens),
        elastic=elastic,
        counts={
            "weights_size": Count(stored_bytes, "MB"),
            "kv_cache": Count(kept_bytes, "kB", 10**3),
            "step_madds": Count(lambda op: madds(op) // plan.length),
        },
    )


def plan_of(space: Space) -> Plan:
    """The plan of a space that ``make`` gave.

    Raises:
      ValueError: if it is another space.
    """
    if space.name != "pretrained_decoder":
        raise ValueError(f"space {space.name}: weights are put into pretrained_decoder alone; give that")
    kept = {name: choices.numbers(name, space.settings[name]) for name in ("keep_heads", "keep_hidden", "bits")}
    return Plan(**{**space.settings, **kept})


def layers_of(plan: Plan, tokens: Sequence[int]) -> list[tuple[int, int, int]]:
    """Bits, heads and hidden units of each layer; bits are ``DROPPED`` of one that is left out."""
    rows = [tuple(map(int, tokens[at : at + DECISIONS])) for at in range(0, len(tokens), DECISIONS)]
    return [
        ((DROPPED, *plan.bits)[bits], plan.keep_heads[heads], plan.keep_hidden[hidden]) for bits, heads, hidden in rows
    ]


def operators_of(plan: Plan, tokens: Sequence[int]) -> tuple[Operator, ...]:
    """What a sequence passes, in order."""
    kept = [layer for layer in layers_of(plan, tokens) if layer[0] != DROPPED]
    pairs = [(plan.attention(heads, bits), plan.feed_forward(hidden, bits)) for bits, heads, hidden in kept]
    return (plan.stem, *(op for pair in pairs for op in pair), plan.head)


def _check_heads(family: str, sizes: Mapping[str, int]) -> None:
    heads, groups, size = sizes["heads"], sizes["groups"], sizes["head_size"]
    if heads % groups:
        raise ValueError(f"pretrained_decoder: groups={groups}: must divide heads={heads}")
    if family == "gpt2" and groups != heads:
        raise ValueError(f"pretrained_decoder: groups={groups}: heads of gpt2 share no keys; leave it out")
    if family == "llama" and size % 2:
        raise ValueError(f"pretrained_decoder: head_size={size}: llama turns pairs of channels; give an even number")


def _kept(name: str, given: int | str, most: int, shared: int) -> tuple[int, ...]:
    """Choices, multiples of ``shared``, that end with ``most``."""
    if given == "":
        parts = {max(1, round(most / shared * part / SHARES)) * shared for part in range(1, SHARES)}
        return tuple(sorted(parts | {most}))
    values = choices.numbers(f"pretrained_decoder: {name}", given)
    if values[-1] != most:
        raise ValueError(f"pretrained_decoder: {name}={given!r}: the last must be all, {most}")
    if any(value % shared for value in values):
        raise ValueError(f"pretrained_decoder: {name}={given!r}: {shared} heads share keys; give multiples of {shared}")
    return values


def _feature_names(plan: Plan) -> tuple[str, ...]:
    layers = range(1, plan.layers + 1)
    return (
        *(f"layer{i}.bits{bits}" for i in layers for bits in (DROPPED, *plan.bits)),
        *(f"layer{i}.heads{heads}" for i in layers for heads in plan.keep_heads),
        *(f"layer{i}.hidden{hidden}" for i in layers for hidden in plan.keep_hidden),
    )


def _decisions(plan: Plan) -> tuple[Decision, ...]:
    offered = {
        "bits": tuple({"bits": bits} for bits in (DROPPED, *plan.bits)),
        "heads": tuple({"heads": heads} for heads in plan.keep_heads),
        "hidden": tuple({"hidden": hidden} for hidden in plan.keep_hidden),
    }
    return tuple(
        Decision(f"layer{i}.{kind}", kind, own) for i in range(1, plan.layers + 1) for kind, own in offered.items()
    )


def _edges(plan: Plan, t: int, node: Hashable) -> list[tl.Edge]:
    """A node is "here" before a layer, then its bits."""
    layer, at = divmod(t, DECISIONS)
    name = f"layer{layer + 1}"
    if at == 0:
        ends = (plan.stem, plan.head) if t == 0 else ()
        return [tl.Edge(c, bits, ends, (f"{name}.bits{bits}",)) for c, bits in enumerate((DROPPED, *plan.bits))]
    after = node if at == 1 else "here"
    if node == DROPPED:
        return [tl.Edge(0, after)]
    bits = int(str(node))
    if at == 1:
        return [
            tl.Edge(c, after, (plan.attention(heads, bits),), (f"{name}.heads{heads}",))
            for c, heads in enumerate(plan.keep_heads)
        ]
    return [
        tl.Edge(c, after, (plan.feed_forward(hidden, bits),), (f"{name}.hidden{hidden}",))
        for c, hidden in enumerate(plan.keep_hidden)
    ]


def _word(bits: int, heads: int, hidden: int) -> str:
    return LEFT_OUT if bits == DROPPED else f"b{bits}-h{heads}-f{hidden}"


def _format(plan: Plan, tokens: Sequence[int]) -> str:
    return ":".join(_word(*layer) for layer in layers_of(plan, tokens))


def _parse(plan: Plan, text: str) -> list[int]:
    words = text.split(":")
    if len(words) != plan.layers:
        raise ValueError(f"architecture {text!r}: has {len(words)} layers, the given model {plan.layers}; write each, "
                         f"with : between them, and {LEFT_OUT} for one that is left out")  # fmt: skip
    tokens: list[int] = []
    for word in words:
        match = re.fullmatch(r"b(\d+)-h(\d+)-f(\d+)", word, re.ASCII)
        if word == LEFT_OUT:
            tokens += [0, 0, 0]
            continue
        bits, heads, hidden = map(int, match.groups()) if match else (0, 0, 0)
        if bits not in plan.bits or heads not in plan.keep_heads or hidden not in plan.keep_hidden:
            raise ValueError(f"architecture {text!r}: layer {word!r} is not {LEFT_OUT} or b..-h..-f.., bits "
                             f"{plan.bits}, heads {plan.keep_heads}, hidden units {plan.keep_hidden}")  # fmt: skip
        tokens += [1 + plan.bits.index(bits), plan.keep_heads.index(heads), plan.keep_hidden.index(hidden)]
    return tokens


def _describe(plan: Plan, tokens: Sequence[int]) -> str:
    layers = layers_of(plan, tokens)
    kept = sum(bits != DROPPED for bits, _, _ in layers)
    lines = [
        f"layer {i}: left out" if bits == DROPPED else f"layer {i}: {heads} heads, MLP {hidden}, {bits} bits"
        for i, (bits, heads, hidden) in enumerate(layers, 1)
    ]
    return "\n".join([f"{plan.family}, width {plan.width}, {kept} of {plan.layers} layers", *lines])
