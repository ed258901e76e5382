"""Draw a picture of each kind: this compiles the loops before all workers of the tests need them at once."""

from itertools import product

import numpy as np

from asap_ingest.render_ws.drawing.tile_kernels import draw_mesh
from asap_ingest.render_ws.drawing.transparency import lay_over, premultiply_once
from asap_ingest.render_ws.transforms.classes import Affine
from asap_ingest.render_ws.transforms.triangle_mesh import triangle_mesh
from tests.render_ws.test_drawn_pixels import KINDS, How, canvas_of, draw_on, random_image, source_of

MATRIX = (0.9, 0.1, 3.0, -0.1, 0.9, 5.0)

if __name__ == "__main__":
    mesh = triangle_mesh(37, 37, 2)
    same = mesh.points, mesh.points, mesh.triangles
    for kind, masked in product(KINDS, (False, True)):
        image, canvas = random_image(kind, 37, 37), canvas_of(kind, masked)
        draw_on(canvas, image, None, Affine(MATRIX), How())
        draw_mesh(canvas.target(), source_of(image), np.array([MATRIX]), same, (False, False))
    premultiply_once(np.zeros((2, 2, 4), np.uint8))
    lay_over((0.0, 0.0, 0.0), np.zeros((2, 2, 4), np.uint8))
