"""Options are read as the Java clients read theirs."""

from dataclasses import dataclass

import pytest

from asap_ingest.render_ws.client_scripts.client_options import (
    OptionError,
    flag,
    main_list,
    option,
    parse,
    required,
    truth,
    usage,
    values,
)


@dataclass(frozen=True, kw_only=True)
class WithMain:
    stack: str = required("stack", "its name")
    scale: float = option("scale", read=float, default=0.5)
    z: tuple[float, ...] = values("z", "", float)
    mode: str = option("mode", read=str.upper, default="APPEND", choices=("APPEND", "REPLACE_LAST"))
    exclude: bool = option("exclude", read=truth, default=True)
    flag: bool = flag("flag")
    layers: tuple[float, ...] = main_list("z value", float)


@dataclass(frozen=True, kw_only=True)
class WithoutMain:
    out: str = option("out")
    z: tuple[float, ...] = values("z", "", float)


def test_what_is_not_given_has_its_default():
    options = parse(WithMain, ["--stack", "s", "7"])
    assert options == WithMain(
        stack="s", scale=0.5, z=(), mode="APPEND", exclude=True, flag=False, layers=(7.0,)
    )


def test_the_main_list_may_stand_anywhere():
    options = parse(WithMain, ["1", "--scale", "2", "3.5", "--flag", "4", "--stack", "s", "-5"])
    assert options.scale == 2.0
    assert options.flag is True
    assert options.layers == (1.0, 3.5, 4.0, -5.0)


@pytest.mark.parametrize(
    "texts",
    [["--z", "1", "2"], ["--z", "1", "--z", "2"], ["--z", "1,2"]],
    ids=["listed", "repeated", "joined"],
)
def test_lists_take_values_in_three_ways(texts):
    assert parse(WithoutMain, [*texts, "--out", "o"]).z == (1.0, 2.0)


def test_a_list_takes_negative_values():
    assert parse(WithoutMain, ["--z", "-1", "-2.5"]).z == (-1.0, -2.5)


def test_a_text_value_keeps_its_commas_and_blanks():
    assert parse(WithoutMain, ["--out", "/a folder/b,c.json"]).out == "/a folder/b,c.json"


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_truth_is_read_in_any_case(text):
    assert parse(WithMain, ["--stack", "s", "--exclude", text, "1"]).exclude is True
    assert parse(WithMain, ["--stack", "s", "--exclude", "False", "1"]).exclude is False


def test_a_name_is_read_in_any_case():
    assert parse(WithMain, ["--stack", "s", "--mode", "replace_last", "1"]).mode == "REPLACE_LAST"


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["1"], "required: --stack"),
        (["--stack"], "--stack: expected one argument"),
        (["--stack", "--flag"], "--stack: expected one argument"),
        (["--stack", "a", "--stack", "b"], "--stack: is given twice"),
        (["--stack", "a"], "required: z value"),
        (["--stack", "a", "--scale", "big", "1"], "--scale: 'big' cannot be used"),
        (["--stack", "a", "--exclude", "yes", "1"], "--exclude: 'yes' cannot be used: must be true or false"),
        (["--stack", "a", "--mode", "NONE", "1"], "--mode: invalid choice: 'NONE'.*'APPEND', 'REPLACE_LAST'"),
    ],
)
def test_wrong_arguments_are_named(texts, problem):
    with pytest.raises(OptionError, match=problem):
        parse(WithMain, texts)


def test_an_unknown_option_is_refused_where_there_is_no_main_list():
    with pytest.raises(OptionError, match="unrecognized arguments: --nothing"):
        parse(WithoutMain, ["--nothing", "x"])


def test_an_unknown_option_is_no_member_of_the_main_list():
    with pytest.raises(OptionError, match="unrecognized arguments: --nothing"):
        parse(WithMain, ["--stack", "s", "--nothing", "1"])


def test_a_list_ends_at_an_unknown_option():
    with pytest.raises(OptionError, match="--nothing"):
        parse(WithoutMain, ["--z", "1", "--nothing"])


def test_the_usage_names_options_defaults_and_the_main_list():
    lines = usage(WithMain).splitlines()
    assert any(line.split() == ["z", "value", "required"] for line in lines)
    assert any(line.split() == ["--stack", "<value>", "its", "name;", "required"] for line in lines)
    assert any(line.split() == ["--scale", "<value>", "default", "0.5"] for line in lines)
    assert any(line.split() == ["--z", "<value>", "[<value>", "...]"] for line in lines)
