"""For all tests: what the test tools need so that they get along with the libraries under test."""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems() -> Generator[None, None, None]:
    """Let hypothesis look at speechbrain's lazy modules without importing them.

    It asks every module for its file, to find constants in ours; these then import packages that nobody installed.
    """
    for module in tuple(sys.modules.values()):
        if type(module).__module__ == "speechbrain.utils.importutils":
            vars(module).setdefault("__file__", None)
    return (yield)
