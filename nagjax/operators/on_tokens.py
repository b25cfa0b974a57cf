"""Operators on sequences of tokens: a decoder block, and what a language model has before and behind its blocks.

Their formulas are those of HW-GPT-Bench (Sukthanker et al., arXiv 2405.10299): heads of size 64 whatever the width, a
gated MLP of three matrices, layer norms, embedding and head not tied. Parameters and floating-point operations equal
what the benchmark's profiler counted of 30,000 networks; attention scores are not counted there, nor here.
"""

from __future__ import annotations

import dataclasses
import re

from nagjax import arguments
from nagjax.operators.operator import Operator

HEAD_SIZE = 64
BLOCK, FRAME = "decoder_block", "decoder_frame"
FULL_BYTES, HALF_BYTES = 4, 2
"""Bytes of a float32 weight, and of a number in half precision."""


@dataclasses.dataclass(frozen=True)
class TokenOperator(Operator):
    """A part of a language model that is timed as one; sizes are tokens instead of pixels, channels are the width.

    Attributes:
      heads: of the attention of a block; 0 in a frame.
      vocabulary: number of tokens that there are, in a frame; 0 in a block.
      bias: linear layers have one.
    """

    heads: int = 0
    vocabulary: int = 0
    bias: bool = False

    def __post_init__(self) -> None:
        counts = {"in_size": self.in_size, "in_channels": self.in_channels}
        counts |= (
            {"mid_channels": self.mid_channels, "heads": self.heads}
            if self.kind == BLOCK
            else {"vocabulary": self.vocabulary}
        )
        for name, value in counts.items():
            arguments.count(value, f"operator {self.kind}: {name}", 1)

    @property
    def key(self) -> str:
        """The text that names the operator in a device table.

        >>> block(8192, 384, 1152, 8, bias=True).key, frame(8192, 384, 50254, bias=False).key
        ('decoder_block-8192x384-m1152-h8-bias', 'decoder_frame-8192x384-v50254')
        """
        what = [f"m{self.mid_channels}", f"h{self.heads}"] if self.kind == BLOCK else [f"v{self.vocabulary}"]
        return "-".join([self.kind, f"{self.in_size}x{self.in_channels}", *what, *(["bias"] if self.bias else [])])

    @property
    def madds(self) -> int:
        """Multiply-adds of a forward pass."""
        return self.in_size * self.linear_weights

    @property
    def linear_weights(self) -> int:
        """Weights of the linear layers; of a frame those of the head."""
        width = self.in_channels
        if self.kind == FRAME:
            return self.vocabulary * width
        return 4 * HEAD_SIZE * self.heads * width + 3 * self.mid_channels * width

    @property
    def params(self) -> int:
        """Trained parameters."""
        width = self.in_channels
        if self.kind == FRAME:
            return 2 * self.linear_weights + 2 * width
        biases = 3 * HEAD_SIZE * self.heads + 2 * self.mid_channels + 2 * width
        return self.linear_weights + 4 * width + (biases if self.bias else 0)

    @property
    def flops(self) -> int:
        """Floating-point operations of a forward pass: two a multiply-add, and those of norms and activations."""
        width = self.in_channels
        rest = 5 * width if self.kind == FRAME else 10 * width + self.mid_channels
        return self.in_size * (2 * self.linear_weights + rest)

    @property
    def weight_bytes(self) -> int:
        """Bytes of its weights in single precision and of the copies of linear layers in half precision."""
        return FULL_BYTES * self.params + HALF_BYTES * self.linear_weights

    @property
    def traffic(self) -> int:
        """Bytes of its weights, of what it takes and of what it gives, in single precision."""
        return FULL_BYTES * (self.params + 2 * self.in_size * self.in_channels)

    @property
    def activation_bytes(self) -> int:
        """Bytes of what it takes and gives, in single precision; what is inside it is not counted."""
        return 2 * FULL_BYTES * self.in_size * self.in_channels

    @property
    def cache_bytes(self) -> int:
        """Bytes of the keys and values of all its tokens in half precision."""
        return 2 * HALF_BYTES * HEAD_SIZE * self.heads * self.in_size


def block(tokens: int, width: int, hidden: int, heads: int, *, bias: bool) -> TokenOperator:
    """A decoder block on ``tokens`` (batch times sequence): attention and a gated MLP, each after a layer norm.

    >>> block(1024, 192, 384, 4, bias=True).params
    420480
    """
    return TokenOperator(BLOCK, tokens, tokens, width, width, mid_channels=hidden, heads=heads, bias=bias, norm=False)


def frame(tokens: int, width: int, vocabulary: int, *, bias: bool) -> TokenOperator:
    """What surrounds the blocks: the embedding, the last layer norm and the head.

    ``bias`` says that linear layers of the blocks have one; the frame has none, but is timed with them.

    >>> frame(1024, 192, 50254, bias=True).params
    19297920
    """
    return TokenOperator(FRAME, tokens, tokens, width, width, vocabulary=vocabulary, bias=bias, norm=False)


_KEY = re.compile(
    rf"(?P<kind>{BLOCK}|{FRAME})-(?P<tokens>\d+)x(?P<width>\d+)(?:-m(?P<m>\d+)-h(?P<h>\d+)|-v(?P<v>\d+))(?P<b>-bias)?",
    re.ASCII,
)


def parse_token_key(key: str) -> TokenOperator | None:
    """The operator that ``TokenOperator.key`` named; None for any other text.

    >>> parse_token_key("decoder_block-8192x384-m1152-h8-bias") == block(8192, 384, 1152, 8, bias=True)
    True
    """
    match = _KEY.fullmatch(key)
    if match is None or (match["kind"] == BLOCK) != (match["m"] is not None):
        return None
    tokens, width, bias = int(match["tokens"]), int(match["width"]), match["b"] is not None
    if match["kind"] == FRAME:
        return frame(tokens, width, int(match["v"]), bias=bias)
    return block(tokens, width, int(match["m"]), int(match["h"]), bias=bias)
