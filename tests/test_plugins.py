"""The registry, with distributions made on the spot: a folder with metadata and a module, put on the path."""

from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from nagjax import plugins

KIND = "controllers"
GOOD = "def make(spec):\n    return 'controller for ' + spec\n"


def write_distribution(folder: Path, name: str, entries: dict[str, str], modules: dict[str, str]) -> Path:
    """A minimal installed distribution: NAME-1.0.dist-info beside its modules."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{entry} = {value}" for entry, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[nagjax.{KIND}]", *lines]) + "\n")
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
    return folder


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a distribution importable for one test; a second call with the same name makes a second copy."""

    def install(name: str, entries: dict[str, str], modules: dict[str, str], copy: str = "") -> Path:
        folder = write_distribution(tmp_path / f"{name}{copy}", name, entries, modules)
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
    with pytest.raises(ValueError, match="known: controllers, device_formats, predictors, spaces"):
        plugins.load("engines", "x")


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
