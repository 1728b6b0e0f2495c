#!/usr/bin/env python3
"""Reduces the providers' machine-readable descriptions to the JSON Schemas (draft 7) that the sandbox checks bodies with.

usage: make_schemas.py GOOGLE_DISCOVERY.json GRAPH_OPENAPI.json   (see README.md for where they come from)
Descriptions are dropped, references are kept only as far as the named roots reach, and every object refuses properties that its
description does not name.
"""
import json
import pathlib
import sys

OUT = pathlib.Path(__file__).parent


def reduce_google(node):
    """A discovery document's schema (JSON Schema draft 3 with extensions) as draft 7."""
    if "$ref" in node:
        return {"$ref": "#/definitions/" + node["$ref"]}
    kept = {"type": node["type"]} if node.get("type") not in (None, "any") else {}
    if node.get("type") == "object":
        if "properties" in node:
            kept["properties"] = {name: reduce_google(child) for name, child in node["properties"].items()}
        extra = node.get("additionalProperties")
        kept["additionalProperties"] = reduce_google(extra) if isinstance(extra, dict) else False
    if node.get("type") == "array":
        kept["items"] = reduce_google(node["items"])
    if node.get("format") == "int32":
        kept["minimum"], kept["maximum"] = -(2**31), 2**31 - 1
    return kept


def reduce_graph(node, schemas):
    """An OpenAPI 3.0 schema as draft 7: inheritance flattened, nullable spelled out, OData annotations allowed."""
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        target = schemas[name]
        reference = {"$ref": "#/definitions/" + name}
        return {"anyOf": [reference, {"type": "null"}]} if "enum" not in target else reference
    if "anyOf" in node or "oneOf" in node:
        choices = [reduce_graph(child, schemas) for child in node.get("anyOf", node.get("oneOf"))]
        return {"anyOf": choices + [{"type": "null"}]}
    if "allOf" in node or node.get("type") == "object":
        properties = {}
        for part in flatten(node, schemas):
            properties.update(part.get("properties", {}))
        return {
            "type": "object",
            "properties": {name: reduce_graph(child, schemas) for name, child in properties.items()},
            "patternProperties": {"^@odata[.]|@odata[.]": {}},
            "additionalProperties": False,
        }
    kept = {}
    for key in ("enum", "pattern", "maxLength"):
        if key in node:
            kept[key] = node[key]
    if "type" in node:
        kept["type"] = [node["type"], "null"] if node.get("nullable") else node["type"]
    if node.get("type") == "array":
        kept["items"] = reduce_graph(node["items"], schemas)
    if node.get("format") == "int32":
        kept["minimum"], kept["maximum"] = node.get("minimum", -(2**31)), node.get("maximum", 2**31 - 1)
    if "enum" in kept and node.get("nullable"):
        kept["enum"] = kept["enum"] + [None]
    return kept


def flatten(node, schemas):
    if "$ref" in node:
        return flatten(schemas[node["$ref"].rsplit("/", 1)[1]], schemas)
    if "allOf" in node:
        return [part for child in node["allOf"] for part in flatten(child, schemas)]
    return [node]


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rsplit("/", 1)[1]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def write(name, root, reduce):
    definitions, waiting = {}, [root]
    while waiting:
        current = waiting.pop()
        if current not in definitions:
            definitions[current] = reduce(current)
            waiting.extend(references(definitions[current]))
    top = definitions.pop(root)
    if root in set(references(definitions)) | set(references(top)):
        definitions[root] = top
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", **top, "definitions": dict(sorted(definitions.items()))}
    (OUT / name).write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")


google = json.load(open(sys.argv[1], encoding="utf-8"))["schemas"]
graph = json.load(open(sys.argv[2], encoding="utf-8"))["components"]["schemas"]
write("google_event.schema.json", "Event", lambda name: reduce_google(google[name]))
write("google_calendar.schema.json", "Calendar", lambda name: reduce_google(google[name]))
write("graph_event.schema.json", "microsoft.graph.event", lambda name: reduce_graph(graph[name], graph))
write("graph_calendar.schema.json", "microsoft.graph.calendar", lambda name: reduce_graph(graph[name], graph))
