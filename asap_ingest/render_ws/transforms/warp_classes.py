"""Transforms of many parameters: polynomial lens correction and thin plate splines.

Formulas and data formats: those of render-ws 4.0.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.transforms.mesh_limits import check_landmarks, check_pairs
from asap_ingest.render_ws.wire.java_numbers import parse_double
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

Points = NDArray[np.float64]

#: Points times landmarks that a spline evaluates in one go: 8 MB of distances.
SPLINE_BLOCK = 2**20


@dataclass(frozen=True)
class LensCorrection:
    """Polynomials of normalised monomials: the lens correction that TrakEM2 estimates.

    `beta` has shape (terms, 2), `mean` and `deviation` (terms,); the last term is the constant 100.
    """

    degree: int
    beta: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def apply(self, points: Points) -> Points:
        """Map points of shape (n, 2), x first."""
        x, y = points[:, 0], points[:, 1]
        result = np.zeros_like(points)
        term = 0
        with np.errstate(divide="ignore", invalid="ignore"):
            for degree in range(1, self.degree + 1):
                for power in range(degree, -1, -1):
                    monomial = x**power * y ** (degree - power)
                    feature = (monomial - self.mean[term]) / self.deviation[term]
                    result += feature[:, None] * self.beta[term]
                    term += 1
        return result + 100.0 * self.beta[term]


@dataclass(frozen=True)
class ThinPlateSpline:
    """x' = x + A x + b + sum over landmarks of D U(distance), U(r) = r^2 ln r.

    `affine` has shape (2, 2) and `shift` (2,), both zero without an affine part; `landmarks` has shape
    (n, 2), `weights` (2, n).
    """

    affine: NDArray[np.float64]
    shift: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    weights: NDArray[np.float64]

    def apply(self, points: Points) -> Points:
        """Map points of shape (n, 2), x first, in blocks that bound the memory used."""
        check_pairs(len(points), len(self.landmarks))
        step = max(1, SPLINE_BLOCK // max(1, len(self.landmarks)))
        blocks = [self._apply_block(points[start : start + step]) for start in range(0, len(points), step)]
        return np.concatenate(blocks) if blocks else points.copy()

    def _apply_block(self, points: Points) -> Points:
        difference = points[:, None, :] - self.landmarks[None, :, :]
        radius = np.sqrt((difference**2).sum(axis=2))
        kernel = radius**2 * np.log(np.maximum(radius, 1e-300))
        kernel[radius <= 1e-8] = 0.0
        return points + points @ self.affine.T + self.shift + kernel @ self.weights.T


def lens_correction(data: str, class_name: str) -> LensCorrection:
    """Read `dim len beta mean deviation width height`, separated by single blanks.

    Raises
    ------
    ValueError
        Where a field is no number (two blanks in a row make an empty field).
    IllegalArgumentError
        For a wrong number of fields.
    """
    fields = data.rstrip(" ").split(" ")
    degree = int(fields[0])
    length = int(fields[1]) if len(fields) > 1 else 0
    if len(fields) != 4 + 4 * length or length != (degree + 1) * (degree + 2) // 2:
        raise IllegalArgumentError(
            f"{class_name}: wrong number of values, {len(fields)}, for degree {degree}"
        )
    values = np.array([parse_double(field) for field in fields[2:-2]])
    beta, mean, deviation = np.split(values, [2 * length, 3 * length])
    return LensCorrection(degree, beta.reshape(length, 2), mean, deviation)


def thin_plate_spline(data: str, class_name: str) -> ThinPlateSpline:
    """Read `ThinPlateSplineR2LogR ndims nLm A64 L64`, separated by single blanks.

    Raises
    ------
    IllegalArgumentError
        For another first word, counts that are no numbers, text that cannot be decoded.
    IllegalStateError
        Where fields, or values in a field, are missing.
    """
    fields = data.split(" ")
    if len(fields) < 2:
        raise IllegalStateError(f"{class_name}: fields are missing in {data!r}")
    if fields[0] != "ThinPlateSplineR2LogR":
        raise IllegalArgumentError(f"{class_name}: data starts with {fields[0]!r}")
    if len(fields) < 5:
        raise IllegalStateError(f"{class_name}: {len(fields)} fields instead of 5")
    dimensions, count = int(fields[1]), int(fields[2])
    if dimensions != 2:
        raise IllegalStateError(f"{class_name}: {dimensions} dimensions instead of 2")
    check_landmarks(count, class_name)
    affine = np.zeros(6) if fields[3] == "null" else _decode_doubles(fields[3], class_name, 6)
    landmarks = _decode_doubles(fields[4], class_name, 4 * max(0, count))
    if affine.size < 6 or landmarks.size < 4 * count:
        raise IllegalStateError(f"{class_name}: values are missing for {count} landmarks")
    return ThinPlateSpline(
        affine[:4].reshape(2, 2),
        affine[4:6],
        landmarks[: 2 * count].reshape(count, 2),
        landmarks[2 * count : 4 * count].reshape(2, count),
    )


def _unpacked(raw: bytes, size: int) -> bytes:
    """At least `size` bytes, if there are as many, and not many more: a few bytes may unpack to gigabytes."""
    unpacking = zlib.decompressobj()
    plain = unpacking.decompress(raw, size + 1)
    if len(plain) <= size and not unpacking.eof:
        raise zlib.error("incomplete or truncated stream")
    return plain


def _decode_doubles(text: str, class_name: str, count: int) -> NDArray[np.float64]:
    """Base64 of big-endian doubles, compressed by zlib unless a `@` stands in front; no more than `count`."""
    try:
        raw = base64.b64decode(text.removeprefix("@"))
        plain = raw if text.startswith("@") else _unpacked(raw, 8 * count)
    except zlib.error as error:
        raise IllegalStateError(f"{class_name}: its numbers cannot be unpacked: {error}") from error
    return np.frombuffer(plain[: min(len(plain) // 8, count) * 8], ">f8").astype(np.float64)
