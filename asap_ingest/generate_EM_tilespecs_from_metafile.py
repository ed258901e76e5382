"""Metafile to stack: stage-coordinate tilespecs of one region, uploaded to one section.

python -m asap_ingest.generate_EM_tilespecs_from_metafile --input_json in.json --output_json out.json
"""

from __future__ import annotations

from dataclasses import asdict

from asap_ingest.commands.render_step import RenderStep
from asap_ingest.commands.step import run_as_program
from asap_ingest.execution.image_warnings import print_warnings
from asap_ingest.render.tilespecs import stack_version, tilespec_settings
from asap_ingest.schemas import GenerateEMTileSpecsOutput, GenerateEMTileSpecsParameters
from asap_ingest.sections.occupied_z import OccupiedZ
from asap_ingest.sections.section_work import upload_section
from asap_ingest.temca.metafile import read_metafile
from asap_ingest.temca.metafile_tilespecs import build_tilespecs, intensity_warnings


class GenerateEMTileSpecsModule(RenderStep):
    """The step as a program."""

    default_schema = GenerateEMTileSpecsParameters
    default_output_schema = GenerateEMTileSpecsOutput

    def work(self) -> int:
        args = self.args
        metafile, z = read_metafile(args["metafile"]), float(args["z_index"])
        tilespecs = build_tilespecs(metafile, tilespec_settings(args, args["metafile"], z))
        warnings = intensity_warnings(metafile, args["maximum_intensity"])
        print_warnings(warnings)
        stack = self.stack(args["stack"])
        occupied = OccupiedZ(args["overwrite_zlayer"], args["append"])
        occupancy = occupied.apply(stack, z, metafile, {tilespec.tileId for tilespec in tilespecs})
        with stack.writing(stack_version(args, metafile.pixel_size_nm), args["close_stack"]):
            report = upload_section(stack, z, tilespecs, occupancy, self.executor)
        output = {name: args[name] for name in ("stack", "metafile", "render", "storage_options")}
        output["report"] = asdict(report) | {"warnings": list(map(asdict, warnings))}
        return self.finish(output | {"z": args["z_index"]})

    def next_command(self) -> str:
        handed_on = {"input_stack": self.args["stack"], "z": self.args["z_index"]}
        return self.followed_by("generate_mipmaps", handed_on, output_dir="mipmaps")


main = GenerateEMTileSpecsModule.main

if __name__ == "__main__":
    run_as_program("generate_EM_tilespecs_from_metafile")
