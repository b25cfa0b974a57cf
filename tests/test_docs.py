"""The documentation: a site without a dead link, without the network, with every public name; and README's links."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nagjax
from nagjax import authoring

ROOT = Path(__file__).resolve().parent.parent
FETCHED = re.compile(r'<(?:script|link|img)[^>]*?(?:src|href)="(?:https?:)?//[^"]*"')
"""What a browser would fetch from elsewhere while it shows a page."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built strictly: a link or anchor that leads nowhere ends the build."""
    pytest.importorskip("mkdocs", reason="needs mkdocs: make env")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


def test_every_page_is_in_the_navigation(site):
    """One that is missing goes into ``nav`` of mkdocs.yml."""
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    index = (site / "index.html").read_text(encoding="utf-8")
    assert [str(page) for page in sorted(pages) if f'href="{page}"' not in index] == []


def test_nothing_is_fetched_from_elsewhere(site):
    for page in site.rglob("*.html"):
        assert FETCHED.findall(page.read_text(encoding="utf-8")) == [], page.name


def test_every_public_name_is_documented(site):
    page = (site / "api.html").read_text(encoding="utf-8")
    public = [f"nagjax.{name}" for name in nagjax.__all__] + [f"nagjax.authoring.{name}" for name in authoring.__all__]
    assert [name for name in public if f'id="{name}"' not in page] == []


def dead_links(text: str, folder: Path) -> list[str]:
    """Relative links of a page in Markdown that lead to no file, or to no heading of one."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = folder / path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            found.append(target)
    return found


def anchors(text: str) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_readme_has_no_dead_link():
    assert dead_links((ROOT / "README.md").read_text(encoding="utf-8"), ROOT) == []


def test_a_dead_link_is_found(tmp_path):
    (tmp_path / "a.md").write_text("# One `thing`, two\n")
    text = "[a](a.md) [b](a.md#one-thing-two) [c](a.md#three) [d](b.md) [e](https://example.org/x)"
    assert dead_links(text, tmp_path) == ["a.md#three", "b.md"]
