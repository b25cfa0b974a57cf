"""A MobileNetV3 space for 28-pixel images, small enough to train on two processor cores.

Three units of one to three inverted bottlenecks; each picks a kernel of 3 or 5 and an expand ratio of 2, 3 or 4; the
resolution is 20, 24 or 28. 51 million architectures of 0.26 to 3.7 million multiply-adds.
"""

from __future__ import annotations

from nagjax.spaces.mobilenet_v3 import Plan, make_space
from nagjax.spaces.space import Space


def plan(image_channels: int = 1, classes: int = 10) -> Plan:
    """Sizes of the space for images of 1 or 3 channels and any number of classes.

    Raises:
      ValueError: if a setting is out of range.
    """
    if image_channels not in (1, 3) or classes < 2:
        raise ValueError(
            f"mobilenet_v3_small28: image_channels is {image_channels}, classes {classes}; "
            "image_channels must be 1 or 3, classes 2 or more"
        )
    return Plan(
        resolutions=(20, 24, 28),
        depths=(1, 2, 3),
        kernels=(3, 5),
        ratios=(2, 3, 4),
        usual_resolution=28,
        image_channels=image_channels,
        classes=classes,
        channels=(8, 8, 16, 24, 40, 120, 128),
        strides=(1, 2, 2),
        squeeze=(False, True, True),
        activations=("relu", "h_swish", "h_swish"),
    )


def make(image_channels: int = 1, classes: int = 10) -> Space:
    """The space for images of 1 or 3 channels and any number of classes."""
    settings = {"image_channels": image_channels, "classes": classes}
    return make_space("mobilenet_v3_small28", 1, settings, plan(image_channels, classes))
