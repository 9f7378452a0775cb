"""The published OCSF schema, read strictly: what it does not know, require or allow is a problem."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

# Their values follow from the place of a class in its category; the published sources leave them to a compiler.
_DERIVED = ("category_uid", "class_uid", "type_uid")
_CHECKS = {
    "string_t": str,
    "integer_t": int,
    "long_t": int,
    "boolean_t": bool,
    "float_t": (int, float),
    "timestamp_t": int,
}


@cache
def schema() -> dict[str, Any]:
    """OCSF 1.7.0 as the project publishes it; the package `pydantic-ocsf` carries it."""
    return json.loads(files("ocsf").joinpath("schemas/v1_7_0.json").read_text(encoding="utf-8"))


def attributes(kind: str, name: str) -> dict[str, dict[str, Any]]:
    """The attributes of an event class or object with those it inherits and what the dictionary says of them."""
    described = schema()[kind][name]
    found = attributes(kind, described["extends"]) if described.get("extends") in schema()[kind] else {}
    for attribute, spec in described["attributes"].items():
        if not attribute.startswith("$"):
            known = schema()["dictionary"]["attributes"].get(attribute, {})
            merged = {**known, **found.get(attribute, {}), **spec}
            enums = [source.get("enum", {}) for source in (known, found.get(attribute, {}), spec)]
            found[attribute] = {**merged, "enum": {value: name for enum in enums for value, name in enum.items()}}
    return found


def problems(value: Any, name: str, *, kind: str = "objects", where: str = "") -> list[str]:
    """What is wrong with `value` as an object or event class of that name; nothing when it fits."""
    if not isinstance(value, dict):
        return [f"{where}: is no object"]
    known = attributes(kind, name)
    found = [f"{where}{item} is not known" for item in value if item not in known]
    found += [
        f"{where}{item} is missing"
        for item, spec in known.items()
        if spec.get("requirement") == "required" and item not in value
    ]
    for rule, names in (schema()[kind][name].get("constraints") or {}).items():
        present = sum(item in value for item in names)
        if present == 0 or (rule == "just_one" and present > 1):
            found.append(f"{where}: {rule} of {names}")
    for item in value.keys() & known.keys():
        spec = {**known[item], "enum": {}} if item in _DERIVED else known[item]
        found += _attribute(value[item], spec, f"{where}{item}")
    return found


def _attribute(value: Any, spec: dict[str, Any], where: str) -> list[str]:
    if spec.get("is_array"):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        one = {**spec, "is_array": False}
        return [problem for number, item in enumerate(value) for problem in _attribute(item, one, f"{where}[{number}]")]
    if "@deprecated" in spec:
        return [f"{where} is deprecated"]
    if spec["enum"] and str(value) not in spec["enum"]:
        return [f"{where}: {value!r} is none of {sorted(spec['enum'])}"]
    name = spec["type"]
    if name in schema()["objects"] and name != "object":
        return problems(value, name, where=f"{where}.")
    if name in ("object", "json_t"):
        return []
    types = schema()["dictionary"]["types"]["attributes"]
    base = name if name in _CHECKS else types[name].get("type", name)
    wrong = not isinstance(value, _CHECKS[base]) or (isinstance(value, bool) and base != "boolean_t")
    return [f"{where}: {value!r} is no {name}"] if wrong else []
