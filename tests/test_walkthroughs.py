"""Every walk-through runs as it stands, with fewer updates."""

import pytest

from benchmarks import walkthroughs

PAGES = sorted(path.name for path in walkthroughs.PAGES.glob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_it_runs_as_it_stands(page, tmp_path):
    text = (walkthroughs.PAGES / page).read_text(encoding="utf-8")
    # What is compiled for nag takes longest, and does not depend on how many children or hidden units it has.
    cheaper = text.replace('controller="nag"', 'controller="random"').replace(', sizes={"children": 64}', "")
    ran = walkthroughs.run(cheaper, tmp_path, steps=2)
    assert (tmp_path / page).with_suffix(".png").stat().st_size > 5000
    assert ran.count("```text") == text.count("```text")


def test_what_blocks_print_is_written_after_them(tmp_path):
    page = 'Say\n\n```python title="mine.py"\nsteps=5\n```\n\nand\n\n```python\nimport mine\nprint(mine.steps)\n```\n'
    once = walkthroughs.run(page, tmp_path)
    assert once == page + "\n```text\n5\n```\n"
    assert walkthroughs.run(once, tmp_path, steps=7) == page + "\n```text\n7\n```\n"


def test_a_job_that_fails_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="nagjax descrybe: failed"):
        walkthroughs.run("```bash\nnagjax descrybe\n```\n", tmp_path)
