"""Depthwise convolution that is fast on processors too.

XLA's CPU backend computes grouped convolutions, and above all their gradients, tens of times more slowly than the same
arithmetic written as shifted multiply-adds. So on a CPU the convolution and both of its gradients are sums over the
k x k taps; on other platforms they are XLA's own. The choice is made when a program is lowered for a platform.
Feature maps are padded by ``k // 2`` on every side (the convention of PyTorch, where XLA's SAME differs at stride 2).
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def depthwise(x: jax.Array, weights: jax.Array, stride: int) -> jax.Array:
    """Depthwise convolution of maps ``[N, H, W, C]`` by weights ``[k, k, C]``, k odd, stride 1 or 2.

    Gives maps ``[N, ceil(H / stride), ceil(W / stride), C]``.
    """
    return lax.platform_dependent(
        x,
        weights,
        cpu=functools.partial(_taps, stride=stride),
        default=functools.partial(native, stride=stride),
    )


def native(x: jax.Array, weights: jax.Array, stride: int) -> jax.Array:
    """The same by XLA's grouped convolution."""
    pad = weights.shape[0] // 2
    return lax.conv_general_dilated(
        x,
        weights[:, :, None, :],
        (stride, stride),
        ((pad, pad), (pad, pad)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def taps(x: jax.Array, weights: jax.Array, stride: int) -> jax.Array:
    """The same by shifted multiply-adds, on any platform: what ``benchmarks.accelerator`` compares."""
    return _taps(x, weights, stride)


def _forward(x: jax.Array, weights: jax.Array, stride: int) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return depthwise(x, weights, stride), (x, weights)


def _backward(stride: int, saved: tuple[jax.Array, jax.Array], grad: jax.Array) -> tuple[jax.Array, jax.Array]:
    return lax.platform_dependent(
        *saved,
        grad,
        cpu=functools.partial(_taps_gradients, stride=stride),
        default=functools.partial(_native_gradients, stride=stride),
    )


def _native_gradients(x: jax.Array, weights: jax.Array, grad: jax.Array, stride: int) -> tuple[jax.Array, jax.Array]:
    return jax.vjp(functools.partial(native, stride=stride), x, weights)[1](grad)


def _pad(x: jax.Array, low: tuple[int, int], high: tuple[int, int], interior: int = 0) -> jax.Array:
    """Padded maps, kept from being fused into their readers, each of which would pad anew."""
    config = [(0, 0, 0), (low[0], high[0], interior), (low[1], high[1], interior), (0, 0, 0)]
    return lax.optimization_barrier(lax.pad(x, jnp.zeros((), x.dtype), config))


def _taps(x: jax.Array, weights: jax.Array, stride: int) -> jax.Array:
    pad = weights.shape[0] // 2
    out = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    return _correlate(_pad(x, (pad, pad), (pad, pad)), weights, out, stride)


def _correlate(padded: jax.Array, weights: jax.Array, out: tuple[int, int], stride: int) -> jax.Array:
    k = weights.shape[0]
    rows, columns = stride * (out[0] - 1) + 1, stride * (out[1] - 1) + 1
    taps = (
        padded[:, i : i + rows : stride, j : j + columns : stride] * weights[i, j][None, None, None]
        for i in range(k)
        for j in range(k)
    )
    return lax.optimization_barrier(sum(taps, start=jnp.zeros((), padded.dtype)))


def _taps_gradients(x: jax.Array, weights: jax.Array, grad: jax.Array, stride: int) -> tuple[jax.Array, jax.Array]:
    """Gradients of maps and weights, each again a sum over taps."""
    k, pad = weights.shape[0], weights.shape[0] // 2
    (height, width), out = x.shape[1:3], grad.shape[1:3]
    grad = lax.optimization_barrier(grad)
    low = k - 1 - pad
    high = tuple(size + pad - 1 - stride * (length - 1) for size, length in zip((height, width), out, strict=True))
    spread = _pad(grad, (low, low), (high[0], high[1]), stride - 1)
    for_maps = _correlate(spread, weights[::-1, ::-1], (height, width), 1)
    return for_maps, _weight_gradient(_pad(x, (pad, pad), (pad, pad)), grad, k, stride)


def _weight_gradient(padded: jax.Array, grad: jax.Array, k: int, stride: int) -> jax.Array:
    """Gradient ``[k, k, C]``: products are summed along a map's row elementwise, then over rows and images.

    A plain reduction over images, rows and columns runs 5 to 20 times longer: XLA does not vectorise a reduction over
    leading axes of a product of shifted maps.
    """
    channels = grad.shape[-1]
    rows, columns = stride * (grad.shape[1] - 1) + 1, range(grad.shape[2])

    def row(i: int) -> jax.Array:
        sums = [
            sum(
                (padded[:, i : i + rows : stride, stride * a + j].astype(jnp.float32) * grad[:, :, a] for a in columns),
                start=jnp.zeros((), jnp.float32),
            )
            for j in range(k)
        ]
        return lax.optimization_barrier(jnp.stack(sums)).reshape(k, -1, channels).sum(1)

    return jnp.stack([row(i) for i in range(k)]).astype(padded.dtype)


depthwise.defvjp(_forward, _backward)
taps.defvjp(
    lambda x, weights, stride: (_taps(x, weights, stride), (x, weights)),
    lambda stride, saved, grad: _taps_gradients(saved[0], saved[1], grad, stride),
)
