"""Measures of one tile's picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Measures that `measured` gives; the first two in units of the samples, the others without a unit.
MEAN, CONTRAST, FOCUS, ASTIGMATISM = NAMES = ("mean", "contrast", "focus", "astigmatism")


def measured(image: NDArray[Any]) -> dict[str, float]:
    """Mean, standard deviation, focus and astigmatism of a gray image.

    Parameters
    ----------
    image : ndarray of uint8 or uint16, shape (height, width)

    Returns
    -------
    dict of float
        `focus` and `astigmatism` are left out where all pixels are equal, and below 3 x 3 pixels.

    Notes
    -----
    focus
        Variance of the Laplacian [1]_, divided by the variance of the image, so that beam current and
        detector gain do not count. The Laplacian weighs a spatial frequency by its square: blur lowers it.
    astigmatism
        Coherence (l1 - l2) / (l1 + l2) of the eigenvalues of the structure tensor [2]_, summed over the
        image: 0 where no direction is sharper than another, 1 where edges have one direction alone.

    References
    ----------
    .. [1] Pech-Pacheco et al. (2000), Diatom autofocusing in brightfield microscopy: a comparative study,
       Proc. ICPR 15(3), 314-317.
    .. [2] Bigun & Granlund (1987), Optimal orientation detection of linear symmetry, Proc. ICCV, 433-438.
    """
    import cv2

    # takes a second to load, for those who write a report alone
    from asap_ingest.report.gradients import gradient_sums

    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(image))
    values = {MEAN: mean, CONTRAST: deviation}
    count = (image.shape[0] - 2) * (image.shape[1] - 2)
    if deviation == 0 or min(image.shape) < 3:
        return values
    laplacian, squared, xx, yy, xy = gradient_sums(np.ascontiguousarray(image))
    values[FOCUS] = (squared / count - (laplacian / count) ** 2) / deviation**2
    if xx + yy > 0:
        values[ASTIGMATISM] = math.hypot(xx - yy, 2 * xy) / (xx + yy)
    return values
