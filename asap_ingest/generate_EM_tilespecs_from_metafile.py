"""Metafile to stack: stage-coordinate tilespecs of one region, uploaded to one section.

python -m asap_ingest.generate_EM_tilespecs_from_metafile --input_json in.json --output_json out.json
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from asap_ingest import storage
from asap_ingest.occupied_z import Occupancy, OccupiedZ, clear
from asap_ingest.parallel import Executor
from asap_ingest.remarks import Remark, tell
from asap_ingest.render_module import RenderModule
from asap_ingest.schemas import GenerateEMTileSpecsOutput, GenerateEMTileSpecsParameters
from asap_ingest.stacks import Stack
from asap_ingest.step_module import run_as_program
from asap_ingest.temca.metafile import Metafile, TileRecord, read_metafile
from asap_ingest.temca.placement import tile_positions

_TILES_PER_REQUEST = 1000


@dataclass(frozen=True)
class TileSpecSettings:
    """What the tiles of a section have in common, and their source does not say."""

    z: float
    image_directory: str
    section_id: str
    minimum_intensity: int = 0
    maximum_intensity: int = 255
    mask_url: str | None = None


@dataclass(frozen=True)
class TileFacts:
    """What a tilespec says of one tile alone.

    Attributes
    ----------
    name : str
        With z it is the tile's id.
    image_uri : str
    size : tuple of int
        (width, height) in pixels.
    affine : mapping
        Parameters of `renderapi`'s AffineModel; those left out are those of the identity.
    layout : mapping
        Parameters of `renderapi`'s Layout, without the section.
    """

    name: str
    image_uri: str
    size: tuple[int, int]
    affine: Mapping[str, float]
    layout: Mapping[str, Any]


@dataclass(frozen=True)
class UploadReport:
    """What one upload did to its section, in tiles."""

    tiles: int
    added: int
    replaced: int
    removed: int
    seconds: float


def build_tilespecs(metafile: Metafile, settings: TileSpecSettings) -> list[Any]:
    """One `renderapi` TileSpec a tile, in the order of the metafile."""
    positions = tile_positions(metafile.tiles).tolist()
    return [
        _tilespec(metafile, tile, x, y, settings)
        for tile, (x, y) in zip(metafile.tiles, positions, strict=True)
    ]


def upload_section(
    *,
    stack: Stack,
    tilespecs: Sequence[Any],
    z: float,
    occupancy: Occupancy,
    executor: Executor,
) -> UploadReport:
    """Put tilespecs into a stack that is LOADING, where `occupancy` tells what is to be removed.

    Raises
    ------
    ServiceError, ServiceUnreachableError
        Batches that are stored stay: doing it again does no harm.
    """
    start = time.perf_counter()
    before, after = occupancy.before, {tilespec.tileId for tilespec in tilespecs}
    keeps_others = occupancy.keeps_others(after)
    if occupancy.removed and not keeps_others:
        stack.delete_section(z)
    batches = [
        (stack, tuple(tilespecs[first : first + _TILES_PER_REQUEST]))
        for first in range(0, len(tilespecs), _TILES_PER_REQUEST)
    ]
    for outcome in executor.run(_put_batch, batches):
        if outcome.error is not None:
            raise outcome.error
    if keeps_others:
        clear(stack, occupancy.removed)
    return UploadReport(
        tiles=len(tilespecs),
        added=len(after - before),
        replaced=len(after & before),
        removed=len(occupancy.removed),
        seconds=time.perf_counter() - start,
    )


def remark_on_intensity(metafile: Metafile, maximum_intensity: int) -> list[Remark]:
    """What to say where 16-bit tiles are shown with an 8-bit range."""
    if metafile.bytes_per_sample != 2 or maximum_intensity > 255:
        return []
    text = f"16 bits, but maximum_intensity is {maximum_intensity}: level 0 is drawn white; 65535 shows all"
    return [Remark(text, len(metafile.tiles), metafile.tiles[0].name)]


def _put_batch(batch: tuple[Stack, tuple[Any, ...]]) -> None:
    stack, tilespecs = batch
    stack.put_tilespecs(list(tilespecs))


def make_tilespec(tile: TileFacts, settings: TileSpecSettings) -> Any:
    """A `renderapi` TileSpec with level 0 alone, of a tile from whatever source."""
    import renderapi

    width, height = tile.size
    return renderapi.tilespec.TileSpec(
        tileId=f"{tile.name}.{settings.z}",
        z=settings.z,
        width=width,
        height=height,
        imageUrl=tile.image_uri,
        maskUrl=settings.mask_url,
        minint=settings.minimum_intensity,
        maxint=settings.maximum_intensity,
        tforms=[renderapi.transform.AffineModel(**tile.affine)],
        layout=renderapi.tilespec.Layout(sectionId=settings.section_id, force_pixelsize=False, **tile.layout),
    )


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


class GenerateEMTileSpecsModule(RenderModule):
    """The step as a program."""

    default_schema = GenerateEMTileSpecsParameters
    default_output_schema = GenerateEMTileSpecsOutput

    def work(self) -> int:
        args = self.args
        metafile = read_metafile(args["metafile"])
        tilespecs = build_tilespecs(metafile, self._settings())
        remarks = remark_on_intensity(metafile, args["maximum_intensity"])
        tell(remarks)
        stack = self.stack(args["stack"])
        version = {
            "stackResolutionX": metafile.pixel_size_nm,
            "stackResolutionY": metafile.pixel_size_nm,
            "stackResolutionZ": args["section_thickness"],
            **args.get("output_stackVersion", {}),
        }
        tile_ids = {tilespec.tileId for tilespec in tilespecs}
        occupied = OccupiedZ(args["overwrite_zlayer"], args["append"])
        occupancy = occupied.settle(stack, float(args["z_index"]), metafile, tile_ids)
        with stack.writing(version, args["close_stack"]):
            report = upload_section(
                stack=stack,
                tilespecs=tilespecs,
                z=float(args["z_index"]),
                occupancy=occupancy,
                executor=self.executor,
            )
        output = {name: args[name] for name in ("stack", "metafile", "render", "storage_options")}
        output["report"] = asdict(report) | {"warnings": [asdict(remark) for remark in remarks]}
        return self.finish(output | {"z": args["z_index"]})

    def next_command(self) -> str:
        handed_on = {"input_stack": self.args["stack"], "z": self.args["z_index"]}
        return self.followed_by("generate_mipmaps", handed_on, output_dir="mipmaps")

    def _settings(self) -> TileSpecSettings:
        args = self.args
        z = float(args["z_index"])
        return TileSpecSettings(
            z=z,
            image_directory=args.get("image_directory") or storage.parent(args["metafile"]),
            section_id=args.get("sectionId", str(z)),
            minimum_intensity=args["minimum_intensity"],
            maximum_intensity=args["maximum_intensity"],
            mask_url=storage.as_uri(args["maskUrl"]) if "maskUrl" in args else None,
        )


main = GenerateEMTileSpecsModule.main

if __name__ == "__main__":
    run_as_program("generate_EM_tilespecs_from_metafile")
