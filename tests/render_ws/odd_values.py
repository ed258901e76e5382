"""Request bodies made up from their schemas: sound in most places, and anything at all in some."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.render_ws.described import DESCRIPTION

SCHEMAS = DESCRIPTION["components"]["schemas"]
#: Written without the quotes: numbers that no Python value is written as.
BARE = "@"
NUMBERS = [
    *(0, 1, -1, 2.5, 40, 100, 255, 1e9, 2**31, -(2**31) - 1, 2**53 + 1, 2**64, 10**25, -1e308, 5e-324),
    *(f"{BARE}1e400", f"{BARE}-1e999", f"{BARE}{'9' * 400}", f"{BARE}0.{'1' * 400}", f"{BARE}-0"),
    *("0x1p9999", "0x.8p-2000", "-0x1p+1f", "NaN", "-Infinity", "1e999", "1" * 5000, "1_0", "٣", " 7 ", ""),
]
TEXTS = [
    *(
        "a",
        "b",
        "t",
        "g",
        "m",
        "",
        " ",
        "a\0b",
        "\0",
        "ü" * 300,
        "\U0001f600",
        "a/b",
        "x\ny",
        "<b>",
        "1 0 0 1 5 5",
    ),
    *("2024-02-30T10:00:00.5Z", "0001-01-01T00:00:00.0Z", "9" * 5000, "(a+)+$", "(" * 500, "file:/no/such"),
]
#: How deeply lists, objects and transforms lie in one another.
DEPTHS = [1, 2, 60, 125, 200, 260, 500, 900, 5000]
KINDS: dict[str, list[Any]] = {
    "number": NUMBERS[:9],
    "integer": [0, 1, 2, 3, 40, -1, 2**31 - 1, -(2**31)],
    "boolean": [True, False],
    "string": TEXTS,
}


def nested(shape: str, depth: int) -> str:
    """JSON, as a bare value, of something that lies so deeply in the same."""
    begin, end = {
        "list": ("[", "]"),
        "object": ('{"a":', "}"),
        "transform": ('{"type":"list","specList":[', "]}"),
        "sides": ('{"type":"interpolated","b":{"type":"leaf"},"a":', "}"),
    }[shape]
    inner = '{"type":"leaf"}' if shape in ("transform", "sides") else "1"
    return f"{BARE}{begin * depth}{inner}{end * depth}"


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.sampled_from(["[]", "{}", "[null]", '{"a":null}', '{"":1}', "[[]]"]).map(BARE.__add__),
    st.builds(nested, st.sampled_from(["list", "object", "transform", "sides"]), st.sampled_from(DEPTHS)),
)


@st.composite
def values(draw: st.DrawFn, schema: dict[str, Any], odds: int, level: int = 0) -> Any:
    """A value of a schema, of which one part in `odds` is odd."""
    if level > 9 or draw(st.integers(1, odds)) == odds:
        return draw(ODD)
    while "$ref" in schema or "anyOf" in schema:
        if "anyOf" in schema:
            schema = draw(st.sampled_from(schema["anyOf"]))
        else:
            schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if "const" in schema or "enum" in schema:
        return draw(st.sampled_from([schema["const"]] if "const" in schema else schema["enum"]))
    kind = schema.get("type")
    if kind == "array":
        return draw(st.lists(values(schema["items"], odds, level + 1), max_size=3))
    if kind == "object":
        return draw(_objects(schema, odds, level + 1))
    return draw(st.sampled_from(KINDS[kind]) if kind in KINDS else ODD)


@st.composite
def _objects(draw: st.DrawFn, schema: dict[str, Any], odds: int, level: int) -> dict[str, Any]:
    known = schema.get("properties", {})
    names = [*schema.get("required", []), *(draw(st.lists(st.sampled_from(sorted(known)))) if known else [])]
    found = {name: draw(values(known[name], odds, level)) for name in dict.fromkeys(names)}
    open_schemas = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    for entry in filter(None, open_schemas):
        keys = st.sampled_from(["0", "1", "t", "", "a\0b", "9" * 30])
        found |= draw(st.dictionaries(keys, values(entry, odds, level), max_size=2))
    return found


def written(value: Any) -> bytes:
    """JSON of a value, with the bare ones in it as they are."""
    if isinstance(value, str) and value.startswith(BARE):
        return value[len(BARE) :].encode()
    if isinstance(value, dict):
        return b"{%b}" % b",".join(b"%b:%b" % (written(key), written(entry)) for key, entry in value.items())
    if isinstance(value, list):
        return b"[%b]" % b",".join(map(written, value))
    return json.dumps(value, ensure_ascii=False).encode()


def bodies(schema: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Bodies of a schema with few or many odd parts; some are cut off, or something follows."""
    sound = st.sampled_from([6, 40, 400]).flatmap(lambda odds: values(schema, odds)).map(written)
    spoilt = st.sampled_from([lambda body: body[:-1], lambda body: body + b" x", lambda body: b"\xff" + body])
    return st.one_of(sound, sound, sound, st.builds(lambda spoil, body: spoil(body), spoilt, sound))
