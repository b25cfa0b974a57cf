"""Parts of a model that is trained already: searched, against uniform cuts, at equal parameters and at equal bytes.

``python -m benchmarks.pretrained --folder=runs/pretrained [--seeds=2] --results=FILE``. A model of GPT-2's layout (6
layers of width 48, 4 heads, 170,000 weights) is trained on the task ``char_lm`` and written under GPT-2's names;
``experiments.import_weights`` reads it. Parts are not trained, but for ``_tuned``: 150 updates of the shared weights
before anything is chosen, in which random parts learn from the whole (strategy ``given``). ``drop1`` to ``drop3``:
nats a character on test text with no more parameters than the model has without 1, 2, 3 of its layers. ``ms1`` to
``ms3``: in no more milliseconds than it then takes, by ``pretrained_table.json`` beside this file. ``size1`` to
``size3``: with no more bytes than all of it in 8 bits, and 0.8 and 0.65 of that.

All choices are made on validation text. ``uniform_drop`` leaves out evenly spaced layers, ``best_drop`` the best of
all sets of as many. ``width_ORDER`` keeps equally many heads and hidden units of every layer, the best pair that
fits, in an order of worth. ``front`` is the best that a search of 140 evaluations met. Of bytes: ``int8_uniform`` is
the model in 8 bits, and a search of its parts, ``bits_only`` a search of bits, ``mixed_bits`` of all. What is done
stays in the folder, and a second call goes on. The table is what ``experiments.profile_device`` wrote on a quiet
machine, with ``--runtime=onnxruntime --rounds=9 --validate=20 --validate_fit=20 --least_ms=5`` and the settings that
``supernet.json`` in the folder of an imported model holds.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

import nagjax
from benchmarks import common
from experiments import import_weights, train_supernet
from nagjax import durable
from nagjax.devices.formats import read_table
from nagjax.devices.pricing import LATENCY
from nagjax.operators import params
from nagjax.operators.stored import stored_bytes
from nagjax.pretrained import importance, loading, maps, reading
from nagjax.spaces.pretrained_decoder import plan_of
from nagjax.spaces.space import Space
from nagjax.supernet import storage
from nagjax.supernet.evaluation import Assessor, calibration_inputs, supernet_assessor
from nagjax.supernet.task import Part, Task, make_task

TASK = {"length": 64, "vocabulary": 96}
SIZES = {**TASK, "width": 48, "layers": 6, "heads": 4}
HEADS, HIDDEN, BITS = (1, 2, 3, 4), (48, 96, 144, 192), (4, 8, 16, 32)
STEPS, BATCH, RATE, DECAY = 400, 32, 4e-3, 0.1
TUNED = 150
"""Updates in which parts learn from the whole, at a third of the rate."""
CHUNK = 50
"""Steps after which training is kept, to go on from."""
CALIBRATION = 64
VALIDATED = 192
"""Validation sequences that choices are made on."""
SEARCH: Mapping[str, Any] = {"evaluations": 140, "start": 60, "per_round": 40}
DROPS, SHARES = (1, 2, 3), (1.0, 0.8, 0.65)
ORDERS = ("contributions", "activations", "magnitude", "given")
COLUMNS = ("way", "seed", *(f"{what}{k}" for what in ("drop", "ms", "size") for k in DROPS))
"""As many budgets of each kind: of parameters, milliseconds and bytes."""
TABLE = Path(__file__).with_name("pretrained_table.json")
FLOAT: Mapping[str, Any] = {"bits": [0, BITS[-1]]}


class Memo:
    """Figures that are kept in a file as soon as they are known, a line each."""

    def __init__(self, path: Path) -> None:
        self._held = dict(self._line(text) for text in durable.whole_text(path).splitlines())
        self._file = durable.Appender(path)

    def of(self, key: tuple[str, ...], compute: Callable[[], float]) -> float:
        """The figure of a key, computed if it is not known."""
        if key not in self._held:
            self._held[key] = compute()
            self._file.add(",".join((*key, repr(self._held[key]))) + "\n")
        return self._held[key]

    @staticmethod
    def _line(text: str) -> tuple[tuple[str, ...], float]:
        *key, value = text.split(",")
        return tuple(key), float(value)


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """One trained model in one order of its heads and hidden units.

    Attributes:
      space, task: what is chosen, and the text.
      folder: of the supernet that was imported.
      parameters: its weights.
      assessor: evaluates.
      memo: what was evaluated, by order, part and architecture.
      order: of heads and hidden units.
    """

    space: Space
    task: Task
    folder: Path
    parameters: Any
    assessor: Assessor
    memo: Memo
    order: str

    def nats(self, tokens: np.ndarray, part: Part) -> float:
        """Nats a character of one architecture."""
        key = (self.order, "test" if part is self.task.test else "validation", self.space.format(tokens))
        return self.memo.of(key, lambda: self.assessor.scores(self.parameters, tokens, part).loss)

    @functools.cached_property
    def validation(self) -> Part:
        """What choices are made on."""
        return self.task.validation.subset(np.arange(VALIDATED))

    def best(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        """The architecture of least loss on validation text."""
        return min(rows, key=lambda row: self.nats(row, self.validation))


def train_model(task: Task, seed: int, file: Path) -> None:
    """Train the model and write it under GPT-2's names, with its head tied to the embedding."""
    space = nagjax.space("pretrained_decoder", **SIZES)
    plan, largest = plan_of(space), space.largest()
    assert space.elastic is not None
    elastic = space.elastic()
    alone = elastic.alone(largest)
    rule = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(
            optax.warmup_cosine_decay_schedule(0.0, RATE, STEPS // 20, STEPS), b2=0.98, weight_decay=DECAY,
            mask=lambda tree: jax.tree.map(lambda leaf: leaf.ndim > 1, tree),
        ),
    )  # fmt: skip

    def tied(tree: Any) -> Any:
        head = {**tree["head"], "weights": tree["embedding"]["tokens"].T, "bias": jnp.zeros(plan.vocabulary)}
        return {**tree, "head": head}

    def loss(tree: Any, inputs: Any, targets: Any) -> jax.Array:
        outputs = alone.apply(elastic.used(tied(tree), largest), inputs, None)[0]
        return task.loss(outputs, task.aims(targets)).mean()

    @jax.jit
    def update(tree: Any, state: Any, inputs: Any, targets: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(tree, inputs, targets)
        changes, state = rule.update(grads, state, tree)
        return optax.apply_updates(tree, changes), state, value

    tree = elastic.init(jax.random.key(seed))
    tree["embedding"] = jax.tree.map(lambda leaf: 0.1 * leaf, tree["embedding"])
    kept = file.with_name("state.npz")
    step, (tree, state) = _continued(kept, (tree, rule.init(tree)))
    while step < STEPS:
        tree, state, value = update(tree, state, *task.batch(step, BATCH, seed))
        step += 1
        if step % CHUNK == 0:
            print(f"step {step}: {float(value):.3f} nats", flush=True)
            with durable.replacing(kept) as out:
                np.savez(out, *jax.tree.leaves((tree, state)), step=step)
    from safetensors import numpy as safetensors

    tensors = loading.tensors_of(jax.tree.map(np.asarray, tree), maps.MAPS["gpt2"], plan.layers)
    with durable.replacing(file) as out:
        out.write(safetensors.save(tensors))


def _continued(kept: Path, fresh: Any) -> tuple[int, Any]:
    """Steps done and what they led to, where training was stopped."""
    if not kept.exists():
        return 0, fresh
    with np.load(kept, allow_pickle=False) as held:
        leaves = [held[f"arr_{at}"] for at in range(len(jax.tree.leaves(fresh)))]
        return int(held["step"]), jax.tree.unflatten(jax.tree.structure(fresh), leaves)


def studies_of(task: Task, weights: Path, seed: int) -> dict[str, Study]:
    """The model in each order; in the first as the job imports it, if it did not yet."""
    first = imported(task, weights, ORDERS[0], seed)
    plan = plan_of(first.space)
    given = loading.parameters(loading.given(str(weights), reading.read_tensors(weights)), plan)
    text = calibration_inputs(task, CALIBRATION)
    others = {
        order: dataclasses.replace(
            first, parameters=importance.ordered(plan, given, importance.ORDERS[order](plan, given, text)), order=order
        )
        for order in ORDERS[1:]
    }
    return {ORDERS[0]: first, **others}


def imported(task: Task, weights: Path, order: str, seed: int) -> Study:
    """The model in an order, imported by the job if it was not yet."""
    folder = weights.parent / order
    if not storage.has_weights(folder):
        choices = f"heads=4,keep_heads={_dashed(HEADS)},keep_hidden={_dashed(HIDDEN)},bits={_dashed(BITS)}"
        text = ",".join(f"{name}={value}" for name, value in {**TASK, "seed": seed}.items())
        done = import_weights.main([
            f"--weights={weights}", f"--space_settings={choices}", f"--task_settings={text}", f"--order={order}",
            f"--calibration={CALIBRATION}",
            f"--out={folder}", f"--compilation_cache={flags.FLAGS.compilation_cache}",
        ])  # fmt: skip
        if done:
            raise ValueError(f"{weights}: could not be imported; see above")
    read = storage.read_weights(folder)
    space = nagjax.space("pretrained_decoder", **read.config["space"]["settings"])
    memo = Memo(weights.with_name("nats.csv"))
    return Study(space, task, folder, read.parameters, supernet_assessor(space, task), memo, order)


def tuned(first: Study, seed: int) -> Study:
    """The shared weights after some training in which parts learn from the whole (InstaTune), by the job."""
    folder = first.folder.with_name("tuned")
    begun = (folder / train_supernet.RECORD).is_file()
    if not storage.has_weights(folder) or storage.read_weights(folder).step < TUNED:
        settings = ",".join(f"{name}={value}" for name, value in first.space.settings.items())
        text = ",".join(f"{name}={value}" for name, value in {**TASK, "seed": seed}.items())
        done = train_supernet.main([
            "--space=pretrained_decoder", f"--space_settings={settings}", f"--where=bits=0,{BITS[-1]}",
            "--task=char_lm", f"--task_settings={text}", "--strategy=given",
            f"--strategy_settings=weights={first.folder},random=1", "--optimiser=adamw", f"--learning_rate={RATE / 3}",
            f"--steps={TUNED}", f"--batch={BATCH}", f"--seed={seed}", "--save_seconds=20", f"--out={folder}",
            f"--compilation_cache={flags.FLAGS.compilation_cache}", *(["--resume"] if begun else []),
        ])  # fmt: skip
        if done:
            raise ValueError(f"{folder}: was not trained to its end; see above")
    parameters = storage.read_weights(folder).parameters
    return dataclasses.replace(first, folder=folder, parameters=parameters, order="tuned")


def _dashed(values: Sequence[int]) -> str:
    return "-".join(map(str, values))


Of = Callable[[Any], float]
"""What an operator costs: parameters, bytes, milliseconds."""


def costs(space: Space, rows: np.ndarray, of: Of) -> np.ndarray:
    """Cost of tokens ``[N, T]``, float64."""
    return space.operator_sum(rows, np.array([of(op) for op in space.operators], np.float64))


def rows_of(space: Space, texts: Sequence[str]) -> np.ndarray:
    """Tokens ``[N, T]`` of texts."""
    return np.stack([space.parse(text) for text in texts])


def whole(heads: int = HEADS[-1], hidden: int = HIDDEN[-1], bits: int = BITS[-1]) -> list[str]:
    """Layers of the model, all alike."""
    return [f"b{bits}-h{heads}-f{hidden}"] * SIZES["layers"]


def without(layers: Sequence[int]) -> str:
    """The model without some of its layers."""
    return ":".join("dropped" if at in layers else text for at, text in enumerate(whole()))


def evenly(number: int) -> tuple[int, ...]:
    """So many layers, evenly spaced, without the first and the last where that can be."""
    return tuple(int(at) for at in np.round(np.linspace(0, SIZES["layers"] - 1, number + 2)[1:-1]))


def searched(one: Study, name: str, column: str, where: Mapping[str, Any], seed: int) -> np.ndarray:
    """All that a search evaluated, int32 ``[N, T]``, best on validation text first."""
    found = nagjax.search(
        one.space, "supernet", folder=one.folder.parent / name, where=where, costs=[column], seed=seed,
        table=TABLE if column == LATENCY else None,
        evaluator_settings={"folder": str(one.folder), "images": VALIDATED}, **SEARCH,
    )  # fmt: skip
    known = found.evaluations.known
    return found.evaluations.tokens[known][np.argsort(-found.evaluations.quality[known], kind="stable")]


def within(space: Space, rows: np.ndarray, of: Of, budget: float) -> np.ndarray | None:
    """The first of ``rows`` that costs no more; None where none does."""
    fits = np.flatnonzero(costs(space, rows, of) <= budget * (1 + 1e-9))  # sums of milliseconds are rounded
    return rows[fits[0]] if len(fits) else None


def dropped(studies: Mapping[str, Study]) -> dict[str, list[np.ndarray | None]]:
    """Layers left out, as many as each budget is without: all layers have as many parameters, and take as long."""
    first = studies[ORDERS[0]]
    space, every = first.space, range(SIZES["layers"])
    return {
        "uniform_drop": [space.parse(without(evenly(k))) for k in DROPS],
        "best_drop": [
            first.best([space.parse(without(left)) for left in itertools.combinations(every, k)]) for k in DROPS
        ],
    }


def narrowed(studies: Mapping[str, Study], of: Of, budgets: Sequence[float]) -> dict[str, list[np.ndarray | None]]:
    """The same heads and hidden units of every layer, in each order of worth."""
    space, found = studies[ORDERS[0]].space, {}
    pairs = rows_of(space, [":".join(whole(h, f)) for h in HEADS for f in HIDDEN])
    for order in ORDERS:
        one = studies[order]
        order_of = np.argsort([one.nats(row, one.validation) for row in pairs], kind="stable")
        found[f"width_{order}"] = [within(space, pairs[order_of], of, budget) for budget in budgets]
    return found


def budgets_of(space: Space, of: Of) -> list[float]:
    """What the model costs without 1, 2, 3 layers."""
    return [float(costs(space, rows_of(space, [without(range(k))]), of)[0]) for k in DROPS]


def at_parameters(studies: Mapping[str, Study], seed: int) -> dict[str, list[np.ndarray | None]]:
    """Architectures of each way at each number of parameters."""
    space = studies[ORDERS[0]].space
    budgets, found = budgets_of(space, params), dropped(studies)
    found |= narrowed(studies, params, budgets)
    for way, one, name in (("front", ORDERS[0], "search"), ("front_tuned", "tuned", "search_tuned")):
        rows = searched(studies[one], name, "params", FLOAT, seed)
        found[way] = [within(space, rows, params, budget) for budget in budgets]
    return {**found, "uniform_drop_tuned": found["uniform_drop"]}


def at_milliseconds(studies: Mapping[str, Study], seed: int) -> dict[str, list[np.ndarray | None]]:
    """Architectures of each way at each time by the table."""
    space = studies[ORDERS[0]].space
    rows = read_table(TABLE, space.operators).rows

    def milliseconds(op: Any) -> float:
        return rows[op.key, None].mean

    budgets, found = budgets_of(space, milliseconds), dropped(studies)
    found |= narrowed(studies, milliseconds, budgets)
    best = searched(studies[ORDERS[0]], "search_ms", LATENCY, FLOAT, seed)
    return {**found, "front": [within(space, best, milliseconds, budget) for budget in budgets]}


def at_bytes(one: Study, seed: int) -> dict[str, list[np.ndarray | None]]:
    """Architectures of each way at each number of bytes."""
    space = one.space
    most = int(costs(space, rows_of(space, [":".join(whole(bits=8))]), stored_bytes)[0])
    budgets = [share * most for share in SHARES]
    ways: Mapping[str, Mapping[str, Any]] = {
        "int8_uniform": {"bits": [0, 8]},
        "bits_only": {"bits": [4, 8, 16], "heads": HEADS[-1], "hidden": HIDDEN[-1]},
        "mixed_bits": {"bits": [0, 4, 8, 16]},
    }
    found = {}
    for way, where in ways.items():
        rows = searched(one, way, "weights_size", where, seed)
        rows = np.concatenate([rows, rows_of(space, [":".join(whole(bits=8))])]) if way != "bits_only" else rows
        found[way] = [within(space, rows, stored_bytes, budget) for budget in budgets]
    found["int8_uniform"][0] = space.parse(":".join(whole(bits=8)))
    return found


def measured(folder: Path, seed: int) -> list[list[str]]:
    """The rows of a seed."""
    task = make_task("char_lm", {**TASK, "seed": seed})
    weights = folder / f"seed{seed}" / "model.safetensors"
    if not weights.exists():
        weights.parent.mkdir(parents=True, exist_ok=True)
        train_model(task, seed, weights)
    studies = studies_of(task, weights, seed)
    studies["tuned"] = tuned(studies[ORDERS[0]], seed)
    first = studies[ORDERS[0]]
    model = first.nats(first.space.largest(), task.test)
    print(f"seed {seed}: the model {model:.4f} nats", flush=True)
    again = studies["tuned"].nats(first.space.largest(), task.test)
    rows: dict[str, list[str]] = {}

    def fill(way: str, kind: int, cells: Sequence[str]) -> None:
        row = rows.setdefault(way, [way, str(seed), *[""] * (len(COLUMNS) - 2)])
        first_cell = 2 + kind * len(DROPS)
        row[first_cell : first_cell + len(cells)] = cells

    fill("model", 0, [f"{model:.4f}"] * (len(COLUMNS) - 2))
    fill("model_tuned", 0, [f"{again:.4f}"] * len(DROPS))

    def told(way: str, found: Sequence[np.ndarray | None]) -> list[str]:
        one = studies["tuned"] if way.endswith("_tuned") else studies.get(way.removeprefix("width_"), first)
        return ["" if row is None else f"{one.nats(row, task.test):.4f}" for row in found]

    chosen: dict[str, list[str]] = {}
    for kind, found in enumerate((at_parameters(studies, seed), at_milliseconds(studies, seed), at_bytes(first, seed))):
        for way, held in found.items():
            fill(way, kind, told(way, held))
            chosen.setdefault(way, []).extend("" if row is None else first.space.format(row) for row in held)
            print(rows[way], flush=True)
    durable.replace(weights.parent / "chosen.json", json.dumps(chosen, indent=2) + "\n")
    return list(rows.values())


def _benchmark(_data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    rows = []
    for seed in common.seeds():
        rows += measured(Path(values.folder), seed)
    common.write_rows(values.results, COLUMNS, rows)
    return {f"{row[0]}_{row[1]}": row[2:] for row in rows}


if __name__ == "__main__":
    common.define_seeds(2, "Models.")
    flags.DEFINE_string("folder", "runs/pretrained", "Where models and searches are kept.")
    flags.DEFINE_string("results", "benchmarks/results/pretrained.csv", "The file of rows.")
    common.main(_benchmark)
