"""Tokens a second, in which a person thinks, and milliseconds a token, which add up over operators."""

from __future__ import annotations

import decimal
import math
from collections.abc import Mapping

from nagjax.devices.pricing import TOKEN

RATE = "tokens_per_second"
"""What budgets of ``TOKEN`` may be given as: at least so many."""

PER_SECOND = 1000.0
_DOWN = decimal.Context(prec=6, rounding=decimal.ROUND_FLOOR)


def budget_ms(rate: float) -> float:
    """The budget, ms a token, of at least ``rate`` tokens a second; of 0, no limit.

    >>> budget_ms(200.0), budget_ms(0.0)
    (5.0, inf)

    Raises:
      ValueError: if it is below 0.
    """
    if rate < 0:
        raise ValueError(f"budget {RATE}={rate:g} is below 0: give at least so many tokens a second, or 0 for no limit")
    return PER_SECOND / rate if rate else math.inf


def rate_of(costs: Mapping[str, float]) -> float | None:
    """Tokens a second of each text, to be read, of costs by column; None where none is ``TOKEN``.

    Asked as a budget it admits these costs: rounded down.

    >>> rate_of({"token_ms": 0.8}), rate_of({"token_ms": 0.3}), rate_of({"latency_ms": 0.3})
    (1250.0, 3333.33, None)
    """
    if TOKEN not in costs:
        return None
    ms = float(costs[TOKEN])
    rate = _DOWN.divide(decimal.Decimal(PER_SECOND), decimal.Decimal(repr(ms)))
    while budget_ms(float(rate)) < ms:  # by the last bit of a float
        rate = _DOWN.next_minus(rate)
    return float(rate)
