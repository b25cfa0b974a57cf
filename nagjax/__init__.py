"""nagjax: one trained generator of architectures, which answers any latency budget from the Pareto front.

>>> import nagjax
>>> nagjax.load  # doctest: +ELLIPSIS
<function load at ...>
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nagjax.inference import Answer, Generator, load

__all__ = ["Answer", "Generator", "load"]


def __getattr__(name: str) -> Any:
    """Import the inference module when it is first asked for, so that ``import nagjax`` stays light."""
    if name in __all__:
        from nagjax import inference

        return getattr(inference, name)
    raise AttributeError(f"module 'nagjax' has no attribute {name!r}")
