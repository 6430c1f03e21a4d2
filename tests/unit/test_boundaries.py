"""Boundaries between labelled rows."""

import numpy as np
import pytest

from kansym.errors import DataError
from kansym.physics.boundaries import boundary
from kansym.physics.mechanics import terms

NAMES = ("x", "y")


def rows(count: int = 1500) -> np.ndarray:
    return np.random.default_rng(0).uniform(-2, 2, (count, 2))


def test_the_law_of_a_boundary_is_found_among_many_terms():
    x = rows()
    found = boundary(x, x[:, 0] ** 2 + x[:, 1] ** 2 > 2, NAMES, terms(NAMES, 2, ("exp(x)", "exp(y)")))
    own, law = found[0].formula(x), x[:, 0] ** 2 + x[:, 1] ** 2 - 2
    assert np.allclose(own / law, own[0] / law[0]) and own[0] / law[0] > 0


def test_wrong_labels_do_not_move_it_far():
    x = rows()
    labels = x[:, 0] * x[:, 1] > 0.5
    labels[::50] ^= True
    best = boundary(x, labels, NAMES, terms(NAMES, 2))[0]
    assert best.accuracy > 0.97 and np.mean((best.formula(x) > 0) == (x[:, 0] * x[:, 1] > 0.5)) > 0.985


def test_labels_that_are_all_the_same_have_no_boundary():
    with pytest.raises(DataError, match="both must occur"):
        boundary(rows(), np.ones(1500), NAMES, terms(NAMES, 2))
    with pytest.raises(DataError, match="do not fit"):
        boundary(rows(), np.ones(3), NAMES, terms(NAMES, 2))
