"""What a newcomer does wrong is told by name."""
import numpy as np
import pytest

import cdl


@pytest.mark.parametrize("x, words", [
    (None, "predict: expected an array, got None"),
    (np.ma.masked_array(np.ones((2, 4)), np.eye(2, 4)), "predict: masked arrays are not supported"),
    ([[1, 2, 3, 4], [1]], "predict: expected numbers in a rectangular array"),
    (np.ones((2, 4), complex), "predict: expected float, integer or boolean data, got dtype complex128"),
])
def test_predict_refuses_what_is_no_plain_array(x, words):
    with pytest.raises(TypeError, match=words):
        cdl.Sequential([cdl.Dense(3)]).predict(x)


def test_one_layer_is_no_list():
    with pytest.raises(TypeError, match=r"expected a list of layers, got Dense\(.*write Sequential"):
        cdl.Sequential(cdl.Dense(3))


@pytest.mark.parametrize("call, error, words", [
    (lambda: cdl.seed(-1), ValueError, "seed: expected an integer of 0 or more.* got -1"),
    (lambda: cdl.seed("a"), TypeError, "seed: .* got 'a'"),
    (lambda: cdl.he_initialization((2, 2), 2, rng=-3), ValueError, "rng: .* got -3"),
])
def test_bad_seeds_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
