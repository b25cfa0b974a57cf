"""Files that are whole, whatever happens: replaced by a rename, appended to by whole lines, read without torn ones."""

import contextlib
import os
import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagjax import durable


def names_in(folder):
    """Names of what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


@contextlib.contextmanager
def full_at(size):
    """No file of this process may grow beyond ``size`` bytes: a write is cut short there, and the next one fails."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    durable.replace(path, "old")
    with full_at(10), pytest.raises(OSError, match="File too large"):
        durable.replace(path, "new " * 10)
    assert path.read_text() == "old"
    with contextlib.suppress(ZeroDivisionError), durable.replacing(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.json"]


def test_a_replaced_file_keeps_its_mode_and_a_link_stays_one(tmp_path):
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    durable.replace(link, "new")
    assert path.read_text() == "new"
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_is_no_file_is_written_to(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    durable.replace(path, "through")
    reader.join()
    assert read == ["through"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_of_several_writers_one_creates(tmp_path):
    path = tmp_path / "record"
    assert [durable.create(path, text) for text in ("first", "second")] == [True, False]
    assert path.read_text() == "first"
    assert names_in(tmp_path) == ["record"]


def test_lines_that_do_not_fit_leave_nothing_and_may_be_added_again(tmp_path):
    path = tmp_path / "lines"
    with durable.Appender(path) as file:
        file.add("one\n")
        with full_at(9):
            for add in (file.add, file.add_soon):
                with pytest.raises(OSError, match="File too large"):
                    add("two two two\n")
                assert path.read_text() == "one\n"
        file.add("two two two\n")
    assert durable.whole_lines(path) == ["one", "two two two"]


@given(st.lists(st.text("ab,é", max_size=5), max_size=4), st.integers(0, 40))
def test_wherever_a_file_is_cut_its_whole_lines_go_on(tmp_path_factory, lines, cut):
    path = tmp_path_factory.mktemp("cut") / "lines"
    content = "".join(line + "\n" for line in lines).encode()[:cut]
    path.write_bytes(content)
    whole = lines[: content.count(b"\n")]
    assert durable.whole_lines(path) == whole
    durable.append(path, "next\n", header="head\n")
    assert durable.whole_lines(path) == [*(whole or ["head"]), "next"]


def test_lines_of_several_writers_do_not_mix(tmp_path):
    path = tmp_path / "lines"

    def write(name):
        for number in range(50):
            durable.append(path, f"{name} {number} {'x' * 200}\n", header="head\n")

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = durable.whole_lines(path)
    assert lines[0] == "head"
    assert sorted(lines[1:]) == sorted(f"{name} {number} {'x' * 200}" for name in "ab" for number in range(50))


def test_a_file_that_is_not_there_has_no_lines(tmp_path):
    assert durable.whole_lines(tmp_path / "absent") == []
