"""Wrong parameters are refused before any work, in one line; older names keep working."""

import pytest

from asap_ingest.apply_mipmaps_to_render import AddMipMapsToStack
from asap_ingest.errors import ParameterError
from asap_ingest.generate_EM_tilespecs_from_metafile import GenerateEMTileSpecsModule
from asap_ingest.generate_mipmaps import GenerateMipMaps
from asap_ingest.ingest_section import IngestSection

RENDER = {"host": "localhost", "port": 8080, "owner": "lab", "project": "brain", "client_scripts": "unused"}
TILESPECS = {"render": RENDER, "metafile": "m.json", "stack": "raw", "z_index": 1}
MIPMAPS = {"render": RENDER, "input_stack": "raw", "output_dir": "mipmaps"}
APPLY = {"render": RENDER, "input_stack": "raw", "mipmap_dir": "mipmaps"}
INGEST = TILESPECS | {"output_dir": "mipmaps"}

STEPS = {
    "tilespecs": (GenerateEMTileSpecsModule, TILESPECS),
    "mipmaps": (GenerateMipMaps, MIPMAPS),
    "apply": (AddMipMapsToStack, APPLY),
    "ingest": (IngestSection, INGEST),
}


def parse(step, extra=(), drop=(), args=()):
    module, given = STEPS[step]
    given = {name: value for name, value in given.items() if name not in drop} | dict(extra)
    return module(input_data=given, args=list(args)).args


@pytest.mark.parametrize("step", STEPS)
def test_required_fields_are_enough(step):
    parse(step)


@pytest.mark.parametrize(
    ("step", "field", "value", "says"),
    [
        (
            "mipmaps",
            "method",
            "blockreduce",
            "method: 'blockreduce' must be one of PIL, block_reduce, render",
        ),
        ("mipmaps", "imgformat", "gif", "imgformat: 'gif' must be one of jpeg, jpg, png, tif, tiff"),
        ("mipmaps", "levels", 0, "levels: 0 must be from 1 to 24"),
        ("mipmaps", "levels", "many", "levels: 'many' must be a whole number"),
        ("mipmaps", "levels", 2.5, "levels: 2.5 must be a whole number"),
        ("mipmaps", "levels", True, "levels: True must be a whole number"),
        ("mipmaps", "pool_size", 0, "pool_size: 0 must be from 1 to 2147483647"),
        ("mipmaps", "force_redo", "perhaps", "force_redo: 'perhaps' must be true or false"),
        ("mipmaps", "block_func", "max", "block_func: 'max' must be one of mean, median"),
        ("mipmaps", "PIL_filter", "SHARP", "PIL_filter: 'SHARP' must be one of BICUBIC, BILINEAR"),
        ("mipmaps", "zValues", "one", "zValues: 'one' must be a list of numbers"),
        ("mipmaps", "input_stack", "raw-data", "input_stack: 'raw-data' must be letters and digits"),
        ("mipmaps", "input_stack", 5, "input_stack: 5 must be text"),
        ("mipmaps", "level", 3, "level: is not a parameter; did you mean levels?"),
        ("mipmaps", "log_level", "LOUD", "log_level: 'LOUD'"),
        ("apply", "output_stack", "a__b", "output_stack: 'a__b' must be letters and digits"),
        ("tilespecs", "z_index", "first", "z_index: 'first' must be a number"),
        ("tilespecs", "maximum_intensity", 0, "maximum_intensity: 0 must be above minimum_intensity (0)"),
        ("tilespecs", "section_thickness", -1, "section_thickness: -1 must be above 0"),
    ],
)
def test_wrong_value_is_named_with_what_is_allowed(step, field, value, says):
    with pytest.raises(ParameterError) as refused:
        parse(step, {field: value})
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("step", "missing"),
    [
        ("tilespecs", "metafile"),
        ("tilespecs", "z_index"),
        ("mipmaps", "output_dir"),
        ("apply", "input_stack"),
    ],
)
def test_missing_field_is_named(step, missing):
    with pytest.raises(ParameterError, match=f"^{missing}: is required$"):
        parse(step, drop=[missing])


def test_several_complaints_are_one_line():
    with pytest.raises(ParameterError, match=r"^\S+: .* \(2 more: .*\)$"):
        parse("mipmaps", {"levels": 0, "method": "x", "pool_size": 0})


@pytest.mark.parametrize("variable", ["DEFAULT_RENDER_HOST", "RENDER_HOST"])
def test_connection_falls_back_to_the_environment(monkeypatch, variable):
    render = {name: value for name, value in RENDER.items() if name != "host"}
    monkeypatch.setenv(variable, "em.example.org")
    assert parse("mipmaps", {"render": render})["render"]["host"] == "em.example.org"


def test_given_connection_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("DEFAULT_RENDER_HOST", "elsewhere")
    assert parse("mipmaps")["render"]["host"] == "localhost"


def test_whole_connection_can_come_from_the_environment(monkeypatch):
    for name, value in RENDER.items():
        monkeypatch.setenv(f"DEFAULT_RENDER_{name.upper()}", str(value))
    assert parse("mipmaps", drop=["render"])["render"] == RENDER | {"memGB": "5G"}


def test_wrong_port_from_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("DEFAULT_RENDER_PORT", "http")
    render = {name: value for name, value in RENDER.items() if name != "port"}
    with pytest.raises(ParameterError, match="render.port"):
        parse("mipmaps", {"render": render})


def test_missing_connection_is_named(monkeypatch):
    for names in ("DEFAULT_RENDER_HOST", "RENDER_HOST"):
        monkeypatch.delenv(names, raising=False)
    render = {name: value for name, value in RENDER.items() if name != "host"}
    with pytest.raises(ParameterError, match="^render.host: is required$"):
        parse("mipmaps", {"render": render})


@pytest.mark.parametrize(
    ("step", "older", "today"),
    [
        ("tilespecs", {"metafile_uri": "m.json"}, {"metafile": "m.json"}),
        ("tilespecs", {"image_prefix": "/images"}, {"image_directory": "/images"}),
        ("tilespecs", {"maskUrl_uri": "file:///mask.png"}, {"maskUrl": "file:///mask.png"}),
        ("tilespecs", {"output_stack": "raw"}, {"stack": "raw"}),
        ("tilespecs", {"zValues": 7}, {"z_index": 7}),
        ("tilespecs", {"zValues": [7]}, {"z_index": 7}),
        ("mipmaps", {"output_prefix": "/mipmaps"}, {"output_dir": "/mipmaps"}),
        ("mipmaps", {"stack": "raw"}, {"input_stack": "raw"}),
        ("mipmaps", {"minZ": 1, "maxZ": 3}, {"zstart": 1, "zend": 3}),
        ("mipmaps", {"zValues": [1, 2]}, {"zValues": [1.0, 2.0]}),
        ("mipmaps", {"PIL_filter": "BOX"}, {"PIL_filter": "BOX"}),
        ("mipmaps", {"block_func": "median"}, {"block_func": "median"}),
        ("apply", {"mipmap_prefix": "/mipmaps"}, {"mipmap_dir": "/mipmaps"}),
        ("apply", {"output_dir": "/mipmaps"}, {"mipmap_dir": "/mipmaps"}),
        (
            "apply",
            {"overwrite_zlayer": True, "close_stack": True},
            {"overwrite_zlayer": True, "close_stack": True},
        ),
    ],
)
def test_older_names_keep_working(step, older, today):
    parsed = parse(step, older, drop=list(today))
    assert {name: parsed[name] for name in today} == today


def test_older_name_beside_another_value_is_refused():
    with pytest.raises(
        ParameterError, match="stack: 'other' means input_stack, which is given too, as 'raw'"
    ):
        parse("mipmaps", {"stack": "other"})


@pytest.mark.parametrize(
    ("given", "names"), [({"z": 1, "zstart": 0}, "z, zstart/zend"), ({"z": 1, "zValues": [1]}, "z, zValues")]
)
def test_one_way_of_selecting_sections(given, names):
    with pytest.raises(ParameterError, match=f"only one of {names} can be given"):
        parse("mipmaps", given)


def test_command_line_wins_over_input(tmp_path):
    args = ["--levels", "3", "--render.host", "other", "--force_redo", "false", "--zValues", "1,2"]
    parsed = parse("mipmaps", {"levels": 5}, args=args)
    assert (parsed["levels"], parsed["render"]["host"], parsed["force_redo"]) == (3, "other", False)
    assert parsed["zValues"] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "is not JSON"), ("[1]", "holds a list; it must hold an object"), (None, "no such file")],
)
def test_unusable_input_json(tmp_path, content, says):
    path = tmp_path / "in.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ParameterError, match=f"^input_json: .*{says}"):
        GenerateMipMaps(args=["--input_json", str(path)])


def test_output_json_needs_its_folder(tmp_path):
    with pytest.raises(ParameterError, match="output_json: .*does not exist"):
        parse("mipmaps", {"output_json": str(tmp_path / "absent" / "out.json")})


def test_unknown_command_line_argument():
    with pytest.raises(ParameterError, match="command line: unrecognized arguments: --colour"):
        parse("mipmaps", args=["--colour", "red"])
