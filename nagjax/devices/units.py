"""Whether latencies are those of networks: a unit that was declared for another shows in them."""

from __future__ import annotations

FASTEST, SLOWEST = 0.01, 600_000.0
"""Whole networks take longer than 10 microseconds and less than ten minutes, ms."""

QUICK, SLOW = 0.1, 1_000.0
FASTEST_RATE, SLOWEST_RATE = 1e12, 2e7
"""A network of less than 0.1 ms whose operators do more than 1e12 multiply-adds a second is too fast; one of more than
a second whose operators do fewer than 2e7, as few as a small microcontroller, too slow."""

_STEPS = (
    (1e3, "s instead of ms, or ms instead of us"),
    (1e-3, "us instead of ms, or ms instead of s"),
    (1e6, "s instead of us"),
    (1e-6, "ns instead of ms"),
)


def unit_doubt(low: float, high: float, rate: float = 0.0) -> str:
    """What is strange about latencies of ``low`` to ``high`` ms, with the unit that would make sense; else empty.

    ``rate`` is multiply-adds a second of the median operator, for one image; 0 where it is not known.

    >>> doubt = unit_doubt(0.0003, 0.002)
    >>> doubt[:65]
    'networks take 300 ns to 2 us, less than 10 us: is the unit right?'
    >>> doubt[66:]
    'One 1000 times larger (s instead of ms, or ms instead of us) gives 0.3 to 2 ms'
    >>> unit_doubt(5.0, 80.0)
    ''
    """
    fault = _fault(low, high, rate)
    if not fault:
        return ""
    sensible = [(factor, units) for factor, units in _STEPS if not _fault(low * factor, high * factor, rate / factor)]
    remedy = "Declare the unit of the times"
    if sensible:
        factor, units = sensible[0]
        size = f"{max(factor, 1 / factor):g} times {'larger' if factor > 1 else 'smaller'}"
        remedy = f"One {size} ({units}) gives {low * factor:.3g} to {high * factor:.3g} ms"
    return f"networks take {_time(low)} to {_time(high)}, {fault}: is the unit right? {remedy}"


def _fault(low: float, high: float, rate: float) -> str:
    """What is strange about the times, in words; empty where nothing is."""
    if high < FASTEST:
        return f"less than {_time(FASTEST)}"
    if low > SLOWEST:
        return f"more than {_time(SLOWEST)}"
    if high < QUICK and rate > FASTEST_RATE:
        return f"{rate:.1e} multiply-adds a second"
    if high > SLOW and 0 < rate < SLOWEST_RATE:
        return f"{rate:.1e} multiply-adds a second"
    return ""


def _time(ms: float) -> str:
    """A time in a unit in which it can be read.

    >>> _time(0.0003), _time(12.5), _time(5_000.0), _time(600_000.0), _time(1.08e7)
    ('300 ns', '12.5 ms', '5 s', '10 min', '3 h')
    """
    for unit, size in (("h", 3.6e6), ("min", 6e4), ("s", 1e3), ("ms", 1.0), ("us", 1e-3)):
        if ms >= size:
            return f"{ms / size:.3g} {unit}"
    return f"{ms * 1e6:.3g} ns"
