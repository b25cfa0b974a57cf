"""Kinds of operator by name: the library's own, which need no registry, and those of plugins.

A kind is imported when something is counted, computed or exported, not when an operator is made: a checkpoint is
opened and asked on a machine that has none of its kinds. Names and kinds are remembered, since spaces make thousands of
operators; a change of ``sys.path`` makes them be looked for again.
"""

from __future__ import annotations

import functools
import importlib
import math
import sys
from typing import TYPE_CHECKING

from nagjax import plugins
from nagjax.names import suggestion

if TYPE_CHECKING:
    from nagjax.operators.kind import OperatorKind
    from nagjax.operators.operator import Operator

BUILT_IN = (
    "conv", "mbconv", "pool", "linear", "identity", "decoder_block", "decoder_frame", "embedding",
    "attention", "feed_forward", "token_head", "full_conv", "relu_conv", "average_pool", "reduction", "norm",
    "cell", "gpt2_attention", "gpt2_mlp", "llama_attention", "llama_mlp", "rms_head", "token_rows", "dense",
    "aggregate", "patch_embedding", "pooled_head",
)  # fmt: skip
"""Each is a module here whose ``make`` is the factory. Plugins add theirs as entry points ``nagjax.operators``."""

EXAMPLE = "pool-7x7x960-1x1x960-k7-s1"


def check_name(name: str) -> None:
    """Refuse a name under which no kind is registered; nothing is imported.

    Raises:
      ValueError: with the names that are known.
    """
    if name not in BUILT_IN and name not in _others(tuple(sys.path)):
        hint = suggestion(str(name), known())
        raise ValueError(f"operator kind {name!r} is not one of {', '.join(known())}{hint}")


def known() -> tuple[str, ...]:
    """Names of all kinds, ours first."""
    return (*BUILT_IN, *sorted(_others(tuple(sys.path))))


def kind_of(name: str) -> OperatorKind:
    """The kind of a name.

    Raises:
      ValueError: if it is not known, or its plugin cannot be imported or made.
    """
    check_name(name)
    return _made(name, tuple(sys.path))


def parse_key(key: str) -> Operator:
    """The operator that ``Operator.key`` named.

    >>> parse_key("pool-7x7x960-1x1x960-k7-s1").in_channels
    960

    Raises:
      ValueError: if ``key`` is not the text of an operator.
    """
    name = key.partition("-")[0]
    there_is = name in BUILT_IN or name in _others(tuple(sys.path))
    operator = kind_of(name).parse(key) if there_is else None
    if operator is None:
        kinds = "" if there_is else f": {name!r} is not one of the kinds {', '.join(known())}"
        raise ValueError(f"{key!r} does not name an operator{kinds}; an example of the form is {EXAMPLE!r}")
    return operator


def madds(op: Operator) -> int:
    """Multiply-adds of one inference; norms, activations and residual sums are not counted (the field's custom).

    >>> from nagjax.operators import Operator
    >>> madds(Operator("linear", 1, 1, 1280, 1000, norm=False))
    1280000
    """
    return kind_of(op.kind).madds(op)


def params(op: Operator) -> int:
    """Trained parameters: weights, biases, and scale and offset of norms (running statistics are not counted).

    >>> from nagjax.operators import Operator
    >>> params(Operator("linear", 1, 1, 1280, 1000, norm=False))
    1281000
    """
    return kind_of(op.kind).num_params(op)


def traffic(op: Operator) -> int:
    """Bytes that one inference reads and writes: weights, input and output, of numbers of 4 bytes.

    >>> from nagjax.operators import Operator
    >>> traffic(Operator("linear", 1, 1, 3, 2, norm=False))
    52
    """
    return kind_of(op.kind).num_bytes(op)


def peak_memory(op: Operator) -> int:
    """Bytes of feature maps that are held at once while it runs, of numbers of 4 bytes.

    >>> from nagjax.operators import Operator
    >>> peak_memory(Operator("linear", 1, 1, 3, 2, norm=False))
    20
    """
    return kind_of(op.kind).peak_bytes(op)


def kept_bytes(op: Operator) -> int:
    """Bytes that are kept of the tokens before when text is made token by token, of numbers of 4 bytes.

    >>> from nagjax.operators.attention import attention
    >>> kept_bytes(attention(64, 32, 2, 16, "softmax")), kept_bytes(attention(64, 32, 2, 16, "linear"))
    (16384, 2176)
    """
    return 4 * sum(math.prod(shape) for shape in (kind_of(op.kind).kept_shapes(op, 1) or {}).values())


@functools.lru_cache(maxsize=8)
def _others(_path: tuple[str, ...]) -> frozenset[str]:
    """Names that plugins register."""
    return frozenset(plugins.claimed("operators")) - set(BUILT_IN)


@functools.lru_cache(maxsize=256)
def _made(name: str, _path: tuple[str, ...]) -> OperatorKind:
    from nagjax.operators.kind import OperatorKind

    make = (
        importlib.import_module(f"nagjax.operators.{name}").make
        if name in BUILT_IN
        else plugins.load("operators", name)
    )
    kind = plugins.expect("operators", name, make(), OperatorKind)
    if kind.name != name:
        raise plugins.fault("operators", name, f"is called {kind.name!r}: a kind has the name it is registered under")
    return kind
