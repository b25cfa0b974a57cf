"""docs/results.md is what the committed results give, and its tables say what the rows say."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import common, published_latencies, result_tables, results, studies, supernet_ranking
from experiments.comparison.results import Results
from experiments.comparison.rows import Row

ROW = Row(
    problem="p", contender="nag", seed=0, limit="200", decode="greedy", final=True, evaluations=208, labels=0,
    updates=1, over_budget=0, seconds=1.0, compile_seconds=2.0, regret=1.0, regret_worst=2.0, gap=0.0, hypervolume=3.0,
    igd_plus=0.0, infeasible=0.0, distinct=5.0, settings='{"controller": "nag", "params": {"fill": 0.5}}',
    problem_hash="h", commit="abc", machine="m", date="2026-01-02",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """``nag`` has regret 1 and 3, ``other`` 2 and 3, in seeds 0 and 1."""
    regrets = {("nag", 0): 1.0, ("nag", 1): 3.0, ("other", 0): 2.0, ("other", 1): 3.0}
    held = Results(tmp_path)
    for (contender, seed), regret in regrets.items():
        held.add([dataclasses.replace(ROW, contender=contender, seed=seed, regret=regret)])
    return tmp_path


def test_the_page_is_what_the_committed_results_give():
    page = results.PAGE.read_text(encoding="utf-8")
    assert results.made(page) == page, "run python -m benchmarks.results"


def test_every_committed_study_is_on_the_page():
    _, sections = results.split(results.PAGE.read_text(encoding="utf-8"))
    assert {section.source for section in sections} == {path.name for path in results.SOURCE.iterdir()}


def test_figures_typed_by_hand_are_made_anew_and_what_is_said_stays(folder, monkeypatch):
    monkeypatch.setattr(results, "SOURCE", folder.parent)
    said = (
        f"# Page\n\n## Study\n\nSaid.\n\nSource: `benchmarks/results/{folder.name}`.\n\n<!-- by_regret base=other -->\n"
    )
    assert (
        results.made(f"{said}\n99 runs.\n")
        == "\n\n".join([said.rstrip(), *result_tables.by_regret(folder, base="other")]) + "\n"
    )
    with pytest.raises(ValueError, match="under '## Study' stands no line 'Source"):
        results.made("# Page\n\n## Study\n\nSaid.\n")


def test_a_study_by_limit_has_means_deviations_and_paired_differences(folder):
    facts, table, _, differences = result_tables.by_limit(folder)
    assert facts.startswith(
        "4 runs of 2026-01-02, commits abc; m. Seeds: 2. Runs with an answer over its budget: none."
    )
    assert "| `nag`, greedy | 2.000 ± 1.414 |" in table
    assert "| `other`, greedy | 2.500 ± 0.707 |" in table
    assert "| `other`, greedy | +0.500 (+0.000 to +1.000), 0 of 2 |" in differences


def test_a_study_of_one_limit_has_settings_and_seeds(folder):
    _, table = result_tables.by_regret(folder, base="other")
    assert "| `nag`, greedy | nag: fill 0.5 | 2.000 ± 1.414 | 208 | -0.500 (-1.000 to +0.000), 1 of 2 | 2 |" in table


def test_answers_and_samples_over_their_budget_are_told(folder):
    row = dataclasses.replace(ROW, contender="loose", infeasible=0.25, over_budget=7)
    Results(folder).add([row])
    (facts, *_) = result_tables.by_limit(folder)
    assert "Runs with an answer over its budget: 1. Samples were over their budgets in training of loose." in facts


SEARCH = """number,search,seconds,evaluations,architectures,mean_quality,hypervolume
0,union,0.0,0,2,70.0,5.0
1,nag,60.0,1000,3,72.0,7.0
2,local search,60.0,1000,4,72.5,7.5
3,nag,60.0,1000,4,72.5,7.5
4,local search,60.0,1000,4,73.0,8.0
"""


@pytest.fixture
def known(folder):
    """Best-known fronts beside the study of ``folder``, which is in a folder of its own."""
    study = folder / "study"
    study.mkdir()
    (folder / "results.csv").rename(study / "results.csv")
    best = folder / "best_known"
    best.mkdir()
    (best / "p_search.csv").write_text(SEARCH)
    (best / "p.csv").write_text(
        'architecture,ms,quality,found_by\na,1,0.5,"nag, seed 1"\nb,2,0.6,"nag, seed 3"\nc,3,1,x\n'
    )
    return study


def test_regret_to_the_best_known_is_the_difference_to_its_mean_quality(known):
    held = Results(known)
    for row in held.rows:
        held.save_answers(row.key, row.decode, np.ones(2), np.array([0.70, 0.72]) - row.seed / 100)
    _, table = result_tables.by_hypervolume(known)
    assert "| | settings | hypervolume | regret to best known |" in table.replace("|  |", "| |")
    assert "| 3.000 ± 0.000 | 2.500 ± 0.707 |" in table


def test_a_study_without_a_best_known_front_has_no_such_column(folder):
    assert "best known" not in "".join(result_tables.by_hypervolume(folder))


def test_best_known_fronts_have_what_each_quarter_added(known):
    table, members = result_tables.best_fronts(known.parent / "best_known")
    assert "| p | 4 | 73.000 | 8.000 | 4 | 4,000 | 2.0000 | 0.5000 | 0.0000 | 0.5000 |" in table
    assert members == "Members of p by who found them: nag 2, x 1."


@pytest.mark.data
def test_the_committed_gaps_are_those_of_the_answers_to_the_published_front(shared_data):
    front = common.read_front(shared_data("ofa_mobilenet_v3").parent)
    folder = results.SOURCE / "compare_note10"
    gaps = json.loads((folder / published_latencies.GAPS).read_text(encoding="utf-8"))
    found = [(kept.name, published_latencies.gap(kept, front)) for kept in published_latencies.answers(Results(folder))]
    assert {name: [gap for other, gap in found if other == name] for name in gaps} == {
        name: pytest.approx(values) for name, values in gaps.items()
    }


def test_the_command_of_a_study_names_its_flagfile():
    for section in results.split(results.PAGE.read_text(encoding="utf-8"))[1]:
        if section.source.startswith("compare_"):
            assert (studies.FLAGS / f"{section.source}.flags").exists()
            assert section.source in section.said.partition("```bash\n")[2].splitlines()[0]


def test_the_caveat_about_supernet_labels_has_the_figures_of_the_study():
    study = result_tables.read(results.SOURCE / "shipped_labels.json")
    text = " ".join((results.PAGE.parent / "supernet.md").read_text(encoding="utf-8").split())
    ours, counted = (study["tau"][name] for name in ("supernet", "madds"))
    intervals = [
        f"({'95 % interval ' * (tau is ours)}{tau['low']:.2f} to {tau['high']:.2f})" for tau in (ours, counted)
    ]
    assert f"tau {ours['value']:.2f} {intervals[0]} against {counted['value']:.2f} {intervals[1]}" in text
    assert f"the supernet had {ours['within_bins']:.2f} and multiply-adds {counted['within_bins']:.2f}" in text
    assert f"{len(study['networks'])} networks" in text
    assert f"a ceiling of {study['ceiling']:.2f} between seeds" in text


def test_the_page_about_labels_has_the_figures_of_the_study_of_strategies():
    found = supernet_ranking.supernet_ranking(result_tables.read(results.SOURCE / "supernet_ranking.json"))
    text = " ".join((results.PAGE.parent / "supernet.md").read_text(encoding="utf-8").split())
    rows = {"multiply-adds": (found["flops_kendall_tau"], found["madds_within_bins_tau"])}
    rows |= {f"`{name}`": (one["tau"], one["within_bins_tau"]) for name, one in found["strategies"].items()}
    for name, (tau, within) in rows.items():
        assert f"| {name} | {tau:.2f} | {within:.2f} |" in text
    assert f"a study with such a ceiling, {found['ceiling_tau']:.2f}: all {found['standalone_networks']} " in text
    assert f"{found['spread_points'] / found['seed_points']:.1f} times as far apart" in text
