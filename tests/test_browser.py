"""The report in a real browser, without a server: the slider, the keyboard, hovering, both themes, a narrow screen."""

import shutil

import pytest

from nagjax.inference.explaining import parts
from nagjax.reports import plot, report_html
from nagjax.reports.report import Options, collect
from tests.generators import make_generator

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

GENERATOR = make_generator().generator
LOW, HIGH = (float(value) for value in GENERATOR.budget_range[0])
MIDDLE = (LOW + HIGH) / 2


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A report of a generator that was not trained."""
    report = collect(GENERATOR, Options("accuracy"))
    figure = plot.front_figure(report.best, report.greedy, None, "latency, ms", "accuracy")
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(report_html.page(report, plot.svg(figure), None), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser, path):
    """Opens the page; at the end nothing was asked of a network and nothing went wrong."""
    faults, pages = [], []

    def open_page(**options):
        page = browser.new_page(**options)
        pages.append(page)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: request.url == path.as_uri() or faults.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not faults


def shown(page):
    """The architecture that the page answers with."""
    return page.locator("#answer code").inner_text()


def test_the_page_answers_any_budget_as_the_generator_does(opened):
    page = opened()
    for budget in (LOW, MIDDLE, HIGH, 2 * HIGH):
        page.fill("#exact", repr(budget))
        answer = GENERATOR.generate([budget])[0]
        assert shown(page) == answer.text
        assert page.locator("#bars tr").count() == len(parts(GENERATOR.description, answer.tokens))
    page.fill("#exact", repr(LOW / 2))
    assert "Nothing is that cheap" in page.locator("#answer").inner_text()


def test_the_keyboard_moves_the_budget(opened):
    page = opened()
    page.focus("#budget")
    page.keyboard.press("Home")
    assert shown(page) == GENERATOR.generate([LOW])[0].text
    page.keyboard.press("End")
    assert shown(page) == GENERATOR.generate([HIGH])[0].text
    page.keyboard.press("ArrowLeft")
    assert float(page.input_value("#exact")) < HIGH


def test_hovering_tells_an_architecture_and_its_costs_and_a_click_asks_for_it(opened):
    page = opened()
    drawing = page.locator("#stairs svg")
    box = drawing.bounding_box()
    place = {"x": 0.6 * box["width"], "y": 0.5 * box["height"]}
    drawing.hover(position=place)
    told = page.locator("#stairs title").text_content()
    cost, _, text = told.partition(": ")
    assert GENERATOR.description.space.format(GENERATOR.description.space.parse(text)) == text
    drawing.click(position=place)
    assert shown(page) == text
    assert page.input_value("#exact") == cost.split()[0]


def brightness(page, where, what):
    colour = page.evaluate(f"getComputedStyle(document.querySelector('{where}')).{what}")
    return sum(int(part) for part in colour.strip("rgb()").split(",")[:3])


def test_both_themes_have_ink_on_paper(opened):
    light, dark = (opened(color_scheme=scheme) for scheme in ("light", "dark"))
    assert brightness(light, "main", "backgroundColor") > 600 > 200 > brightness(light, "main", "color")
    assert brightness(dark, "main", "backgroundColor") < 200 < 500 < brightness(dark, "main", "color")


def test_a_narrow_screen_shows_all_without_scrolling_sideways(opened):
    page = opened(viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    stairs, bars = (page.locator(name).bounding_box() for name in ("#stairs", "#bars"))
    assert stairs["y"] + stairs["height"] <= bars["y"]


def test_without_javascript_the_report_is_whole_but_for_that_part(browser, path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert not page.locator("#explorer").is_visible()
    assert page.locator("h2", has_text="Architectures by budget").is_visible()
    context.close()
