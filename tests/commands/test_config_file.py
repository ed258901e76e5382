"""Defaults of a TOML file: for all commands, for the connection, for one command; what wins over them."""

import json

import pytest

from asap_ingest.__main__ import main as asap_ingest
from asap_ingest.commands.command_table import parser_of
from asap_ingest.commands.config_file import VARIABLE
from asap_ingest.errors import ParameterError
from asap_ingest.generate_mipmaps import GenerateMipMaps
from tests.test_schemas import RENDER

CONFIG = """
pool-size = 3
levels = 4
database = "render.db"

[render]
host = "em1"
port = 9000
owner = "lab"
project = "brain"

[generate-mipmaps]
levels = 5
output_dir = "pyramids"
convert_to_8bit = false

[serve_render]
port = 0
image_roots = ["a", "b"]
no_public_viewer = true
log_level = "info"

[check_precomputed]
levels_only = true
"""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in (VARIABLE, *(f"{start}RENDER_{n}" for n in ("HOST", "PORT") for start in ("", "DEFAULT_"))):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_text(CONFIG)
    return path


def mipmaps(config, *arguments):
    return GenerateMipMaps(args=["--config", str(config), "--input_stack", "raw", *arguments]).args


def test_a_step_takes_its_defaults(config):
    args = mipmaps(config)
    assert (args["pool_size"], args["levels"], args["output_dir"]) == (3, 5, "pyramids")
    assert args["convert_to_8bit"] is False
    assert {name: args["render"][name] for name in ("host", "port")} == {"host": "em1", "port": 9000}


def test_command_line_then_input_then_config_then_environment(config, tmp_path, monkeypatch):
    monkeypatch.setenv("DEFAULT_RENDER_HOST", "env")
    monkeypatch.setenv("DEFAULT_RENDER_CLIENT_SCRIPTS", "scripts")
    (tmp_path / "in.json").write_text(
        json.dumps({"levels": 7, "output_prefix": "mine", "render": {"owner": "me"}})
    )
    args = mipmaps(config, "--input_json", str(tmp_path / "in.json"))
    assert (args["levels"], args["output_dir"]) == (7, "mine")
    render = {name: args["render"][name] for name in ("host", "owner", "project", "client_scripts")}
    assert render == {"host": "em1", "owner": "me", "project": "brain", "client_scripts": "scripts"}
    args = mipmaps(
        config, "--input_json", str(tmp_path / "in.json"), "--levels", "2", "--render.host", "em2:1"
    )
    assert (args["levels"], args["render"]["host"], args["render"]["port"]) == (2, "em2", 1)


def test_null_in_the_input_leaves_the_default(config, tmp_path):
    (tmp_path / "in.json").write_text('{"levels": null}')
    assert mipmaps(config, "--input_json", str(tmp_path / "in.json"))["levels"] == 5


def test_the_environment_names_a_file(config, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(config))
    assert GenerateMipMaps(args=["--input_stack", "raw"]).args["levels"] == 5
    # called from Python, with its parameters, a step reads none
    given = {"render": RENDER, "input_stack": "raw", "output_dir": "d"}
    assert GenerateMipMaps(input_data=given, args=[]).args["levels"] == 6


@pytest.mark.parametrize("words", ["--config {}", "--config={}", "--conf {}", "--config none --conf={}"])
def test_the_flag_counts_as_argparse_reads_it(config, words):
    line = [*words.format(config).split(), "--no_public_viewer"]
    assert parser_of("serve_render").parse_args(line).port == 0


def test_a_command_that_is_no_step(config):
    arguments = parser_of("serve_render").parse_args(["--config", str(config), "--port", "81"])
    assert (str(arguments.database), arguments.port, arguments.no_public_viewer) == ("render.db", 81, True)
    assert [str(root) for root in arguments.image_roots] == ["a", "b"]
    assert arguments.log_level == "INFO"
    arguments = parser_of("check_precomputed").parse_args(["--config", str(config), "volume"])
    assert arguments.depth == "levels"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("levls = 3", "levls: is not a parameter; did you mean levels?"),
        ("[render]\nhots = 'a'", "render.hots: is not a parameter; did you mean render.host?"),
        (
            "[generate_mipmaps]\nlevls = 3",
            r"\[generate_mipmaps\] levls: is not a parameter; did you mean levels?",
        ),
        (
            "[generate_mipmap]\nlevels = 3",
            "generate_mipmap: is not a parameter; did you mean generate_mipmaps?",
        ),
        ("generate_mipmaps = 3", "generate_mipmaps: must be a table"),
    ],
)
def test_an_unknown_name_is_refused_with_the_file(tmp_path, content, says):
    path = tmp_path / "lab.toml"
    path.write_text(content)
    with pytest.raises(ParameterError, match=f"^{path}: {says}".replace("?", r"\?")):
        mipmaps(path)


def test_a_wrong_value_is_refused_with_the_file(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_text("levels = 99\n[render]\nhost='a'\nport=1\nowner='o'\nproject='p'")
    with pytest.raises(ParameterError, match=rf"^levels: 99 must be from 1 to 24 \(in {path}\)$"):
        mipmaps(path, "--output_dir", "d")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[serve_render]\nport = 'many'", "port: .*invalid int value"),
        ("[serve_render]\nno_public_viewer = 1", "no_public_viewer: must be true or false"),
        ("[serve_render]\ncors = 'some'", "cors: .*invalid choice"),
    ],
)
def test_a_wrong_value_of_a_command_that_is_no_step(tmp_path, content, says):
    path = tmp_path / "lab.toml"
    path.write_text(content)
    with pytest.raises(ParameterError, match=f"^{path}: {says}"):
        parser_of("serve_render").parse_args(["--config", str(path), "--database", "d"])


@pytest.mark.parametrize(
    ("content", "says"), [(None, "No such file"), ("levels =", "is not TOML"), (b"\xff", "is not TOML")]
)
def test_a_file_that_is_none(tmp_path, content, says, capsys):
    path = tmp_path / "lab.toml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for command in (["serve_render", "--database", "d"], ["generate_mipmaps"]):
        assert asap_ingest([*command, "--config", str(path)]) == 2
        error = capsys.readouterr().err
        assert f"config: {path}: {says}" in error
        assert error.count("\n") == 1


def test_help_reads_no_config(monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, "no/such/file.toml")
    for command in ("serve_render", "generate_mipmaps"):
        with pytest.raises(SystemExit):
            asap_ingest([command, "--help"])
    assert "usage:" in capsys.readouterr().out
