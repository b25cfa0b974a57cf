"""Fillers among measurements: what is flagged, and that ordinary spreads never are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagjax.devices.plausible import implausible


@pytest.mark.parametrize(
    ("values", "flagged"),
    [
        ([2.0, 1.75, 1e9, 2.5], [2]),
        ([2.0, 1.75, 1e9, 1e6], [2, 3]),
        ([2.0, 1999.0], []),
        ([2.0, 2000.5], [1]),
        ([80.0, 20.0, 9999.0], [2]),
        ([80.0, 20.0, 9998.0], []),
        ([0.08, 0.02, 9.999], [2]),
        ([80.0, 1e4, 20.0], [1]),
        ([5.0, 6.0, 1e9, 1e9, 1e9], [2, 3, 4]),
        ([0.001, 5.0, 5.0, 5.0], []),
        ([0.0, 0.0, 5.0, -1.0], []),
        ([np.nan, 5.0, np.inf], [2]),
        ([1e-300, 1e300], [1]),
        ([7.0], []),
        ([], []),
    ],
    ids=str,
)
def test_fillers(values, flagged):
    assert np.flatnonzero(implausible(np.array(values, float))).tolist() == flagged


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=30), st.floats(-6, 6), st.sampled_from([99999.0, 1e9]))
def test_no_gap_is_no_filler_and_a_filler_is_found_among_any(logs, unit, filler):
    """Values over four powers of ten without a step of 50, in any unit; then with a filler far above them."""
    steps = np.arange(-2, 2.01, 0.5)
    values = 10.0 ** (np.concatenate([logs, steps]) + unit)
    assert not implausible(values).any()
    assert np.flatnonzero(implausible(np.append(values, filler * 10.0 ** (unit + 2)))).tolist() == [len(values)]
