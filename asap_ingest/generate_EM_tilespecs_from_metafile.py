"""Metafile to stack: stage-coordinate tilespecs of one region, uploaded to one section.

python -m asap_ingest.generate_EM_tilespecs_from_metafile --input_json in.json --output_json out.json
"""

from __future__ import annotations

from dataclasses import asdict

from asap_ingest.commands.render_step import RenderModule
from asap_ingest.commands.step import run_as_program
from asap_ingest.execution.remarks import tell
from asap_ingest.render.tilespecs import tilespec_settings
from asap_ingest.schemas import GenerateEMTileSpecsOutput, GenerateEMTileSpecsParameters
from asap_ingest.sections.occupied_z import OccupiedZ
from asap_ingest.sections.section_upload import upload_section
from asap_ingest.temca.metafile import read_metafile
from asap_ingest.temca.metafile_tilespecs import build_tilespecs, remark_on_intensity


class GenerateEMTileSpecsModule(RenderModule):
    """The step as a program."""

    default_schema = GenerateEMTileSpecsParameters
    default_output_schema = GenerateEMTileSpecsOutput

    def work(self) -> int:
        args = self.args
        metafile = read_metafile(args["metafile"])
        settings = tilespec_settings(args, args["metafile"], float(args["z_index"]))
        tilespecs = build_tilespecs(metafile, settings)
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


main = GenerateEMTileSpecsModule.main

if __name__ == "__main__":
    run_as_program("generate_EM_tilespecs_from_metafile")
