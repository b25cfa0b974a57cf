"""A new device from a few measured networks: what known devices have in common is the prior, measurements decide.

Latencies of a known device are a linear model of operator terms, relative to the device's own scale. A new device is
like one of them, but for its scale, for some of what known devices differ in, and for a little of everything: a mixture
of Gaussians over weights, one around each known device. In the terms of a Gaussian process its kernels are products of
one over devices and one over architectures. A few measurements tell how likely each is; so they do of how far a new
device is from the nearest, and of how noisy they are themselves, since the prediction is the mean over all these,
weighted by the evidence (Bayesian model averaging; MacKay, Neural Computation 4, 1992). It is a linear model again.

Which networks to measure follows from the prior alone: after the cheapest and the costliest always the one whose
relative latency is least certain, which is greedy D-optimal design (Krause, Singh and Guestrin, JMLR 9, 2008).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

DISTANCES = (0.1, 0.3, 1.0)
"""Tried: how far a new device is from a known one, as a share of how far known devices are from one another."""

SPREADS = (0.003, 0.03)
"""Tried: how far each weight may be off beside, as a share of its size on known devices."""

NOISES = (0.003, 0.01, 0.03, 0.1, 0.2)
"""Tried: deviation of a measurement, as a share of it."""

SCALE = 0.1
"""Deviation of the scale that the measurements' geometric mean gives."""

PLANNED_SPREAD, PLANNED_NOISE = 0.01, 0.1
"""What a plan expects: with less noise it would chase what only an exact measurement could tell."""

EVEN = 1e-6
"""Penalty of weights, in units of the mean sum of a term's squares, that shares evenly what nothing tells apart."""

FLOOR = 1e-6
"""Least weight of a term that a device is found to have, as a share of the mean weight: none is free."""

LEAST = 0.01
"""The same of a weight that is shared evenly: where networks leave a choice, an operator takes some time."""


@dataclasses.dataclass(frozen=True, eq=False)
class Prior:
    """What is known of a device before anything is measured on it: D known devices, F terms.

    Attributes:
      devices: float64 ``[D, F]``, weights of each known device, relative to its scale.
      reference: float64 ``[N, F]``, terms of the networks whose mean latency is a device's scale.
    """

    devices: np.ndarray
    reference: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Weights float64 ``[F]`` of the mean device."""
        mean: np.ndarray = self.devices.mean(0)
        return mean

    @property
    def between(self) -> np.ndarray:
        """How known devices differ from the mean device, float64 ``[D, F]``; products sum up to the covariance."""
        between: np.ndarray = (self.devices - self.mean) / np.sqrt(len(self.devices) - 1)
        return between

    @property
    def sizes(self) -> np.ndarray:
        """Root mean square float64 ``[F]`` of each weight over the known devices."""
        sizes: np.ndarray = np.sqrt(np.square(self.devices).mean(0))
        return sizes


@dataclasses.dataclass(frozen=True, eq=False)
class Adapted:
    """A new device.

    Attributes:
      weights: float64 ``[F]``, ms a term, above 0.
      left_out: float64 ``[n]``, ms, each measurement as the others predict it, scale and all; NaN of a single one.
      likeness: float64 ``[D]``, how likely it is that the new device is like each known one; they add up to 1.
    """

    weights: np.ndarray
    left_out: np.ndarray
    likeness: np.ndarray


def device_weights(terms: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Weights float64 ``[F]``, none below 0, of terms float64 ``[N, F]`` for ``measured`` float64 ``[N]``, above 0.

    Of all such they have the least squared relative error.

    >>> device_weights(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 2.0, 3.0])).round(3).tolist()
    [1.0, 2.0]
    """
    from scipy.optimize import nnls

    design = np.concatenate([terms / measured[:, None], np.ones((len(terms), 1))], 1)
    _, reduced = np.linalg.qr(design)
    weights: np.ndarray = nnls(reduced[:, :-1], reduced[:, -1], maxiter=100 * terms.shape[1])[0]
    return weights


def learn_prior(weights: Sequence[np.ndarray], reference: np.ndarray) -> Prior:
    """The prior that known devices make by their weights float64 ``[F]``, ms a term.

    ``reference`` are terms float64 ``[N, F]`` of networks whose mean latency is a device's scale.

    Raises:
      ValueError: if there are fewer than 2 devices, or one has no latency at all.
    """
    if len(weights) < 2:
        raise ValueError(f"{len(weights)} known devices do not say how devices differ; give 2 or more")
    stacked = np.stack(weights)
    scales = (stacked @ reference.T).mean(1)
    if not (scales > 0).all():
        number = int(np.argmin(scales)) + 1
        raise ValueError(f"known device {number} has a mean latency of 0; is its file the right one?")
    return Prior(stacked / scales[:, None], reference)


def adapt(prior: Prior, terms: np.ndarray, measured: np.ndarray) -> Adapted:
    """A new device from networks of terms float64 ``[n, F]``, few or many, measured float64 ``[n]``, ms, above 0.

    Raises:
      ValueError: if there is no measurement, or no known device knows what one of the networks is made of.
    """
    if not len(measured):
        raise ValueError("no network was measured: without one the scale of a device is not known")
    expected = terms @ prior.devices.T
    if not (expected > 0).all():
        row = int(np.argmin(expected.min(1)))
        raise ValueError(f"network {row + 1} of those measured consists of nothing that known devices were measured on")
    found = [
        (*one, index)
        for index, device in enumerate(prior.devices)
        for one in _posteriors(prior, device, terms, measured)
    ]
    evidence = np.array([one[0] for one in found])
    share = _shares(evidence)
    weights = share @ np.stack([one[1] for one in found])
    likeness = np.bincount([one[3] for one in found], share, len(prior.devices))
    return Adapted(_above_zero(prior, weights), _left_out([one[2] for one in found]), likeness)


def _shares(evidence: np.ndarray) -> np.ndarray:
    """Posterior float64 ``[H, ...]`` of H hypotheses by the logarithms of their evidence."""
    share = np.exp(evidence - evidence.max(0))
    shares: np.ndarray = share / share.sum(0)
    return shares


def _left_out(found: Sequence[LeftOut]) -> np.ndarray:
    """The mean over hypotheses of what each predicts without a measurement, by its evidence without it."""
    share = _shares(np.stack([one.evidence for one in found]))
    mean: np.ndarray = (share * np.stack([one.predicted for one in found])).sum(0)
    return mean


@dataclasses.dataclass(frozen=True, eq=False)
class LeftOut:
    """What follows without each of n measurements in turn: evidence and prediction, ms, float64 ``[n]``."""

    evidence: np.ndarray
    predicted: np.ndarray


def _posteriors(
    prior: Prior, device: np.ndarray, terms: np.ndarray, measured: np.ndarray
) -> Iterator[tuple[float, np.ndarray, LeftOut]]:
    """What follows from being like one known device, at each distance, spread and noise.

    Yields:
      the logarithm of the evidence but for a constant, mean weights float64 ``[F]``, and the same of all but one.
    """
    expected = terms @ device
    scale = float(np.exp(np.log(measured / expected).mean()))
    off = measured / (scale * expected) - 1
    shares = terms / expected[:, None]
    between, own = shares @ prior.between.T, shares * prior.sizes
    products = between @ between.T, own @ own.T
    for distance, spread in itertools.product(DISTANCES, SPREADS):
        values, vectors = np.linalg.eigh(distance**2 * products[0] + spread**2 * products[1] + SCALE**2)
        rotated = vectors.T @ off
        for noise in NOISES:
            variances = np.maximum(values, 0.0) + noise**2
            evidence = -0.5 * float((np.log(variances) + rotated**2 / variances).sum())
            solved = vectors @ (rotated / variances)
            moved = SCALE**2 * solved.sum() * device + distance**2 * (solved @ between) @ prior.between
            moved += spread**2 * (solved @ own) * prior.sizes
            yield evidence, scale * (device + moved), _without_each(vectors, variances, off, scale * expected)


def _without_each(vectors: np.ndarray, variances: np.ndarray, off: np.ndarray, expected: np.ndarray) -> LeftOut:
    """Of each measurement what the others say, from eigenvectors ``[n, n]`` and eigenvalues ``[n]`` of the covariance.

    Measured is ``expected * (1 + off)``, float64 ``[n]``, where ``off`` is relative to the geometric mean of all. The
    mean of the others is ``by`` times smaller, and relative to that ``off`` is ``by * off + by - 1``. Without one row
    and column the inverse follows from the whole one (Rasmussen and Williams 2006, section 5.4.2).
    """
    num = len(off)
    if num == 1:
        return LeftOut(np.zeros(1), np.full(1, np.nan))
    by = (1 + off) ** (1 / (num - 1))
    rotated, ones = vectors.T @ off, vectors.sum(0)
    solved = by * (vectors @ (rotated / variances)) + (by - 1) * (vectors @ (ones / variances))
    precision = np.square(vectors) @ (1 / variances)
    squares = (
        np.square(by) * (rotated**2 / variances).sum()
        + 2 * by * (by - 1) * (rotated * ones / variances).sum()
        + np.square(by - 1) * (ones**2 / variances).sum()
    )
    evidence = -0.5 * (np.log(variances).sum() + np.log(precision) + squares - solved**2 / precision)
    return LeftOut(evidence, expected * (1 + off - solved / (by * precision)))


def _above_zero(prior: Prior, weights: np.ndarray) -> np.ndarray:
    """The weights above 0 that predict most nearly what ``weights`` predict of the reference networks."""
    floor = FLOOR * float(np.abs(weights).mean())
    if (weights >= floor).all():
        return weights
    predicted = prior.reference @ weights
    plausible = predicted > 0
    return np.maximum(device_weights(prior.reference[plausible], predicted[plausible]), floor)


def shared_evenly(prior: Prior, weights: np.ndarray) -> np.ndarray:
    """Weights float64 ``[F]`` above 0 that say the same of the reference networks, and no operator takes it all.

    Operators that every network has, such as stem and head, are told apart by no network.
    """
    from scipy.optimize import nnls

    design = prior.reference / (prior.reference @ weights)[:, None]
    penalty = np.sqrt(EVEN * np.square(design).sum() / len(weights))
    stacked = np.concatenate([design, penalty * np.eye(len(weights))])
    least = LEAST * float(weights.mean())
    target = np.concatenate([np.ones(len(design)), np.zeros(len(weights))]) - least * stacked.sum(1)
    _, reduced = np.linalg.qr(np.concatenate([stacked, target[:, None]], 1))
    above: np.ndarray = nnls(reduced[:, :-1], reduced[:, -1], maxiter=100 * len(weights))[0]
    return least + above


def plan(prior: Prior, candidates: np.ndarray, num: int) -> np.ndarray:
    """Which networks to measure on a new device: indices int64 ``[num]``, in the order in which they teach most.

    Candidates are terms float64 ``[M, F]``, all different; ``num`` is 2 or more.

    Raises:
      ValueError: if there are fewer candidates.
    """
    if not 2 <= num <= len(candidates):
        raise ValueError(f"{num} networks are to be measured; 2 to {len(candidates)} can be")
    expected = candidates @ prior.mean
    off = candidates / expected[:, None]
    scale = np.full((len(candidates), 1), SCALE)
    shares = np.concatenate([off @ prior.between.T, PLANNED_SPREAD * off * prior.sizes, scale], 1)
    variance = np.square(shares).sum(1)
    chosen: list[int] = []
    told = np.zeros((len(candidates), 0))
    for step in range(num):
        wanted = np.array((-expected, expected, variance)[min(step, 2)])
        wanted[chosen] = -np.inf
        index = int(np.argmax(wanted))
        chosen.append(index)
        shared = shares @ shares[index] - told @ told[index]
        column = shared / np.sqrt(variance[index] + PLANNED_NOISE**2)
        told = np.concatenate([told, column[:, None]], 1)
        variance = variance - column**2
    return np.array(chosen, np.int64)
