"""What an operator is: its shape and key, and its kind, which says what it counts, computes and is in a runtime."""

from nagjax.operators.kind import OperatorKind
from nagjax.operators.operator import ACTIVATIONS, Operator, make_divisible
from nagjax.operators.registry import (
    BUILT_IN,
    kept_bytes,
    kind_of,
    known,
    madds,
    params,
    parse_key,
    peak_memory,
    traffic,
)

__all__ = [
    "ACTIVATIONS",
    "BUILT_IN",
    "Operator",
    "OperatorKind",
    "kept_bytes",
    "kind_of",
    "known",
    "madds",
    "make_divisible",
    "params",
    "parse_key",
    "peak_memory",
    "traffic",
]
