"""Moving least squares: each point is mapped by a model fitted to landmarks, near ones weighing most.

Method: Schaefer, McPhail and Warren, Image deformation using moving least squares (2006). The data format
was read off recorded requests: `model 2 alpha`, then `px py qx qy weight` of each landmark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.transforms.mesh_limits import MOST_LANDMARKS, check_landmarks, check_pairs
from asap_ingest.render_ws.wire.java_numbers import parse_double, parse_float32
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

Points = NDArray[np.float64]
#: Weights, sources and targets, relative to their centroids, and points: where the points go.
Fit = Callable[[NDArray[np.float64], Points, Points, Points], Points]

#: Points times landmarks in one go.
BLOCK = 2**18


@dataclass(frozen=True)
class MovingLeastSquares:
    """Landmarks `source` and `target` of shape (n, 2), their `weights` (n,), the model of the fit.

    A landmark at squared distance d of a point weighs weight / d**alpha there.
    """

    fit: Fit
    alpha: float
    source: Points
    target: Points
    weights: NDArray[np.float64]

    def apply(self, points: Points) -> Points:
        """Map points of shape (n, 2), x first; a point on a landmark goes where the landmark goes."""
        check_pairs(len(points), len(self.source))
        step = max(1, BLOCK // max(1, len(self.source)))
        parts = [self._apply_block(points[start : start + step]) for start in range(0, len(points), step)]
        return np.concatenate(parts) if parts else points.copy()

    def _apply_block(self, points: Points) -> Points:
        x, y = (points[:, axis, None] - self.source[None, :, axis] for axis in (0, 1))
        square = x * x + y * y
        hit = np.argmin(square, axis=1)
        on_landmark = square[np.arange(len(points)), hit] <= 0
        with np.errstate(all="ignore"):
            weights = self.weights / square**self.alpha
            weights /= weights.sum(axis=1, keepdims=True)
            from_centre, to_centre = weights @ self.source, weights @ self.target
            source = self.source[None] - from_centre[:, None]
            target = self.target[None] - to_centre[:, None]
            mapped = self.fit(weights, source, target, points - from_centre) + to_centre
        mapped[on_landmark] = self.target[hit[on_landmark]]
        return mapped


def _fit_affine(weights: NDArray[np.float64], source: Points, target: Points, points: Points) -> Points:
    weighted = np.swapaxes(source * weights[:, :, None], 1, 2)
    normal, mixed = weighted @ source, weighted @ target
    (a, b), (_, d) = normal[:, 0].T, normal[:, 1].T
    determinant = a * d - b * b
    x, y = (
        (d * points[:, 0] - b * points[:, 1]) / determinant,
        (a * points[:, 1] - b * points[:, 0]) / determinant,
    )
    return x[:, None] * mixed[:, 0] + y[:, None] * mixed[:, 1]


def _turn_and_scale(weights: NDArray[np.float64], source: Points, target: Points) -> NDArray[np.complex128]:
    p, q = source[..., 0] + 1j * source[..., 1], target[..., 0] + 1j * target[..., 1]
    return (weights * p.conj() * q).sum(axis=1) / (weights * np.abs(p) ** 2).sum(axis=1)


def _fit_similarity(weights: NDArray[np.float64], source: Points, target: Points, points: Points) -> Points:
    return _times(points, _turn_and_scale(weights, source, target))


def _fit_rigid(weights: NDArray[np.float64], source: Points, target: Points, points: Points) -> Points:
    factor = _turn_and_scale(weights, source, target)
    return _times(points, factor / np.abs(factor))


def _fit_translation(weights: NDArray[np.float64], source: Points, target: Points, points: Points) -> Points:
    return points


def _times(points: Points, factor: NDArray[np.complex128]) -> Points:
    turned = (points[:, 0] + 1j * points[:, 1]) * factor
    return np.stack([turned.real, turned.imag], axis=1)


FITS: dict[str, Fit] = {
    "affine": _fit_affine,
    "similarity": _fit_similarity,
    "rigid": _fit_rigid,
    "translation": _fit_translation,
}


def moving_least_squares(data: str, class_name: str) -> MovingLeastSquares:
    """Read `model 2 alpha`, then five 32-bit numbers for each landmark, separated by white space.

    Raises
    ------
    ValueError
        For text that is no number.
    IllegalArgumentError
        For an unknown model, another dimension than 2, a wrong number of values.
    """
    # what is behind as many as are allowed stays one field
    fields = data.split(maxsplit=3 + 5 * MOST_LANDMARKS)
    check_landmarks(-((3 - len(fields)) // 5), class_name)
    if len(fields) < 8 or (len(fields) - 3) % 5 or fields[0] not in FITS or fields[1] != "2":
        raise IllegalArgumentError(f"{class_name}: expected `model 2 alpha` and five numbers per landmark")
    landmarks = np.array([parse_float32(field) for field in fields[3:]]).reshape(-1, 5)
    return MovingLeastSquares(
        FITS[fields[0]], parse_double(fields[2]), landmarks[:, :2], landmarks[:, 2:4], landmarks[:, 4]
    )
