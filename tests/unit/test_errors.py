"""The error tree: codes are unique and stable, errors travel between processes."""

import pickle

import pytest

from llmlab import errors
from llmlab.errors import LabError


def every_kind(kind: type[LabError] = LabError) -> list[type[LabError]]:
    return [kind] + [found for child in kind.__subclasses__() for found in every_kind(child)]


def test_every_error_has_a_code_of_its_own():
    codes = [kind.code for kind in every_kind()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", every_kind())
def test_errors_survive_pickling(kind):
    error = kind("what to do", param="model", retry_after=3.0)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.message, again.param, again.retry_after) == ("what to do", "model", 3.0)


@pytest.mark.parametrize("kind", every_kind())
def test_the_tree_at_the_top_names_every_error_with_its_status(kind):
    line = next(line for line in errors.__doc__.splitlines() if f"{kind.__name__} " in f"{line} ")
    if kind is not LabError:
        assert f" {kind.status} " in line


def test_unavailable_says_when_to_retry():
    assert errors.NoWorkerError("none").retry_after == 5.0
