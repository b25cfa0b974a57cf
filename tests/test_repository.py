"""What the tracked files must not contain."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRIVATE = re.compile(r"(?<![\w.~$})>])(?:/(?:home|root|Users|work|mnt)/\w|[A-Z]:\\Users)")
"""An absolute path of somebody's home or work folder; `../work/x` and `site.org/home/x` are not."""


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def text_of(path: Path) -> str:
    """Text of a file; empty where it is binary or was deleted but not yet committed."""
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return ""


def test_no_tracked_text_file_holds_a_private_absolute_path():
    files = tracked_files()
    assert files
    faults = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if PRIVATE.search(line)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(("text", "private"), [("../{}/x", False), ("a.org/{}/x", False), ("'/{}/me'", True)])
def test_the_pattern_tells_private_paths(text, private):
    assert all(bool(PRIVATE.search(text.format(name))) is private for name in ("home", "work", "root"))


def test_no_tracked_text_file_holds_a_conflict():
    marked = [path for path in tracked_files() if re.search(r"^(<{7}|>{7}) ", text_of(path), re.MULTILINE)]
    assert not marked


RETIRED = {
    r"\bdear(er|est)\b": "costlier, costliest",
    r"\b(architecture evaluator|LearnedEvaluator|fit_evaluator|problem\.evaluator)\b": "ranker; an evaluator is true",
    r"\bpredictors[./](predictor|fit)\b(?!\w)": "predictors.forms.mlp, predictors.fitted, predictors.kinds.mlp",
    r"\binference[./]fronts\b": "inference.nondominated; a Front is the archive",
    r"\bexperiments[./]inputs[./](quality|costs)\b": "posing, experiments.inputs.setup",
    r"\bnagjax[./]front_door\b": "posing, training; the front door is nagjax itself",
    r"(?<!there )\b(is|are) no (path|space|number|pair|format|folder|list|text)\b": "is not a ...",
}
"""Words that were given up, and what is said instead."""

OWN = ("tests/test_repository.py", "docs/results.md", "docs/journal.md", "benchmarks/results/")
"""Where they stand, or stand as they were measured."""


@pytest.mark.parametrize("word", RETIRED)
def test_retired_words_do_not_come_back(word):
    texts = [path for path in tracked_files() if path.suffix in (".py", ".md", ".flags", ".toml")]
    names = {path.relative_to(ROOT).as_posix(): path for path in texts}
    faults = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, path in names.items()
        if not name.startswith(OWN)
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if re.search(word, line)
    ]
    assert not faults, "\n".join([f"say {RETIRED[word]}:", *faults])
