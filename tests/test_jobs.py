"""The frame of the jobs: signals, full disks, signs of life, terminals that lack signs, users without a home."""

import contextlib
import errno
import gc
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags

from experiments import generate
from experiments.frame import cli, console, full_disk, life, runtime, settings, terminal
from experiments.training.board import Board
from experiments.training.monitor import METRICS, Monitor, forget_metrics, read_metrics
from nagjax.checkpoint import saving
from nagjax.controllers import Limits, Moment
from nagjax.profile.journal import Journal

FULL = OSError(errno.ENOSPC, "No space left on device", "metrics.csv")


def nothing(values):
    """No flags."""


def failing(times, error=FULL):
    """Something to save that raises ``times`` times and then tells how often it was called."""
    calls = []

    def save(*given):
        calls.append(given)
        if len(calls) <= times:
            raise error
        return len(calls)

    return save


# Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_sigterm_is_ctrl_c_with_a_status_of_its_own(number, code, capsys):
    before = signal.getsignal(signal.SIGTERM)

    def job(values):
        os.kill(os.getpid(), number)
        return 0

    assert cli.execute(None, nothing, job, []) == code
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_does_what_ctrl_c_does_at_that_moment(tmp_path):
    saved = []

    def job(values):
        with Monitor(tmp_path, saved.append, 1e9, quiet=True) as monitor:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not saved
            try:
                monitor.on_chunk(moment(1))
            except KeyboardInterrupt:
                return cli.EXIT_INTERRUPTED
        return 0

    assert cli.execute(None, nothing, job, []) == cli.EXIT_TERMINATED
    assert [one.step for one in saved] == [1]


def test_sigterm_ends_a_job_for_which_ctrl_c_is_ignored():
    def job(values):
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert cli.execute(None, nothing, job, []) == cli.EXIT_TERMINATED
    finally:
        signal.signal(signal.SIGINT, before)


# Full disks


def moment(step, steps=10):
    """A moment of training."""
    return Moment(None, step, float(step), {"loss": np.ones(1)}, Limits(steps))


def test_what_cannot_be_saved_is_tried_until_there_is_space():
    waits, said = [], []
    assert full_disk.persist(failing(5), "the state", waits.append, said.append) == 6
    assert waits == [5.0, 10.0, 20.0, 30.0, 30.0]
    assert len(said) == 5
    assert all("the state: no space is left" in line and "\n" not in line and "metrics.csv" in line for line in said)


def test_other_errors_are_not_waited_for():
    with pytest.raises(ValueError, match="no such column"):
        full_disk.persist(failing(1, ValueError("no such column")), "the state", pytest.fail)
    with pytest.raises(OSError, match="Input/output"):
        full_disk.persist(failing(1, OSError(errno.EIO, "Input/output error")), "the state", pytest.fail)


def test_a_user_may_give_up():
    def give_up(seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        full_disk.persist(failing(9), "the state", give_up, lambda line: None)


def test_an_error_for_lack_of_space_is_one_line_with_the_way_out(capsys):
    def job(values):
        raise FULL

    assert cli.execute(None, nothing, job, []) == cli.EXIT_ERROR
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "cannot write metrics.csv: no space is left on the device; make room" in text


def test_training_pauses_for_space_and_writes_nothing_twice(tmp_path, monkeypatch):
    append, waits = failing(2), []
    ordinary = Monitor._append
    monkeypatch.setattr(Monitor, "_append", lambda self, row: (append(), ordinary(self, row)))
    save, finish = failing(1), failing(1, ValueError("RESOURCE_EXHAUSTED [os_error_code='28']"))
    with Monitor(tmp_path, save, 0.0, quiet=True, finish=finish, sleep=waits.append) as monitor:
        for step in (5, 10):
            monitor.on_chunk(moment(step))
    assert waits == [5.0, 10.0, 5.0, 5.0]  # metrics twice, the first state once, the end of the last one once
    assert read_metrics(tmp_path)["step"] == [5, 10]


def test_metrics_of_chunks_that_run_again_are_not_there_twice(tmp_path):
    with Monitor(tmp_path, failing(0), 1e9, quiet=True) as monitor:
        for step in (2, 4, 6):
            monitor.on_chunk(moment(step))
    forget_metrics(tmp_path, 2)
    assert read_metrics(tmp_path)["step"] == [2]
    before = (tmp_path / METRICS).stat()
    forget_metrics(tmp_path, 2)
    assert (tmp_path / METRICS).stat().st_ino == before.st_ino
    forget_metrics(tmp_path / "absent", 0)


def test_one_ctrl_c_ends_the_wait_for_space(tmp_path):
    def press(seconds):
        os.kill(os.getpid(), signal.SIGINT)

    with Monitor(tmp_path, failing(9), 0.0, quiet=True, sleep=press) as monitor, pytest.raises(KeyboardInterrupt):
        monitor.on_chunk(moment(5))
    with Monitor(tmp_path, failing(9), 0.0, quiet=True, sleep=pytest.fail) as monitor:
        os.kill(os.getpid(), signal.SIGINT)  # who has asked to end does not wait
        with pytest.raises(KeyboardInterrupt):
            monitor.on_chunk(moment(6))


def test_a_measurement_that_does_not_fit_is_kept_and_written_once(tmp_path, monkeypatch):
    persisted = []

    def persist(save):
        persisted.append(save)
        full_disk.persist(save, "a measurement", lambda seconds: None, lambda line: None)

    with Journal(tmp_path / "a.jsonl", {"device": "toy"}, persist=persist) as journal:
        add, refuse = journal._file.add_soon, failing(2)
        monkeypatch.setattr(journal._file, "add_soon", lambda text: (refuse(), add(text)))
        journal.add("operator", "conv", 0.5)
    with Journal(tmp_path / "a.jsonl", {"device": "toy"}, resume=True) as journal:
        assert dict(journal.seconds) == {("operator", "conv"): [0.5]}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB; skips where none may be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no small file system: {error}")
    if done.returncode:
        pytest.skip(f"no small file system: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_save_on_a_full_disk_may_be_made_again(small_disk):
    import orbax.checkpoint as ocp

    def save(steps, step):
        state = {"a": np.random.default_rng(step).random(50_000)}
        steps.save(step, ocp.args.Composite(state=ocp.args.StandardSave(state)))
        steps.finish()

    filler = small_disk / "filler"
    with saving.Steps(small_disk / "steps") as steps:
        save(steps, 1)
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(65536)):
                pass
        errors = []
        for _ in range(2):
            with pytest.raises((OSError, ValueError)) as error:
                save(steps, 2)
            errors.append(full_disk.reason(error.value))
            assert [path.name for path in (small_disk / "steps").iterdir()] == ["1"]
        assert errors == ["no space is left on the device"] * 2
        filler.unlink()
        save(steps, 2)
        save(steps, 3)
    assert sorted(path.name for path in (small_disk / "steps").iterdir()) == ["2", "3"]


def test_metrics_for_tensorboard_are_records_with_their_checksums(tmp_path):
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    board = Board(tmp_path)
    board.add(1, {"loss": 0.5})
    board.add(2, {"loss": 0.25, "rate": 3.0})
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("events.out.tfevents.")
    data, events = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:8], "little")
        assert int.from_bytes(data[8:12], "little") == masked_crc32c(data[:8])
        assert int.from_bytes(data[12 + size : 16 + size], "little") == masked_crc32c(data[12 : 12 + size])
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    assert events[0].file_version == "brain.Event:2"
    found = [(event.step, {value.tag: value.simple_value for value in event.summary.value}) for event in events[1:]]
    assert found == [(1, {"loss": 0.5}), (2, {"loss": 0.25, "rate": 3.0})]


# Signs of life


def test_a_line_an_interval_says_what_the_job_is_doing():
    lines, waits, turns = [], [], iter(["compiling", "5 of 10 steps"])

    def wait(seconds):
        waits.append(seconds)
        what = next(turns, None)
        if what is not None:
            status.doing = what
        return what is None

    status = life.Status()
    life._show(status, 30.0, wait, lines.append)
    assert waits == [30.0] * 3
    assert [line.split("] ")[1] for line in lines] == ["compiling", "5 of 10 steps"]
    assert all(line.startswith("[0:0") for line in lines)


def test_jobs_tell_the_thread_that_shows_it():
    import threading

    shown = threading.Event()

    def say(line):
        if line.endswith("counting"):
            shown.set()

    with life.signs(quiet=False, interval=0.01, say=say):
        life.doing("counting")
        assert shown.wait(60)
    life.doing("nothing")  # outside a job nobody listens
    with life.signs(quiet=True, interval=0.0, say=pytest.fail):
        life.doing("quiet")


def test_a_stream_that_is_gone_ends_no_job(monkeypatch):
    with open("/dev/full" if Path("/dev/full").exists() else os.devnull, "w") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stderr", full)
        console.complain("a line")
        monkeypatch.setattr(sys, "stderr", None)
        console.complain("a line")
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()


# Terminals


def test_signs_that_a_terminal_lacks_are_spelled(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")

    def job(values):
        print("5 ± 1 → café … \udcff")
        return 0

    monkeypatch.setattr(sys, "stdout", out)
    assert cli.execute(None, nothing, job, []) == 0
    out.flush()
    assert out.buffer.getvalue() == b"5 +- 1 -> cafe ... \\udcff\n"
    assert out.errors == "strict"
    assert all(text.isascii() for text in terminal.ASCII.values())


def test_files_that_are_asked_for_do_not_need_a_terminal(tmp_path, monkeypatch):
    written = []
    values = cli.parse(generate.define_flags, ["--checkpoint=x", "--budgets_ms=5", "--compilation_cache="])

    class Asked:
        description = None

        def generate(self, **asked):
            return []

    def show(*given):
        assert written
        raise BrokenPipeError

    monkeypatch.setattr("nagjax.inference.generator.load", lambda folder, **how: Asked())
    monkeypatch.setattr(generate, "_write", lambda *given: written.append(given))
    monkeypatch.setattr(generate, "_show", show)
    with pytest.raises(BrokenPipeError):
        generate.job(values)


# Commands that are printed


def test_commands_can_be_pasted():
    import shlex

    command = cli.resume_command("experiments.run", "runs/my run/$x/flags.txt")
    assert shlex.split(command)[3:] == ["--flagfile=runs/my run/$x/flags.txt", "--resume"]

    def define(values):
        flags.DEFINE_multi_string("where", [], "", flag_values=values)
        flags.DEFINE_string("out", None, "", flag_values=values)
        flags.DEFINE_integer("num", 3, "", short_name="n", flag_values=values)
        flags.DEFINE_bool("resume", False, "", flag_values=values)

    values = cli.parse(define, ["--where=a=b c", "--where=d='e'", "--out=my runs; rm", "--resume"])
    again = shlex.split(cli.again("experiments.label", values))
    assert again[:3] == ["python", "-m", "experiments.label"]
    assert sorted(again[3:]) == sorted(["--where=a=b c", "--where=d='e'", "--out=my runs; rm", "--resume"])


# Users without a home


@pytest.fixture
def homeless(monkeypatch):
    """Neither HOME nor an entry among the users."""

    def nowhere(*given):
        raise KeyError("getpwuid(): uid not found")

    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "x")  # so that what the test sets in its place goes again
        monkeypatch.delenv(name)
    monkeypatch.setattr("pwd.getpwuid", nowhere)
    monkeypatch.setattr("pwd.getpwnam", nowhere)


def test_a_user_without_a_home_has_no_compilation_cache(homeless, capsys):
    values = cli.parse(runtime.define_flags, [])
    assert values.compilation_cache == ""
    runtime.use_compilation_cache(values.compilation_cache)
    assert Path(os.environ["MPLCONFIGDIR"]).is_dir()
    assert capsys.readouterr().err == ""
    with pytest.raises(ValueError, match=r"--out=~/a: there is no such home; write the path without ~"):
        settings.user_path("~/a", "out")


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(jax.config, "update", pytest.fail)
    runtime.use_compilation_cache(str(tmp_path / "file" / "cache"))
    text = capsys.readouterr().err
    assert "compiled programs are not kept" in text
    assert "--compilation_cache=FOLDER" in text


def product(factor):
    return jax.jit(lambda x: x @ (factor * x)).lower(jnp.ones((2, 2))).as_text()


@pytest.fixture
def left_to_jax():
    """Products as jax computes them where nobody says how; the suite says."""
    before = jax.config.jax_default_matmul_precision
    jax.config.update("jax_default_matmul_precision", None)
    yield
    jax.config.update("jax_default_matmul_precision", before)


@pytest.mark.usefixtures("left_to_jax")
def test_products_of_a_job_are_exact_to_float32_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv(runtime.PRECISION, raising=False)
    seen = []

    def job(values):
        seen.append((product(2), os.environ[runtime.PRECISION]))
        return 0

    assert cli.execute("", lambda values: None, job, []) == 0
    text, told = seen[0]
    assert "HIGHEST" in text
    assert told == "float32", "processes that the job starts are told"
    assert runtime.PRECISION not in os.environ
    assert "HIGHEST" not in product(3)
    monkeypatch.setenv(runtime.PRECISION, "tensorfloat32")
    seen.clear()
    assert cli.execute("", lambda values: None, job, []) == 0
    assert "HIGHEST" not in seen[0][0]


def test_garbage_is_looked_for_as_before_once_a_job_has_ended():
    before = gc.get_threshold()
    with runtime.seldom_collecting():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before


def test_every_job_is_explained_to_a_user_without_a_home():
    code = (
        "import pwd, os, sys, importlib\n"
        "def nowhere(*given): raise KeyError('uid not found')\n"
        "pwd.getpwuid = pwd.getpwnam = nowhere\n"
        "for name in sys.argv[1:]:\n"
        "    assert importlib.import_module('experiments.' + name).main(['--help']) == 0\n"
    )
    names = ["run", "compare", "generate", "describe", "embedded", "profile_device", "train_supernet", "label", "fit",
             "rank_supernet", "prune"]  # fmt: skip
    root = Path(__file__).resolve().parent.parent
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    path = os.pathsep.join([str(root), str(root / "plugins")])
    done = subprocess.run(
        [sys.executable, "-c", code, *names],
        env={**kept, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_reader_that_has_enough_is_no_error():
    """As in ``nagjax run --help | head``: the pipe is closed after a few bytes."""
    root = Path(__file__).resolve().parent.parent
    program = [sys.executable, "-m", "experiments.generate", "--help"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root) as process:
        process.stdout.close()
        assert process.wait(timeout=120) == cli.EXIT_PIPE
        assert process.stderr.read() == b""


def test_a_broken_pipe_that_is_not_stdout_is_an_error(capsys):
    def job(values):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    assert cli.execute("", lambda values: None, job, []) == cli.EXIT_ERROR
    assert "Broken pipe" in capsys.readouterr().err
