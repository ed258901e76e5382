"""The schemas mirror the documented specification: name, type, default, description, required.

`data/documented_specification.json` holds the facts; where the documents themselves are at hand,
they are compared with it.
"""

import json
import re
from pathlib import Path

import pytest
from marshmallow import fields, missing

from asap_ingest import schemas

FACTS = json.loads((Path(__file__).parent / "data" / "documented_specification.json").read_text())
SEEDS = Path(__file__).parents[2] / "shared" / "seeds"
DOCUMENTS = ("000_6cfdcdce8db9837d.txt", "001_b35a3931e720daed.txt")
JSON_TYPES = (
    (fields.Boolean, "boolean"),
    (fields.Integer, "integer"),
    (fields.Nested, "object"),
    (fields.String, "string"),
)

SCHEMAS = {
    ("generate_EM_tilespecs_from_metafile", "input"): schemas.GenerateEMTileSpecsParameters,
    ("generate_EM_tilespecs_from_metafile", "output"): schemas.GenerateEMTileSpecsOutput,
    ("generate_mipmaps", "input"): schemas.GenerateMipMapsParameters,
    ("apply_mipmaps_to_render", "input"): schemas.AddMipMapsToStackParameters,
}


def documented_properties():
    for step, sides in FACTS.items():
        for side, facts in sides.items():
            for name, facts_of_field in facts["properties"].items():
                yield step, side, (name,), facts_of_field, name in facts.get("required", [])
                for inner, inner_facts in facts_of_field.get("properties", {}).items():
                    yield step, side, (name, inner), inner_facts, inner in facts_of_field["required"]


def field_at(schema, path):
    for name in path[:-1]:
        schema = schema.fields[name].schema
    return schema.fields[path[-1]]


@pytest.mark.parametrize(
    ("step", "side", "path", "facts", "is_required"),
    [
        pytest.param(*facts, id=f"{facts[0]}-{facts[1]}-{'.'.join(facts[2])}")
        for facts in documented_properties()
    ],
)
def test_field_is_as_documented(step, side, path, facts, is_required):
    field = field_at(SCHEMAS[step, side](), path)
    assert next(name for kind, name in JSON_TYPES if isinstance(field, kind)) == facts["type"]
    assert field.required is is_required
    assert facts.get("default", missing) == field.dump_default
    assert field.allow_none is facts.get("x-nullable", False)
    if "description" in facts:
        assert field.metadata["description"] == facts["description"]


@pytest.mark.parametrize(("step", "side"), SCHEMAS, ids="-".join)
def test_nothing_undocumented_is_required(step, side):
    required = {name for name, field in SCHEMAS[step, side]().fields.items() if field.required}
    assert required == set(FACTS[step][side]["required"])


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the documents are not beside this checkout")
@pytest.mark.parametrize("document", DOCUMENTS)
def test_facts_are_those_of_the_document(document):
    blocks = list(json_blocks((SEEDS / document).read_text()))
    assert blocks
    for step, block in blocks:
        side = "output" if set(block["properties"]) == {"stack"} else "input"
        facts = FACTS[step][side]
        assert block["required"] == facts["required"]
        # the older document has one field less
        assert block["properties"].items() <= facts["properties"].items()
        assert set(facts["properties"]) - set(block["properties"]) <= {"close_stack"}


def json_blocks(text):
    """(step, parsed block) for every JSON block below the heading of a step."""
    step = None
    for match in re.finditer(r"^##\s+\[(\w+)\.py\]|```JSON\n(.*?)```", text, re.S | re.M):
        if match[1]:
            step = match[1]
        else:
            yield step, json.loads(match[2])
