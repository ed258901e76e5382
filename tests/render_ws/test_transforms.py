"""Transform classes, references, flattening."""

from __future__ import annotations

import base64
import math
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap_ingest.render_ws.transforms.classes import Affine, build_leaf
from asap_ingest.render_ws.transforms.specs import build, flatten, resolve_in_payload
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.wire.transform_specs import references

PACKAGE = "mpicbg.trakem2.transform."
POINTS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 20.0], [3.0, 4.0]])


def leaf(name: str, data: str, **more: Any) -> dict[str, Any]:
    return {"type": "leaf", **more, "className": PACKAGE + name, "dataString": data}


def shift(x: float, y: float, **more: Any) -> dict[str, Any]:
    return leaf("AffineModel2D", f"1 0 0 1 {x} {y}", **more)


def listed(*specs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "list", **more, "specList": list(specs)}


def ref(target: str) -> dict[str, Any]:
    return {"type": "ref", "refId": target}


def packed(*values: float) -> str:
    return base64.b64encode(zlib.compress(np.array(values, ">f8").tobytes())).decode()


@pytest.mark.parametrize(
    ("name", "data", "point"),
    [
        ("AffineModel2D", "2 0.5 -1 3 5 6", [2 * 3 - 4 + 5, 0.5 * 3 + 3 * 4 + 6]),
        ("AffineModel2D", "1 0 0\t1 5d 6f", [8.0, 10.0]),
        ("TranslationModel2D", "1.5 -2", [4.5, 2.0]),
        ("TranslationModel2D", "16777217 0.1", [16777219.0, 4.10000000149011612]),
        ("RigidModel2D", "0 1 2", [4.0, 6.0]),
        ("SimilarityModel2D", "0 2 1 1", [-7.0, 7.0]),
        ("HomographyModel2D", "1 0 0 0 1 0 0 0 2", [1.5, 2.0]),
        ("PolynomialTransform2D", "7 8", [7.0, 8.0]),
        ("PolynomialTransform2D", "1 1 0 2 0 1", [4.0, 6.0]),
        ("PolynomialTransform2D", "0 0 0 1 0 0 0 0 0 0 1 1", [9.0, 28.0]),
        ("PolynomialTransform2D", "1 2 3", [1.0, 2.0]),
    ],
)
def test_point_is_mapped_by_the_formula_of_the_class(name: str, data: str, point: list[float]) -> None:
    mapped = build_leaf(PACKAGE + name, data)(POINTS)
    assert mapped.shape == POINTS.shape
    assert mapped[3] == pytest.approx(point, abs=1e-12)


def test_rotation_angle_is_read_as_32_bit_number() -> None:
    mapped = build_leaf(PACKAGE + "RigidModel2D", "0.1 0 0")(np.array([[1.0, 0.0]]))
    assert mapped[0, 0] == math.cos(float(np.float32(0.1)))


def test_lens_correction_of_degree_one() -> None:
    # features: (x - 1) / 2, (y - 2) / 4, 100; beta interleaved
    data = "1 3 10 20 30 40 1 2 1 2 0 2 4 0 96 80 "
    x, y = (3 - 1) / 2, (4 - 2) / 4
    mapped = build_leaf(PACKAGE + "NonLinearCoordinateTransform", data)(POINTS)
    assert mapped[3] == pytest.approx([10 * x + 30 * y + 100, 20 * x + 40 * y + 200])


def test_thin_plate_spline_adds_the_kernel_of_each_landmark() -> None:
    landmarks = packed(0, 0, 0.5, 0.25)
    data = f"ThinPlateSplineR2LogR 2 1 {packed(0, 0, 0, 0, 7, 8)} {landmarks}"
    kernel = 25 * math.log(5)
    mapped = build_leaf(PACKAGE + "ThinPlateSplineTransform", data)(POINTS)
    assert mapped[3] == pytest.approx([3 + 7 + 0.5 * kernel, 4 + 8 + 0.25 * kernel])
    assert mapped[0] == pytest.approx([7.0, 8.0])


def test_moving_least_squares_moves_landmarks_onto_their_targets() -> None:
    data = "affine 2 2.0 0 0 5 5 1 10 0 16 4 1 0 10 4 15 1 12 12 18 19 1"
    transform = build_leaf(PACKAGE + "MovingLeastSquaresTransform2", data)
    mapped = transform(np.array([[0.0, 0.0], [10.0, 0.0], [5.0, 5.0]]))
    assert mapped[:2] == pytest.approx(np.array([[5.0, 5.0], [16.0, 4.0]]))
    assert np.all(np.isfinite(mapped))


@pytest.mark.parametrize("model", ["affine", "similarity", "rigid", "translation"])
def test_moving_least_squares_of_a_shift_is_the_shift(model: str) -> None:
    data = f"{model} 2 1.0 0 0 3 4 1 10 0 13 4 2 0 10 3 14 1"
    mapped = build_leaf(PACKAGE + "MovingLeastSquaresTransform2", data)(POINTS)
    assert mapped == pytest.approx(POINTS + np.array([3, 4]))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("AffineModel2D", "1 0 0 1 5"),
        ("AffineModel2D", ""),
        ("AffineModel2D", " 1 0 0 1 5 6"),
        ("AffineModel2D", "1 0 0 1 5 six"),
        ("AffineModel2D", "1 0 0 1 5 1_0"),
        ("TranslationModel2D", "1 0 0 1 5 6"),
        ("RigidModel2D", "1 2"),
        ("SimilarityModel2D", "1 0 0 1 5 6"),
        ("HomographyModel2D", "1 2 3"),
        ("PolynomialTransform2D", ""),
        ("PolynomialTransform2D", "1"),
        ("NonLinearCoordinateTransform", "5 21 1 2 3"),
        ("NonLinearCoordinateTransform", ""),
        ("ThinPlateSplineTransform", "Other 2 1 null x"),
        ("ThinPlateSplineTransform", "ThinPlateSplineR2LogR two 1 null x"),
        ("MovingLeastSquaresTransform2", "affine 3 2.0 1 2 3 4 5"),
        ("NoSuchModel", "1"),
    ],
)
def test_bad_data_is_an_argument_error(name: str, data: str) -> None:
    with pytest.raises(IllegalArgumentError, match=name):
        build_leaf(PACKAGE + name, data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("AffineModel3D", "1 0 0 0 1 0 0 0 1 0 0 0"),
        ("ThinPlateSplineTransform", ""),
        ("ThinPlateSplineTransform", "ThinPlateSplineR2LogR 2 4 null"),
        ("ThinPlateSplineTransform", f"ThinPlateSplineR2LogR 2 4 null {packed(1, 2)}"),
        ("ThinPlateSplineTransform", "ThinPlateSplineR2LogR 2 4 null QUJD"),
    ],
)
def test_missing_parts_are_an_illegal_state(name: str, data: str) -> None:
    with pytest.raises(IllegalStateError):
        build_leaf(PACKAGE + name, data)


def test_affine_list_becomes_one_matrix() -> None:
    transform = build([leaf("AffineModel2D", "2 0 0 2 1 1"), shift(3, 4), leaf("RigidModel2D", "0 5 5")])
    assert transform == Affine((2.0, 0.0, 9.0, 0.0, 2.0, 10.0))


def test_empty_list_is_the_identity() -> None:
    assert build([])(POINTS) == pytest.approx(POINTS)


def test_interpolated_transform_lies_between_its_sides() -> None:
    spec = {"type": "interpolated", "a": shift(0, 0), "b": listed(shift(10, 0), shift(0, 4)), "lambda": 0.25}
    assert build([spec])(POINTS) == pytest.approx(POINTS + np.array([2.5, 1.0]))


@pytest.mark.parametrize("spec", [ref("x"), {"type": "leaf", "className": "a"}, {"dataString": "1"}])
def test_reference_and_incomplete_leaf_cannot_be_built(spec: dict[str, Any]) -> None:
    with pytest.raises(IllegalArgumentError):
        build([spec])


@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 4, *[st.floats(-1e4, 1e4)] * 2), min_size=1, max_size=4))
def test_product_of_affines_maps_like_one_after_the_other(rows: list[tuple[float, ...]]) -> None:
    specs = [leaf("AffineModel2D", " ".join(map(repr, row))) for row in rows]
    expected = POINTS
    for spec in specs:
        expected = build([spec])(expected)
    assert build(specs)(POINTS) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(st.tuples(*[st.floats(-3, 3)] * 4), st.tuples(*[st.floats(-1e4, 1e4)] * 2))
def test_inverse_leads_back(linear: tuple[float, ...], offset: tuple[float, float]) -> None:
    m00, m01, m10, m11 = linear
    transform = Affine((m00, m01, offset[0], m10, m11, offset[1]))
    inverse = transform.inverse()
    if abs(m00 * m11 - m01 * m10) > 0.01:
        assert inverse is not None
        assert inverse(transform(POINTS)) == pytest.approx(POINTS, abs=1e-6)


def test_singular_and_infinite_matrices_have_no_inverse() -> None:
    assert Affine((1.0, 1.0, 0.0, 1.0, 1.0, 0.0)).inverse() is None
    assert Affine((math.nan, 0.0, 0.0, 0.0, 1.0, 0.0)).inverse() is None


def test_flattening_replaces_references_and_merges_labels() -> None:
    shared = {
        "a": shift(1, 0, id="a", metaData={"labels": ["la"]}),
        "l": listed(ref("a"), listed(shift(2, 0)), id="l", metaData={"labels": ["L", "la"]}),
    }
    flat = flatten(listed(ref("l"), shift(3, 0)), shared.get)
    assert [spec["dataString"] for spec in flat] == ["1 0 0 1 1 0", "1 0 0 1 2 0", "1 0 0 1 3 0"]
    assert flat[0]["id"] == "a"
    assert sorted(flat[0]["metaData"]["labels"]) == ["L", "la"]
    assert list(flat[0]) == ["type", "id", "metaData", "className", "dataString"]
    assert flat[1]["metaData"] == {"labels": ["L", "la"]}
    assert flat[2] == shift(3, 0)
    assert shared["a"]["metaData"] == {"labels": ["la"]}


def test_interpolated_transform_stays_one_entry() -> None:
    spec = {"type": "interpolated", "a": ref("a"), "b": listed(ref("a"), shift(2, 2)), "lambda": 0.5}
    (flat,) = flatten(listed(spec), {"a": shift(1, 1, id="a")}.get)
    assert flat["a"] == shift(1, 1, id="a")
    assert flat["b"] == listed(shift(1, 1, id="a"), shift(2, 2))
    assert list(flat) == ["type", "a", "b", "lambda"]


@pytest.mark.parametrize(
    "shared",
    [{}, {"a": ref("b"), "b": shift(1, 1)}, {"a": listed(ref("a"))}],
    ids=["missing", "reference to a reference", "cycle"],
)
def test_unreadable_references_are_an_illegal_state(shared: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(IllegalStateError, match="'a'"):
        flatten(listed(ref("a")), shared.get)


def test_payload_references_are_resolved_in_one_step() -> None:
    shared = {"a": shift(1, 1), "l": listed(ref("a")), "key": shift(2, 2, id="other")}
    assert resolve_in_payload(listed(ref("a"), listed(ref("key"))), shared) == [shift(1, 1), shared["key"]]
    with pytest.raises(IllegalArgumentError, match=r"\[a\]"):
        resolve_in_payload(listed(ref("l")), shared)
    with pytest.raises(IllegalArgumentError, match=r"\[zz, other\]"):
        resolve_in_payload(listed(ref("a"), ref("zz"), ref("other"), ref("zz")), shared)


def test_leaves_of_a_payload_get_the_labels_of_their_list() -> None:
    leaves = [shift(1, 1), shift(2, 2)]
    labelled = {**listed(*leaves), "metaData": {"labels": ["lens"]}}
    assert resolve_in_payload(listed(*leaves), {}) == leaves
    assert [spec["metaData"] for spec in resolve_in_payload(labelled, {})] == [{"labels": ["lens"]}] * 2


def test_references_are_those_named_directly() -> None:
    spec = listed(ref("a"), listed(ref("b")), {"type": "interpolated", "a": ref("c"), "b": shift(0, 0)})
    assert [*references(spec)] == ["a", "b", "c"]
    assert [*references(listed())] == []
