"""Where weights are trained and judged: one device, or a mesh over all devices of all processes.

Examples are sharded over the mesh, parameters are held by every device or sharded too; what has to be added up across
devices follows from that (``jax.jit`` with sharded arrays, ``jax.distributed`` between processes). Every process does
the same with the same values; the first one alone reads checkpoints and writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "examples"
AUTO = "auto"
"""In place of a coordinator's address: found from Slurm, Open MPI, Kubernetes or a TPU pod by jax."""
SHUTDOWN_SECONDS = 60
"""Most that a process which ends waits for the others."""
SMALLEST_SHARDED = 1024
"""Numbers of an array from which on it is worth sharding."""

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Placement:
    """How arrays lie on devices.

    Attributes:
      mesh: of one axis over all devices; None for the default device alone, where all methods change nothing.
      shard_parameters: each parameter is sharded along its largest axis that the number of devices divides, for models
        that one device cannot hold; held by every device otherwise.
    """

    mesh: Mesh | None = None
    shard_parameters: bool = False

    @property
    def size(self) -> int:
        """Number of devices."""
        return 1 if self.mesh is None else int(self.mesh.size)

    def check_batch(self, size: int, flag: str = "batch") -> None:
        """Refuse a number of examples that cannot be shared evenly.

        Raises:
          ValueError: with the numbers that can.
        """
        count = self.size
        if size % count:
            raise ValueError(
                f"{flag} is {size}; it must be a multiple of the {count} devices: give {size // count * count or count}"
                f" or {(size // count + 1) * count}, or let jax see fewer devices"
            )

    def rounded(self, size: int) -> int:
        """The next number of examples that can be shared evenly.

        >>> Placement().rounded(250)
        250
        """
        return -(-size // self.size) * self.size

    def examples(self, tree: Any) -> Any:
        """Arrays ``[N, ...]`` of the host, the same in every process, sharded by their first axis.

        Every device holds all of them where it does not divide N.
        """
        if self.mesh is None:
            return tree
        size = self.mesh.size
        return jax.tree.map(lambda a: self._put(a, PartitionSpec(*(() if len(a) % size else (AXIS,)))), tree)

    def parameters(self, tree: Any) -> Any:
        """Arrays of the host, the same in every process, as parameters lie."""
        if self.mesh is None:
            return jax.tree.map(jax.numpy.asarray, tree)
        return jax.tree.map(lambda a: self._put(a, self._spec(np.shape(a))), tree)

    def everywhere(self, tree: Any) -> Any:
        """Arrays of the host, the same in every process, held by every device."""
        return dataclasses.replace(self, shard_parameters=False).parameters(tree)

    def held(self, tree: Any) -> Any:
        """In a compiled program: arrays as parameters lie."""
        if self.mesh is None:
            return tree
        mesh = self.mesh

        def constrained(leaf: Any) -> jax.Array:
            return jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh, self._spec(np.shape(leaf))))

        return jax.tree.map(constrained, tree)

    def held_everywhere(self, tree: Any) -> Any:
        """In a compiled program: arrays that every device holds whole, so that every process can read them."""
        return dataclasses.replace(self, shard_parameters=False).held(tree)

    def by_rows(self, call: Callable[[Any, Any], Any], shared: Any, rows: Any) -> Any:
        """In a compiled program: ``call(shared, rows)``, which each device makes with its own rows alone.

        ``call`` gives arrays ``[N, ...]``, each row of which depends on the same row of ``rows`` only; N is a multiple
        of the number of devices.
        """
        if self.mesh is None:
            return call(shared, rows)
        own = PartitionSpec(AXIS)
        spread = jax.shard_map(
            call, mesh=self.mesh, in_specs=(PartitionSpec(), own), out_specs=own, check_vma=False
        )  # fmt: skip
        return spread(shared, rows)

    def context(self) -> contextlib.AbstractContextManager[Any]:
        """A block in which all programs are of all devices: ``rows`` and ``whole`` say in them how arrays lie."""
        return contextlib.nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)

    def _put(self, array: Any, spec: PartitionSpec) -> jax.Array:
        assert self.mesh is not None
        whole = np.asarray(array)
        return jax.make_array_from_callback(whole.shape, NamedSharding(self.mesh, spec), lambda index: whole[index])

    def _spec(self, shape: tuple[int, ...]) -> PartitionSpec:
        """How a parameter lies."""
        assert self.mesh is not None
        if not self.shard_parameters or int(np.prod(shape)) < SMALLEST_SHARDED:
            return PartitionSpec()
        fitting = [axis for axis, size in enumerate(shape) if size % self.mesh.size == 0]
        if not fitting:
            return PartitionSpec()
        largest = max(fitting, key=lambda axis: shape[axis])
        return PartitionSpec(*(AXIS if axis == largest else None for axis in range(largest + 1)))


ONE = Placement()
"""The default device alone."""


def all_devices(shard_parameters: bool = False) -> Placement:
    """The placement over all devices of all processes; ``ONE`` where there is one."""
    found = jax.devices()
    return ONE if len(found) == 1 else Placement(Mesh(np.array(found), (AXIS,)), shard_parameters)


def own_devices(most: int | None = None) -> Placement:
    """The placement over the devices of this process, ``most`` of them; ``ONE`` where there is one."""
    found = jax.local_devices()[:most]
    return ONE if len(found) == 1 else Placement(Mesh(np.array(found), (AXIS,)))


def rows(tree: Any) -> Any:
    """Arrays ``[N, ...]`` of a program that is compiled within ``Placement.context``, shared by their first axis.

    Those whose N the number of devices does not divide stay as they are, and so do all of any other program.
    """
    size = _shared_by()

    def shared(array: Any) -> Any:
        return array if len(array) % size else jax.lax.with_sharding_constraint(array, PartitionSpec(AXIS))

    return tree if size == 1 else jax.tree.map(shared, tree)


def whole(tree: Any) -> Any:
    """Arrays of a program that is compiled within ``Placement.context``, which every device then holds whole."""
    if _shared_by() == 1:
        return tree
    return jax.tree.map(lambda array: jax.lax.with_sharding_constraint(array, PartitionSpec()), tree)


def _shared_by() -> int:
    """How many devices share the program that is being compiled, and not a part of it that each makes by itself."""
    mesh = jax.sharding.get_abstract_mesh()
    shared = mesh.axis_names == (AXIS,) and mesh.axis_types == (jax.sharding.AxisType.Auto,)
    return int(mesh.size) if shared else 1


def on_host(tree: Any) -> Any:
    """Copies as NumPy arrays; every process of a mesh must call it."""

    def copied(leaf: Any) -> np.ndarray:
        if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
            return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))
        return np.array(leaf)

    return jax.tree.map(copied, tree)


def join(coordinator: str, num_processes: int | None, process_id: int | None) -> None:
    """Make this process, whose number from 0 is ``process_id``, one of several; before any array is made.

    The first process listens at the coordinator, ``HOST:PORT``, or ``AUTO``.

    Raises:
      ValueError: if a number is missing, or jax does not find what is to be found.
    """
    if coordinator == AUTO:
        given: Mapping[str, Any] = {}
    elif num_processes is None or process_id is None or not 0 <= process_id < num_processes:
        raise ValueError(
            f"coordinator is {coordinator}, num_processes {num_processes}, process_id {process_id}: give how many "
            f"processes there are and which this is, from 0; or coordinator={AUTO} under Slurm and the like"
        )
    else:
        given = {"coordinator_address": coordinator, "num_processes": num_processes, "process_id": process_id}
    try:
        jax.distributed.initialize(**given, shutdown_timeout_seconds=SHUTDOWN_SECONDS)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"coordinator={coordinator}: these processes do not come together: {error}") from error


def leave() -> None:
    """End the work with other processes; waits for them, ``SHUTDOWN_SECONDS`` at most."""
    jax.distributed.shutdown()


def several() -> bool:
    """Whether there is more than this process."""
    return jax.process_count() > 1


def is_first() -> bool:
    """Whether this is the process that reads checkpoints and writes."""
    return jax.process_index() == 0


def preempted(step: int) -> bool:
    """Whether any of several processes was sent SIGTERM; true in all at the same step. Ask at every step."""
    return several() and bool(multihost_utils.reached_preemption_sync_point(step))


def agreed(said: bool) -> bool:
    """What the first process says; every process must ask."""
    return bool(_of_first(np.array([said]))[0]) if several() else said


def first_does(work: Callable[[], T], like: T) -> T:
    """What the first process makes, in every process; ``like`` is a tree of the same structure, shapes and dtypes.

    Raises:
      ValueError: in the others, where it failed in the first, which raises its own error.
    """
    if not several():
        return work()
    made, failed = like, None
    if is_first():
        try:
            made = work()
        except Exception as error:
            failed = error
    if not agreed(failed is None):
        raise failed or ValueError("process 0 has refused; it says why")

    def told(leaf: Any, old: Any) -> np.ndarray:
        # What the others have may be sharded among all, of which none can see the whole.
        return _of_first(np.asarray(leaf, _dtype(old)) if is_first() else np.zeros(np.shape(old), _dtype(old)))

    return jax.tree.map(told, made, like)


def _dtype(leaf: Any) -> Any:
    return leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def _of_first(array: np.ndarray) -> np.ndarray:
    """The first process's array; its bytes, since what jax adds up to send it would lose the sign of a zero."""
    flat = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
    sent = np.asarray(multihost_utils.broadcast_one_to_all(flat)) if flat.size else flat
    return np.frombuffer(sent.tobytes(), array.dtype).reshape(array.shape)
