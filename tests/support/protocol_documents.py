"""The documents of the device protocol as data, and the types of the code in the same form."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))
TEXT = (DOCS / "device-protocol.md").read_text("utf-8")
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
WORDS = {"title", "description", "examples"}


def target(reference: str, root: dict[str, Any]) -> Any:
    """Return what a reference leads to."""
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(part: Any) -> Iterator[str]:
    """Yield each reference in ``part``."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def bare(schema: Any, root: dict[str, Any]) -> Any:
    """Return a schema with its references resolved, in one order, without words for readers."""
    if isinstance(schema, list | tuple):
        return [bare(one, root) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return bare(target(schema["$ref"], root), root)
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            found[key] = {name: bare(one, root) for name, one in value.items()}
        elif key in {"required", "enum"}:
            found[key] = sorted(value)
        elif key not in WORDS:
            found[key] = bare(value, root)
    return found


def written(name: str) -> Any:
    """Return a schema of the document."""
    return bare(SCHEMAS[name], DOCUMENT)


def derived(struct: type) -> Any:
    """Return the schema that a type of the code stands for."""
    schema, components = msgspec.json.schema_components([struct], ref_template="#/{name}")
    return bare(schema[0], components)


def fields(struct: type) -> dict[str, msgspec.inspect.Field]:
    """Return the members of a type of the code by the names that are on the wire."""
    found = msgspec.inspect.type_info(struct)
    assert isinstance(found, msgspec.inspect.StructType)
    return {one.encode_name: one for one in found.fields}


def topics(direction: str, **wanted: Any) -> set[str]:
    """Return the last level of the channels up or down whose marks are as wanted."""
    return {
        name.partition("-")[2]
        for name, channel in DOCUMENT["channels"].items()
        if name.startswith(direction)
        and all(channel[f"x-{key}"] == value for key, value in wanted.items())
    }


def operations() -> dict[str, dict[str, Any]]:
    """Return the operation of each channel, by the channel's name."""
    found = {
        one["channel"]["$ref"].rpartition("/")[2]: one for one in DOCUMENT["operations"].values()
    }
    assert len(found) == len(DOCUMENT["operations"]), "one operation for each channel"
    return found


def examples(direction: str) -> Iterator[tuple[str, str, Any]]:
    """Yield topic, content type and payload of each example of both documents."""
    for name in sorted(topics(direction, availability="now")):
        for reference in DOCUMENT["channels"][f"{direction}-{name}"]["messages"].values():
            one = target(reference["$ref"], DOCUMENT)
            for example in one["examples"]:
                yield name, one["contentType"], example["payload"]
    for topic, text in re.findall(rf"```json {direction}/(\w+)\n(.*?)```", TEXT, re.DOTALL):
        yield topic, DOCUMENT["defaultContentType"], json.loads(text)
