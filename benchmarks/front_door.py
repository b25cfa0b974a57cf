"""The README's Python block, run as it stands on the data that travel with the package.

``python -m benchmarks.front_door [--steps=200]``

``lines`` counts the block's lines of code; ``over_budget`` its answers over their budgets; ``equal_to_job`` whether the
main job with the same flags gives the same answers, array by array.
"""

from __future__ import annotations

import os
import re
import runpy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common
from experiments import embedded, run

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"```python\n(import nagjax\n.*?)```", re.DOTALL)


def block(text: str) -> str:
    """The first Python block that imports nagjax.

    Raises:
      ValueError: if there is none.
    """
    found = BLOCK.search(text)
    if found is None:
        raise ValueError("README.md: no Python block begins with `import nagjax`; the front door is shown there")
    return found.group(1)


def front_door(_data_dir: Path | None = None, steps: int = 200) -> dict[str, Any]:
    """The result of this benchmark; fewer ``steps`` than the block's make it quicker."""
    source = block(README.read_text(encoding="utf-8"))
    shorter = re.sub(r"steps=[\d_]+", f"steps={steps}", source)
    data = embedded.find()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        for path in data.iterdir():
            (Path(folder) / path.name).symlink_to(path)
        script = Path(folder) / "block.py"
        script.write_text(shorter, encoding="utf-8")
        os.chdir(folder)
        try:
            names = runpy.run_path(str(script))
        finally:
            os.chdir(before)
        job = Path(folder) / "job"
        run.main([f"--flagfile={data / embedded.FLAGFILE}", f"--data_dir={data}", f"--steps={steps}", f"--out={job}"])
        return _compared(source, names["generator"], names["answers"], job)


def _compared(source: str, generator: Any, answers: Any, job: Path) -> dict[str, Any]:
    import nagjax

    theirs = nagjax.load(job)
    low, high = generator.budget_range[0].tolist()
    budgets = np.geomspace(low, high, 50)
    one, two = generator.generate_arrays(budgets), theirs.generate_arrays(budgets)
    return {
        "lines": sum(1 for line in source.splitlines() if line.strip() and not line.strip().startswith("#")),
        "over_budget": sum(not answer.guaranteed for answer in answers),
        "equal_to_job": bool(np.array_equal(one.tokens, two.tokens) and np.array_equal(one.quality, two.quality)),
    }


if __name__ == "__main__":
    flags.DEFINE_integer("steps", 200, "Updates, in place of those of the block.")
    common.main(lambda data_dir: front_door(data_dir, flags.FLAGS.steps))
