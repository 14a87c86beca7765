"""On ZeroGPU the platform is told what it wants to hear; a stand-in for `spaces` listens.

The real package (0.51.3) was run against a stand-in of its platform by tests/prove/zero_gpu.py;
on a real ZeroGPU nothing of this has run.
"""

import sys
from types import ModuleType

import pytest

from chat.errors import SetupError
from webapp.hub.zero_gpu import announce, borrow_nothing


@pytest.fixture
def spaces(monkeypatch):
    """The two modules of `spaces` that count, noting what is called, in order."""
    package, zero = ModuleType("spaces"), ModuleType("spaces.zero")
    package.said = []
    package.GPU = lambda function: package.said.append(function) or function
    zero.startup = lambda: package.said.append("startup")
    package.zero = zero
    monkeypatch.setitem(sys.modules, "spaces", package)
    monkeypatch.setitem(sys.modules, "spaces.zero", zero)
    return package


def test_a_function_is_named_before_the_start_is_reported(spaces):
    announce()
    assert spaces.said == [borrow_nothing, "startup"]


def test_a_platform_that_refuses_the_report_does_not_stop_the_chat(spaces, caplog):
    def refuse():
        raise RuntimeError("Error while initializing ZeroGPU: NotFound")

    spaces.zero.startup = refuse
    announce()
    assert "NotFound" in caplog.text


def test_a_package_that_is_missing_or_another_one_is_named(spaces, monkeypatch):
    del spaces.zero.startup
    with pytest.raises(SetupError, match="cpu-basic"):
        announce()
    monkeypatch.setitem(sys.modules, "spaces", None)
    with pytest.raises(SetupError, match="spaces"):
        announce()
