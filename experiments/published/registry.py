"""The systems by name; one more is one more entry. Verdicts are from committed rows, or they are "not decided"."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.published.system import System, Verdict
from nagjax.names import suggestion


def _compared(controller: str, *more: str, evaluations: int = 2000) -> tuple[str, ...]:
    """Arguments of a comparison on NAS-Bench-Macro."""
    return (f"--controllers={controller}", "--problems=macro", f"--evaluations={evaluations}", "--data_dir=DATA", *more)


def _searched(kind: str, proposer: str, *more: str) -> tuple[str, ...]:
    """Arguments of a search in rounds on NAS-Bench-Macro, of the size in which methods were compared."""
    return (
        "--space=nas_bench_macro", "--costs=madds", "--evaluator=table", "--evaluator_settings=file=LABELS",
        f"--predictor_kind={kind}", f"--proposer={proposer}", "--evaluations=200", "--per_round=25", *more,
    )  # fmt: skip


def _taught(strategy: str, *settings: str) -> tuple[str, ...]:
    """Arguments of the training of a supernet."""
    given = (f"--strategy_settings={','.join(settings)}",) if settings else ()
    return ("--data=fashion_mnist", f"--strategy={strategy}", *given, "--data_dir=DATA")


LITTLE = ("--data=digits", "--steps=2", "--batch=8")
MADE_UP = ("--problems=tiny_wide", "--evaluations=200", "--budgets=20")
PAIRED = "--predictor_settings=calibrate=true,members=2,steps=500"
FEW = ("--evaluations=40", "--start=20", "--per_round=10", "--steps=10")


def _rewarded(name: str, title: str, arxiv: str, claim: str, reward: str, measured: str, verdict: Verdict) -> System:
    """A reward of policy gradients."""
    return System(
        name, title, arxiv, claim, "compare",
        _compared("reinforce", f"--controller_params=reinforce:reward={reward},mask=false", evaluations=50000),
        (*MADE_UP, "--evaluations=2000"), measured, verdict, ["one_target.csv", "compare_rewards"],
    )  # fmt: skip


def _mixers(task: str, family: str) -> str:
    """Points of quality of a family of decoders, under three budgets."""
    return ", ".join(f"{{transformer.json | {task} {family} {number}}}" for number in (1, 2, 3))


def _parts(way: str, kind: str) -> str:
    """Figures of a way of cutting a trained model, under three budgets."""
    return ", ".join(f"{{pretrained.csv | {way} {kind}{number}}}" for number in (1, 2, 3))


BUILT = (
    System(
        "nag", "NAG", "2103.00219", "One generator trained for all budgets beats searches for each of them.",
        "compare", _compared("nag"), MADE_UP,
        "NAS-Bench-Macro at equal evaluations: regret {joint_search.json | macro joint} for one generator, "
        "{joint_search.json | macro shared} for searches that divide them. Our `nag` adds an archive: "
        "{compare_macro | 2000 nag greedy} at 2,000 evaluations, `nsga2` {compare_macro | 2000 nsga2 archive}.",
        "seen", ["joint_search.json", "compare_macro"],
    ),
    System(
        "nag_published", "NAG, as published", "2103.00219", "A learned ranking by dominance teaches a generator.",
        "compare", _compared("nag_published"), MADE_UP,
        "Regret of its answers after 100,000 evaluations, with R(a|B) learned once from 1,000 architectures: "
        "{long_training.csv | published_fast_ranked greedy}, by the factored form of dominance {long_training.csv | "
        "published_fast greedy}, paired difference {long_training.csv | published_fast_ranked-published_fast greedy}; "
        "before training {long_training.csv | published_fast untrained}, the costliest that fits {long_training.csv | "
        "madds greedy}. Samples over their budgets fall from {long_training.csv | published_fast_ranked over_first} to "
        "{long_training.csv | published_fast_ranked over_last} percent. So dominance teaches it; whether a better "
        "learned ranking does was not tried. At the paper's rate, meant for far more updates, by the factored form "
        "{long_training.csv | published greedy}. At 2,000 evaluations {compare_macro | 2000 nag_published greedy}.",
        "not decided", ["long_training.csv", "compare_macro"],
    ),
    System(
        "pnag", "PNAG", "2210.07634", "The released update, a sample at a time, learns to meet budgets.",
        "compare", _compared("pnag"), MADE_UP,
        "Of 100,000 samples that nothing masks {long_training.csv | pnag over_first} percent of the first tenth are "
        "over their budgets and {long_training.csv | pnag over_last} percent of the last. Regret of its answers, under "
        "a mask: {long_training.csv | pnag early} after that tenth and {long_training.csv | pnag greedy} at the end, "
        "of the costliest that fits {long_training.csv | madds greedy}, of `reinforce`, without a mask too, "
        "{long_training.csv | reinforce greedy}: it learns to meet budgets, and by then not to be better than "
        "counting. At 2,000 evaluations {compare_macro | 2000 pnag greedy}.",
        "seen", ["long_training.csv", "compare_macro"],
    ),
    _rewarded(
        "mnasnet", "MnasNet's reward", "1807.11626", "Q (c/B)^-w trades quality for cost under a target.",
        "mnasnet_soft",
        "Five targets on NAS-Bench-Macro: the architecture of the largest reward of all is on the front "
        "({one_target.csv | best_soft behind} points behind the best that costs no more), but by construction it is "
        "the same under every target, {one_target.csv | best_soft off} percent off them on average with w = 0.07, and "
        "{one_target.csv | best_soft_tuned off} with a weight tuned for each: cost is traded for quality at a rate "
        "that w sets, not under a target. The hard form is {one_target.csv | best_hard off} percent off, below the "
        "target, and loses nothing to the best within it. A generator of all budgets: regret {compare_rewards | 50000 "
        "mnasnet_soft greedy}, `dominance` {compare_rewards | 50000 dominance greedy}, the hard form {compare_rewards "
        "| 50000 mnasnet_hard greedy}.",
        "refuted",
    ),
    _rewarded(
        "tunas", "TuNAS's reward", "2008.06120", "The absolute reward hits a target better than MnasNet's.", "tunas",
        "Five targets on NAS-Bench-Macro: the architecture of the largest reward of all is {one_target.csv | "
        "best_tunas off} percent off the target on average with w = 0.07, by MnasNet's soft form {one_target.csv | "
        "best_soft off}; with one weight tuned for all targets {one_target.csv | best_tunas_one off}, by the soft form "
        "with a weight tuned for each {one_target.csv | best_soft_tuned off}, by its hard form {one_target.csv | "
        "best_hard off}. That costs {one_target.csv | best_tunas_one at_target} points to the best within the target, "
        "of which the hard form loses none. A generator of all budgets: regret {compare_rewards | 50000 tunas greedy}, "
        "of MnasNet's soft form {compare_rewards | 50000 mnasnet_soft greedy}, of its hard form {compare_rewards | "
        "50000 mnasnet_hard greedy}.",
        "seen",
    ),
    System(
        "monas", "MONAS", "1806.10332", "The reward, mixed or constrained, decides where samples lie.",
        "compare", ("--flagfile=experiments/flags/compare_monas.flags", "--data_dir=DATA"),
        (*MADE_UP, "--evaluations=2000", "--seeds=0"),
        "Samples of training over their budget, as a share: `constrained` "
        "{compare_monas | 20000 constrained over_budget}, `mixed` with w = 0.1, 0.3, 0.5 "
        "{compare_monas | 20000 mixed_10 over_budget}, {compare_monas | 20000 mixed_30 over_budget}, "
        "{compare_monas | 20000 mixed_50 over_budget}. Regret: {compare_monas | 20000 constrained greedy} and "
        "{compare_monas | 20000 mixed_10 greedy} (0.1), `dominance` {compare_monas | 20000 dominance greedy}.",
        "seen", ["compare_monas"],
    ),
    System(
        "fbnet", "FBNet's estimator", "1812.03443", "Gumbel-softmax finds the architecture in one training of weights.",
        "run",
        (
            "--flagfile=EMBEDDED/default.flags", "--data_dir=EMBEDDED", "--controller=nag_pathwise",
            "--controller_static=estimator=gumbel",
        ),
        ("--steps=3",),
        "On a supernet's weights it is `--strategy=entangled --strategy_settings=sampler=gumbel`: on digits the chosen "
        "network is {entangled.json | gumbel adam lost} points behind the best, a random one {entangled.json | random "
        "lost}, and shares have an entropy of {entangled.json | gumbel adam entropy} nats. The best is the largest "
        "there, so counting finds it too; the first of its shares under budgets are {entangled.json | gumbel adam "
        "within} points behind, random ones {entangled.json | random within}, the largest {entangled.json | madds "
        "within}. Tried on a predictor, the Note10 in 60 s: hypervolume {compare_note10 | 60s gumbel greedy "
        "hypervolume}, `nag` {compare_note10 | 60s nag greedy hypervolume}.",
        "seen", ["compare_note10", "entangled.json"],
    ),
    System(
        "proxylessnas", "ProxylessNAS's estimator", "1812.00332", "Binary gates train architecture beside weights.",
        "compare", _compared("nag_pathwise", "--controller_static=nag_pathwise:estimator=gates"), MADE_UP,
        "On a supernet's weights it is `--strategy=entangled --strategy_settings=sampler=gates`: on digits, at the "
        "rate that was tuned for `darts`, the chosen network is {entangled.json | gates adam lost} points behind the "
        "best, a random one {entangled.json | random lost}, and the first of its shares under budgets "
        "{entangled.json | gates adam within}, random ones {entangled.json | random within}: both are better by more "
        "than two standard errors, so gates teach shares, if slowly. `darts` chooses better, "
        "{entangled.json | darts adam lost}, and under budgets worse, paired difference "
        "{entangled.json | gates adam-darts adam within}; the costliest that fits is better than both there, "
        "{entangled.json | madds within}. A rate of its own was not tried. Tried on a quality that is looked up: "
        "{compare_macro | 2000 nag_pathwise greedy} at 2,000 evaluations, `random` {compare_macro | 2000 random "
        "archive}.",
        "seen", ["compare_macro", "entangled.json"],
    ),
    System(
        "gaea", "GAEA", "2004.07802", "Exponentiated gradients converge faster than softmax and Adam.",
        "compare", _compared("nag_simplex"), MADE_UP,
        "On a supernet's weights it is `--strategy=entangled --strategy_settings=update=exponentiated`: on digits, "
        "after 400 updates with `darts`, shares have an entropy of {entangled.json | darts exponentiated entropy} "
        "nats, by Adam {entangled.json | darts adam entropy}, paired difference {entangled.json | darts "
        "exponentiated-darts adam entropy}, so neither has converged; both rates were tuned by what they choose, and "
        "the exponentiated one is the largest that was tried. The chosen network is {entangled.json | darts "
        "exponentiated lost} points behind the best, by Adam {entangled.json | darts adam lost}; the first under "
        "budgets, paired difference, {entangled.json | darts exponentiated-darts adam within}. On a quality that is "
        "looked up {compare_macro | 2000 nag_simplex greedy} at 2,000 evaluations; `reinforce`, another network by "
        "Adam, {compare_macro | 2000 reinforce greedy}.",
        "not decided", ["compare_macro", "entangled.json"],
    ),
    System(
        "tanglenas", "TangleNAS", "2312.10440",
        "Search by gradients on entangled weights chooses as well as training one path at a time.",
        "train_supernet", _taught("entangled"), LITTLE,
        "Digits, at equal images, `darts`. Points that the chosen network is behind the best, when trained alone: "
        "{entangled.json | darts adam lost}; `single_path`, by the loss on validation images, {entangled.json | "
        "single_path lost}, paired difference {entangled.json | darts adam-single_path lost}; the largest "
        "{entangled.json | madds lost}; a random one {entangled.json | random lost}. Shares say little of what they do "
        "not choose: the first under budgets is {entangled.json | darts adam within} points behind, of `single_path` "
        "{entangled.json | single_path within}, paired difference {entangled.json | darts adam-single_path within}. "
        "Tau with accuracy alone: {entangled.json | darts adam tau}; `single_path` {entangled.json | single_path tau}; "
        "multiply-adds {entangled.json | madds tau}. Other samplers, at the rate that was tuned for `darts`, lose "
        "{entangled.json | gumbel adam lost} (`gumbel`), {entangled.json | gdas adam lost} (`gdas`), {entangled.json | "
        "drnas adam lost} (`drnas`) and {entangled.json | gates adam lost} (`gates`). Weights of their own for each "
        "choice were not tried.",
        "seen", ["entangled.json"],
    ),
    System(
        "bignas", "BigNAS", "2003.11142", "One training gives networks that need none of their own, and ranks them.",
        "train_supernet", _taught("bignas"), LITTLE,
        "84 perceptrons on signals, where seeds agree: the mean accuracy with these weights minus that of the same "
        "networks alone is {supernet_ranking.json | bignas gained} points (alone each saw 160,000 signals, these "
        "weights 768,000 in all), with `sandwich` and four times as many signals {supernet_ranking.json | "
        "sandwich_long gained}: most want a training of their own. Tau with accuracy alone {supernet_ranking.json | "
        "bignas tau}, paired difference to `sandwich` {supernet_ranking.json | bignas-sandwich tau}, multiply-adds "
        "{supernet_ranking.json | madds tau}. On digits, where networks alone had 200 updates, it is {strategies.json "
        "| bignas gained}, of `sandwich` {strategies.json | sandwich gained}; tau {strategies.json | bignas tau}, "
        "`sandwich` {strategies.json | sandwich tau}, multiply-adds {strategies.json | madds tau}. The shipped labels, "
        "of a sandwich: {shipped_labels.json | supernet}, multiply-adds {shipped_labels.json | madds}.",
        "refuted", ["shipped_labels.json", "strategies.json", "supernet_ranking.json"],
    ),
    System(
        "few_shot_nas", "Few-shot NAS", "2006.06863", "Several supernets rank better than one.",
        "train_supernet", _taught("few_shot", "split_on=unit1.depth"), LITTLE,
        "84 perceptrons on signals, where seeds agree, split on the depth after half of the training: tau "
        "{supernet_ranking.json | few_shot tau}, paired difference to one set of weights that saw as many signals "
        "{supernet_ranking.json | few_shot-single_path tau}, by the loss in the place of accuracy "
        "{supernet_ranking.json | few_shot-single_path by_loss}; multiply-adds {supernet_ranking.json | madds tau}. "
        "Mean accuracy with these weights is {supernet_ranking.json | few_shot-single_path test} points above, so they "
        "are better weights that rank no better. On digits: tau {strategies.json | few_shot tau}, paired difference "
        "{strategies.json | few_shot-single_path tau}, by loss {strategies.json | few_shot-single_path by_loss}; "
        "multiply-adds {strategies.json | madds tau}.",
        "refuted", ["strategies.json", "supernet_ranking.json"],
    ),
    System(
        "autodistil", "AutoDistil", "2201.12507", "Supernets of one size each interfere less.",
        "train_supernet",
        ("--space=elastic_decoder", "--space_settings=vocabulary=96", "--task=char_lm", "--optimiser=adamw",
         "--strategy=few_shot", "--strategy_settings=split_on=size,parts=3,lessons=sandwich,relations=1"),
        ("--space_settings=length=32,vocabulary=96,widths=16,depths=1-2,mixers=softmax",
         "--task_settings=length=32,vocabulary=96", "--steps=2", "--batch=2"),
        "Decoders on `char_lm` that saw as many sequences, a sandwich. Paired differences of three bands of size to "
        "one set of weights: tau {relations.json | bands-sandwich tau}, by loss "
        "{relations.json | bands-sandwich by_loss}, mean loss {relations.json | bands-sandwich nats} nats; both with "
        "relations of the last layer {relations.json | bands_relations-sandwich_relations tau}, "
        "{relations.json | bands_relations-sandwich_relations by_loss} and "
        "{relations.json | bands_relations-sandwich_relations nats}. Relations alone, in one set: "
        "{relations.json | sandwich_relations-sandwich tau}, "
        "{relations.json | sandwich_relations-sandwich by_loss} and "
        "{relations.json | sandwich_relations-sandwich nats}; the divergence from the largest network's falls by "
        "{relations.json | sandwich-sandwich_relations divergence} from {relations.json | sandwich divergence} nats. "
        "Digits, bands by single paths: tau {strategies.json | few_shot_size-single_path tau}, by loss "
        "{strategies.json | few_shot_size-single_path by_loss}, mean accuracy "
        "{strategies.json | few_shot_size-single_path test} points. The teacher learns with its pupils; a trained one, "
        "as in the paper, was not tried.",
        "not decided", ["relations.json", "strategies.json"],
    ),
    System(
        "rlnas", "RLNAS", "2101.11834", "Random labels rank architectures as well as true ones.",
        "train_supernet", _taught("random_labels"), LITTLE,
        "Tau of the angle after random labels {strategies.json | random_labels angle tau}, after true ones "
        "{strategies.json | single_path angle tau}, of accuracy with the latter's weights "
        "{strategies.json | single_path tau}, of multiply-adds {strategies.json | madds tau}. Among networks of like "
        "multiply-adds: {strategies.json | random_labels angle within}, {strategies.json | single_path angle within}, "
        "{strategies.json | single_path within} and {strategies.json | madds within}. Both angles order networks "
        "by size, in reverse: narrow choices are the first channels of wide ones, which each step trains. Spaces whose "
        "operators have weights of their own were not tried. The evaluator is `angle`.",
        "refuted", ["strategies.json"],
    ),
    System(
        "instatune", "InstaTune", "2308.15609", "Fine-tuning is the time to make a network elastic.",
        "train_supernet", _taught("given", "weights=runs/largest"), (*LITTLE, "--strategy_settings=random=1"),
        "Half of the images on the largest alone, half on making it elastic: mean accuracy of networks with these "
        "weights {strategies.json | given test} %, paired difference to `sandwich` from scratch with as many images "
        "{strategies.json | given-sandwich test} points, to `bignas` {strategies.json | given-bignas test}, to "
        "`single_path` {strategies.json | given-single_path test}; of tau {strategies.json | given-sandwich tau}, "
        "{strategies.json | given-bignas tau} and {strategies.json | given-single_path tau}. So it is behind two of "
        "three, but with the learning rate of `single_path`, where the others had their own; and the half that the "
        "largest took counts here, where the paper has it for nothing.",
        "not decided", ["strategies.json"],
    ),
    System(
        "evosax", "Evolution strategies", "2212.04180", "Strategies on parameters train a generator without gradients.",
        "compare", _compared("snes,sep_cma_es,open_es,pgpe"), MADE_UP,
        "Regret of the mean generator's answers after 100,000 evaluations: `open_es` {long_training.csv | open_es "
        "greedy}, `snes` {long_training.csv | snes greedy}, `pgpe` {long_training.csv | pgpe greedy}, `sep_cma_es` "
        "{long_training.csv | sep_cma_es greedy}; before training {long_training.csv | open_es untrained}, the "
        "costliest that fits {long_training.csv | madds greedy}, by gradients, `reinforce` {long_training.csv | "
        "reinforce greedy}. At 2,000 evaluations `open_es` has {compare_macro | 2000 open_es greedy}, and its archive "
        "{compare_macro | 2000 open_es archive}, `random` {compare_macro | 2000 random archive}, `nsga2` "
        "{compare_macro | 2000 nsga2 archive}.",
        "seen", ["long_training.csv", "compare_macro"],
    ),
    System(
        "regularised_evolution", "Regularised evolution", "1802.01548", "Aging evolution beats random search.",
        "compare", _compared("regularised_evolution,random"), MADE_UP,
        "{compare_macro | 2000 regularised_evolution archive} at 2,000 evaluations, `random` "
        "{compare_macro | 2000 random archive}.",
        "seen", ["compare_macro"],
    ),
    System(
        "autoshrink", "AutoShrink", "1911.09251", "Shrinking from the largest needs far fewer trials.",
        "compare", ("--flagfile=experiments/flags/compare_shrink.flags", "--data_dir=DATA"), (*MADE_UP, "--seeds=0"),
        "One descent of NAS-Bench-Macro, 114 evaluations: {compare_shrink | 114 ratio archive}, by loss alone "
        "{compare_shrink | 114 accuracy archive}; `nsga2` {compare_shrink | 114 nsga2 archive}, regularised evolution "
        "{compare_shrink | 114 regularised_evolution archive}, `random` {compare_shrink | 114 random archive}.",
        "seen", ["compare_shrink"],
    ),
    System(
        "gbdt_nas", "GBDT-NAS", "2007.04785", "Boosted trees save most evaluations of random search and evolution.",
        "search", _searched("trees", "top_predicted"), FEW,
        "The best of 200 evaluated: {systems.csv | gbdt_nas 200 evaluated}, of random ones spread over the costs "
        "{systems.csv | random 200 evaluated}, of regularised evolution "
        "{compare_shrink | 200 regularised_evolution archive}, `nsga2` "
        "{compare_shrink | 200 nsga2 archive}; a Gaussian process in place of trees "
        "{systems.csv | gp 200 evaluated}. Paired difference to it: {systems.csv | gbdt_nas-gp 200 evaluated}.",
        "seen", ["systems.csv", "compare_shrink"],
    ),
    System(
        "linas", "LINAS", "2205.10358", "A light predictor and evolution on it, in turn, beat evolution on the truth.",
        "search",
        _searched("light", "controller:nsga2", "--proposer_settings=steps=40", "--proposer_settings=population=50"),
        FEW,
        "Hypervolume at 100, 200 and 300 evaluations {few_evaluations.csv | linas 100 hypervolume}, "
        "{few_evaluations.csv | linas 200 hypervolume}, {few_evaluations.csv | linas 300 hypervolume}, paired "
        "differences to `nsga2` on the truth {few_evaluations.csv | linas-nsga2 100 hypervolume}, "
        "{few_evaluations.csv | linas-nsga2 200 hypervolume}, {few_evaluations.csv | linas-nsga2 300 hypervolume}: by "
        "then they are equal. "
        "Ridge or an RBF SVR by cross-validation; with ridge alone regret at 200 is "
        "{systems.csv | linas 200 evaluated}, with the choice {few_evaluations.csv | linas 200 regret}.",
        "seen", ["few_evaluations.csv", "systems.csv"],
    ),
    System(
        "dpp_net", "DPP-Net", "1806.08198", "A Pareto beam that grows layer by layer beats random search.",
        "search", _searched("ridge", "progressive"), FEW,
        "200 evaluations: {systems.csv | dpp_net 200 evaluated}, random {systems.csv | random 200 evaluated}; "
        "`gp` in as many rounds {systems.csv | gp 200 evaluated}.",
        "seen", ["systems.csv"],
    ),
    System(
        "puzzle", "Puzzle's solver", "2411.19146", "Additive scores and an exact solver find the best networks.",
        "search", _searched("ridge", "exact"), FEW,
        "Refitted every round, 200 evaluations: {systems.csv | puzzle 200 evaluated}, paired difference to a Gaussian "
        "process {systems.csv | puzzle-gp 200 evaluated}: where blocks interact a sum cannot say which is best. "
        "Scores are a regression on true accuracies here, not distilled blocks.",
        "refuted", ["systems.csv"],
    ),
    System(
        "renas", "ReNAS", "1910.01523", "A ranking loss predicts better than regression from few labels.",
        "search", _searched("mlp", "top_predicted", "--predictor_settings=loss=hinge,calibrate=true"),
        (*FEW, "--predictor_settings=loss=hinge,calibrate=true,members=1,steps=50"),

        "Kendall's tau of the hinge loss, paired difference to regression, with 50, 100, 200 and 424 labels: "
        "{predictor_kinds.csv | tau ranking-mse 50}, {predictor_kinds.csv | tau ranking-mse 100}, "
        "{predictor_kinds.csv | tau ranking-mse 200}, {predictor_kinds.csv | tau ranking-mse 424}. Of regret: "
        "{predictor_kinds.csv | regret ranking-mse 50}, {predictor_kinds.csv | regret ranking-mse 100}, "
        "{predictor_kinds.csv | regret ranking-mse 200}, {predictor_kinds.csv | regret ranking-mse 424}, which decides "
        "nothing. In rounds, 200 evaluations: {systems.csv | renas 200 evaluated}, paired difference to a Gaussian "
        "process {systems.csv | renas-gp 200 evaluated}. All that is without the second term, the consistency of "
        "features (`consistency=10`). It adds a little to tau, with as many labels: "
        "{second_terms.json | tau consistent-hinge 50}, {second_terms.json | tau consistent-hinge 100}, "
        "{second_terms.json | tau consistent-hinge 200}, {second_terms.json | tau consistent-hinge 424}; to regret "
        "{second_terms.json | regret consistent-hinge 50}, {second_terms.json | regret consistent-hinge 100}, "
        "{second_terms.json | regret consistent-hinge 200}, {second_terms.json | regret consistent-hinge 424}, which "
        "decides nothing.",
        "seen", ["predictor_kinds.csv", "systems.csv", "second_terms.json"],
    ),
    System(
        "eeea_net", "EEEA-Net", "2108.06156", "Early exit of the initial population: less to train, nothing lost.",
        "compare", _compared("nsga2", "--controller_params=nsga2:first=early_exit"), MADE_UP,
        "Against a first population of uniform choices, 100 evaluations: multiply-adds of what was trained "
        "{few_evaluations.csv | eeea_net-nsga2_open 100 trained} million on average (of "
        "{few_evaluations.csv | nsga2_open 100 trained}), regret "
        "{few_evaluations.csv | eeea_net-nsga2_open 100 regret}; 300: "
        "{few_evaluations.csv | eeea_net-nsga2_open 300 trained} and "
        "{few_evaluations.csv | eeea_net-nsga2_open 300 regret}. Our default, spread over the budgets, does better: "
        "{few_evaluations.csv | nsga2 300 regret} with {few_evaluations.csv | nsga2 300 trained}, early exit "
        "{few_evaluations.csv | eeea_net 300 regret} with {few_evaluations.csv | eeea_net 300 trained}.",
        "seen", ["few_evaluations.csv"],
    ),
    System(
        "agnn", "Auto-GNN's explorer", "1909.03184", "Small steps of a conservative explorer beat full resampling.",
        "compare", _compared("conservative"), MADE_UP,
        "Three of eight decisions an update against all eight, paired difference of regret at 100, 200, 300 "
        "evaluations: {few_evaluations.csv | agnn-resampling 100 regret}, "
        "{few_evaluations.csv | agnn-resampling 200 regret}, {few_evaluations.csv | agnn-resampling 300 regret}. "
        "That the policy learns adds nothing: {few_evaluations.csv | agnn-agnn_unlearned 300 regret} to one that does "
        "not. `nsga2` is better, {few_evaluations.csv | nsga2 300 regret} to {few_evaluations.csv | agnn 300 regret}. "
        "Its GNNs are not built.",
        "seen", ["few_evaluations.csv"],
    ),
    System(
        "understanding_nas", "Understanding NAS techniques", "1904.00438",
        "Replay raises the rank correlation of hidden states and architectures; random search stays close.",
        "compare", _compared("reinforce", "--controller_static=reinforce:replayed=256"), MADE_UP,
        "Correlation {latent.csv | plain correlation} after 2,000 evaluations, {latent.csv | untrained correlation} "
        "before; replay with the weights 0.1 and 1 adds {latent.csv | replay_01-plain correlation} and "
        "{latent.csv | replay_1-plain correlation}, neither of which is decided, and to the regret of the policy "
        "{latent.csv | replay_01-plain greedy} and {latent.csv | replay_1-plain greedy}. Random search does stay "
        "close: of the best evaluated, regret {latent.csv | plain sampled}, with replay {latent.csv | replay_1 "
        "sampled}, of random search {latent.csv | random sampled}, paired difference to no replay "
        "{latent.csv | random-plain sampled}.",
        "not decided", ["latent.csv"],
    ),
    System(
        "gbdt_nas_3s", "GBDT-NAS-3S", "2007.04785", "Pruning choices by SHAP values saves further evaluations.",
        "search", _searched("trees", "pruned", "--proposer_settings=pairs=8"),
        (*FEW, "--proposer_settings=after=20", "--proposer_settings=pairs=2"),
        "Four choices closed from 100 evaluations on: regret of the best of 200 and 300 evaluated "
        "{few_evaluations.csv | gbdt_nas_3s 200 regret} and {few_evaluations.csv | gbdt_nas_3s 300 regret}, paired "
        "differences to no pruning {few_evaluations.csv | gbdt_nas_3s-gbdt_nas 200 regret} and "
        "{few_evaluations.csv | gbdt_nas_3s-gbdt_nas 300 regret}; regularised evolution "
        "{few_evaluations.csv | regularised_evolution 300 regret}, random {few_evaluations.csv | random 300 regret}. "
        "With eight pairs after them: {few_evaluations.csv | gbdt_nas_3s_pairs 200 regret} and "
        "{few_evaluations.csv | gbdt_nas_3s_pairs 300 regret}, differences to no pruning "
        "{few_evaluations.csv | gbdt_nas_3s_pairs-gbdt_nas 200 regret} and "
        "{few_evaluations.csv | gbdt_nas_3s_pairs-gbdt_nas 300 regret}, to choices alone "
        "{few_evaluations.csv | gbdt_nas_3s_pairs-gbdt_nas_3s 200 regret} and "
        "{few_evaluations.csv | gbdt_nas_3s_pairs-gbdt_nas_3s 300 regret}. Choices and pairs are judged beyond their "
        "cost. By 200 labels the choices cut {prune_orders.csv | choices 200 cut} percent of the true front (at random "
        "{prune_orders.csv | choices random 200 cut}; by accuracy itself, as the paper does, "
        "{prune_orders.csv | choices by accuracy 200 cut}), the pairs {prune_orders.csv | pairs 200 cut} (at random "
        "{prune_orders.csv | pairs random 200 cut}), both {prune_orders.csv | both 200 cut}: "
        "{prune_orders.csv | both 200 lost} points at best (at random {prune_orders.csv | both random 200 lost}), over "
        "the upper half of the budgets {prune_orders.csv | both 200 above} (at random "
        "{prune_orders.csv | both random 200 above}): what harms on average the cheapest networks need. "
        "`python -m experiments.prune --pairs=8` writes such a file for --prune.",
        "refuted", ["few_evaluations.csv", "prune_orders.csv"],
    ),
    System(
        "robot", "RoBoT", "2403.07591", "A learned mix of training-free scores beats any single one.",
        "search", _searched("gp", "bo_weights"), FEW,
        "Twenty queries: {robot.csv | robot regret}, the best single score, multiply-adds, "
        "{robot.csv | single madds regret}, an equal sum {robot.csv | equal_sum regret}, a Gaussian process with as "
        "many labels {robot.csv | gp regret}, random {robot.csv | random regret}; these scores are sizes and counts of "
        "choices. By seven scores of untrained networks among 300 labels of a supernet: {scores | robot regret}, the "
        "best of them alone, synflow, {scores | single synflow regret}, multiply-adds {scores | single madds regret}, "
        "an equal sum {scores | equal_sum regret}, a Gaussian process {scores | gp regret}, random "
        "{scores | random regret}; with multiply-adds and parameters in the mix {scores | robot_sizes regret}.",
        "refuted", ["robot.csv", "scores"],
    ),
    System(
        "naswot", "NASWOT", "2006.04647", "Activations of an untrained network tell its accuracy.",
        "score", ("--space=mobilenet_v3_small28", "--records=LABELS", "--evaluators=naswot"),
        ("--records=EMBEDDED/records.csv", "--evaluators=naswot", "--where=resolution=20", "--num=4",
         "--evaluator_settings=data=digits", "--evaluator_settings=batch=16"),
        "Tau with 300 labels of a supernet: {scores | naswot tau}, multiply-adds {scores | madds tau}; within bands of "
        "equal multiply-adds {scores | naswot tau_within_bands}, multiply-adds themselves "
        "{scores | madds tau_within_bands}. Beside it within bands: synflow {scores | synflow tau_within_bands}, snip "
        "{scores | snip tau_within_bands}, grad_norm {scores | grad_norm tau_within_bands}, grasp "
        "{scores | grasp tau_within_bands}, fisher {scores | fisher tau_within_bands}, jacov "
        "{scores | jacov tau_within_bands}, and of 20 labels a Gaussian process "
        "{scores | 20 labels: gp tau_within}, with the scores {scores | 20 labels: gp_scores tau_within}. So it tells "
        "the size, and among equals it is wrong more often than right. Networks have h_swish, and labels are those "
        "of shared weights.",
        "refuted", ["scores"],
    ),
    System(
        "fbnet_v5", "FBNetV5", "2111.10007", "The cost of a search does not grow with the number of tasks.",
        "compare", _compared("multi_task"), MADE_UP,
        "Three tasks, 2,000 architectures: {multi_task.csv | stream regret} where each sample teaches all, "
        "{multi_task.csv | divided regret} where it teaches one, paired difference "
        "{multi_task.csv | stream-divided regret}; {multi_task.csv | each regret} for three times as many, difference "
        "{multi_task.csv | stream-each regret}. The best of 2,000 random ones {multi_task.csv | random regret}. Tasks "
        "are the first decision of a space (`nagjax.spaces.compose.prefix`); two of them are made up.",
        "refuted", ["multi_task.csv"],
    ),
    System(
        "ctnas", "CTNAS", "2103.05471", "Comparing pairs beats regression, against a baseline that moves up.",
        "search", _searched("pair", "controller:ctnas", PAIRED, "--proposer_settings=steps=100"),
        (*FEW, "--predictor_settings=calibrate=true,members=1,steps=50", "--proposer_settings=steps=3"),
        "Kendall's tau of comparisons, paired difference to regression with 50, 100, 200 labels: "
        "{predictor_kinds.csv | tau pair-mse 50}, {predictor_kinds.csv | tau pair-mse 100}, "
        "{predictor_kinds.csv | tau pair-mse 200}. A score fitted to the same pairs (Bradley and Terry) does as well: "
        "{predictor_kinds.csv | tau pair-logistic 50}, {predictor_kinds.csv | tau pair-logistic 100}, "
        "{predictor_kinds.csv | tau pair-logistic 200}. Samples that surely beat their rival after 300 updates, "
        "percent: {rivals.csv | moves certain_300}, of a rival that stays {rivals.csv | stays certain_300}; regret of "
        "the policy {rivals.csv | moves greedy} and {rivals.csv | stays greedy}, without rivals "
        "{rivals.csv | share greedy}, on a regression {rivals.csv | regression greedy}. In rounds, 200 evaluations: "
        "{systems.csv | ctnas 200 evaluated}, "
        "the highest predicted instead of its policy {systems.csv | pairs 200 evaluated}. Pairs that a first fit is "
        "surest of beside the known ones (`pseudo=0.5`), 200 labels: pairs in order, percent, "
        "{second_terms.json | accuracy pseudo-pair 200} more, tau {second_terms.json | tau pseudo-pair 200}, regret "
        "{second_terms.json | regret pseudo-pair 200}; as many steps without them {second_terms.json | accuracy "
        "longer-pair 200}, {second_terms.json | tau longer-pair 200}, {second_terms.json | regret longer-pair 200}: "
        "that they help is not decided.",
        "seen", ["predictor_kinds.csv", "rivals.csv", "systems.csv", "second_terms.json"],
    ),
    System(
        "pareto_classifier", "Pareto-wise classifier", "2109.07582", "Classifying dominance suffices, no surrogate.",
        "search", _searched("pair", "pareto_classifier", PAIRED),
        (*FEW, "--predictor_settings=calibrate=true,members=1,steps=50"),
        "200 evaluations: {systems.csv | pareto_classifier 200 evaluated}, by a regression in the same way "
        "{systems.csv | pareto_regression 200 evaluated}, paired difference "
        "{systems.csv | pareto_classifier-pareto_regression 200 evaluated}; to a Gaussian process "
        "{systems.csv | pareto_classifier-gp 200 evaluated}. `nsga2` on the truth "
        "{few_evaluations.csv | nsga2 200 regret}, regularised evolution "
        "{few_evaluations.csv | regularised_evolution 200 regret}, random {systems.csv | random 200 evaluated}. Costs "
        "are known and not classified.",
        "seen", ["systems.csv", "few_evaluations.csv"],
    ),
    System(
        "gcn_fit", "GCN-fit", "2004.08423", "A graph network averages out the error of single supernet estimates.",
        "search", _searched("graph", "top_predicted", "--predictor_settings=members=2,steps=500"),
        (*FEW, "--predictor_settings=members=1,steps=50,hidden=8"),
        "Of true estimates hardly: of all 84 perceptrons on signals, with weights that four ways trained, a graph that "
        "is fitted to the estimates of all has {estimates.json | signals graph-estimates tau} more of tau than they "
        "(alone {estimates.json | signals estimates tau}), the same without edges "
        "{estimates.json | signals unjoined-estimates tau}, a ridge {estimates.json | signals ridge-estimates tau}: a "
        "sum over decisions averages out what edges learn by heart. Of the shipped labels, with 16 "
        "other networks trained alone: {estimates.json | supernet graph tau}, its estimates "
        "{estimates.json | supernet estimates tau}, multiply-adds {estimates.json | supernet madds tau}. Of made-up "
        "noise on NAS-Bench-Macro it does: {estimates.json | macro graph tau}, of the estimates themselves "
        "{estimates.json | macro estimates tau}, but the same without edges {estimates.json | macro unjoined tau}, a "
        "ridge {estimates.json | macro ridge tau}; in regret {estimates.json | macro graph-ridge regret} to the ridge. "
        "Pruned and refitted, regret {estimates.json | macro graph_pruned-graph regret} to unpruned, and the best of "
        "{estimates.json | macro graph_pruned closed} percent of the budgets is closed. In rounds, 200 evaluations "
        "without noise: {systems.csv | gcn_fit 200 evaluated}.",
        "refuted", ["estimates.json", "systems.csv"],
    ),
    System(
        "nars", "NA-RS", "2105.06369", "Flat optima transfer better.",
        "search", _searched("nars", "top_predicted"), FEW,
        "Fitted to estimates with made-up noise, smoothed minus not, tau: trees "
        "{estimates.json | macro smooth_trees-trees tau}, network {estimates.json | macro smooth_mlp-mlp tau}, ridge "
        "{estimates.json | macro smooth_ridge-ridge tau}; regret: trees "
        "{estimates.json | macro smooth_trees-trees regret}, network "
        "{estimates.json | macro smooth_mlp-mlp regret}, ridge {estimates.json | macro smooth_ridge-ridge regret}. A "
        "jagged predictor gains, a smooth one does not. In rounds without noise, 200 evaluations: "
        "{systems.csv | nars 200 evaluated}, paired difference to its trees alone "
        "{systems.csv | nars-gbdt_nas 200 evaluated}.",
        "seen", ["estimates.json", "systems.csv"],
    ),
    System(
        "nadarts", "NA-DARTS", "2105.06369", "Shares of flat optima, found by gradients, choose better.",
        "train_supernet", _taught("entangled", "neighbours=2"), LITTLE,
        "Digits, at equal images, two passes of each: the chosen network is {entangled.json | darts adam near lost} "
        "points behind the best, without neighbours {entangled.json | darts adam lost}, the largest "
        "{entangled.json | madds lost}; tau {entangled.json | darts adam near tau}, without "
        "{entangled.json | darts adam tau}, paired difference {entangled.json | darts adam near-darts adam tau}. "
        "Under budgets the first by its shares is {entangled.json | darts adam near within} points behind, without "
        "{entangled.json | darts adam within}, paired difference {entangled.json | darts adam near-darts adam within}, "
        "which is not beyond two standard errors. Without neighbours the best is chosen under every seed, so no choice "
        "could be better, and the rate is that of `darts`.",
        "not decided", ["entangled.json"],
    ),
    System(
        "llama_nas", "LLaMA-NAS", "2405.18377", "Parts searched out of a fine-tuned language model beat uniform cuts.",
        "train_supernet",
        (
            "--space=pretrained_decoder", "--task=char_lm", "--strategy=given",
            "--strategy_settings=weights=runs/pretrained", "--optimiser=adamw",
        ),
        ("--strategy_settings=random=1", "--steps=2", "--batch=4"),
        "Two small models. Nats a character within the parameters that are left without 1, 2, 3 of 6 layers: "
        f"searched {_parts('front', 'drop')}; evenly spaced layers left out {_parts('uniform_drop', 'drop')}; the best "
        f"of all sets of layers {_parts('best_drop', 'drop')}; all layers as narrow, by magnitude "
        f"{_parts('width_magnitude', 'drop')}, by contributions {_parts('width_contributions', 'drop')}. In the time "
        f"that it then takes: searched {_parts('front', 'ms')}, no better than the best of all sets of layers "
        f"{_parts('best_drop', 'ms')}; all layers as narrow {_parts('width_contributions', 'ms')}. After updates "
        f"in which parts learn from the whole: searched {_parts('front_tuned', 'drop')}, evenly spaced layers left out "
        f"{_parts('uniform_drop_tuned', 'drop')}.",
        "seen", ["pretrained.csv"],
    ),
    System(
        "simq_nas", "SimQ-NAS", "2312.13301", "Architecture and bit widths together beat one after the other.",
        "search",
        (
            "--space=pretrained_decoder", "--space_settings=bits=4-8-16-32", "--evaluator=supernet",
            "--evaluator_settings=folder=runs/pretrained", "--predictor_kind=gp", "--costs=weights_size",
        ),
        (
            "--space_settings=layers=1,width=8,bits=4-32", "--evaluator=alone",
            "--evaluator_settings=data=char_lm,length=64,steps=1,batch=2", "--evaluations=10", "--start=10",
            "--steps=10",
        ),
        "Two small models. Nats a character within the bytes of all in 8 bits, 0.8 and 0.65 of them: parts "
        f"in 8 bits {_parts('int8_uniform', 'size')}; both searched together {_parts('mixed_bits', 'size')}. All of "
        "the model, bits searched: {pretrained.csv | bits_only size1}, {pretrained.csv | bits_only size2}; the third "
        "cannot be met so. Weights alone are rounded.",
        "not decided", ["pretrained.csv"],
    ),
    System(
        "efficient_transformers", "NAS on efficient transformers", "2207.13955",
        "Softmax and linear attention mixed in one network are worth more than either alone.",
        "train_supernet",
        ("--space=elastic_decoder", "--space_settings=length=256,vocabulary=96", "--task=char_lm",
         "--task_settings=length=256,vocabulary=96", "--optimiser=adamw"),
        ("--space_settings=length=32,vocabulary=96,widths=32,depths=1-2",
         "--task_settings=length=32,vocabulary=96", "--steps=2", "--batch=2"),
        "Points of exp(-nats) on test text within three latencies by the table, the mixture minus softmax alone: "
        f"{_mixers('char_lm', 'mixed-all_softmax')}; minus linear attention alone: "
        f"{_mixers('char_lm', 'mixed-all_linear')}. Of associative recall: {_mixers('recall', 'mixed-all_softmax')} "
        f"and {_mixers('recall', 'mixed-all_linear')}. Text: "
        "1,000 updates; against the best network of one mixer the mixture gains within the middle latency, six "
        "standard errors, none within the others, and 2.4 on their mean. Recall: hardly any network learned it.",
        "seen", ["transformer.json"],
    ),
)  # fmt: skip

NOT_BUILT = (
    System("bossnas", "BossNAS", "2103.12424", "Self-supervised training by blocks rates blocks better."),
    System("neas", "NEAS", "2104.00597", "Searching for ensembles with diversity beats single networks."),
    System("dass", "DASS", "2207.06968", "Operators chosen with sparsity in the loop prune better."),
    System("otov3", "OTOv3", "2312.09411", "Pruning and erasing structures of any network while it is trained."),
    System("ghn2", "GHN-2", "2110.13100", "A hypernetwork predicts the weights of unseen architectures."),
    System("auto_deeplab", "Auto-DeepLab", "1901.02985", "The path over resolutions can be searched for segmentation."),
    System("nasaic", "NASAIC", "2002.04116", "Networks and accelerators together meet specifications."),
    System(
        "diffusion_nag", "DiffusionNAG", "2305.16943", "Guided diffusion generates better architectures than search."
    ),
    System("nas_bench_360", "NAS-Bench-360", "2110.05668", "What is tuned on images gives little on other tasks."),
)

SYSTEMS: Sequence[System] = (*BUILT, *NOT_BUILT)


def find(name: str) -> System:
    """A system that can be run.

    Raises:
      ValueError: if there is no such system, with the nearest name, or it is not built.
    """
    found = next((system for system in SYSTEMS if system.name == name), None)
    if found is None:
        hint = suggestion(name, [system.name for system in SYSTEMS])
        raise ValueError(f"--run={name}: there is no such system{hint}; python -m experiments.systems lists them")
    if not found.job:
        raise ValueError(
            f"--run={name}: {found.title} is not built; those that are: {', '.join(s.name for s in BUILT)}"
        )
    return found
