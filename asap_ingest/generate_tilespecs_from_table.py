"""Tiles without a metafile to stack: positions come from a table, or from a pattern of file names.

python -m asap_ingest.generate_tilespecs_from_table --input_json in.json --output_json out.json
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from asap_ingest.commands.render_step import RenderStep
from asap_ingest.commands.step import run_as_program
from asap_ingest.commands.tile_schemas import (
    GenerateTileSpecsFromTableOutput,
    GenerateTileSpecsFromTableParameters,
)
from asap_ingest.errors import ParameterError, describe_z_values
from asap_ingest.execution.image_warnings import ImageWarning, print_warnings
from asap_ingest.render.tilespecs import (
    TileFacts,
    TileSpecSettings,
    make_tilespec,
    stack_version,
    tilespec_settings,
)
from asap_ingest.sections.occupied_z import OccupiedZ
from asap_ingest.sections.section_work import upload_section
from asap_ingest.tile_tables.read_tables import read_tile_table
from asap_ingest.tile_tables.table_positions import Placement, affine_about_centre
from asap_ingest.tile_tables.table_records import PlacedTile, TileTable

#: Intensity that is drawn white, by the type of a tile's pixels; for other types it is 255.
WHITE = {"uint8": 255, "uint16": 65535}


def build_tilespecs(
    table: TileTable, settings: TileSpecSettings, maximum_intensity: int | None = None
) -> list[Any]:
    """One `renderapi` TileSpec for each tile of the section at `settings.z`, in the order of the table.

    Parameters
    ----------
    maximum_intensity : int or None
        In place of that of the settings; None: by the type of a tile's pixels, as `WHITE` has it.

    Raises
    ------
    ParameterError
        The settings' minimum is not below it.
    """
    return [
        make_tilespec(
            _facts(tile, table.pixel_size_nm), _with_range(tile.sample_type, settings, maximum_intensity)
        )
        for tile in table.tiles
        if tile.z == settings.z
    ]


def _with_range(sample_type: str, settings: TileSpecSettings, maximum: int | None) -> TileSpecSettings:
    white = WHITE.get(sample_type, 255) if maximum is None else maximum
    if settings.minimum_intensity >= white:
        problem = f"{settings.minimum_intensity}: tiles have {sample_type} pixels, of which {white} is white"
        raise ParameterError("minimum_intensity", f"{problem}; give maximum_intensity")
    return replace(settings, maximum_intensity=white)


def _facts(tile: PlacedTile, pixel_size_nm: float | None) -> TileFacts:
    size = (tile.width, tile.height)
    return TileFacts(
        name=tile.name,
        image_uri=tile.image_uri,
        size=size,
        affine=affine_about_centre((tile.x, tile.y), size, tile.row.rotation_degrees),
        layout={
            "imageCol": tile.row.column,
            "imageRow": tile.row.row,
            "stageX": tile.x,
            "stageY": tile.y,
            "rotation": tile.row.rotation_degrees,
            "pixelsize": pixel_size_nm,
        },
    )


def _warnings(table: TileTable) -> list[ImageWarning]:
    texts = list(table.notes)
    if table.pixel_size_nm is None:
        texts.append(
            "the pixel size is unknown: a new stack has no resolution in x and y; give pixel_size_nm"
        )
    return [ImageWarning(text, len(table.tiles), table.tiles[0].name) for text in texts]


class GenerateTileSpecsFromTable(RenderStep):
    """The step as a program."""

    default_schema = GenerateTileSpecsFromTableParameters
    default_output_schema = GenerateTileSpecsFromTableOutput

    def work(self) -> int:
        args = self.args
        table = self._table()
        warnings = _warnings(table)
        print_warnings(warnings)
        stack = self.stack(args["stack"])
        occupied = OccupiedZ(args["overwrite_zlayer"], args["append"])
        sections = []
        for z in table.z_values:
            tilespecs = build_tilespecs(
                table, tilespec_settings(args, None, z), args.get("maximum_intensity")
            )
            tile_ids = {tilespec.tileId for tilespec in tilespecs}
            sections.append((z, tilespecs, occupied.apply(stack, z, table, tile_ids)))
        with stack.writing(stack_version(args, table.pixel_size_nm), args["close_stack"]):
            reports = [asdict(upload_section(stack, *section, self.executor)) for section in sections]
        output = {name: args[name] for name in ("stack", "render", "storage_options")}
        report = {name: sum(each[name] for each in reports) for name in reports[0]}
        report |= {"source": table.source, "warnings": list(map(asdict, warnings))}
        return self.finish(output | {"zValues": table.z_values, "report": report})

    def next_command(self) -> str:
        return self.followed_by("generate_mipmaps", {"input_stack": self.args["stack"]}, output_dir="mipmaps")

    def _table(self) -> TileTable:
        args = self.args
        names = ("units", "pixel_size_nm", "overlap_percent", "y_axis")
        table = read_tile_table(
            args.get("pattern") or args["table"],
            is_pattern="pattern" in args,
            z=args.get("z_index"),
            image_directory=args.get("image_directory"),
            placement=Placement(**{name: args.get(name) for name in names}),
        )
        if "sectionId" in args and len(table.z_values) > 1:
            problem = (
                f"{args['sectionId']!r} cannot be that of {describe_z_values(table.z_values)}; leave it out"
            )
            raise ParameterError("sectionId", problem)
        return table


main = GenerateTileSpecsFromTable.main

if __name__ == "__main__":
    run_as_program("generate_tilespecs_from_table")
