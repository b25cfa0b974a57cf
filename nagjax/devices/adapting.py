"""From measured networks of known devices, and a few of a new one, to the device table of the new one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from nagjax.devices.operator_terms import OperatorTerms, operator_terms
from nagjax.devices.table import DeviceTable, Row
from nagjax.devices.transfer import Adapted, Prior, adapt, device_weights, learn_prior, plan, shared_evenly
from nagjax.spaces import trellis as tl
from nagjax.spaces.draws import spread
from nagjax.spaces.soundness import complete_edges
from nagjax.spaces.space import Space

REFERENCE = 1000
"""Networks, at most, whose mean latency is a device's scale."""

CANDIDATES = 1000
"""Networks, at most, among which a plan chooses."""

FAR_DEVICE = 100.0
"""A device this many times slower or quicker than all known ones is doubted: it may be measured in another unit."""

FAR_NETWORK = 5.0
"""So is a network that took this many times more or less than the others let expect."""

APART = 1.5
"""So are measurements of one network, the longest this many times the shortest: noise that is believed is below."""

SHOWN = 3
"""Doubted networks that are named."""


@dataclasses.dataclass(frozen=True, eq=False)
class KnownDevices:
    """Devices on which many networks were measured.

    Attributes:
      names: of the D devices.
      terms: of the space.
      prior: what they have in common.
      scales: float64 ``[D]``, mean latency of the prior's reference networks on each, ms.
      priced: bool ``[num_operators]``, operators that the networks of every device tell of.
    """

    names: tuple[str, ...]
    terms: OperatorTerms
    prior: Prior
    scales: np.ndarray
    priced: np.ndarray

    def open_edges(self) -> np.ndarray:
        """Edges bool ``[T, S, C]`` whose operators are priced."""
        graph = self.terms.space.trellis
        fine: np.ndarray = graph.valid & np.append(self.priced, True)[graph.operators].all(-1)
        return fine


def known_devices(space: Space, measured: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> KnownDevices:
    """What devices have in common that were measured: tokens int32 ``[N, T]`` and ms float64 ``[N]``, by name.

    The networks may differ from one device to the next.

    Raises:
      ValueError: if there are fewer than 2 devices, the space declares no operators, or the devices were measured on
        nothing in common.
    """
    if len(measured) < 2:
        raise ValueError(f"{len(measured)} known devices do not say how devices differ; give 2 or more")
    terms = operator_terms(space)
    weights = [device_weights(terms.of(tokens), times) for tokens, times in measured.values()]
    priced = np.logical_and.reduce([terms.told(tokens) for tokens, _ in measured.values()])
    every = np.unique(np.concatenate([tokens for tokens, _ in measured.values()]), axis=0)
    common = every[space.operator_sum(every, (~priced).astype(np.int64)) == 0]
    if not len(common):
        raise ValueError(f"{', '.join(measured)}: no network is made of what all were measured on; measure some on all")
    picked = np.linspace(0, len(common) - 1, min(REFERENCE, len(common))).astype(int)
    reference = terms.of(common[picked])
    scales = (np.stack(weights) @ reference.T).mean(1)
    return KnownDevices(tuple(measured), terms, learn_prior(weights, reference), scales, priced)


def planned(known: KnownDevices, allowed: np.ndarray, num: int, seed: int = 0) -> np.ndarray:
    """Networks int32 ``[num, T]`` to measure on a new device, 2 or more, in the order in which they teach most.

    The first two are a cheap and a costly one. Edges ``allowed``, bool ``[T, S, C]``, are those that networks may take
    (``Space.where``).

    Raises:
      ValueError: if there are not so many networks of what known devices were measured on.
    """
    space = known.terms.space
    edges = complete_edges(space.trellis.target, known.open_edges() & allowed)
    if not edges[0].any():
        raise ValueError("no network that may be measured is made of what the known devices were measured on")

    def costs_of(tokens: np.ndarray) -> np.ndarray:
        return known.terms.of(tokens) @ known.prior.mean

    most = tl.count(space.trellis.target, edges)[0][0]
    candidates = spread(space, edges, costs_of, min(CANDIDATES, most), seed)
    return candidates[plan(known.prior, known.terms.of(candidates), num)]


def adapted(
    known: KnownDevices, tokens: np.ndarray, measured: np.ndarray, device: str = "unknown"
) -> tuple[DeviceTable, Adapted]:
    """The table of a new device, from networks int32 ``[n, T]`` and ms float64 ``[n]``, and what it was made of.

    Raises:
      ValueError: if there is no measurement, or a network has an operator that known devices were not measured on.
    """
    space, terms = known.terms.space, known.terms
    strange = space.operator_sum(tokens, (~known.priced).astype(np.int64))
    if strange.any():
        text = space.format(tokens[int(np.argmax(strange))])
        raise ValueError(
            f"{text} has {int(strange.max())} operators that not every known device was measured on; leave it out, or "
            "measure networks that nagjax measure_plan names"
        )
    found = adapt(known.prior, terms.of(tokens), measured)
    prices = terms.prices(shared_evenly(known.prior, found.weights))
    table = DeviceTable(
        device=device,
        runtime="unknown",
        batch=1,
        dtype="unknown",
        unit="ms",
        measured=f"adapted from {', '.join(known.names)} by {len(tokens)} measured networks",
        rows={
            (op.key, None): Row(float(prices[index]))
            for index, op in enumerate(space.operators)
            if known.priced[index] and terms.family[index] >= 0
        },
    )
    return table, found


def doubts(known: KnownDevices, tokens: np.ndarray, measured: np.ndarray) -> list[str]:
    """What is hard to believe of measurements on a new device: their unit, single ones that spoil the table, repeats.

    Args:
      known: the known devices.
      tokens: networks int32 ``[n, T]``, of what known devices were measured on.
      measured: their latencies float64 ``[n]``, ms.
    """
    expected = known.terms.of(tokens) @ known.prior.mean
    scale = float(np.median(measured / expected))
    slowest, quickest = float(known.scales.max()), float(known.scales.min())
    out = []
    if not quickest / FAR_DEVICE <= scale <= slowest * FAR_DEVICE:
        out.append(
            f"networks that take {quickest:.3g} to {slowest:.3g} ms on known devices would take {scale:.3g} ms on this "
            "one: is the unit right? latency_ms is in ms"
        )
    factor = measured / (scale * expected)
    far = np.flatnonzero((factor > FAR_NETWORK) | (factor < 1 / FAR_NETWORK))
    if len(far):
        named = "; ".join(
            f"{known.terms.space.format(tokens[row])}: {measured[row]:.4g} ms, {scale * expected[row]:.3g} expected"
            for row in far[:SHOWN]
        )
        out.append(
            f"{len(far)} of {len(measured)} networks are far from what the others and known devices let expect, and "
            f"one such measurement can spoil the table: {named}{_more(far)}; measure again, or leave out"
        )
    if sentence := _disagreement(known.terms.space, tokens, measured):
        out.append(sentence)
    return out


def _disagreement(space: Space, tokens: np.ndarray, measured: np.ndarray) -> str:
    """Networks that were measured several times, and took very different times; empty where there is none."""
    different, group = np.unique(tokens, axis=0, return_inverse=True)
    least, most = np.full(len(different), np.inf), np.zeros(len(different))
    np.minimum.at(least, group.ravel(), measured)
    np.maximum.at(most, group.ravel(), measured)
    apart = np.flatnonzero(most > APART * least)
    if not len(apart):
        return ""
    apart = apart[np.argsort(-most[apart] / least[apart], kind="stable")]
    named = "; ".join(f"{space.format(different[i])}: {least[i]:.4g} to {most[i]:.4g} ms" for i in apart[:SHOWN])
    what = "1 network is" if len(apart) == 1 else f"{len(apart)} networks are"
    return (
        f"{what} given several times with latencies that are far apart, and all of them make the table: "
        f"{named}{_more(apart)}; measure again, or leave rows out"
    )


def _more(rows: np.ndarray) -> str:
    return f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
