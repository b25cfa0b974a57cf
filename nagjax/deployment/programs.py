"""A network as StableHLO: one file for processors and CUDA, any batch, that jax runs without the library."""

from __future__ import annotations

import jax

from nagjax import blocks
from nagjax.deployment.onnx_models import takes
from nagjax.deployment.subnets import Subnet

PLATFORMS = ("cpu", "cuda")


def serialized(subnet: Subnet) -> bytes:
    """The network as ``jax.export`` serializes it; ``jax.export.deserialize(data).call(images)`` runs it.

    Images are float32 ``[batch, R, R, channels]``, pixels 0..1, or what else the first operator takes, of any batch;
    logits are float32 ``[batch, classes]``.

    Raises:
      ValueError: if flatbuffers is not installed.
    """
    from jax import export

    (batch,) = export.symbolic_shape("batch")
    first = subnet.operators[0]
    shape = (batch, *blocks.input_shape(first, 1)[1:])
    found = export.export(jax.jit(subnet.apply), platforms=PLATFORMS)(jax.ShapeDtypeStruct(shape, takes(first)))
    try:
        return bytes(found.serialize())
    except ImportError as error:
        raise ValueError("StableHLO files need flatbuffers: pip install 'nagjax[deploy]'") from error
