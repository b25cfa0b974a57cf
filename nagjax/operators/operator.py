"""One operator: its shape, and the text key that names it in a device table.

An operator is one timed unit of a network: a convolution, an inverted bottleneck, a pooling, a linear layer. Spaces
list the operators that each decision adds; device tables price them. What it counts and computes belongs to its kind.
"""

from __future__ import annotations

import dataclasses
import re

from nagjax import arguments
from nagjax.operators import registry

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
    """One operator. A kind with other sizes than these has a subclass, or names them in ``attributes``.

    Attributes:
      kind: name of a kind of operator that is registered (``nagjax.operators``).
      in_size, out_size: side of the input and output feature map, pixels; of a sequence its length.
      in_channels, out_channels: number of channels.
      kernel, stride: of the (depthwise) convolution.
      mid_channels: width of the expanded part of an ``mbconv``; 0 elsewhere.
      squeeze_excite: an ``mbconv`` with a squeeze-excite module (reduction 4).
      activation: one of ``ACTIVATIONS``.
      skip: an ``mbconv`` or ``full_conv`` with a residual connection.
      norm: a batch norm follows each convolution; a ``linear`` has a bias instead.
      resolution: side of the input of the network it stands in, pixels; 0 where the space has no such decision. Tables
        exported one network resolution at a time price an operator by it; everything else ignores it, and the key
        leaves it out.
      attributes: what else it is, names and values; both stand in the key, ``heads=4``.
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
    attributes: tuple[tuple[str, int | str], ...] = ()

    def __post_init__(self) -> None:
        for least, names in ((1, _SIZES), (0, ("mid_channels", "resolution"))):
            for name in names:
                value = getattr(self, name)
                # Spaces make thousands of operators: what is plainly right is not looked at twice.
                if type(value) is not int or value < least:
                    arguments.count(value, f"operator: {name}", least)
        registry.check_name(self.kind)
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"operator activation {self.activation!r} is not one of {', '.join(ACTIVATIONS)}")
        for name, value in self.attributes:
            if not _ATTRIBUTE.fullmatch(f"{name}={value}") or type(value) not in (int, str):
                raise ValueError(
                    f"operator attribute {name!r} is {value!r}: names are letters and _, values whole numbers or words "
                    "of letters, digits, _ and ."
                )

    @property
    def key(self) -> str:
        """The text that names the operator in a device table; ``nagjax.operators.parse_key`` reads it back.

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
        parts += [f"{name}={value}" for name, value in self.attributes]
        return "-".join(parts)

    @property
    def squeeze_channels(self) -> int:
        """Width of the squeeze-excite bottleneck: a quarter of the expanded width, made divisible by 8."""
        return make_divisible(self.mid_channels // 4)


_ATTRIBUTE = re.compile(r"[a-z_]+=(?:\d+|[A-Za-z_][\w.]*)", re.ASCII)
_KEY = re.compile(
    r"(?P<kind>[a-z][a-z0-9_]*)-(?P<in>\d+)x(?P=in)x(?P<ic>\d+)-(?P<out>\d+)x(?P=out)x(?P<oc>\d+)-k(?P<k>\d+)-s(?P<s>\d+)"
    r"(?:-m(?P<m>\d+))?(?P<se>-se)?(?:-(?P<act>relu6|relu|h_swish))?(?P<skip>-skip)?(?P<bn>-bn)?"
    rf"(?P<more>(?:-{_ATTRIBUTE.pattern})*)",
    re.ASCII,
)


def _shape(size: int, channels: int) -> str:
    return f"{size}x{size}x{channels}"


def parse_common(key: str) -> Operator | None:
    """The operator of a key of the form that ``Operator.key`` writes; None for any other text.

    >>> parse_common("pool-7x7x960-1x1x960-k7-s1").in_channels
    960
    """
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    pairs = [part.partition("=") for part in match["more"].split("-") if part]
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
        attributes=tuple((name, int(value) if value.isdecimal() else value) for name, _, value in pairs),
    )
