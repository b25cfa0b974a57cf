"""The cost columns of a problem by name: measured, priced by a device table, or computed from shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from absl import flags

from experiments.frame import settings
from nagjax.devices.pricing import ANALYTIC, Prices, analytic, price
from nagjax.devices.table import DeviceTable
from nagjax.spaces.space import Space
from nagjax.tabular import Tabular

LATENCY = "latency_ms"


def load_prices(
    costs: Sequence[str],
    table: DeviceTable | None,
    space: Space,
    quantile: float | None = None,
    allowed: np.ndarray | None = None,
) -> list[Prices]:
    """Cost columns by name; the first is the one that reports plot. Only edges of ``allowed`` have to be priced.

    Raises:
      ValueError: if a name is not known, stands twice, or needs a table that is not given; or if there is nothing that
        the quantile applies to.
    """
    names = [name.strip().removesuffix("_m") for name in costs]
    known = (LATENCY, *ANALYTIC)
    for name in names:
        if name not in known:
            raise ValueError(f"--costs: {name!r} is not a cost column{settings.nearest(name, known)}")
        if name == LATENCY and table is None:
            raise ValueError(
                f"--costs={LATENCY} needs a device table: give --table=FILE, --costs=madds, or the --cost_columns of a "
                "--benchmark"
            )
    if not names or len(set(names)) < len(names):
        raise ValueError(f"--costs={','.join(costs)}: name each cost column once; known: {', '.join(known)}")
    if quantile is not None and LATENCY not in names:
        raise ValueError(f"--cost_quantile={quantile:g} is of measured latencies: add {LATENCY} to --costs")
    return [
        price(table, space, LATENCY, quantile, allowed) if name == LATENCY and table else analytic(space, name)
        for name in names
    ]


def benchmark_prices(values: flags.FlagValues, found: Tabular, table: DeviceTable | None) -> list[Prices]:
    """The measured costs of a benchmark, then those that --costs adds.

    Raises:
      ValueError: as ``load_prices``, or if a cost would come from two sources.
    """
    measured = [column.name for column in found.prices]
    if table is None and values.cost_quantile is not None:
        raise ValueError(f"--cost_quantile={values.cost_quantile:g} is of latencies priced by a --table; none is given")
    # --costs asks for latencies by default: where costs are measured, that is meant only if there is a table.
    others = [name for name in values.costs if name != LATENCY or table is not None or not measured]
    asked = found.space.where(settings.parse_pairs(values.where, "where", many=True))
    priced = load_prices(others, table, found.space, values.cost_quantile, asked) if others else []
    for column in priced:
        if column.name in measured:
            raise ValueError(f"{column.name} is measured (--cost_columns) and priced (--table, --costs): leave one out")
    return [*found.prices, *priced]
