"""The handwritten digits that scikit-learn brings along: a data set without a download."""

from __future__ import annotations

import numpy as np

from nagjax.supernet.datasets.images import Images

CLASSES = 10


def read_digits() -> Images:
    """1,797 images ``[N, 8, 8, 1]``; the values 0 to 16 become 0 to 255.

    It is the test part of Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, UCI, 1998.

    Raises:
      ValueError: if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-not-found, import-untyped]
    except ImportError as error:
        raise ValueError(
            f"digits: scikit-learn brings the images and cannot be imported ({error}); pip install scikit-learn"
        ) from None
    found = load_digits()
    pixels = np.rint(np.asarray(found.images) * (255 / 16)).astype(np.uint8)
    return Images(pixels[..., None], np.asarray(found.target).astype(np.int32))
