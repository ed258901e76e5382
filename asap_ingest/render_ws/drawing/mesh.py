"""Triangle meshes on the canvas: how tiles with transforms that are not affine are drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asap_ingest.render_ws.drawing.kernels import rasterise
from asap_ingest.render_ws.drawing.warp import Patch, blocks, enclosed
from asap_ingest.render_ws.transforms.classes import Points
from asap_ingest.render_ws.transforms.triangle_mesh import Mesh

#: Pixels filled in one go: all triangles are looked at for each block.
_BLOCK_PIXELS = 2**20


def mesh_patches(mesh: Mesh, mapped: Points, canvas_yx: tuple[int, int]) -> Iterator[Patch]:
    """Patches of a canvas that a mesh covers.

    Parameters
    ----------
    mesh : Mesh
        Over the pixels of the source.
    mapped : ndarray, shape (n, 2)
        Its points on the canvas. Triangles that are flat or not finite there are left out.
    """
    finite = mapped[np.isfinite(mapped).all(axis=1)]
    if not len(finite):
        return
    (left, top), (right, bottom) = finite.min(axis=0), finite.max(axis=0)
    rows, columns = enclosed(top, bottom, canvas_yx[0]), enclosed(left, right, canvas_yx[1])
    for block_rows, block_columns in blocks(rows, columns, _BLOCK_PIXELS):
        shape = len(block_rows), len(block_columns)
        u, v, covered = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
        target = np.ascontiguousarray(mapped, np.float64)
        rasterise(mesh.points, target, mesh.triangles, block_rows.start, block_columns.start, u, v, covered)
        yield Patch(
            slice(block_rows.start, block_rows.stop),
            slice(block_columns.start, block_columns.stop),
            u,
            v,
            None if covered.all() else covered,
        )
