"""A network as StableHLO: one file for processors and CUDA, any batch, that jax runs without the library."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.deployment.subnets import Subnet

PLATFORMS = ("cpu", "cuda")


def serialized(subnet: Subnet) -> bytes:
    """The network as ``jax.export`` serializes it; ``jax.export.deserialize(data).call(images)`` runs it.

    Images are float32 ``[batch, R, R, channels]``, pixels 0..1, of any batch; logits are float32 ``[batch, classes]``.

    Raises:
      ValueError: if flatbuffers is not installed.
    """
    from jax import export

    (batch,) = export.symbolic_shape("batch")
    shape = (batch, subnet.resolution, subnet.resolution, subnet.channels)
    found = export.export(jax.jit(subnet.apply), platforms=PLATFORMS)(jax.ShapeDtypeStruct(shape, jnp.float32))
    try:
        return bytes(found.serialize())
    except ImportError as error:
        raise ValueError("StableHLO files need flatbuffers: pip install 'nagjax[deploy]'") from error
