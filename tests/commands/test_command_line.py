"""Command lines as people type them, and the help that tells them what to type."""

import io
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout

import pytest
from marshmallow import fields

from asap_ingest import __version__
from asap_ingest.__main__ import main as asap_ingest
from asap_ingest.commands import program
from asap_ingest.commands.command_table import COMMANDS, parser_of
from asap_ingest.commands.fields import Flag, NotRead
from asap_ingest.commands.parser import SchemaParser, field_help, fields_by_path
from asap_ingest.errors import ParameterError, StackNotFoundError, did_you_mean
from tests.test_schemas import RENDER, STEPS, parse

STEP_COMMANDS = [command for command in COMMANDS if isinstance(parser_of(command), SchemaParser)]


def help_of(command, monkeypatch, columns=80):
    monkeypatch.setenv("COLUMNS", str(columns))
    return parser_of(command).format_help()


def groups_of(text):
    """Heading -> flags below it."""
    blocks = re.split(r"^(\w[\w ]*):\n", text, flags=re.M)[1:]
    return {
        title: re.findall(r"^  (?:-h, )?(--[\w.]+)", block, re.M)
        for title, block in zip(blocks[::2], blocks[1::2], strict=True)
    }


# -- help ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_the_terminal_and_begins_with_few_lines_of_usage(command, columns, monkeypatch):
    text = help_of(command, monkeypatch, columns)
    assert max(map(len, text.splitlines())) <= columns - 2 or command == "completion"
    usage, _, rest = text.partition("\n\n")
    assert usage.startswith("usage: asap-ingest ")
    assert len(usage.splitlines()) <= 4
    assert rest.strip()


@pytest.mark.parametrize("command", STEP_COMMANDS)
def test_help_of_a_step_has_each_field_once(command, monkeypatch):
    groups = groups_of(help_of(command, monkeypatch, 120))
    schema = parser_of(command)._schema
    shown = [flag for flags in groups.values() for flag in flags]
    expected = [f"--{path}" for path, field in fields_by_path(schema) if not isinstance(field, NotRead)]
    assert sorted(shown) == sorted([*expected, "--help", "--version", "--config"])
    assert 4 <= len(groups["common"]) <= 16
    assert all(flag.startswith("--render.") for flag in groups.get("connection", ()))


def test_groups_of_generate_mipmaps(monkeypatch):
    groups = groups_of(help_of("generate_mipmaps", monkeypatch))
    assert groups["required"] == ["--input_stack", "--output_dir"]
    assert {"--levels", "--method", "--z", "--input_json"} <= set(groups["common"])
    assert {"--render.host", "--render.port"} <= set(groups["connection"])
    assert {"--PIL_filter", "--storage_options"} <= set(groups["rare"])


@pytest.mark.parametrize("command", STEP_COMMANDS)
def test_a_default_is_said_once(command):
    for path, field in fields_by_path(parser_of(command)._schema):
        words = field_help(field, path)
        assert len(re.findall(r"default[: ]", words)) <= 1 or path == "sectionId", words


def test_what_outdated_words_are_followed_by(monkeypatch):
    text = " ".join(help_of("generate_mipmaps", monkeypatch).split())
    assert "Currently only PIL is implemented, while others may fall back to this. Today each" in text
    assert "(1 to 24; default: 6)" in text
    assert "(default tiff)" not in text


def test_field_help_of_any_schema():
    field = fields.Integer(dump_default=3, metadata={"description": "how many, default is 3"})
    assert field_help(field, "count") == "how many (default: 3)"
    field = fields.String(metadata={"description": "a name"})
    assert field_help(field, "name") == "a name"


@pytest.mark.parametrize(
    ("started", "named", "listing"),
    [
        ("/env/bin/asap-ingest", "asap-ingest generate_mipmaps", "asap-ingest"),
        ("{package}/__main__.py", "python -m asap_ingest generate_mipmaps", "python -m asap_ingest"),
        ("{package}/generate_mipmaps.py", "python -m asap_ingest.generate_mipmaps", "python -m asap_ingest"),
        ("/env/bin/pytest", "asap-ingest generate_mipmaps", "asap-ingest"),
    ],
)
def test_help_speaks_of_the_program_that_was_started(started, named, listing, monkeypatch):
    package = program.asap_ingest.__file__.rpartition("/")[0]
    monkeypatch.setattr(sys, "argv", [started.format(package=package)])
    assert parser_of("generate_mipmaps").format_usage().startswith(f"usage: {named} --input_stack")
    assert program.program_name() == listing


def test_programs_of_their_own(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/env/bin/precomputed-tif"])
    assert parser_of("precomputed_tif").prog == "precomputed-tif"
    assert program.program_name("serve_precomputed") == "precomputed-webserver"
    assert program.program_name("check_precomputed") == "asap-ingest check_precomputed"


@pytest.mark.slow
def test_a_module_speaks_of_itself():
    line = [sys.executable, "-m", "asap_ingest.generate_mipmaps", "--help"]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert said.startswith("usage: python -m asap_ingest.generate_mipmaps ")


def test_a_name_to_type_is_found_by_the_shell(monkeypatch, tmp_path):
    package = program.asap_ingest.__file__.rpartition("/")[0]
    monkeypatch.setattr(sys, "argv", [f"{package}/demo.py"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "a b" / "python"))
    monkeypatch.chdir(tmp_path)
    assert program.typed_name("demo") == "'a b/python' -m asap_ingest.demo"
    monkeypatch.setenv("PATH", str(tmp_path / "a b"))
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "python").touch(0o755)
    assert program.typed_name("demo") == "python -m asap_ingest.demo"


# -- spellings -------------------------------------------------------------------------------------


def test_hyphens_are_underscores_in_names_alone():
    args = parse("mipmaps", args=["--output-dir", "a-b", "--render.client-scripts=x-y"])
    assert (args["output_dir"], args["render"]["client_scripts"]) == ("a-b", "x-y")


def test_values_may_begin_with_a_minus():
    args = parse("mipmaps", args=["--zstart", "-5", "--zend=-2", "--report_dir", "-pages"])
    assert (args["zstart"], args["zend"], args["report_dir"]) == (-5, -2, "-pages")
    assert parse("mipmaps", args=["--zValues", "-1,-2.5", "3"])["zValues"] == [-1.0, -2.5, 3.0]


@pytest.mark.parametrize("step", STEPS)
def test_hyphens_and_booleans_without_a_value(step):
    flags = {"tilespecs": "close_stack", "mipmaps": "verify", "apply": "dry_run", "ingest": "verify"}
    flag = flags[step]
    spelled = flag.replace("_", "-")
    for arguments, expected in (([], True), (["true"], True), (["false"], False), (["no"], False)):
        assert parse(step, args=[f"--{spelled}", *arguments, "--log-level", "info"])[flag] is expected
    assert parse(step, args=[f"--{flag}=false"])[flag] is False


def test_every_boolean_of_every_step_may_stand_alone():
    for command in STEP_COMMANDS:
        parser = parser_of(command)
        for path, field in fields_by_path(parser._schema):
            if isinstance(field, Flag):
                parsed = vars(parser.parse_args([f"--{path.replace('_', '-')}"]))
                assert field.deserialize(parsed[path]) is True


def test_older_names_stand_on_the_command_line():
    assert parse("mipmaps", args=["--stack", "other"])["input_stack"] == "other"
    assert (
        parse("mipmaps", {"stack": "one"}, ["input_stack"], ["--input-stack", "two"])["input_stack"] == "two"
    )
    assert parse("mipmaps", args=["--zs", "1", "2"])["zValues"] == [1.0, 2.0]


def test_a_host_with_a_port_wins_over_the_port_of_the_input():
    assert parse("mipmaps", args=["--render.host", "em2:9000"])["render"]["port"] == 9000


def test_an_argparse_command_takes_hyphens():
    arguments = parser_of("serve_render").parse_args(["--database", "a-b.db", "--max-body-mb", "3"])
    assert (str(arguments.database), arguments.max_body_mb) == ("a-b.db", 3)


@pytest.mark.parametrize("name", ["generate-mipmaps", "Generate_MipMaps"])
def test_commands_are_found_however_they_are_spelled(name, capsys):
    with pytest.raises(SystemExit) as end:
        asap_ingest([name, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("usage: asap-ingest generate_mipmaps")


# -- versions and near names -----------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["demo"], ["generate_mipmaps"]])
def test_version(command):
    said = io.StringIO()
    with redirect_stdout(said):
        try:
            asap_ingest([*command, "--version"])
        except SystemExit as end:
            assert end.code == 0
    assert said.getvalue() == f"asap_ingest {__version__}\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ingest_sectoin", "no command 'ingest_sectoin'; did you mean ingest_section?"),
        ("generate_mipmap", "did you mean generate_mipmaps?"),
        ("demo --gird 3", "unrecognized arguments: --gird; did you mean --grid; --help lists"),
        ("serve_render --databse x --database y", "--databse; did you mean --database; --help lists"),
        ("generate_mipmaps --input-stak x", "--input-stak; did you mean --input_stack; --help lists"),
        ("demo --grid many", "argument --grid: invalid int value"),
    ],
)
def test_did_you_mean(line, says, capsys):
    assert asap_ingest(shlex.split(line)) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_did_you_mean_a_stack():
    error = StackNotFoundError(
        "lab", "em", "aquired", [f"stack{number}" for number in range(50)] + ["acquired"]
    )
    assert "in project 'em'; did you mean acquired?; it has stack0, " in str(error)
    assert str(error).endswith(" and 39 more")


def test_did_you_mean_a_field_of_the_connection():
    with pytest.raises(ParameterError, match=r"render.hots: is not a parameter; did you mean render.host\?"):
        parse("mipmaps", {"render": {**RENDER, "hots": "em1"}})


def test_nothing_near():
    assert did_you_mean("zebra", ["host", "port"]) == ""


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_of_commands(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert asap_ingest(["help"]) == 0
    listing = capsys.readouterr().out
    assert all(command in listing for command in COMMANDS)
    assert max(map(len, listing.splitlines())) <= columns - 2
