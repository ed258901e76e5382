"""Transform classes by the names that older stacks and renderapi give them."""

import numpy as np
import pytest
import renderapi

from asap_ingest.render_ws.transforms.classes import build_leaf
from asap_ingest.render_ws.wire.problems import RequestError
from tests.render_ws.client import StackClient, leaf, tile

TODAY = "mpicbg.trakem2.transform.NonLinearCoordinateTransform"
OLDER = ("lenscorrection.NonLinearTransform", "mpicbg.trakem2.transform.nonLinearTransform")
#: Dimension 2, 5 terms of 2 coefficients, means and deviations of the terms, size: a slight lens.
COEFFICIENTS = [1.0, 0.0, 0.0, 1.0, 3e-6, -2e-6, -1e-6, 2e-6] + [0.0] * 22
DATA = " ".join(map(str, ["4", "15", *COEFFICIENTS, *[0.0] * 15, *[1.0] * 15, 320, 256]))


@pytest.mark.parametrize("name", OLDER)
def test_an_older_name_is_computed_as_todays(name):
    points = np.random.default_rng(1).uniform(0, 300, (50, 2))
    found = build_leaf(name, DATA)(points)
    np.testing.assert_array_equal(found, build_leaf(TODAY, DATA)(points))
    assert np.abs(found - points).max() > 0


@pytest.fixture
def stack(server_url):
    return StackClient(server_url, "older")


@pytest.mark.parametrize("name", OLDER)
def test_an_older_name_is_stored_as_it_came(stack, name):
    lens = {"type": "leaf", "className": name, "dataString": DATA}
    stack.create(tile("a", width=320.0, height=256.0, specs=[lens, leaf(5, 7)]), state="COMPLETE")
    stored = stack.get("/tile/a")["transforms"]["specList"][0]
    assert (stored["className"], stored["dataString"]) == (name, DATA)
    (x, y, _) = stack.get("/tile/a/local-to-world-coordinates/100,50")["world"]
    expected = build_leaf(TODAY, DATA)(np.array([[100.0, 50.0]]))[0] + (5, 7)
    assert (x, y) == pytest.approx(tuple(expected), abs=0.01)


def classes_of(kind):
    yield kind
    for below in kind.__subclasses__():
        yield from classes_of(below)


def names_of_renderapi():
    found = {getattr(kind, "className", None) for kind in classes_of(renderapi.transform.Transform)}
    return sorted(name for name in found if isinstance(name, str))


def test_renderapi_has_the_names_that_are_tested():
    assert set(OLDER) <= set(names_of_renderapi())


@pytest.mark.parametrize("name", names_of_renderapi())
def test_every_class_of_renderapi_is_known(name):
    """Data that do not fit are refused for what they are, not for the class."""
    with pytest.raises(RequestError) as error:
        build_leaf(name, "not numbers")
    assert "cannot be found" not in str(error.value)
