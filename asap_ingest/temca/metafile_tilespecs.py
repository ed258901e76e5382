"""From a metafile's tiles to tilespecs of a stack."""

from __future__ import annotations

from typing import Any

from asap_ingest import storage
from asap_ingest.execution.image_warnings import ImageWarning
from asap_ingest.render.tilespecs import TileFacts, TileSpecSettings, make_tilespec
from asap_ingest.temca.metafile import Metafile, TileRecord
from asap_ingest.temca.stage_positions import tile_positions


def build_tilespecs(metafile: Metafile, settings: TileSpecSettings) -> list[Any]:
    """One `renderapi` TileSpec a tile, in the order of the metafile."""
    positions = tile_positions(metafile.tiles).tolist()
    return [
        _tilespec(metafile, tile, x, y, settings)
        for tile, (x, y) in zip(metafile.tiles, positions, strict=True)
    ]


def _tilespec(metafile: Metafile, tile: TileRecord, x: int, y: int, settings: TileSpecSettings) -> Any:
    facts = TileFacts(
        name=tile.name,
        image_uri=storage.as_uri(storage.join(settings.image_directory, tile.image)),
        size=(metafile.width, metafile.height),
        affine={"B0": x, "B1": y},
        layout={
            "scopeId": metafile.temca_id,
            "cameraId": metafile.camera_id,
            "imageCol": tile.raster[0],
            "imageRow": tile.raster[1],
            "stageX": tile.stage_nm[0],
            "stageY": tile.stage_nm[1],
            "rotation": tile.angle_degrees,
            "pixelsize": metafile.pixel_size_nm,
        },
    )
    return make_tilespec(facts, settings)


def intensity_warnings(metafile: Metafile, maximum_intensity: int) -> list[ImageWarning]:
    """Warn of 16-bit tiles that are displayed with an 8-bit range."""
    if metafile.bytes_per_sample != 2 or maximum_intensity > 255:
        return []
    text = f"16 bits, but maximum_intensity is {maximum_intensity}: level 0 is drawn white; 65535 shows all"
    return [ImageWarning(text, len(metafile.tiles), metafile.tiles[0].name)]
