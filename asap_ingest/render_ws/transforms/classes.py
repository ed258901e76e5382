"""The transform classes of the service, and how their data strings are read.

Formulas and data formats: those of render-ws 4.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.transforms.warp_classes import (
    Points,
    Transform,
    lens_correction,
    monomials,
    moving_least_squares,
    thin_plate_spline,
)
from asap_ingest.render_ws.wire.java_numbers import parse_double, parse_float32
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

Matrix = tuple[float, float, float, float, float, float]

# texts of numbers that Python reads as Java does, and faster: a request may hold thousands of matrices
_PLAIN = re.compile(r"[0-9.eE+\- ]*")


@dataclass(frozen=True)
class Affine:
    """x' = m00 x + m01 y + m02, y' = m10 x + m11 y + m12; `matrix` is (m00, m01, m02, m10, m11, m12)."""

    matrix: Matrix

    def __call__(self, points: Points) -> Points:
        """Map points of shape (n, 2), x first."""
        m00, m01, m02, m10, m11, m12 = self.matrix
        x, y = points[:, 0], points[:, 1]
        return np.stack([x * m00 + y * m01 + m02, x * m10 + y * m11 + m12], axis=1)

    def then(self, following: Affine) -> Affine:
        """The affine transform that applies this one first and `following` afterwards."""
        a, b, c, d, e, f = self.matrix
        m00, m01, m02, m10, m11, m12 = following.matrix
        first = (m00 * a + m01 * d, m00 * b + m01 * e, m00 * c + m01 * f + m02)
        return Affine((*first, m10 * a + m11 * d, m10 * b + m11 * e, m10 * c + m11 * f + m12))

    def inverse(self) -> Affine | None:
        """The inverse map; None for a matrix that is singular or not finite."""
        a, b, c, d, e, f = self.matrix
        determinant = a * e - b * d
        if determinant == 0 or not math.isfinite(determinant):
            return None
        i00, i01, i10, i11 = e / determinant, -b / determinant, -d / determinant, a / determinant
        return Affine((i00, i01, -(i00 * c + i01 * f), i10, i11, -(i10 * c + i11 * f)))


IDENTITY = Affine((1.0, 0.0, 0.0, 0.0, 1.0, 0.0))


def _project(matrix: tuple[float, ...], points: Points) -> Points:
    """Projective map; `matrix` has nine numbers, row by row. Points mapped to infinity become NaN or inf."""
    m, (x, y) = matrix, points.T
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = m[6] * x + m[7] * y + m[8]
        return np.stack([(m[0] * x + m[1] * y + m[2]) / scale, (m[3] * x + m[4] * y + m[5]) / scale], 1)


def _expand(coefficients: NDArray[np.float64], points: Points) -> Points:
    """Polynomials in the terms 1, x, y, x^2, xy, y^2, x^3, ... with coefficients of shape (2, terms)."""
    result = np.zeros_like(points)
    for of_term, monomial in zip(coefficients.T, monomials(points, 0), strict=False):
        result += monomial[:, None] * of_term
    return result


def _shift_along(axis: int, offset: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Transform:
    """A transform that subtracts from one coordinate (0 is x, 1 is y) a function of that coordinate."""

    def apply(points: Points) -> Points:
        result = points.copy()
        result[:, axis] -= offset(points[:, axis])
        return result

    return apply


def _fields(data: str) -> list[str]:
    """Split at white space; leading white space makes an empty first field, as in the original."""
    return ["", *data.split()] if data[:1].isspace() or not data else data.split()


def _numbers(data: str, count: int, parse: Callable[[str], float] = parse_double) -> list[float]:
    fields = _fields(data)
    if len(fields) != count:
        raise ValueError(f"needs {count} numbers, has {len(fields)}: {data!r}")
    if parse is parse_double and _PLAIN.fullmatch(data):
        return list(map(float, fields))
    return [parse(field) for field in fields]


def _affine(data: str) -> Affine:
    m00, m10, m01, m11, m02, m12 = _numbers(data, 6)
    return Affine((m00, m01, m02, m10, m11, m12))


def _translation(data: str) -> Affine:
    tx, ty = _numbers(data, 2, parse_float32)
    return Affine((1.0, 0.0, tx, 0.0, 1.0, ty))


def _rigid(data: str) -> Affine:
    theta, tx, ty = _numbers(data, 3, parse_float32)
    return Affine((math.cos(theta), -math.sin(theta), tx, math.sin(theta), math.cos(theta), ty))


def _similarity(data: str) -> Affine:
    cosine, sine, tx, ty = _numbers(data, 4, parse_float32)
    return Affine((cosine, -sine, tx, sine, cosine, ty))


def _homography(data: str) -> Transform:
    return partial(_project, tuple(_numbers(data, 9)))


def _polynomial(data: str) -> Transform:
    """Read any number of values: the order is the greatest that they suffice for; the rest is ignored."""
    values = [parse_double(field) for field in _fields(data)]
    order = math.trunc(math.nextafter(math.sqrt(len(values) + 0.25) - 1.5, math.inf))
    terms = (order + 1) * (order + 2) // 2
    if len(values) < 2 * terms:
        raise ValueError(f"needs two numbers or more, not {data!r}")
    return partial(_expand, np.array([values[:terms], values[terms : 2 * terms]]))


def _exponential(data: str) -> Transform:
    a, b, c, axis = _comma_numbers(data)
    return _shift_along(int(axis), lambda position: a * np.exp(-b * position) + c)


def _exponential_recovery(data: str) -> Transform:
    a, b, c, axis = _comma_numbers(data)
    return _shift_along(int(axis), lambda position: a * (1 - np.exp(-b * position)) + c)


def _comma_numbers(data: str) -> list[float]:
    fields = data.split(",")
    if len(fields) != 4:
        raise ValueError(f"needs 4 numbers separated by commas, not {data!r}")
    return [parse_double(field) for field in fields]


def _not_planar(data: str) -> Transform:
    raise IllegalStateError("AffineModel3D does not map points of two dimensions")


TRANSFORM_CLASSES: dict[str, Callable[[str], Transform]] = {
    "mpicbg.trakem2.transform.AffineModel2D": _affine,
    "mpicbg.trakem2.transform.AffineModel3D": _not_planar,
    "mpicbg.trakem2.transform.TranslationModel2D": _translation,
    "mpicbg.trakem2.transform.RigidModel2D": _rigid,
    "mpicbg.trakem2.transform.SimilarityModel2D": _similarity,
    "mpicbg.trakem2.transform.HomographyModel2D": _homography,
    "mpicbg.trakem2.transform.PolynomialTransform2D": _polynomial,
    "mpicbg.trakem2.transform.NonLinearCoordinateTransform": lens_correction,
    # its names in older stacks and in renderapi
    "lenscorrection.NonLinearTransform": lens_correction,
    "mpicbg.trakem2.transform.nonLinearTransform": lens_correction,
    "mpicbg.trakem2.transform.ThinPlateSplineTransform": thin_plate_spline,
    "mpicbg.trakem2.transform.MovingLeastSquaresTransform2": moving_least_squares,
    "org.janelia.alignment.transform.ExponentialFunctionOffsetTransform": _exponential,
    "org.janelia.alignment.transform.ExponentialRecoveryOffsetTransform": _exponential_recovery,
}


def build_leaf(class_name: str, data: str) -> Transform:
    """Build the transform of a leaf specification.

    Raises
    ------
    IllegalArgumentError
        For an unknown class, a wrong number of values, or text that is not a number.
    IllegalStateError
        For a class that does not map points of two dimensions, a spline with missing fields.
    """
    if class_name not in TRANSFORM_CLASSES:
        known = ", ".join(sorted(TRANSFORM_CLASSES))
        raise IllegalArgumentError(f"transform class {class_name!r} cannot be found; there are {known}")
    try:
        return TRANSFORM_CLASSES[class_name](data)
    except ValueError as error:
        raise IllegalArgumentError(f"data of {class_name}: {error}") from error
