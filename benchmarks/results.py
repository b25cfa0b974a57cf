"""The page of results, docs/results.md, made from what is committed in benchmarks/results/.

``python -m benchmarks.results [--check]`` writes the page; with ``--check`` it writes nothing, and ends with 1 where
the page is another. No figure of the page is typed by hand. One more study is one more entry of ``ENTRIES``.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from absl import app, flags

from benchmarks import common, result_tables
from benchmarks.jobs import ROOT
from nagjax import durable

COMPARED = "mse,ranking,logistic,pair,madds,lookup"
PAGE = ROOT / "docs" / "results.md"
SOURCE = ROOT / "benchmarks" / "results"
HEAD = """# Results

`python -m benchmarks.results` makes this page from `benchmarks/results/`, and a test compares the two. Regret, gap,
hypervolume and accuracy are in percentage points. Figures are means over seeds ± their standard deviation (n - 1).
DATA is the folder of the public data sets. A command that is given again goes on with what is missing.
[comparison.md](comparison.md) defines the figures of a comparison; [journal.md](journal.md) says what else was tried.
"""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A section of the page.

    Attributes:
      title: its heading.
      source: file or folder in benchmarks/results/.
      commands: that repeat it.
      said: what is compared, at which price and against which reference; nothing that was measured.
      body: what the source shows, as paragraphs of Markdown.
    """

    title: str
    source: str
    commands: Sequence[str]
    said: str
    body: Callable[[Path], Iterable[str]]


def compare(study: str, *more: str) -> str:
    """The command that repeats a study."""
    flagfile = f"--flagfile=experiments/flags/{study}.flags"
    return " ".join(["python -m experiments.compare", flagfile, f"--data_dir=DATA --out=runs/{study}", *more])


def with_pymoo(study: str) -> str:
    """The command that repeats a study with pymoo's NSGA-II beside it."""
    return f"python -m benchmarks.compare_controllers --studies={study} --results=runs --run --data_dir=DATA"


IMAGES = "--data=fashion_mnist --validation_images=10000 --learning_rate=0.3"
RANK = f"python -m experiments.rank_supernet {IMAGES} --steps=780 --networks=14 --out=runs/ranking"
SCORE = (
    "python -m experiments.score --space=mobilenet_v3_small28 --records=nagjax/data/default/records.csv "
    "--where=resolution=28 --num=300 --evaluators=naswot,synflow,snip,grad_norm,grasp,fisher,jacov --out=runs/scores"
)

ENTRIES = (
    Entry(
        title="NAS-Bench-Macro, equal evaluations",
        source="compare_macro",
        commands=[with_pymoo("compare_macro")],
        said="""\
Regret at 400 budgets even in cost (multiply-adds), with the published accuracies and an exact oracle. `greedy` is
one pass of the policy, `archive` the best that the search kept. Sizes were chosen on seeds from 100 on.
`pymoo_nsga2` is pymoo's NSGA-II with a population of a tenth of the limit. `exact` adds up a regression's weights;
`exact_replacement` and `exact_pairs` what one choice, or two neighbouring ones, do to the largest network. Methods
that move a policy or parameters by gradients are slow learners: their rows say what they are at this price.""",
        body=result_tables.by_limit,
    ),
    Entry(
        title="OFA MobileNetV3 on a Samsung Note10, 60 s each",
        source="compare_note10",
        commands=[
            with_pymoo("compare_note10"),
            compare("compare_note10", "--controllers=nag --seeds=3,4 --resume"),
            "python -m benchmarks.published_latencies --results=runs --data_dir=DATA",
        ],
        said="""\
Equal wall time after compilation, with nothing else running; the OFA predictor judges. Hypervolume is over 400
budgets even in cost. The gap is to the published OFA2 NSGA-II front at its 100 latencies. It is read from the
answers to the 400 budgets (the best that fits) and so is a lower bound; the front's own row says what that costs.
Bands of latency hold the mean predicted ImageNet top-1, %. `pymoo_nsga2` is pymoo's NSGA-II at its best setting.""",
        body=result_tables.at_latencies,
    ),
    Entry(
        title="OFA MobileNetV3 on an Intel i7-8700K, 60 s each",
        source="compare_i7",
        commands=[compare("compare_i7")],
        said="As on the Note10. There is no published front for this device.",
        body=result_tables.by_hypervolume,
    ),
    Entry(
        title="OFA MobileNetV3 on a Samsung Note10, 5,000 evaluations each",
        source="compare_note10_few",
        commands=[compare("compare_note10_few")],
        said="""\
Equal evaluations of the OFA predictor. `exact` is an additive regression on what was evaluated so far and an exact
solver for all budgets, `exact_replacement` that solver on scores of one choice replaced in the largest network.
Sizes are those of NAS-Bench-Macro at 2,000 evaluations; none was tuned here.""",
        body=result_tables.by_hypervolume,
    ),
    Entry(
        title="Decoders on GPUs, equal evaluations",
        source="hw_gpt.json",
        commands=[
            "python -m benchmarks.hw_gpt --data_dir=DATA",
            "python -m benchmarks.hw_gpt --data_dir=DATA --cases=m/a100,l/a100 --contenders=nag,dp,nsga2 --seeds=0",
        ],
        said="""\
Perplexity above the best known, mean over six latency budgets; below 0 is better than it. The best known are the
networks that come with HW-GPT-Bench's data here: additive fit, dynamic programme and an unlimited local search. The
perplexity network of the scale judges, latency is a sum of layer prices. Evaluations are equal to within an update.
`nag`, `nsga2` and `regularised_evolution` search for every budget, `uniform` and `dp` for the six alone. `dp` is an
additive fit for each width, a dynamic programme and local search; `dp_alone` leaves the search out. `nag_greedy` is one
pass of the policy. `nag` breeds 256 children an update, chosen at scale l on seed 100; `nag_1024` as many as
by default, for millions of evaluations. For the A100 at m and l the data have no best known: it is the least of one
seed's runs there. The last lines restrict answers to the measured networks of scale s.""",
        body=result_tables.decoders,
    ),
    Entry(
        title="The best fronts known on both devices",
        source="best_known",
        commands=[
            f"python -m benchmarks.best_known --problem={problem} --minutes=60 --data_dir=DATA"
            for problem in ("note10", "i7")
        ],
        said="""\
Every architecture ever found that none dominates: of the published front, of controllers with new seeds, and of Pareto
local search from all of them. `PROBLEM.csv` holds the front, `PROBLEM_search.csv` a line for each slice of the search.
Mean quality is predicted ImageNet top-1 at 400 budgets even in cost, %; the last columns are what each quarter of the
search added to it, points. The two searches ran at the same time on two cores that others used as well. Regret to the
best known, above, is to these fronts.""",
        body=result_tables.best_fronts,
    ),
    Entry(
        title="The main job on the Note10, and equal wall time",
        source="quality_note10.json",
        commands=["python -m benchmarks.quality_note10 --results=runs/quality_note10.json --data_dir=DATA"],
        said="""\
Predicted top-1 minus that of the published OFA2 NSGA-II front, at its 100 latencies. `greedy` is one pass of the
policy, `best_of_64` the best of 64 samples. `best`, the default, looks up what the archive holds and the policy
answers over the range. `nsga2` is pymoo's at its best setting. `ahead at` counts the latencies that are won, of 100.
`load` is the machine's at the start: the seconds of a loaded machine say little. Runs with `best` answer a budget
that equals a network's own cost with that network or a better one; the earlier runs did not.""",
        body=result_tables.quality,
    ),
    Entry(
        title="Settings of NSGA-II",
        source="nsga2_settings.json",
        commands=["python -m benchmarks.nsga2_settings --seconds=20 --seeds=1 --data_dir=DATA"],
        said="""\
pymoo's NSGA-II on the Note10 at equal processor time; the gap is as above. The first setting is the rival elsewhere
on this page.""",
        body=result_tables.nsga2,
    ),
    Entry(
        title="Shrinking from the largest",
        source="compare_shrink",
        commands=[compare("compare_shrink")],
        said="""\
`greedy_shrink` on NAS-Bench-Macro with its true accuracies. A descent from the largest architecture takes 114
evaluations; what is left of 200 begins a second one, by other ways. `ratio` takes the edit that loses least per
multiply-add saved, `accuracy` the one that loses least. The first descent draws nothing at random.""",
        body=functools.partial(result_tables.by_limit, base="ratio"),
    ),
    Entry(
        title="NAS-Bench-Macro with few labels",
        source="compare_labels",
        commands=[compare("compare_labels")],
        said="""\
A predictor is fitted to 50, 200 or 1,000 accuracies, drawn anew for every seed. Controllers have 2,000 calls of it,
and all accuracies judge. `best label` is the best of the labels that fits, or the cheapest architecture where none
does. Regret is as above.""",
        body=result_tables.by_limit,
    ),
    Entry(
        title="NAS-Bench-Macro, true evaluations in rounds",
        source="rounds.json",
        commands=["python -m benchmarks.rounds --data_dir=DATA"],
        said="""\
`nagjax.search` by its defaults looks accuracies up one by one; [search.md](search.md) tells how. Regret is as above, of
the best architecture by the predictor at the end, which tells what was evaluated as it is. `fitted once` is the same
kind of predictor without rounds.""",
        body=result_tables.rounds,
    ),
    Entry(
        title="OFA MobileNetV3 on a Samsung Note10, true evaluations in rounds",
        source="rounds_note10.json",
        commands=["python -m benchmarks.rounds_note10 --results=runs/rounds_note10.json --data_dir=DATA"],
        said="""\
The OFA predictor stands in for the truth, and is asked about one network at a time, by the defaults of `nagjax search`.
The gap is to the published OFA2 NSGA-II front at its 100 latencies. A generator is `nag`, trained for 400 updates on
what was evaluated and a fitted predictor, asked by `best`. NSGA-II has a population of a tenth of its evaluations.""",
        body=result_tables.rounds_note10,
    ),
    Entry(
        title="A search whose workers and job are killed",
        source="evaluator_faults.json",
        commands=["python -m benchmarks.evaluator_faults"],
        said="""\
SIGKILL ends workers and the job in turn, at drawn numbers of evaluations, and the job is continued. An evaluation is
lost where its row is not there at the end, and repeated where it is asked for after its row was written. The program
fails for some architectures. Identical: all rows are those of a search that nobody killed.""",
        body=result_tables.faults,
    ),
    Entry(
        title="One and several processes",
        source="processes.json",
        commands=["python -m benchmarks.processes --results=benchmarks/results/processes.json"],
        said="""\
A supernet of 9 architectures on handwritten digits, 400 steps: 2 processes of 2 virtual devices each against one
process of one device. The difference is the greatest between two weights, as a share of the greatest of their array.
`restored_1_to_2`: a run that SIGTERM stopped in one process ends, continued by 2, as one that was not stopped, to one
part in a thousand; `restored_2_to_1` the other way. `killed_and_equal`: a run of 2 of which one was killed ends,
started again, with the same arrays, bit for bit.""",
        body=result_tables.faults,
    ),
    Entry(
        title="Preemption",
        source="preempt.json",
        commands=["python -m benchmarks.preempt --results=benchmarks/results/preempt.json"],
        said="""\
SIGTERM in the middle of training, to one process, and to one of 2 processes. Seconds are from the signal to the end of
all processes, the state saved. The runs, continued, are compared with runs that were not stopped, bit for bit.""",
        body=result_tables.faults,
    ),
    Entry(
        title="A fleet whose workers, scheduler and job are killed",
        source="fleet.json",
        commands=["python -m benchmarks.fleet --results=benchmarks/results/fleet.json"],
        said="""\
A search on a Dask cluster of four workers on loopback, whose evaluations are a program of 50 ms. SIGKILL ends workers,
the scheduler and the job at drawn numbers of rows. `lost`: rows that stood in the file at a kill and are another at the
end; `repeated`: programs that found the row of their architecture when they started; `begun_again`: programs that were
started again for an evaluation that a kill took along before it had a row, at most as many as ran at the kills.
Overhead is what an evaluation costs a worker beyond the 50 ms, ms, without kills and with them; two processors for all.
It ran at real-time priority, since other programs used the machine: the load is that of all.""",
        body=result_tables.faults,
    ),
    Entry(
        title="Sixteen seeds as one program",
        source="sweep.json",
        commands=["python -m benchmarks.sweep --results=benchmarks/results/sweep.json"],
        said="""\
`nag` in its sizes for few evaluations, and a search without gradients, on a space of 24 architectures: the seeds one
after another, and as one program that the two cores share. Compiled before the clock starts; the best of three. The
difference is the largest between a weight of the one program and of the single run.""",
        body=result_tables.sweep,
    ),
    Entry(
        title="How time grows",
        source="scaling.json",
        commands=["python -m benchmarks.scaling --results=benchmarks/results/scaling.json"],
        said="""\
Slopes of log time against log size over sizes that double, of the steepest of several kinds of work: 1 is linear. Time
is that of all cores. Memory is by how much the peak grew while a million budgets were answered, and how much of it came
after the first quarter of them.""",
        body=result_tables.scaling,
    ),
    Entry(
        title="Rewards, and the number of training budgets",
        source="compare_rewards",
        commands=[compare("compare_rewards")],
        said="""\
`reinforce` on NAS-Bench-Macro, 50,000 evaluations. All but `masked` and `K1` to `K30` train without the mask, as in
the papers; every answer is masked. `K1` to `K30` train at that many fixed budgets, the others draw 16 budgets anew
for every update. 400 budgets are asked, most of them between those trained for.""",
        body=functools.partial(result_tables.by_regret, base="dominance"),
    ),
    Entry(
        title="Systems in rounds of true evaluations",
        source="systems.csv",
        commands=["python -m benchmarks.systems --data_dir=DATA --results=runs/systems.csv"],
        said="""\
Published systems made of a kind of predictor and a proposer, on NAS-Bench-Macro, 25 evaluations a round: `gp` is the
default of `nagjax search`, `gbdt_nas` boosted trees, the others a ridge regression refitted every round with `nsga2`
(`linas`), a Pareto beam (`dpp_net`) or an exact solver (`puzzle`) on it. `renas` is a network by hinge loss, `pairs` a
comparison, `gcn_fit` a graph network, `nars` trees smoothed over neighbours, all with `top_predicted`; `ctnas` and
`pareto_classifier` propose by the comparison, `pareto_regression` by a regression in that way; networks have two
members and 500 steps. `random` is spread over the costs, as every start is. `evaluated` is the regret of the best that
was evaluated, `answered` that of a generator which has the system's predictor for all else. Nothing was tuned.""",
        body=result_tables.systems,
    ),
    Entry(
        title="Searchers by what they evaluated",
        source="few_evaluations.csv",
        commands=["python -m benchmarks.few_evaluations --data_dir=DATA --results=runs/few_evaluations.csv"],
        said="""\
True accuracies of NAS-Bench-Macro looked up one by one, repeats counted. Of all that was evaluated: `regret` of the
best within each of 400 budgets, `below` the same over the lower half of them, the `hypervolume` that they dominate,
`trained` their multiply-adds on average, millions, and how many are `distinct`. `random` is spread over the costs,
`lookup` drawn as it comes, `madds` answers with the costliest that fits.
[systems.md](systems.md) tells what the others are.""",
        body=result_tables.few_evaluations,
    ),
    Entry(
        title="Twenty queries of mixed scores",
        source="robot.csv",
        commands=["python -m benchmarks.robot --data_dir=DATA --results=runs/robot.csv"],
        said="""\
RoBoT's queries on NAS-Bench-Macro, 20 true evaluations for each of four budgets, at 25, 50, 75 and 100 percent of the
range of multiply-adds: regret of the best of them. `single` takes the first 20 by one score, `equal_sum` by their sum,
`gp` 10 random labels and 10 by the expected improvement of a Gaussian process on path features.""",
        body=result_tables.by_way,
    ),
    Entry(
        title="Scores without training",
        source="scores",
        commands=[SCORE, "python -m benchmarks.scores --scores=runs/scores --results=runs/scores_results"],
        said="""\
300 of the shipped labels of `mobilenet_v3_small28` on Fashion-MNIST at 28 pixels, drawn by a seed; a label is the
accuracy with the weights of a supernet. Kendall's tau of scores of untrained networks with them, one set of fresh
weights, its 95 % interval of a bootstrap, and tau within equal parts of the range of multiply-adds, with the standard
deviation that it has where a score says nothing. Milliseconds are medians on a busy machine of two cores, without
compiling. Below, 20 labels: regret, points, of the best of 20 queries as in
[twenty queries](#twenty-queries-of-mixed-scores), among these architectures, for budgets at 50, 75 and 100 percent of
the range; `robot` weighs the scores, `robot_sizes` multiply-adds and parameters too, `single` is one score's first 20,
`gp` 10 random labels and 10 by expected improvement. Tau of what is fitted to 20 random labels: a Gaussian process on
path features, on these and the scores, and the default predictor.""",
        body=result_tables.scores,
    ),
    Entry(
        title="One generator for many devices",
        source="multi_device.csv",
        commands=["python -m benchmarks.multi_device --data_dir=DATA --updates=100 --results=runs/multi_device.csv"],
        said="""\
OFA MobileNetV3 on a Samsung Note10 and an Intel i7-8700K at 160, 192 and 224 pixels: six devices. `dedicated` are six
generators of 100 updates, `together` is one of 600. `held_out` has not seen the i7 at 192 pixels, `unseen` has not seen
any i7, and both answer for those without training; `archive` is what the latter's archive answers alone, `neighbour`
a dedicated generator of the Note10 asked about the i7 at its resolution. Points of predicted accuracy lost to
`dedicated` at 100 budgets a device, mean over budgets, devices and seeds, and the worst device; less is better. `over`
counts answers that cost more than their budget. A run is far shorter than one that is meant to be used.""",
        body=result_tables.multi_device,
    ),
    Entry(
        title="One stream for three tasks",
        source="multi_task.csv",
        commands=["python -m benchmarks.multi_task --data_dir=DATA --results=runs/multi_task.csv"],
        said="""\
Three tasks on NAS-Bench-Macro, two of them made up; regret of a generator's greedy answers, mean over the tasks. With
2,000 architectures, each evaluated for all tasks, `stream` learns from every sample for every task and `divided` from
each for its own; `each` has 6,000. `random` is the best of 2,000 random ones, `regularised_evolution` of three searches
that divide 2,000, and `madds` the costliest that fits.""",
        body=result_tables.by_way,
    ),
    Entry(
        title="Replay, and what hidden states know",
        source="latent.csv",
        commands=["python -m benchmarks.latent --data_dir=DATA --results=runs/latent.csv"],
        said="""\
`reinforce` on NAS-Bench-Macro, 2,000 evaluations, without replay and with weights 0.1 and 1 on the last 256 samples.
`correlation` is Spearman's, between distances of hidden states and of 300 random architectures; `greedy` the regret of
the policy's answers, `sampled` of the best that was evaluated; `random` is random search within budgets.""",
        body=result_tables.by_way,
    ),
    Entry(
        title="Rivals that move up",
        source="rivals.csv",
        commands=["python -m benchmarks.rivals --data_dir=DATA --results=runs/rivals.csv"],
        said="""\
Policies trained for 300 updates on predictors of 200 accuracies of NAS-Bench-Macro: `ctnas`, whose rivals move every
20 updates or stay, and `reinforce` on the share of 64 references that are beaten, or on a regression. `certain`:
percentage of samples that beat their rival with a chance above 0.95, in 25 updates; `greedy`: regret of the policy's
answers; `best`: of the best predicted within each budget.""",
        body=result_tables.by_way,
    ),
    Entry(
        title="Few labels: regression, ranking, comparison",
        source="few_labels.json",
        commands=[f"python -m benchmarks.predictor_kinds --kinds={COMPARED} --labels=50,100,200,424 --data_dir=DATA"],
        said="""\
As below. `mse`, `ranking` (hinge) and `logistic` (Bradley and Terry) are one network with three losses, `pair` compares
two architectures; `madds` ranks by cost, `lookup` answers with the labels themselves, where none fits with the
cheapest architecture.""",
        body=result_tables.losses,
    ),
    Entry(
        title="Estimates that err",
        source="estimates.json",
        commands=["python -m benchmarks.estimates --data_dir=DATA"],
        said="""\
Kinds fitted to 400 estimates: `macro`, accuracies of NAS-Bench-Macro with made-up Gaussian noise of two points, judged
by the accuracies; `supernet`, the labels that travel along, judged by 16 networks trained alone. `estimates` are the
estimates of all, `smoothed` their means over neighbours. `graph` is a chain of decisions, `complete` joins all,
`unjoined` none; `smooth_` is `nars`. `_pruned`: 200 estimates, choices that no best predicted has closed, 200 from what
is left; `closed` is the percentage of budgets whose best architecture is lost by that.""",
        body=result_tables.estimates,
    ),
    Entry(
        title="Losses and trees",
        source="predictor_losses.json",
        commands=["python -m benchmarks.predictor_kinds --kinds=mse,ranking,trees,ridge,gp --data_dir=DATA"],
        said="""\
Fitted to some accuracies of NAS-Bench-Macro, other ones for every seed: Kendall's tau over all 3,969, and the regret
of the best predicted within each of 400 budgets. `mse` and `ranking` are the same network with another loss.""",
        body=result_tables.losses,
    ),
    Entry(
        title="A new device from few measurements",
        source="few_shot.json",
        commands=["python -m benchmarks.few_shot --results=runs/few_shot.json --data_dir=DATA"],
        said="""\
Spearman between predicted and measured latency of networks that were not measured on a new device, and in the second
table the percentage that is predicted within 10 %; means over held-out devices. `gpus` are 12 settings of 4 GPUs
(once-for-all networks), and all settings of the new device's GPU are unknown; `decoders` are 10 GPUs and CPUs of
HW-GPT-Bench at a scale. `adapted` measures what the plan names, `random` adapts to networks at random; `nearest` is the
known device that ranks the measured networks best, rescaled; `scratch` the best of four models of the measurements
alone, each on planned or random networks. `all` is the same linear model fitted to all that can be measured, 4,000 or
8,000 networks: what is left to 1 is noise, and what no sum over operators can say.""",
        body=result_tables.few_shot,
    ),
    Entry(
        title="Rewards of MONAS",
        source="compare_monas",
        commands=[compare("compare_monas")],
        said="""\
`reinforce` on NAS-Bench-Macro, 20,000 evaluations, trained without the mask; answers are masked. `constrained` is 0
over the budget, `mixed_N` weighs cost by N percent. [systems.md](systems.md#monas) has the share of samples over
their budgets.""",
        body=functools.partial(result_tables.by_regret, base="dominance"),
    ),
    Entry(
        title="Joint training against independent searches",
        source="joint_search.json",
        commands=["python -m benchmarks.joint_search --run --results=runs/joint_search.json --data_dir=DATA"],
        said="""\
Policy gradients with equal updates and baselines, five budgets. `joint` is one generator, `shared` five searches
that divide its evaluations, `each` five searches that have as many each. `macro` shows regret (less is better),
`note10` predicted top-1, % (more is better). The last columns are the budgets, in percent of the range of cost.""",
        body=result_tables.joint,
    ),
    Entry(
        title="Latency learned from measured networks",
        source="learned_latency.json",
        commands=[
            "python -m benchmarks.learned_latency --data_dir=DATA --results=benchmarks/results/learned_latency.json"
        ],
        said="""\
4,000 of 5,000 once-for-all networks timed on GPUs (HELP) are fitted to, 1,000 judge. Floor: what a perfect predictor
would reach with the noise that near neighbours tell. Beside it what speaks for noise by itself: the share of the
squared errors that near neighbours have in common, the rank correlation of the errors of networks next to each other
in the file, and the largest with the errors of the same networks at another setting.""",
        body=result_tables.learned_latency,
    ),
    Entry(
        title="A sum and what lies above it",
        source="learned_latency.json",
        commands=[
            "python -m benchmarks.learned_latency --data_dir=DATA --results=benchmarks/results/learned_latency.json"
        ],
        said="""\
The same settings, learned by the kind `residual`: how many of the 1,000 networks are measured below its sum (5 % was
asked), how far above it the median is predicted, and whether a network tells by how much, or their median does. Asked:
how often networks are drawn under the mask of a budget that 1, 10 or 50 % of random networks meet until one is within
it; drawn without a mask it would take 100, 10 and 2 times.""",
        body=result_tables.learned_residual,
    ),
    Entry(
        title="Bounds of learned latency",
        source="conformal.json",
        commands=["python -m benchmarks.conformal --data_dir=DATA --results=benchmarks/results/conformal.json"],
        said="""\
Percent of networks that exceed a bound that 1, 5 and 10 % may exceed, means over 20 splits: of all held-out networks
under the bound calibrated on networks as they were drawn; and of those chosen for 100 budgets, under the same bound
and under the one that was calibrated on choices too. Width: the median of that bound over the prediction.""",
        body=result_tables.conformal,
    ),
    Entry(
        title="Operators timed in onnxruntime, batch 1",
        source="profile_ort.json",
        commands=["python -m benchmarks.profile_ort --rounds=25 --results=benchmarks/results/profile_ort.json"],
        said="""\
Whole networks of `mobilenet_v3_small28`, timed as ONNX files on one thread, against the sum of their operators' times,
corrected by 30 other networks; with nothing else running.""",
        body=result_tables.by_name,
    ),
    Entry(
        title="From budgets to files, measured",
        source="deploy.json",
        commands=[
            f"python -m experiments.train_supernet {IMAGES} --steps=6000 --out=runs/supernet",
            "python -m benchmarks.deploy --supernet=runs/supernet --results=benchmarks/results/deploy.json",
        ],
        said="""\
Twenty budgets even on a logarithmic scale, answered by a generator whose table of onnxruntime has headroom for 95 % of
networks, deployed and timed as ONNX files, one thread, batch 1, with nothing else running. Differences are of logits,
to the supernet and to the ONNX file; the median error is of what is predicted without headroom; tau is between
predicted and measured accuracy on validation images; int8 loses that many points on test images.""",
        body=result_tables.faults,
    ),
    Entry(
        title="A generator without the library",
        source="artefact.json",
        commands=["python -m benchmarks.artefact --results=benchmarks/results/artefact.json"],
        said="""\
A process that imports NumPy alone loads an exported generator and answers, start of Python included, against
`decode=greedy` of the library.""",
        body=result_tables.faults,
    ),
    Entry(
        title="Kinds of predictors with few labels",
        source="predictor_kinds.json",
        commands=["python -m benchmarks.predictor_kinds --data_dir=DATA"],
        said="""\
Accuracies of NAS-Bench-Macro, other ones for every draw. Kendall's tau over all 3,969 networks, and the regret of the
best predicted within each of 400 budgets of multiply-adds. `ranking` is `mlp` with a hinge loss.""",
        body=result_tables.kinds,
    ),
    Entry(
        title="Parts of a trained decoder",
        source="pretrained.csv",
        commands=["python -m benchmarks.pretrained --folder=runs/pretrained"],
        said="""\
Nats a character on test text of parts of a small model of GPT-2's layout (6 layers of width 48, 400 updates on
`char_lm`), whose parts are not trained. `drop1` to `drop3`: within the parameters that are left without 1, 2, 3 layers;
`ms1` to `ms3`: within the time that it then takes in onnxruntime, one thread of an x86 core, by a device table;
`size1` to `size3`: within the bytes of all in 8 bits, and 0.8 and 0.65 of those. Everything is chosen on validation
text. `uniform_drop` leaves out evenly spaced layers, `best_drop` is the best of all sets of as many; `width_ORDER`
keeps equally many heads and hidden units of every layer, those worth most in that order; `front` is the best of 140
evaluations. `int8_uniform` is the model in 8 bits, and the best of 140 of its parts in 8 bits; `bits_only` leaves
nothing out, `mixed_bits` decides both. `tuned`: after 150 updates of the shared weights in which random parts learn
from the whole, before anything is chosen.""",
        body=result_tables.by_way,
    ),
    Entry(
        title="Strategies of shared weights",
        source="strategies.json",
        commands=["python -m benchmarks.strategies"],
        said="""\
Handwritten digits, networks of one unit at 16 pixels. Kendall's tau with the mean test accuracy of networks trained
alone, of what a supernet says: the accuracy of validation images with its weights, or the `angle` by which training
turned them. Every strategy sees as many images. `few_shot` splits on the depth, `few_shot_size` into three bands;
`given` begins from the largest, on which it spent half of the images.""",
        body=result_tables.strategies,
    ),
    Entry(
        title="Bands of size and relations of attention",
        source="relations.json",
        commands=["python -m benchmarks.relations"],
        said="""\
Kendall's tau with the mean exp(-nats) of decoders trained alone on characters of Python's help, of exp(-nats) with
shared weights on validation text, and of the loss there. All learn by a `sandwich` from as many sequences: in one set
of weights or in three bands of size that part after half of the training, without or with the relations of the largest
network's last layer at a weight of 1. Nothing was tuned, and trainings are short. Divergence is that of relations, the
largest network's from those of each, nats a row.""",
        body=result_tables.relations,
    ),
    Entry(
        title="Entangled weights: two updates of logits",
        source="entangled.json",
        commands=["python -m benchmarks.entangled"],
        said="""\
Handwritten digits, networks of one unit at 16 pixels; those that were trained alone, under three seeds, are compared.
`entangled` by sampler and update of the logits, without a price, chooses the largest share of each decision, and orders
networks by their probability; `single_path` chooses and orders by the loss on validation images with its weights;
`madds` takes the largest network, `random` any. Tau is Kendall's with the mean test accuracy alone, and points lost are
by that accuracy. Entropy is of the shares, a mean over decisions; all updates stand where it never fell so low. Every
way sees 25,600 images, in 400 updates.""",
        body=result_tables.entangled,
    ),
    Entry(
        title="Softmax and linear attention in one decoder",
        source="transformer.json",
        commands=["python -m benchmarks.transformer --out=runs/transformer --results=transformer.json"],
        said="""\
An elastic decoder of width 24 to 48 and 2 to 4 layers, trained with AdamW; architectures are found with its labels and
judged by networks trained alone, with the same few updates for all. Quality is exp(-nats per token) on the test part.
Budgets are the latencies of `uniform_scaling` by a table of this machine, batch 1, all tokens of a sequence at once:
alike layers of softmax, the width 12 times the depth. `searched` is the generator's answer, the others its best
answers of that kind. Hypervolume in ms x points. Latencies in brackets are of whole networks, the least of 25 rounds;
the machine was busy.""",
        body=result_tables.transformer,
    ),
    Entry(
        title="What choosing costs: a step within the supernet",
        source="elastic_overhead.json",
        commands=["python -m benchmarks.elastic_overhead --results=benchmarks/results/elastic_overhead.json"],
        said="""\
Forward and backward pass of the largest architecture of a space, batch 64: through its supernet, whose tokens are
traced and whose gradients are of all weights, and through the network alone. Both alternate in one run; medians, and
their ratio. Two x86 cores that other work used at times, so milliseconds are upper bounds. Cells have 8 channels and
one cell a stage at 28 pixels, NAS-Bench-Macro a stem of 8 channels at 32, the others their defaults. Cells take a
product a tap for a convolution both within and alone; [journal.md](journal.md) has XLA's beside it.""",
        body=result_tables.elastic_overhead,
    ),
    Entry(
        title="What supernet labels are worth",
        source="supernet_ranking.json",
        commands=["python -m benchmarks.supernet_ranking"],
        said="""\
Kendall's tau with the mean test accuracy of networks trained alone: perceptrons of 1 to 3 layers on `signals`, a
setting that was chosen because its seeds agree. Every strategy sees as many signals. `few_shot` splits on the depth.
[supernet.md](supernet.md#what-the-labels-are-worth) says what follows for labels.""",
        body=result_tables.strategies,
    ),
    Entry(
        title="What the shipped labels are worth",
        source="shipped_labels.json",
        commands=[
            RANK,
            f"python -m experiments.train_supernet {IMAGES} --steps=6000 --out=runs/supernet",
            f"{RANK} --images=5000 --supernet=runs/supernet",
        ],
        said="""\
The same of the labels that travel with the package: `mobilenet_v3_small28` on Fashion-MNIST, weights of one sandwich
of 15 epochs, networks trained alone for two epochs. Their seeds agree too little to tell rankers apart.""",
        body=result_tables.ranking,
    ),
)


def section(entry: Entry, source: Path = SOURCE) -> str:
    """A section of the page as Markdown."""
    commands = "\n".join(entry.commands)
    text = "\n\n".join(entry.body(source / entry.source))
    return (
        f"## {entry.title}\n\n{entry.said}\n\n```bash\n{commands}\n```\n\n"
        f"Source: `benchmarks/results/{entry.source}`.\n\n{text}\n"
    )


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(entry) for entry in ENTRIES)])


def main(argv: list[str]) -> None:
    """Write the page, or compare it."""
    del argv
    text = page()
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
    if not flags.FLAGS.check:
        durable.replace(PAGE, text)
    common.report({"page": str(PAGE.relative_to(ROOT)), "sections": len(ENTRIES), "same": same})
    sys.exit(1 if flags.FLAGS.check and not same else 0)


if __name__ == "__main__":
    flags.DEFINE_bool("check", False, "Compare the page that is there; write nothing.")
    app.run(main)
