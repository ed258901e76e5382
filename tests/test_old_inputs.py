"""Inputs that people have: written for asap-modules, with nulls, with addresses, with lists of a shell."""

import pytest

from asap_ingest.errors import ParameterError
from asap_ingest.precomputed_tif import PrecomputedTif
from asap_ingest.render_ws import CLIENT_SCRIPTS
from tests.acquisitions import random_tiles, write_acquisition
from tests.steps import APPLY, MIPMAPS, TILESPECS, run_step
from tests.test_schemas import RENDER, STEPS, parse

# -- null -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_null_means_left_out_for_every_optional_field(step):
    module, given = STEPS[step]
    fields = module.default_schema().fields
    optional = [name for name, field in fields.items() if not field.required and name != "render"]
    assert len(optional) > 10
    for name in optional:
        assert parse(step, {name: None}) == parse(step), name
    everything = parse(step, dict.fromkeys(optional))
    assert everything == parse(step)
    assert parse(step, {"render": {**given["render"], "memGB": None}}) == parse(step)


@pytest.mark.parametrize("name", ["render", "z_index", "stack", "metafile"])
def test_null_is_no_value_of_a_required_field(name, monkeypatch):
    for variable in ("DEFAULT_RENDER_HOST", "RENDER_HOST"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ParameterError, match="is required"):
        parse("tilespecs", {name: None})


def test_null_beside_an_alias():
    assert parse("mipmaps", {"stack": None})["input_stack"] == "raw"
    assert parse("mipmaps", {"input_stack": None, "stack": "other"})["input_stack"] == "other"


# -- fields of asap-modules --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "given", "drop", "field", "value"),
    [
        ("mipmaps", {"inputStack": "other"}, ["input_stack"], "input_stack", "other"),
        ("mipmaps", {"zs": [1, 2.5]}, [], "zValues", [1.0, 2.5]),
        ("mipmaps", {"z_index": 7}, [], "z", 7),
        ("mipmaps", {"minZ": 1.5, "maxZ": 3}, [], "zstart", 1.5),
        ("apply", {"outputStack": "done"}, [], "output_stack", "done"),
        ("apply", {"mipmap_prefix": "file:///m"}, ["mipmap_dir"], "mipmap_dir", "file:///m"),
        ("apply", {"mipmap_dir": "/m", "mipmap_prefix": "file:///m"}, [], "mipmap_dir", "file:///m"),
        (
            "apply",
            {"output_stackVersion": {"versionNotes": "x"}},
            [],
            "output_stackVersion",
            {"versionNotes": "x"},
        ),
        ("tilespecs", {"outputStack": "other"}, ["stack"], "stack", "other"),
        ("tilespecs", {"zs": [4]}, ["z_index"], "z_index", 4),
        ("tilespecs", {"z": 4.25}, ["z_index"], "z_index", 4.25),
        ("tilespecs", {"log_level": "info"}, [], "log_level", "INFO"),
        ("tilespecs", {"log_level": "Warning"}, [], "log_level", "WARNING"),
    ],
)
def test_fields_of_asap_modules(step, given, drop, field, value):
    assert parse(step, given, drop)[field] == value


def test_two_names_of_different_places_are_refused():
    with pytest.raises(
        ParameterError, match="mipmap_prefix: 'file:///n' means mipmap_dir, which is given too"
    ):
        parse("apply", {"mipmap_dir": "/m", "mipmap_prefix": "file:///n"})


def test_near_names_are_pointed_out():
    with pytest.raises(ParameterError, match="inputstack: .*is not a parameter; did you mean input_stack"):
        parse("mipmaps", {"inputstack": "x"})


# -- the connection ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("em1", ("em1", 8080)),
        ("http://em1", ("em1", 8080)),
        ("em1:9000", ("em1", 9000)),
        ("http://em1:9000/", ("em1", 9000)),
        ("http://em1:9000/render-ws/v1", ("em1", 9000)),
        ("https://em1.lab.org", ("https://em1.lab.org", 8080)),
        ("[::1]:9000", ("[::1]", 9000)),
    ],
)
def test_a_host_may_be_an_address(host, expected):
    port = {} if "9000" in host else {"port": 8080}
    render = {**{name: RENDER[name] for name in ("owner", "project")}, "host": host, **port}
    found = parse("mipmaps", {"render": render})["render"]
    assert (found["host"], found["port"]) == expected


def test_an_address_that_contradicts_the_port():
    with pytest.raises(ParameterError, match="render.host: 'em1:9000' names port 9000, and port says 8080"):
        parse("mipmaps", {"render": {**RENDER, "host": "em1:9000"}})
    with pytest.raises(
        ParameterError, match="must be a host, like em1, not an address with the path /somewhere"
    ):
        parse("mipmaps", {"render": {**RENDER, "host": "http://em1/somewhere"}})


def test_client_scripts_may_be_left_out(monkeypatch):
    without = {name: value for name, value in RENDER.items() if name != "client_scripts"}
    assert parse("mipmaps", {"render": without})["render"]["client_scripts"] == CLIENT_SCRIPTS
    monkeypatch.setenv("DEFAULT_RENDER_CLIENT_SCRIPTS", "/opt/render")
    assert parse("mipmaps", {"render": without})["render"]["client_scripts"] == "/opt/render"


def test_a_session_of_python_objects_is_not_read():
    assert parse("mipmaps", {"render": {**RENDER, "session": None}})
    for ignored in ("session", "validate_client"):
        module, given = STEPS["mipmaps"]
        step = module(input_data=given | {"render": {**RENDER, ignored: "<Session>"}}, args=[])
        assert step.connection.owner == RENDER["owner"]


# -- the command line --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["--zValues", "1", "2", "5"], "zValues", [1, 2, 5]),
        (["--zValues", "1,2,5"], "zValues", [1, 2, 5]),
        (["--zValues", "1, 2,", "5"], "zValues", [1, 2, 5]),
        (["--zValues=1,2"], "zValues", [1, 2]),
        (["--zValues", "[1, 2]"], "zValues", [1, 2]),
        (["--zValues", "-3", "-2.5"], "zValues", [-3, -2.5]),
        (["--zValues", "-3,-2"], "zValues", [-3, -2]),
        (["--zValues", "7"], "zValues", [7]),
        (["--z", "-3"], "z", -3),
        (["--z", "3.5"], "z", 3.5),
        (["--zstart", "-2.5", "--zend", "4"], "zstart", -2.5),
        (["--log_level", "debug"], "log_level", "DEBUG"),
    ],
)
def test_values_on_the_command_line(arguments, field, value):
    assert parse("mipmaps", args=arguments)[field] == value


def test_several_values_of_one_are_refused():
    with pytest.raises(ParameterError, match="unrecognized arguments: a value without a parameter"):
        parse("mipmaps", args=["--levels", "1", "2"])


def test_null_and_case_in_the_steps_of_volumes(tmp_path):
    given = {"source": str(tmp_path), "dest": str(tmp_path / "v"), "levels": None, "log_level": "info"}
    assert "levels" not in PrecomputedTif(given, args=[]).args


# -- all of it at once -------------------------------------------------------------------------------


def test_an_old_input_runs_from_metafile_to_stack(render, tmp_path):
    """z with a fraction, an address, nulls, no client scripts: through all three steps."""
    address = {"host": f"http://localhost:{render['port']}", "owner": "lab", "project": "old", "memGB": None}
    metafile = write_acquisition(tmp_path / "images", random_tiles(2))
    first = {
        "render": address,
        "metafile": str(metafile),
        "outputStack": "raw",
        "z_index": 2.5,
        "image_directory": None,
        "sectionId": None,
        "output_stackVersion": {"stackResolutionZ": 45},
        "log_level": "info",
    }
    ran = run_step(TILESPECS, first, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    second = {
        "render": address,
        "inputStack": "raw",
        "output_dir": str(tmp_path / "m"),
        "zs": [2.5],
        "levels": 2,
    }
    assert run_step(MIPMAPS, second, tmp_path).exit_code == 0
    third = {"render": address, "inputStack": "raw", "outputStack": "done", "mipmap_dir": str(tmp_path / "m")}
    third |= {"levels": 2, "z": 2.5, "output_stackVersion": {"versionNotes": "from old input"}}
    ran = run_step(APPLY, third, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    assert ran.output["zValues"] == [2.5]
