"""docs/controllers.md agrees with the code: a row for every controller of ours, and names and defaults that exist."""

import importlib.metadata
import re
from pathlib import Path

import pytest

from nagjax import plugins, testing

PAGE = Path(__file__).resolve().parent.parent / "docs" / "controllers.md"
SPEC = testing.tiny_problem().problem.spec
OURS = sorted(
    point.name
    for point in importlib.metadata.entry_points(group="nagjax.controllers")
    if point.value.startswith("nagjax_") and point.dist is not None and point.dist.name == "nagjax"
)
SIZES, PARAMETERS = 4, 5
"""Cells of a row."""


def rows() -> dict[str, list[str]]:
    """Cells of the tables of controllers, by name."""
    lines = [line.strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells] for cells in lines if len(cells) == 7}


def faults(name: str, cells: list[str]) -> list[str]:
    """What a row lists that the controller does not have, or has with another default."""
    controller = plugins.load("controllers", name)(SPEC)
    known = set(plugins.names("controllers"))
    found = []
    for cell, held in ((cells[SIZES], controller.settings), (cells[PARAMETERS], controller.default_params())):
        for key, value in re.findall(r"`(\w+)(?:=([^`]*))?`", cell):
            if key in known and not value:
                continue  # "as `snes`"
            if key not in held:
                found.append(f"{key} is not one of {', '.join(held)}")
            elif value and value not in (str(held[key]), str(held[key]).lower()) and not close(held[key], value):
                found.append(f"{key}={value}, in the code {held[key]}")
    return found


def close(held: object, value: str) -> bool:
    """Whether a number is the one written, about; names and switches are not numbers."""
    number = isinstance(held, int | float) and not isinstance(held, bool)
    return number and float(held) == pytest.approx(float(value))


def test_every_controller_of_ours_has_its_row():
    assert len(OURS) >= 16
    assert set(rows()) == set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_sizes_and_parameters_of_a_row_are_those_of_the_code(name):
    assert faults(name, rows()[name]) == []


def test_a_wrong_name_and_a_wrong_default_are_found():
    cells = ["`random`", "", "", "", "`children=255`", "`maskd=1`, as `snes`", ""]
    assert faults("random", cells) == ["children=255, in the code 256", "maskd is not one of masked"]


def test_the_page_names_every_choice():
    controller, text = (
        plugins.load("controllers", "reinforce")(SPEC),
        " ".join(PAGE.read_text(encoding="utf-8").split()),
    )
    for key, names in controller.choices.items():
        listed = ", ".join(f"`{name}`" for name in names)
        assert f"`{key}` is one of {listed}" in text
