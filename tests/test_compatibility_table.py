"""docs/render-ws-compatibility.md names every function of renderapi and every route, and tests that exist."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from asap_ingest.render_ws import app
from asap_ingest.render_ws.http.calls import Service
from asap_ingest.render_ws.store import Store
from tests.render_ws import test_golden
from tests.render_ws.golden import scenario_names

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "render-ws-compatibility.md"
#: Section of the document -> the modules of renderapi whose functions it lists.
MODULES = {
    "render": ("render",),
    "stack": ("stack",),
    "tilespec": ("tilespec",),
    "resolvedtiles": ("resolvedtiles",),
    "image": ("image",),
    "coordinate": ("coordinate",),
    "pointmatch": ("pointmatch",),
    "client": ("client.client", "client.client_calls"),
}
#: Functions of these modules that neither send a request nor run a script.
HELPERS = {
    "render": {"connect", "format_baseurl", "format_preamble"},
    "stack": {"make_stack_params"},
    "resolvedtiles": {"combine_resolvedtiles"},
    "coordinate": {
        "package_point_match_data_into_json",
        "unpackage_local_to_world_point_match_from_json",
        "unpackage_world_to_local_point_match_from_json",
    },
    "pointmatch": {
        "add_merge_collections",
        "copy_match_explicit",
        "copy_matches_explicit",
        "swap_matchpair",
    },
    "client": {"get_param", "run_subprocess_mode"},
}
#: What no test calls: the first two raise NotImplementedError, the third runs a client that is left out.
WITHOUT_TEST = {"local_to_world_array", "world_to_local_array", "pointMatchClient"}
#: How the document shortens paths.
ABBREVIATIONS = (
    ("/render-ws/v1/owner/{owner}/project/{project}/stack/{stack}", "S"),
    ("/render-ws/v1/owner/{owner}/matchCollection/{matchCollection}", "M"),
    ("/render-ws/v1/", ""),
)


def rows(heading):
    """The cells of the table rows of a section, without the two rows of its head."""
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    section = re.split(r"\n#+ ", section)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def codes(cell):
    """The texts between backticks."""
    return re.findall(r"`([^`]+)`", cell.replace(r"\|", "|"))


def functions(name):
    """Names of the public functions of a module of renderapi that ask a service or run a script."""
    modules = [importlib.import_module(f"renderapi.{part}") for part in MODULES[name]]
    found = {
        function.__name__
        for module in modules
        for function in vars(module).values()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not function.__name__.startswith("_")
    }
    return found - HELPERS.get(name, set())


def names_of_tests(path):
    """Names of the test functions in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def recorded():
    """Names of the families of recorded requests; all of them are replayed."""
    return {name.partition("_")[2] for name in scenario_names()}


def is_test(name):
    """Whether something that the document names as a test is one."""
    if "::" not in name:
        return not recorded() or name in recorded()
    file, test = name.split("::")
    path = ROOT / (file if "/" in file else f"integration_tests/{file}")
    return path.is_file() and test in names_of_tests(path)


def short(path):
    """A path as the document writes it: shortened, without the kinds of its values."""
    path = re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
    for start, letter in ABBREVIATIONS:
        if path.startswith(start):
            return letter + path.removeprefix(start)
    return path


@pytest.fixture(scope="module")
def routes(tmp_path_factory):
    """Method and path of every request that the service answers."""
    found = set()

    def listen(operations, service):
        found.update((operation.method, short(operation.path)) for operation in operations)
        return []

    store = Store(tmp_path_factory.mktemp("store") / "render.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "routes_of", listen)
        app.build_app(Service(store))
    store.close()
    assert found
    return found


@pytest.mark.parametrize("name", MODULES)
def test_every_function_is_listed(name):
    listed = [codes(row[0])[0] for row in rows(f"### renderapi.{name}")]
    assert sorted(listed) == sorted(functions(name))


@pytest.mark.parametrize("name", MODULES)
def test_every_function_has_the_test_that_bears_its_name(name):
    for function, test, *_ in rows(f"### renderapi.{name}"):
        called = codes(function)[0]
        if called in WITHOUT_TEST:
            assert codes(test) == [], called
        else:
            assert codes(test) == [f"test_{name}.py::test_{called}"]
            assert is_test(codes(test)[0]), called


def test_every_route_is_listed(routes):
    listed = [tuple(codes(row[0])[0].split(" ", 1)) for row in rows("## Requests")]
    assert sorted(listed) == sorted(routes)


def test_every_route_has_tests_that_exist():
    for request, *cells in rows("## Requests"):
        named = [name for cell in cells for name in codes(cell)]
        assert named, request
        assert [name for name in named if not is_test(name)] == [], request


def test_every_deviation_is_listed():
    listed = [codes(row[0])[0] for row in rows("### Recorded answers that are not repeated")]
    assert sorted(listed) == sorted(test_golden.DEVIATIONS)


def test_every_request_that_is_not_implemented_is_listed():
    listed = [tuple(cell) for cell in rows("### Requests that are not answered")]
    assert listed == [(f"`{method} {short(path)}`", why) for method, path, why in app.NOT_IMPLEMENTED]
