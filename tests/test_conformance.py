"""Every registered controller keeps the protocol, and the suite that says so finds what breaks it."""

import inspect

import pytest

from nagjax import plugins, testing

SMALL = {
    "hidden": 8,
    "anchors": 8,
    "children": 32,
    "cells": 32,
    "capacity": 32,
    "population": 32,
    "budgets": 4,
    "group": 4,
    "imitated": 8,
}
"""Sizes that make a test fast; each factory gets those that it has an argument for."""

CONTROLLERS = plugins.names("controllers")


def small_settings(make):
    return {key: value for key, value in SMALL.items() if key in inspect.signature(make).parameters}


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CONTROLLERS)
def test_registered_controllers_conform(name, check):
    make = plugins.load("controllers", name)
    check(make, **small_settings(make))
