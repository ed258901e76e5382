"""Make the picture of the README: tissue to planes, planes to a volume, the volume in Neuroglancer.

`python -m docs.volume_picture FOLDER` at the root of the checkout, with the test requirements installed; the
tissue takes some minutes. Planes that are in FOLDER/stack already are not drawn again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import tifffile
from PIL import Image

from asap_ingest.images.downsample import mean_levels
from asap_ingest.simulation.tissue import draw_section
from tests.browser import Browser

#: Voxels (z, y, x) of 7 nm, twice as long as pixels of the tissue.
SHAPE = (192, 320, 448)
SEED = 11
PICTURE = Path(__file__).with_name("volume.jpg")
#: Width and height of the window, and of the picture.
WINDOW, QUALITY = (1280, 800), 82
_PANEL = {"type": "viewer", "layers": ["volume"]}
#: What differs from the state of the link that the server prints: one large panel and two beside it.
STATE: dict[str, Any] = {
    "position": [196.5, 159.5, 95.5],
    "crossSectionScale": 0.42,
    "crossSectionBackgroundColor": "#000000",
    "showAxisLines": False,
    "showDefaultAnnotations": False,
    "selectedLayer": {},
    "layout": {
        "type": "row",
        "children": [
            {**_PANEL, "layout": "xy", "flex": 2},
            {"type": "column", "children": [{**_PANEL, "layout": "xz"}, {**_PANEL, "layout": "yz"}]},
        ],
    },
}


def main(folder: Path) -> None:
    stack = folder / "stack"
    if not stack.exists():
        write_planes(stack)
    size = ["--levels", "3", "--voxel_size", "7,7,7"]
    run("precomputed_tif", "--source", f"{stack}/*.tif", "--dest", f"{folder}/volume", *size).wait()
    server = run("serve_precomputed", "--port", "0", "--directory", f"{folder}/volume", "--format", "tiff")
    try:
        assert server.stdout is not None
        _, _, link = (server.stdout.readline().strip() for _ in range(3))
        photograph(link)
    finally:
        server.terminate()
        server.wait()


def write_planes(folder: Path) -> None:
    folder.mkdir(parents=True)
    depth, height, width = SHAPE
    for z in range(depth):
        section = draw_section((2 * height, 2 * width), SEED, 2 * z)
        tifffile.imwrite(folder / f"z{z:03}.tif", next(iter(mean_levels(section, 1, section.dtype))))
        sys.stderr.write(f"\rplane {z + 1} of {SHAPE[0]}")


def run(command: str, *arguments: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", f"asap_ingest.{command}", *arguments]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)


def photograph(link: str) -> None:
    """Open the link that the server printed, move to a place worth seeing, save what the browser shows."""
    page, _, state = link.partition("#!")
    shown = {**json.loads(unquote(state)), **STATE}
    browser = Browser()
    try:
        opened = browser.open_page(f"{page}#!{quote(json.dumps(shown))}", WINDOW)
        opened.wait_until("window.viewer !== undefined && viewer.isReady()", 60)
        time.sleep(5)  # chunks of the last panels are on their way still
        Image.fromarray(opened.screenshot()).save(PICTURE, quality=QUALITY, optimize=True, progressive=True)
        assert opened.problems() == []
    finally:
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
