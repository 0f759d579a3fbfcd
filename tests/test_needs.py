"""What is missing is a skip, and on a build server a failure: nothing is left out in silence."""

from __future__ import annotations

import math

import pytest

from tests.needs import lacking, library

OUTCOMES = [("", pytest.skip.Exception, "needs"), ("true", pytest.fail.Exception, "there is no")]


@pytest.mark.parametrize(("server", "outcome", "words"), OUTCOMES)
def test_what_is_lacking_is_told(monkeypatch, server, outcome, words):
    monkeypatch.setenv("CI", server)
    with pytest.raises(outcome, match=f"{words} Telegraf"):
        lacking("Telegraf")
    with pytest.raises(outcome, match=f"{words} module nowhere_to_be_had, see "):
        library("nowhere_to_be_had")


def test_a_library_that_is_there_is_given():
    assert library("math") is math
