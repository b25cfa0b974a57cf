"""Vision transformers of one's own: the transformers of ``nagjax.spaces.transformer`` whose rows are patches of images.

A patch is a row, every row looks at all, and the mean of the rows is classified (Dosovitskiy et al., arXiv 2010.11929,
with a mean in place of the class token).
"""

from __future__ import annotations

from functools import partial

import numpy as np

from nagjax import arguments
from nagjax.operators.patch_embedding import patch_embedding
from nagjax.operators.pooled_head import pooled_head
from nagjax.spaces.space import Space
from nagjax.spaces.transformer import Plan, layers, space_of


def make(
    image_size: int = 28,
    patch: int = 4,
    image_channels: int = 1,
    classes: int = 10,
    widths: int | str = "32-64",
    depths: int | str = "2-3-4",
    heads: int | str = "2-4",
    ratios: int | str = "2-4",
    mixers: str = "softmax-linear",
    head_size: int = 16,
) -> Space:
    """The space; choices are written with ``-`` between them.

    Sides of images and patches are in pixels, and a task scales its images. The MLP of a layer is ratio times the width
    wide; mixers are of ``nagjax.operators.attention.MIXERS``; a head has ``head_size`` channels whatever the width.

    >>> make(widths="32", depths="1-2", mixers="softmax").count()
    20

    Raises:
      ValueError: if a size or choice is out of range, choices do not ascend, or patches do not fill an image.
    """
    lists = {"widths": widths, "depths": depths, "heads": heads, "ratios": ratios}
    sizes = {"image_channels": image_channels, "classes": classes}
    shape = {"image_size": image_size, "patch": patch}
    for name, value in {**sizes, **shape}.items():
        arguments.count(value, f"elastic_vit: {name}", 2 if name == "classes" else 1)
    if image_size % patch or image_size == patch:
        raise ValueError(
            f"elastic_vit: image_size={image_size}, patch={patch}: give a patch of which several fill a side"
        )
    length = (image_size // patch) ** 2
    plan = Plan(
        layers("elastic_vit", lists, mixers, head_size),
        length,
        causal=False,
        stem=partial(patch_embedding, image_size, image_channels, patch),
        head=lambda width: pooled_head(length, width, classes),
        sizes=sizes,
        group=image_size,
        example=lambda num, rng: rng.normal(size=(num, image_size, image_size, image_channels)).astype(np.float32),
    )
    return space_of("elastic_vit", plan, {**shape, **sizes, "head_size": head_size, **lists, "mixers": mixers})
