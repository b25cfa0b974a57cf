"""What an operator is: shape, arithmetic and the text key that names it in a device table.

An operator is one timed unit of a network: a convolution, an inverted bottleneck, a pooling, a linear layer. Spaces
list the operators that each decision adds; device tables price them; nothing else needs to know what they are.
"""

from __future__ import annotations

import dataclasses
import re

from nagjax import arguments

KINDS = ("conv", "mbconv", "pool", "linear", "identity")
_SIZES = ("in_size", "out_size", "in_channels", "out_channels", "kernel", "stride")
ACTIVATIONS = ("none", "relu", "relu6", "h_swish")


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round ``value`` to a multiple of ``divisor`` without losing more than 10 % (MobileNetV2 reference code).

    >>> make_divisible(16 * 1.2), make_divisible(40 * 1.2), make_divisible(3)
    (24, 48, 8)
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator with square feature maps.

    Attributes:
      kind: one of ``KINDS``.
      in_size, out_size: side of the input and output feature map, pixels.
      in_channels, out_channels: number of channels.
      kernel, stride: of the (depthwise) convolution.
      mid_channels: width of the expanded part of an ``mbconv``; 0 elsewhere.
      squeeze_excite: an ``mbconv`` with a squeeze-excite module (reduction 4).
      activation: one of ``ACTIVATIONS``.
      skip: an ``mbconv`` with a residual connection.
      norm: a batch norm follows each convolution; a ``linear`` has a bias instead.
      resolution: side of the input of the network it stands in, pixels; 0 where the space has no such decision. Tables
        exported one network resolution at a time price an operator by it; everything else ignores it, and the key
        leaves it out.
    """

    kind: str
    in_size: int
    out_size: int
    in_channels: int
    out_channels: int
    kernel: int = 1
    stride: int = 1
    mid_channels: int = 0
    squeeze_excite: bool = False
    activation: str = "none"
    skip: bool = False
    norm: bool = True
    resolution: int = 0

    def __post_init__(self) -> None:
        for least, names in ((1, _SIZES), (0, ("mid_channels", "resolution"))):
            for name in names:
                value = getattr(self, name)
                # Spaces make thousands of operators: what is plainly right is not looked at twice.
                if type(value) is not int or value < least:
                    arguments.count(value, f"operator: {name}", least)
        if self.kind not in KINDS:
            raise ValueError(f"operator kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"operator activation {self.activation!r} is not one of {', '.join(ACTIVATIONS)}")

    @property
    def key(self) -> str:
        """The text that names the operator in a device table; ``parse_key`` reads it back.

        >>> Operator("conv", 224, 112, 3, 24, kernel=3, stride=2, activation="h_swish").key
        'conv-224x224x3-112x112x24-k3-s2-h_swish-bn'
        """
        parts = [self.kind, _shape(self.in_size, self.in_channels), _shape(self.out_size, self.out_channels)]
        parts += [f"k{self.kernel}", f"s{self.stride}"]
        parts += [f"m{self.mid_channels}"] if self.mid_channels else []
        parts += ["se"] if self.squeeze_excite else []
        parts += [self.activation] if self.activation != "none" else []
        parts += ["skip"] if self.skip else []
        parts += ["bn"] if self.norm else []
        return "-".join(parts)

    @property
    def squeeze_channels(self) -> int:
        """Width of the squeeze-excite bottleneck: a quarter of the expanded width, made divisible by 8."""
        return make_divisible(self.mid_channels // 4)

    @property
    def counts(self) -> tuple[int, int] | None:
        """Multiply-adds and parameters, where an operator counts its own; None for those on feature maps."""
        return None


_KEY = re.compile(
    r"(?P<kind>[a-z]+)-(?P<in>\d+)x(?P=in)x(?P<ic>\d+)-(?P<out>\d+)x(?P=out)x(?P<oc>\d+)-k(?P<k>\d+)-s(?P<s>\d+)"
    r"(?:-m(?P<m>\d+))?(?P<se>-se)?(?:-(?P<act>relu6|relu|h_swish))?(?P<skip>-skip)?(?P<bn>-bn)?",
    re.ASCII,
)


def _shape(size: int, channels: int) -> str:
    return f"{size}x{size}x{channels}"


def parse_key(key: str) -> Operator:
    """The operator that ``Operator.key`` named.

    >>> parse_key("pool-7x7x960-1x1x960-k7-s1").in_channels
    960

    Raises:
      ValueError: if ``key`` is not the text of an operator.
    """
    match = _KEY.fullmatch(key)
    if match is None and (on_tokens := _parse_token_key(key)) is not None:
        return on_tokens
    if match is None:
        example = Operator("pool", 7, 1, 960, 960, 7, norm=False).key
        raise ValueError(f"{key!r} does not name an operator; an example of the form is {example!r}")
    return Operator(
        kind=match["kind"],
        in_size=int(match["in"]),
        out_size=int(match["out"]),
        in_channels=int(match["ic"]),
        out_channels=int(match["oc"]),
        kernel=int(match["k"]),
        stride=int(match["s"]),
        mid_channels=int(match["m"] or 0),
        squeeze_excite=match["se"] is not None,
        activation=match["act"] or "none",
        skip=match["skip"] is not None,
        norm=match["bn"] is not None,
    )


def _parse_token_key(key: str) -> Operator | None:
    # Those operators are made of this module's.
    from nagjax.token_operators import parse_token_key

    return parse_token_key(key)


def madds(op: Operator) -> int:
    """Multiply-adds of one inference; norms, activations and residual sums are not counted (the field's custom).

    >>> madds(Operator("linear", 1, 1, 1280, 1000, norm=False))
    1280000
    """
    if op.counts is not None:
        return op.counts[0]
    if op.kind in ("identity", "pool"):
        return 0
    if op.kind == "linear":
        return op.in_channels * op.out_channels
    if op.kind == "conv":
        return op.kernel**2 * op.in_channels * op.out_channels * op.out_size**2
    expand = op.in_channels * op.mid_channels * op.in_size**2 if op.mid_channels != op.in_channels else 0
    depthwise = op.kernel**2 * op.mid_channels * op.out_size**2
    squeeze = 2 * op.mid_channels * op.squeeze_channels if op.squeeze_excite else 0
    return expand + depthwise + squeeze + op.mid_channels * op.out_channels * op.out_size**2


def params(op: Operator) -> int:
    """Trained parameters: weights, biases, and scale and offset of norms (running statistics are not counted).

    >>> params(Operator("linear", 1, 1, 1280, 1000, norm=False))
    1281000
    """
    if op.counts is not None:
        return op.counts[1]
    norm = 2 if op.norm else 0
    if op.kind in ("identity", "pool"):
        return 0
    if op.kind == "linear":
        return (op.in_channels + 1) * op.out_channels
    if op.kind == "conv":
        return (op.kernel**2 * op.in_channels + norm) * op.out_channels
    expand = (op.in_channels + norm) * op.mid_channels if op.mid_channels != op.in_channels else 0
    depthwise = (op.kernel**2 + norm) * op.mid_channels
    squeeze = (
        2 * op.mid_channels * op.squeeze_channels + op.mid_channels + op.squeeze_channels if op.squeeze_excite else 0
    )
    return expand + depthwise + squeeze + (op.mid_channels + norm) * op.out_channels
