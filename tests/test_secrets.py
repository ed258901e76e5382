"""No message, log or output shows a password or a key, however it is spelled and wherever it stands."""

import logging

import pytest

from asap_ingest.__main__ import COMMANDS
from asap_ingest.__main__ import main as asap_ingest
from asap_ingest.errors import ParameterError, StorageError
from asap_ingest.ingest_section import IngestSection
from asap_ingest.secrets import MaskedRecord, is_secret_name, masked, without_secrets
from tests.acquisitions import random_tiles, write_acquisition
from tests.conftest import listing
from tests.steps import TILESPECS, run_step
from tests.test_imports import PACKAGE
from tests.test_schemas import RENDER, parse

SECRET = "hunter2"
SECRET_NAMES = (
    *("key", "secret", "token", "password", "passwd", "pass", "pwd", "passphrase", "username", "user"),
    *("account_key", "accountKey", "connection_string", "sas_token", "sas", "client_secret", "private-key"),
    *("aws_secret_access_key", "aws_session_token", "aws_access_key_id_key", "SSECustomerKey", "api_key"),
    *("credential", "credentials", "Authorization", "auth", "Cookie", "client_kwargs"),
)
OPEN_NAMES = (
    *("endpoint_url", "anon", "profile", "account_name", "config_kwargs", "region_name", "use_ssl"),
    *("request_checksum_calculation", "max_concurrency", "key_file_folder", "host", "port", "s3", "retries"),
)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_secrets_are_known_by_their_names(name):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", OPEN_NAMES)
def test_what_is_no_secret_stays(name):
    assert not is_secret_name(name)


def test_storage_options_lose_secrets_at_every_depth():
    options = {
        "s3": {
            "endpoint_url": "http://store",
            "key": SECRET,
            "config_kwargs": {"proxies": [{"passwd": SECRET}]},
        },
        "abfs": {"account_name": "em", "account_key": SECRET, "connection_string": SECRET},
        "http": {"headers": {"Authorization": SECRET, "Accept": "image/tiff"}},
        "proxy": f"http://lab:{SECRET}@proxy:3128",
    }
    assert without_secrets({"levels": 3, "storage_options": options})["storage_options"] == {
        "s3": {"endpoint_url": "http://store", "config_kwargs": {"proxies": [{}]}},
        "abfs": {"account_name": "em"},
        "http": {"headers": {"Accept": "image/tiff"}},
        "proxy": "http://***@proxy:3128",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"ftp://lab:{SECRET}@store/a.tif: no such file", "ftp://***@store/a.tif: no such file"),
        (f"sftp://lab:p@{SECRET}@store:22/a", "sftp://***@store:22/a"),
        (f"http://{SECRET}@one/a and https://u:{SECRET}@two", "http://***@one/a and https://***@two"),
        (f"https://s/a?X-Amz-Signature={SECRET}&x=1", "https://s/a?X-Amz-Signature=***&x=1"),
        (f"https://s/a?sv=1&sig={SECRET}'", "https://s/a?sv=1&sig=***'"),
        ("s3://bucket/tile@2x.tif", "s3://bucket/tile@2x.tif"),
        ("http://store/a, lab@example.org", "http://store/a, lab@example.org"),
    ],
)
def test_user_info_and_signatures_of_uris_are_masked(text, shown):
    assert masked(text) == shown
    assert str(StorageError(text, "gone")) == f"{shown}: gone"


def test_a_log_is_masked_with_its_traceback():
    try:
        raise ValueError(f"no answer of http://lab:{SECRET}@store")
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
    record = MaskedRecord("n", logging.DEBUG, "p", 1, "%s failed", (f"http://lab:{SECRET}@store/a",), told)
    lines = logging.Formatter().format(record)
    assert SECRET not in lines
    assert lines.startswith("http://***@store/a failed\nTraceback")
    assert lines.endswith("ValueError: no answer of http://***@store")


@pytest.mark.parametrize(
    ("extra", "arguments", "says"),
    [
        ({"passwd": SECRET}, [], "passwd: is not a parameter"),
        ({"render": {**RENDER, "token": SECRET}}, [], "render.token: is not a parameter"),
        ({"storage_options": SECRET}, [], "storage_options: must be a JSON object"),
        ({"metafile": [f"ftp://lab:{SECRET}@store"]}, [], "metafile: "),
        ({}, ["--passwd", SECRET], "unrecognized arguments: --passwd;"),
        ({}, [f"--passwd={SECRET}", "--pin", "1234", SECRET], "unrecognized arguments: --passwd --pin;"),
        ({}, [SECRET], "unrecognized arguments: a value without a parameter;"),
        ({}, ["--m", SECRET], "ambiguous option: --m could match --m"),
        ({}, ["--storage_options", f'{{"key": "{SECRET}"'], "storage_options: must be a JSON object"),
    ],
)
def test_values_of_unknown_parameters_are_not_printed(extra, arguments, says):
    with pytest.raises(ParameterError) as refused:
        parse("tilespecs", extra, args=arguments)
    assert says in str(refused.value)
    assert SECRET not in str(refused.value)


#: What each command must have to complain of nothing else.
NEEDED = {
    "demo": [],
    "merge_reports": ["--inputs", "a", "--output_json", "b"],
    "serve_render": ["--database", "no/such/render.db"],
    "serve": ["--database", "no/such/render.db", "--volumes", "no/such/volumes"],
    "serve_precomputed": ["--directory", "no/such/volume"],
    "backup_render_db": ["a", "b"],
    "vacuum_render_db": ["a"],
    "check_precomputed": ["no/such/volume"],
    "completion": ["bash"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_prints_values_that_it_does_not_know(command, capsys):
    arguments = [*NEEDED.get(command, []), f"--passwd={SECRET}", "--pin", SECRET]
    try:
        code = asap_ingest([command, *arguments])
    except SystemExit as end:  # argparse's own way
        code = end.code
    said = "".join(capsys.readouterr())
    assert code == 2
    assert "unrecognized arguments: --passwd --pin" in said
    assert SECRET not in said


@pytest.mark.parametrize("arguments", [[f"--passwd={SECRET}"], ["demo", f"--serve={SECRET}"]])
def test_no_value_is_printed_where_none_is_expected(arguments, capsys):
    try:
        code = asap_ingest(arguments)
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert SECRET not in "".join(capsys.readouterr())


def test_only_parsers_that_print_no_values_are_used():
    assert [path.name for path in PACKAGE.rglob("*.py") if " ArgumentParser(" in path.read_text()] == []
    assert [
        path.name for path in PACKAGE.rglob("*.py") if "argparse.ArgumentParser(" in path.read_text()
    ] == []


@pytest.mark.slow
@pytest.mark.parametrize("log_level", ["WARNING", "DEBUG"])
def test_a_step_that_fails_prints_no_secret(render, tmp_path, closed_port, log_level):
    given = {
        **{"render": render, "stack": "raw", "z_index": 1, "log_level": log_level},
        "metafile": f"http://lab:{SECRET}@127.0.0.1:{closed_port}/m.json",
        "storage_options": {"client_kwargs": {"headers": {"Authorization": SECRET}}},
    }
    ran = run_step(TILESPECS, given, tmp_path)
    assert ran.exit_code == 2
    assert "http://***@127.0.0.1" in ran.stderr
    assert ("Traceback" in ran.stderr) == (log_level == "DEBUG")
    assert SECRET not in ran.stderr + ran.stdout


def test_a_run_over_a_uri_with_a_password_keeps_it_out_of_its_files(render, tmp_path):
    metafile = write_acquisition(tmp_path / "images", random_tiles(2))
    run_dir = tmp_path / "run"
    given = {
        **{"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1, "levels": 2},
        **{"output_dir": f"memory://lab:{SECRET}@store/levels", "pool_size": 1, "run_dir": str(run_dir)},
        **{"storage_options": {"passwd": SECRET}, "output_json": str(tmp_path / "out.json")},
    }
    assert IngestSection(input_data=given, args=[]).run() == 0
    files = listing(run_dir) | {"out.json": (tmp_path / "out.json").read_bytes()}
    assert len(files) == 7
    assert [name for name, content in files.items() if SECRET.encode() in content] == []


def test_a_masked_uri_of_an_output_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(ParameterError, match=r"ftp://\*\*\*@store/in.json: .*give them in storage_options"):
        parse("tilespecs", args=["--input_json", "ftp://***@store/in.json"])
