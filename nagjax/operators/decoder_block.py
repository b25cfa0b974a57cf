"""The kind ``decoder_block``: attention and a gated MLP, each after a layer norm; priced and counted, not computed."""

from __future__ import annotations

from nagjax.operators.kind import OperatorKind, Shapes
from nagjax.operators.on_tokens import BLOCK, HEAD_SIZE, TokenOperator, block, parse_token_key


def make() -> OperatorKind:
    """The kind."""
    examples = (block(1024, 192, 384, 4, bias=True), block(8192, 768, 3072, 12, bias=False))
    return OperatorKind(
        BLOCK,
        lambda op: op.madds,
        _shapes,
        examples,
        traffic=lambda op: op.traffic,
        peak=lambda op: op.activation_bytes,
        parse=parse_token_key,
    )


def _shapes(op: TokenOperator) -> Shapes:
    width, hidden, inner = op.in_channels, op.mid_channels, HEAD_SIZE * op.heads
    shapes: Shapes = {f"norm{i}_{part}": (width,) for i in (1, 2) for part in ("scale", "offset")}
    linear = {"query": (width, inner), "key": (width, inner), "value": (width, inner), "out": (inner, width),
              "gate": (width, hidden), "up": (width, hidden), "down": (hidden, width)}  # fmt: skip
    shapes |= linear
    return shapes | ({f"{name}_bias": shape[1:] for name, shape in linear.items()} if op.bias else {})
