"""Measures of one tile's picture."""

from __future__ import annotations

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
        `focus` and `astigmatism` are left out where all pixels are equal.

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

    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(image))
    values = {MEAN: mean, CONTRAST: deviation}
    if deviation == 0:
        return values
    samples = image.astype(np.float32)
    laplacian = cv2.Laplacian(samples, cv2.CV_32F)
    values[FOCUS] = float(cv2.meanStdDev(laplacian)[1][0, 0]) ** 2 / deviation**2
    # Scharr's weights: the response of a gradient does not depend on its direction
    along_x, along_y = (cv2.Scharr(samples, cv2.CV_32F, *axis).ravel() for axis in ((1, 0), (0, 1)))
    xx, yy, xy = (float(np.dot(a, b)) for a, b in ((along_x,) * 2, (along_y,) * 2, (along_x, along_y)))
    if xx + yy > 0:
        values[ASTIGMATISM] = float(np.hypot(xx - yy, 2 * xy)) / (xx + yy)
    return values
