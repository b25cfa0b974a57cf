"""The registry, with distributions made on the spot: a folder with metadata and a module, put on the path."""

import dataclasses
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import describe
from nagjax import controllers, plugins, testing
from nagjax.controllers import Artefact, Controller
from nagjax.devices.formats import read_table
from nagjax.predictors.formats.readers import read_predictor
from nagjax.verification import COUNTS, check_metrics

KIND = "controllers"
GOOD = "def make(spec):\n    return 'controller for ' + spec\n"


def write_distribution(
    folder: Path, name: str, entries: dict[str, str], modules: dict[str, str], kind: str = KIND
) -> Path:
    """A minimal installed distribution: NAME-1.0.dist-info beside its modules."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{entry} = {value}" for entry, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[nagjax.{kind}]", *lines]) + "\n")
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
    return folder


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a distribution importable for one test; a second call with the same name makes a second copy."""

    def install(name: str, entries: dict[str, str], modules: dict[str, str], copy: str = "", kind: str = KIND) -> Path:
        folder = write_distribution(tmp_path / f"{name}{copy}", name, entries, modules, kind)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return install


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda group: metadata.EntryPoints())


def test_a_plugin_of_another_distribution_is_found_and_loaded(install):
    install("third-party", {"thirdparty": "thirdparty_good:make"}, {"thirdparty_good": GOOD})
    assert "thirdparty" in plugins.names(KIND)
    assert plugins.available(KIND)["thirdparty"].value == "thirdparty_good:make"
    assert plugins.load(KIND, "thirdparty")("x") == "controller for x"
    assert "thirdparty" not in plugins.broken(KIND)


def test_a_plugin_that_raises_is_named_while_the_others_work(install):
    entries = {"broken_one": "thirdparty_bad:make", "working_one": "thirdparty_works:make"}
    install("bad-one", entries, {"thirdparty_bad": "raise RuntimeError('no engine')\n", "thirdparty_works": GOOD})
    assert plugins.load(KIND, "working_one")("y") == "controller for y"
    reasons = plugins.broken(KIND)
    assert "working_one" not in reasons
    for part in ("broken_one", "bad-one", "RuntimeError: no engine"):
        assert part in reasons["broken_one"]
    with pytest.raises(plugins.PluginError, match=r"'broken_one' of distribution bad-one .*no engine") as caught:
        plugins.load(KIND, "broken_one")
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize("value", ["no_such_module_here:make", "thirdparty_lacks:absent", "thirdparty_lacks"])
def test_a_plugin_that_names_nothing_callable_is_broken(install, value):
    install("lacking", {"lacking": value}, {"thirdparty_lacks": "other = 1\n"})
    assert "lacking" in plugins.broken(KIND)
    with pytest.raises(plugins.PluginError, match="'lacking' of distribution lacking"):
        plugins.load(KIND, "lacking")


def test_one_name_from_two_distributions_names_both(install):
    install("first-owner", {"shared_name": "owner_a:make", "alone": "owner_a:make"}, {"owner_a": GOOD})
    install("second-owner", {"shared_name": "owner_b:make"}, {"owner_b": GOOD})
    with pytest.raises(plugins.PluginError, match=r"first-owner \(owner_a:make\) and second-owner \(owner_b:make\)"):
        plugins.load(KIND, "shared_name")
    assert "shared_name" not in plugins.names(KIND)
    assert "shared_name" in plugins.broken(KIND)
    assert plugins.load(KIND, "alone")("z") == "controller for z"


def test_the_same_distribution_seen_twice_is_one(install):
    for copy in ("-1", "-2"):
        install("seen-twice", {"twice": "seen_twice:make"}, {"seen_twice": GOOD}, copy=copy)
    assert plugins.load(KIND, "twice")("w") == "controller for w"
    assert "twice" not in plugins.broken(KIND)


@pytest.mark.parametrize(("second", "fine"), [("seen_twice:make", True), ("seen_twice:other", False)])
def test_a_line_repeated_in_one_distribution_is_one_but_two_meanings_are_not(install, second, fine):
    folder = install("repeats", {"repeated": "seen_twice:make"}, {"seen_twice": GOOD})
    with (folder / "repeats-1.0.dist-info" / "entry_points.txt").open("a") as file:
        file.write(f"repeated = {second}\n")
    assert ("repeated" in plugins.names(KIND)) is fine


def test_an_unknown_name_suggests_the_nearest(install):
    install("far", {"simulated_annealing": "far_module:make"}, {"far_module": GOOD})
    with pytest.raises(plugins.PluginError, match=r"'Simulated_anealing' .*mean 'simulated_annealing'\?.*known: "):
        plugins.load(KIND, "Simulated_anealing")
    with pytest.raises(plugins.PluginError, match=r"'zzz' is not registered; known: .*simulated_annealing"):
        plugins.load(KIND, "zzz")


def test_an_unknown_kind_is_refused():
    with pytest.raises(plugins.PluginError, match=r"did you mean 'controllers'\?"):
        plugins.names("controller")
    known = f"known: {', '.join(sorted(plugins.KINDS))}"
    assert "controllers, device_formats, evaluators, operators" in known
    with pytest.raises(ValueError, match=known):
        plugins.load("engines", "x")


RAISES = "def make(*args, **settings):\n    return {}['missing']\n"
PLACE = r"'third' of distribution third-party \(third_raises:make\): "


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_what_a_plugin_raises_when_it_is_called_carries_its_name(install, kind):
    install("third-party", {"third": "third_raises:make"}, {"third_raises": RAISES}, kind=kind)
    with pytest.raises(plugins.PluginError, match=f"{kind}: {PLACE}KeyError: 'missing'") as caught:
        plugins.load(kind, "third")(1, size=2)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_refusal_keeps_its_words_and_interrupts_pass():
    said = r"^controllers: 'mine': update: size=0 is too small$"
    with pytest.raises(plugins.PluginError, match=said), plugins.raised_by(KIND, "mine", "update"):
        raise ValueError("size=0 is too small")
    with pytest.raises(ValueError, match=r"^size=0$"), plugins.raised_by(KIND, "mine", passing=(ValueError,)):
        raise ValueError("size=0")
    with pytest.raises(KeyboardInterrupt), plugins.raised_by(KIND, "mine"):
        raise KeyboardInterrupt
    with pytest.raises(plugins.PluginError, match="returned int, not a str"):
        plugins.expect(KIND, "mine", 3, str)


def raising(**changes: Callable[..., object]) -> Controller:
    """A controller that works, with some of its functions replaced."""
    good = Controller(
        name="third",
        spec=testing.tiny_problem().problem.spec,
        settings={"of": "_".join(changes)},
        default_params=lambda: {"rate": 0.5},
        init=lambda key, problem, params: {"x": jnp.zeros(3)},
        update=lambda state, key, problem, params, progress: (state, dict.fromkeys(COUNTS, jnp.float32(0))),
        rebase=lambda state, problem: state,
        artefact=lambda state, problem: Artefact(None, None),
    )
    return dataclasses.replace(good, **changes)


def fails(*args: object, **kwargs: object) -> None:
    raise RuntimeError("engine stopped")


@pytest.mark.parametrize("part", ["default_params", "init", "update", "rebase", "artefact"])
def test_each_function_of_a_controller_that_raises_is_named(part):
    controller, problem = raising(**{part: fails}), testing.tiny_problem().problem

    def use() -> None:
        state = controllers.init(controller, problem, 0)
        state = controllers.train(controller, problem, state, 0, controllers.Limits(2, chunk=2)).state
        controllers.artefact(controller, controllers.rebase(controller, state, problem), problem)

    with pytest.raises(plugins.PluginError, match=f"controllers: 'third': {part}: RuntimeError: engine stopped"):
        use()


def counts(**metrics: float) -> Callable[..., object]:
    def update(state, key, problem, params, progress):
        return state, {name: jnp.asarray(value, jnp.float32) for name, value in metrics.items()}

    return update


@pytest.mark.parametrize(
    ("update", "text"),
    [
        (lambda state, *others: ({"x": jnp.zeros(4)}, {}), "update: TypeError: .*carry"),
        (counts(evaluations=1), "lack 'infeasible'"),
        (counts(), r"its metrics \(none\) lack 'evaluations'"),
        (counts(evaluations=1, infeasible=float("nan")), "'infeasible' is nan; it is a count"),
        (counts(evaluations=1, infeasible=-1), "'infeasible' is -1"),
        (counts(evaluations=float("inf"), infeasible=0), "'evaluations' is inf"),
        (counts(evaluations=[1, 2], infeasible=0), r"'evaluations' of one update has shape \[2\]; metrics are scalars"),
        (counts(evaluations=5, infeasible=1), "'infeasible' is 1 for an update that evaluated 0"),
    ],
)  # fmt: skip
def test_metrics_that_cannot_be_true_end_training(update, text):
    name = "_".join(["third", *filter(str.isalnum, text)])
    controller = dataclasses.replace(raising(update=update), settings={"of": name})
    problem = testing.tiny_problem().problem
    state = controllers.init(controller, problem, 0)
    with pytest.raises(plugins.PluginError, match=f"controllers: 'third': .*{text}"):
        controllers.train(controller, problem, state, 0, controllers.Limits(2, chunk=2))


def test_counts_that_fall_are_refused_but_one_that_begins_anew_is_not():
    zeros = np.zeros(3)
    falling = {"evaluations": np.array([8.0, 4.0, 12.0]), "infeasible": zeros}
    with pytest.raises(plugins.PluginError, match="'evaluations' falls"):
        check_metrics("mine", falling, 3)
    check_metrics("mine", {"evaluations": np.array([2.0**32 - 256, 256.0, 512.0]), "infeasible": zeros}, 3)
    check_metrics("mine", {"evaluations": np.array([4.0, 8.0, 12.0]), "infeasible": np.array([9.0, 4.0, 4.0])}, 3)


def test_the_functions_of_a_space_that_raise_are_named(monkeypatch):
    # Such a space is refused when it is made; one that fails later is not.
    with monkeypatch.context() as unchecked:
        unchecked.setattr("nagjax.spaces.space.check_space", lambda space: None)
        space = dataclasses.replace(testing.tiny_space(), parse_text=fails, format_tokens=fails, describe_tokens=fails)
        refusing = dataclasses.replace(testing.tiny_space(), parse_text=int)
    tokens = testing.tiny_problem().oracle.tokens[0]
    for use, part in (
        (lambda: space.parse("12"), r"parse_text\('12'\)"),
        (lambda: space.format(tokens), "format_tokens"),
        (lambda: space.describe(tokens), "describe_tokens"),
    ):
        with pytest.raises(plugins.PluginError, match=f"spaces: 'tiny': {part}: RuntimeError: engine stopped"):
            use()
    with pytest.raises(ValueError, match=r"^invalid literal"):
        refusing.parse("x")


def test_a_reader_that_returns_something_else_is_named(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(plugins.PluginError, match="device_formats: 'mine': returned dict, not a DeviceTable"):
        read_table(path, (), "mine", {"mine": lambda path, operators: {}})
    with pytest.raises(plugins.PluginError, match="predictor_formats: 'mine': returned dict, not a FittedPredictor"):
        read_predictor(path, testing.tiny_space(), "mine", {"mine": lambda path, space: {}})


def test_a_job_shows_one_line_and_with_debug_where(install, capsys):
    install("third-party", {"third": "third_raises:make"}, {"third_raises": RAISES}, kind="spaces")
    assert describe.main(["--space=third"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: spaces: 'third' of distribution third-party")
    assert shown.count("\n") == 1
    assert describe.main(["--space=third", "--debug"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "KeyError: 'missing'" in shown


@pytest.mark.usefixtures("nothing_installed")
def test_an_empty_registry_says_how_to_install():
    assert plugins.names(KIND) == []
    with pytest.raises(plugins.PluginError, match=r"no controllers are registered: .*pip install \."):
        plugins.load(KIND, "nag")


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_what_we_register_ourselves_loads(kind):
    try:
        ours = metadata.distribution("nagjax").entry_points.select(group=f"nagjax.{kind}")
    except metadata.PackageNotFoundError:
        pytest.skip("needs nagjax installed: pip install -e .")
    assert len(ours)
    for entry in ours:
        assert callable(plugins.load(kind, entry.name))


def test_a_name_that_is_no_text_is_refused_as_any_other():
    with pytest.raises(plugins.PluginError, match=r"spaces: 3 is not registered; known: .*nas_bench_macro"):
        plugins.load("spaces", 3)
