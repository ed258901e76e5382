"""Options are read as the Java clients read theirs."""

import pytest

from asap_ingest.render_ws.client_scripts.options import (
    HelpAskedError,
    Option,
    OptionError,
    Syntax,
    Takes,
    one_of,
    parse,
    truth,
    usage,
    z_values,
)

SYNTAX = Syntax(
    (
        Option("stack", "its name", required=True),
        Option("scale", read=float, default=0.5),
        Option("z", read=float, takes=Takes.VALUES),
        Option("mode", read=one_of("APPEND", "REPLACE_LAST"), default="APPEND"),
        Option("exclude", read=truth, default=True),
        Option("flag", takes=Takes.NOTHING),
    ),
    main="z value",
)
WITHOUT_MAIN = Syntax((Option("out"), Option("z", read=float, takes=Takes.VALUES)))


def test_what_is_not_given_has_its_default():
    arguments = parse(SYNTAX, ["--stack", "s"])
    assert arguments.values == {
        "stack": "s",
        "scale": 0.5,
        "z": [],
        "mode": "APPEND",
        "exclude": True,
        "flag": False,
    }
    assert arguments.main == []


def test_the_main_list_may_stand_anywhere():
    arguments = parse(SYNTAX, ["1", "--scale", "2", "3.5", "--flag", "4", "--stack", "s", "-5"])
    assert arguments["scale"] == 2.0
    assert arguments["flag"] is True
    assert z_values(arguments) == [1.0, 3.5, 4.0, -5.0]


@pytest.mark.parametrize(
    "texts",
    [["--z", "1", "2"], ["--z", "1", "--z", "2"], ["--z", "1,2"]],
    ids=["listed", "repeated", "joined"],
)
def test_lists_take_values_in_three_ways(texts):
    assert parse(WITHOUT_MAIN, [*texts, "--out", "o"])["z"] == [1.0, 2.0]


def test_a_list_takes_negative_values():
    assert parse(WITHOUT_MAIN, ["--z", "-1", "-2.5"])["z"] == [-1.0, -2.5]


def test_a_text_value_keeps_its_commas_and_blanks():
    assert parse(WITHOUT_MAIN, ["--out", "/a folder/b,c.json"])["out"] == "/a folder/b,c.json"


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_truth_is_read_in_any_case(text):
    assert parse(SYNTAX, ["--stack", "s", "--exclude", text])["exclude"] is True
    assert parse(SYNTAX, ["--stack", "s", "--exclude", "False"])["exclude"] is False


def test_a_name_is_read_in_any_case():
    assert parse(SYNTAX, ["--stack", "s", "--mode", "replace_last"])["mode"] == "REPLACE_LAST"


@pytest.mark.parametrize(
    ("texts", "named", "problem"),
    [
        ([], "--stack", "must be given"),
        (["--stack"], "--stack", "needs a value"),
        (["--stack", "--flag"], "--stack", "needs a value"),
        (["--stack", "a", "--stack", "b"], "--stack", "twice"),
        (["--stack", "a", "--scale", "big"], "--scale", "'big'"),
        (["--stack", "a", "--exclude", "yes"], "--exclude", "true or false"),
        (["--stack", "a", "--mode", "NONE"], "--mode", "APPEND, REPLACE_LAST"),
    ],
)
def test_wrong_arguments_are_named(texts, named, problem):
    with pytest.raises(OptionError) as caught:
        parse(SYNTAX, texts)
    assert caught.value.option == named
    assert problem in caught.value.problem


def test_an_unknown_option_is_refused_where_there_is_no_main_list():
    with pytest.raises(OptionError, match="--nothing: is no option.*--out, --z"):
        parse(WITHOUT_MAIN, ["--nothing", "x"])


def test_an_unknown_option_is_taken_for_a_member_of_the_main_list():
    arguments = parse(SYNTAX, ["--stack", "s", "--nothing", "1"])
    assert arguments.main == ["--nothing", "1"]
    with pytest.raises(OptionError, match="--nothing: is neither an option"):
        z_values(arguments)


def test_a_list_ends_at_an_unknown_option():
    with pytest.raises(OptionError, match="--nothing"):
        parse(WITHOUT_MAIN, ["--z", "1", "--nothing"])


def test_a_main_list_can_be_required():
    needy = Syntax((), main="file", main_required=True)
    with pytest.raises(OptionError, match="file: at least one"):
        parse(needy, [])


def test_help_comes_before_all_complaints():
    with pytest.raises(HelpAskedError) as caught:
        parse(SYNTAX, ["--scale", "big", "--help"])
    assert str(caught.value) == usage(SYNTAX)


def test_the_usage_names_options_defaults_and_the_main_list():
    lines = usage(SYNTAX).splitlines()
    assert lines[0] == "arguments: [options] z value..."
    assert any(line.split() == ["--stack", "<value>", "its", "name;", "required"] for line in lines)
    assert any(line.split() == ["--scale", "<value>", "default", "0.5"] for line in lines)
    assert any(line.split() == ["--z", "<value>..."] for line in lines)
