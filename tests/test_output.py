"""Where jobs write: one at a time, tried before anything slow, and left as it was when nothing was written."""

import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import compare, deploy, export, fit, label, profile_device, rank_supernet, run, sweep, train_supernet
from experiments.frame import cli, output

ROOT = Path(__file__).resolve().parent.parent


def names_in(folder):
    """Names of what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def no_locks(handle, how):
    """What ``flock`` does on a file system without locks."""
    raise OSError(errno.ENOLCK, "No locks available")


def test_a_folder_is_taken_by_one_at_a_time(tmp_path):
    name = str(tmp_path / "new" / "run")
    with output.folder(name, "x") as folder:
        with pytest.raises(ValueError, match=rf"--out=.*process {os.getpid()} on .* writes there"), \
             output.folder(name, "x"):  # fmt: skip
            pass
        assert output.contents(folder) == []
        (folder / "result").write_text("mine")
    with output.folder(name, "x") as folder:
        assert output.contents(folder) == ["result"]
    assert names_in(folder) == ["result"]


def test_a_folder_that_stays_empty_is_removed_with_those_made_for_it(tmp_path):
    with contextlib.suppress(ZeroDivisionError), output.folder(str(tmp_path / "a" / "b"), "x") as folder:
        assert folder.is_dir()
        raise ZeroDivisionError
    assert names_in(tmp_path) == []
    (tmp_path / "kept").mkdir()
    with output.folder(str(tmp_path / "kept"), "x"):
        pass
    assert names_in(tmp_path) == ["kept"]


def test_a_file_is_taken_by_one_at_a_time(tmp_path):
    name = str(tmp_path / "a.csv")
    with output.file(name, "x") as path, output.file(str(tmp_path / "b.csv"), "x"):
        assert not path.exists()
        with pytest.raises(ValueError, match="writes there"), output.file(name, "x"):
            pass
    assert names_in(tmp_path) == []


def test_a_killed_process_leaves_no_lock(tmp_path):
    code = (
        "import sys, time\nfrom experiments.frame import output\n"
        "with output.folder(sys.argv[1], 'x'):\n    print('taken', flush=True)\n    time.sleep(600)\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        with pytest.raises(ValueError, match=f"process {holder.pid} on"), output.folder(str(tmp_path / "run"), "x"):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with output.folder(str(tmp_path / "run"), "x"):
        pass


def test_without_locks_a_file_is_made_exclusively(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    name = str(tmp_path / "run")
    refusal = pytest.raises(ValueError, match=f"process {os.getpid()}.* writes there.*remove")
    with output.folder(name, "x"), refusal, output.folder(name, "x"):
        pass
    assert names_in(tmp_path) == []
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "run").mkdir()
    left = tmp_path / "run" / (output.LOCK + ".exclusive")
    left.write_text(output._holder().replace(f"process {os.getpid()}", f"process {dead.pid}"))
    with pytest.raises(ValueError, match=rf"was killed; remove {left}"), output.folder(name, "x"):
        pass


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "--out is not given: .*--out=runs/x"),
        ("gs://bucket/run", "gs: is not supported"),
        ("s3://bucket/run", "mount the store"),
        ("file:///tmp/run", "file: is not supported"),
        ("a\\b", "backslash"),
        ("a\nb", "control character"),
        ("~nobody-of-this-name/run", "write the path without ~"),
        ("file.txt", "is a file; name a folder"),
        ("file.txt/run", "cannot be written"),
    ],
)
def test_names_that_cannot_be_used_are_refused(tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    Path("file.txt").write_text("mine")
    with pytest.raises(ValueError, match=says), output.folder(name, "runs/x"):
        pass
    assert names_in(tmp_path) == ["file.txt"]


def test_file_names_that_cannot_be_used_are_refused(tmp_path):
    for name, says in ((tmp_path, "is not a file"), (tmp_path / "no" / "a.csv", "no folder .*; make it first")):
        with pytest.raises(ValueError, match=says), output.file(str(name), "a.csv"):
            pass


def test_a_place_that_cannot_be_written_is_refused_before_anything(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nagjax.durable.replace", full)
    with pytest.raises(ValueError, match="cannot be written: No space left on device"), \
         output.folder(str(tmp_path / "run"), "x"):  # fmt: skip
        pass
    assert names_in(tmp_path) == []


def test_a_name_that_checkpoints_are_not_found_under_is_refused(tmp_path):
    good, bad = tmp_path / "good name é%20", tmp_path / "a[b]*"
    for folder in (good, bad):
        folder.mkdir()
    output.try_checkpoints(good)
    with pytest.raises(ValueError, match="cannot be read again; name another"):
        output.try_checkpoints(bad)
    assert [names_in(folder) for folder in (good, bad)] == [[], []]


JOBS = {
    "run": (run, output.folder, []),
    "run --resume": (run, output.folder, ["--resume"]),
    "compare": (compare, output.folder, ["--controllers=nag", "--problems=tiny", "--evaluations=10"]),
    "sweep": (sweep, output.folder, ["--problem=tiny"]),
    "train_supernet": (train_supernet, output.folder, ["--resume"]),
    "label": (label, output.file, ["--supernet=absent", "--resume"]),
    "export": (export, output.folder, ["--checkpoint=absent"]),
    "deploy": (deploy, output.folder, ["--supernet=absent", "--architectures=x", "--resume"]),
    "fit": (fit, output.file, ["--records=absent.csv", "--space=nas_bench_macro"]),
    "profile_device": (profile_device, output.file, ["--space=mobilenet_v3_small28", "--resume"]),
}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_does_not_touch_what_another_writes(tmp_path, capsys, name):
    module, take, flags = JOBS[name]
    out = tmp_path / "out.json"
    with take(str(out), "x"):
        before = sorted(tmp_path.rglob("*"))
        assert module.main([*flags, f"--out={out}", "--compilation_cache="]) == cli.EXIT_ERROR
        text = capsys.readouterr().err
        assert text.startswith(f"error: --out={out}: process {os.getpid()} on ")
        assert text.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before


def test_processes_share_a_ranking_under_different_seeds_only(tmp_path, capsys):
    flags = [f"--out={tmp_path}", "--space=absent", "--compilation_cache="]
    with output.folder(str(tmp_path), "x", lock=f"{output.LOCK}-seed1"):
        assert rank_supernet.main([*flags, "--seeds=0,1"]) == cli.EXIT_ERROR
        assert "writes there" in capsys.readouterr().err
        assert rank_supernet.main([*flags, "--seeds=0,2"]) == cli.EXIT_ERROR
        assert "absent" in capsys.readouterr().err
