"""Which level of a tile a report reads, and the measures of that picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import ImageError
from asap_ingest.images import formats
from asap_ingest.images.downsample import level_shape
from asap_ingest.report.section_picture import SheetLayout, can_be_placed
from asap_ingest.report.section_tiles import ReportTile

#: Longest side of the level on which tiles are measured: the same for all sections with such tiles.
MEASURED_SIDE = 1024
#: Measures of a picture; the first two in units of the samples, the others without a unit.
MEAN, CONTRAST, FOCUS, ASTIGMATISM = NAMES = ("mean", "contrast", "focus", "astigmatism")


def level_to_read(tile: ReportTile, layout: SheetLayout | None) -> int:
    """The coarsest level that is fine enough for the contact sheet and the measures; 1 and up."""
    last = len(tile.level_uris)
    if tile.shape_yx is None:
        return last
    rows, columns = (0, 0)
    if layout is not None and can_be_placed(tile.box):
        rows, columns = (side.stop - side.start for side in layout.area(tile.box))
    for level in range(last, 1, -1):
        height, width = level_shape(tile.shape_yx, level)
        fits = width >= columns and height >= rows
        if fits and max(level_shape(tile.shape_yx, level - 1)) > MEASURED_SIDE:
            return level
    return 1


def gray_image(content: bytes) -> NDArray[Any]:
    """The picture in a level's file, uint8 or uint16, shape (height, width); colours become gray.

    Raises
    ------
    ImageError
    """
    import cv2

    image = formats.decode(content)
    if image.dtype == np.float32:
        raise ImageError("has float32 samples; levels have 8- or 16-bit unsigned ones")
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def at_measured_size(image: NDArray[Any], level: int, shape_yx: tuple[int, int] | None) -> NDArray[Any]:
    """A level at the size on which tiles are measured: reduced if the contact sheet needed a finer one.

    `shape_yx` is the (height, width) of level 0, where the tilespec has it.
    """
    import cv2

    height, width = image.shape
    sides = (height << level, width << level) if shape_yx is None else shape_yx
    target = level
    while max(level_shape(sides, target)) > MEASURED_SIDE:
        target += 1
    if target == level:
        return image
    rows, columns = level_shape((height, width), target - level)
    return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)


def measure_picture(image: NDArray[Any]) -> dict[str, float]:
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
        image: 0 where no direction is sharper than another, 1 where all edges have one direction. The
        gradient is Scharr's [3]_, whose length does not depend on its direction.

    References
    ----------
    .. [1] Pech-Pacheco et al. (2000), Diatom autofocusing in brightfield microscopy: a comparative study,
       Proc. ICPR 15(3), 314-317.
    .. [2] Bigun & Granlund (1987), Optimal orientation detection of linear symmetry, Proc. ICCV, 433-438.
    .. [3] Scharr (2000), Optimal operators in digital image processing, thesis, Heidelberg.
    """
    import cv2

    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(image))
    values = {MEAN: mean, CONTRAST: deviation}
    if deviation == 0 or min(image.shape) < 3:
        return values
    inner = np.s_[1:-1, 1:-1]  # pixels that have eight neighbours
    values[FOCUS] = float(cv2.meanStdDev(cv2.Laplacian(image, cv2.CV_32F)[inner])[1][0, 0] / deviation) ** 2
    along_x, along_y = (
        np.ascontiguousarray(cv2.Scharr(image, cv2.CV_32F, *axes)[inner]) for axes in ((1, 0), (0, 1))
    )
    xx, yy = (cv2.norm(along, cv2.NORM_L2SQR) for along in (along_x, along_y))
    xy = float(np.sum(along_x * along_y, dtype=np.float64))
    if xx + yy > 0:
        values[ASTIGMATISM] = math.hypot(xx - yy, 2 * xy) / (xx + yy)
    return values
