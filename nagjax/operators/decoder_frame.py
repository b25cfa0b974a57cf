"""The kind ``decoder_frame``: embedding, last layer norm and head of a decoder; priced and counted, not computed."""

from __future__ import annotations

from nagjax.operators.kind import OperatorKind, Shapes
from nagjax.operators.on_tokens import FRAME, TokenOperator, frame, parse_token_key


def make() -> OperatorKind:
    """The kind."""
    examples = (frame(1024, 192, 50254, bias=True), frame(8192, 768, 50254, bias=False))
    return OperatorKind(
        FRAME,
        lambda op: op.madds,
        _shapes,
        examples,
        traffic=lambda op: op.traffic,
        peak=lambda op: op.activation_bytes,
        parse=parse_token_key,
    )


def _shapes(op: TokenOperator) -> Shapes:
    width = op.in_channels
    return {
        "embedding": (op.vocabulary, width),
        "norm_scale": (width,),
        "norm_offset": (width,),
        "head": (width, op.vocabulary),
    }
