"""Shape and type of arrays at the entrances of the library, checked by chex while a function is traced.

A compiled function pays nothing for it. chex is imported at the first check and not with the library, since an answer
that needs no tracing needs no chex either.
"""

from __future__ import annotations

import jax
import numpy as np


def check(what: str, array: jax.Array | np.ndarray, shape: tuple[int | None, ...], kind: type) -> None:
    """Refuse an array, concrete or traced, that an entrance does not take; ``what`` names both.

    ``shape`` has the length of each axis, None for any; ``kind`` is ``int`` or ``float``, of any width.

    Raises:
      ValueError: with the shape or type that it has and should have.

    >>> try: check("walk: budgets", np.zeros((8, 2), np.int32), (None, 1), int)
    ... except ValueError as error: print(str(error).partition("input 0 ")[2])
    has shape (8, 2) but expected (None, 1). [walk: budgets]
    """
    import chex

    chex.assert_shape(array, shape, custom_message=what, exception_type=ValueError)
    chex.assert_type(array, kind, custom_message=what, exception_type=ValueError)
