#!/usr/bin/env python3
"""A slipway plugin in Python: says hello to `name`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from slipway_plugin import Failed, Plugin

plugin = Plugin("hello", version="1", summary="Says hello.")


@plugin.action(
    "greet",
    summary="Greets `name`.",
    cacheable=True,  # the same params give the same outputs: slipway may skip it
    params={
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {"name": {"type": "string", "minLength": 1}},
        "examples": [{"name": "World"}],  # what `slipway plugin test` runs
    },
    outputs={"type": "object", "required": ["greeting"], "properties": {"greeting": {"type": "string"}}},
)
def greet(call):
    name = call.params["name"]
    if name == "nobody":
        raise Failed("there is nobody to greet")
    call.log(f"greeting {name}\n")
    return {"greeting": f"Hello, {name}!"}


@greet.preview
def preview(call):
    return {"lines": [f"would greet {call.params['name']}"]}


if __name__ == "__main__":
    plugin.serve()
