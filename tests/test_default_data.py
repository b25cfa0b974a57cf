"""The data set that travels with the package: complete, sound, and what its README says of it."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import embedded, run
from experiments.frame import cli
from experiments.inputs import setup
from nagjax.deployment.supernets import load_supernet
from nagjax.devices.json_table import read_json
from nagjax.devices.pricing import price
from nagjax.devices.validation import judge
from nagjax.predictors.formats.storage import load_predictor
from nagjax.predictors.forms.mlp import predict
from nagjax.predictors.records.records import read_records
from nagjax.spaces import mobilenet_v3_small28

SPACE = mobilenet_v3_small28.make()


@pytest.fixture(scope="module")
def folder():
    return embedded.find()


def test_the_table_prices_the_whole_space_and_was_judged_on_networks(folder):
    table = read_json(folder / embedded.TABLE)
    prices = price(table, SPACE)
    assert not prices.closed
    assert not prices.doubts
    assert (prices.open_edges == SPACE.trellis.valid).all()
    verdict = judge(table.correction, table.validation)
    assert verdict.networks >= 50
    assert verdict.spearman >= 0.97
    assert verdict.median_relative_error <= 0.07
    assert "python -m experiments.profile_device" in table.measured


def test_the_records_are_many_different_and_say_how_they_were_made(folder):
    records = read_records(folder / "records.csv", SPACE)
    assert len(records.quality) >= 1500
    assert records.averaged == 0
    assert records.quality.min() > 0.5
    about = json.loads((folder / "records.csv.json").read_text())
    assert set(about) >= {"supernet", "draw", "command", "date", "commit", "device", "versions"}


def test_the_predictor_knows_the_records(folder):
    """It was fitted to all of them, so it errs no more on them than it did on those that were held out at first."""
    records = read_records(folder / "records.csv", SPACE)
    fitted = load_predictor(folder / "predictor.npz", SPACE)
    assert fitted.report["refitted_on"] == len(records.quality)
    mean, _ = predict(fitted.predictor, jnp.asarray(SPACE.features(records.tokens)))
    rmse = 100 * float(np.sqrt(np.mean((np.asarray(mean) - records.quality) ** 2)))
    assert rmse <= 1.1 * float(fitted.report["rmse_points"])


def test_its_flagfile_describes_a_problem_with_its_budgets_in_range(folder):
    values = cli.parse(run.define_flags, [f"--flagfile={folder / embedded.FLAGFILE}", f"--data_dir={folder}"])
    low, high = setup.build_problem(values).description.ranges[0]
    assert all(low <= float(budget) <= high for budget in values.budgets_ms)


@pytest.mark.parametrize("name", ["onnxruntime.json", "onnxruntime_int8.json"])
def test_the_tables_of_onnxruntime_price_the_whole_space_and_were_judged(folder, name):
    table = read_json(folder / name)
    prices = price(table, SPACE)
    assert (prices.open_edges == SPACE.trellis.valid).all()
    verdict = judge(table.correction, table.validation)
    assert verdict.networks >= 50
    assert verdict.spearman >= 0.97
    assert verdict.median_relative_error <= 0.07
    assert table.batch == 1


def test_the_supernet_is_that_of_the_labels_and_carries_images_to_calibrate_on(folder):
    supernet = load_supernet(folder / "supernet")
    about = json.loads((folder / "records.csv.json").read_text())["supernet"]
    assert {name: supernet.identity[name] for name in ("space", "data", "step")} == {
        name: about[name] for name in ("space", "data", "step")
    }
    assert len(supernet.task.train) == 1024
    parameters = supernet.elastic.used(supernet.weights.parameters, SPACE.smallest())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(parameters))
