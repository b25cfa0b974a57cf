"""The once-for-all MobileNetV3 space (Cai et al., arXiv 1908.09791; PNAG, arXiv 2210.07634).

Five units of two to four inverted bottlenecks; each picks one of 9 (kernel, expand ratio) pairs. The resolution, 96 to
256 in steps of 4, is the first decision: a problem opens the resolutions that its table and predictor both know.
Text: ``depths:kernels:ratios:resolution``, the form of the released PNAG networks plus the resolution; without it the
resolution is 224, as it is in the paper.
"""

from __future__ import annotations

from nagjax.operators import make_divisible
from nagjax.spaces.mobilenet_v3 import Plan, make_space
from nagjax.spaces.space import Space

RESOLUTIONS = tuple(range(96, 257, 4))
WIDTHS = (16, 16, 24, 40, 80, 112, 160, 960, 1280)
PUBLISHED_RESOLUTION = 224


def plan(width: float = 1.2) -> Plan:
    """Sizes of the space at a width multiplier.

    >>> plan().sizes(224), plan().sizes(164)
    ((112, 56, 28, 14, 14, 7), (82, 41, 21, 11, 11, 6))

    Raises:
      ValueError: for a width that was never published.
    """
    if width not in (1.0, 1.2):
        raise ValueError(f"ofa_mobilenet_v3: width {width} is not one of 1.0, 1.2")
    return Plan(
        resolutions=RESOLUTIONS,
        depths=(2, 3, 4),
        kernels=(3, 5, 7),
        ratios=(3, 4, 6),
        usual_resolution=PUBLISHED_RESOLUTION,
        image_channels=3,
        classes=1000,
        channels=tuple(make_divisible(base * width) for base in WIDTHS),
        strides=(2, 2, 2, 1, 2),
        squeeze=(False, True, False, True, True),
        activations=("relu", "relu", "h_swish", "h_swish", "h_swish"),
    )


def make(width: float = 1.2) -> Space:
    """The space at width multiplier 1.0 or 1.2."""
    return make_space("ofa_mobilenet_v3", 1, {"width": float(width)}, plan(width))
