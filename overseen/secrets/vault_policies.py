"""Reading policies of Vault as far as they can be compared: paths, capabilities, and which parameters may be sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_PATH = re.compile(r'path\s+"([^"]+)"\s*\{')
_CAPABILITIES = re.compile(r"capabilities\s*=\s*\[([^\]]*)\]")
_ALLOWED = re.compile(r"allowed_parameters\s*=?\s*\{([^}]*)\}")
_PARAMETER = re.compile(r'"?([\w*-]+)"?\s*=\s*\[([^\]]*)\]')
_TEXT = re.compile(r'"([^"]*)"')
_COMMENT = re.compile(r"^\s*(#|//).*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a policy allows on one path. `parameters`: the only ones that may be sent, each with the values it may have
    (none: any); None when any may be.
    """

    capabilities: frozenset[str] = frozenset()
    parameters: Mapping[str, frozenset[str]] | None = field(default=None)


def rules_of(policy: str) -> dict[str, Rule]:
    """A policy's rules by path."""
    text = _COMMENT.sub("", policy)
    found: dict[str, Rule] = {}
    for start in _PATH.finditer(text):
        body = _block(text, start.end())
        listed, allowed = _CAPABILITIES.search(body), _ALLOWED.search(body)
        more = Rule(
            capabilities=frozenset(_TEXT.findall(listed[1])) if listed else frozenset(),
            parameters=None
            if allowed is None
            else {name: frozenset(_TEXT.findall(values)) for name, values in _PARAMETER.findall(allowed[1])},
        )
        known = found.get(start[1])
        found[start[1]] = more if known is None else _joined(known, more)
    return found


def compare_policies(wanted: str, there: str) -> list[tuple[str, str]]:
    """Problem (too_wide or too_narrow) and detail for every path on which the two differ."""
    should, does = rules_of(wanted), rules_of(there)
    differences: list[tuple[str, str]] = []
    for path in sorted(should.keys() | does.keys()):
        wanted_rule, rule = should.get(path, Rule()), does.get(path, Rule())
        if more := rule.capabilities - wanted_rule.capabilities:
            differences.append(("too_wide", f"{path}: {', '.join(sorted(more))}"))
        if less := wanted_rule.capabilities - rule.capabilities:
            differences.append(("too_narrow", f"{path}: {', '.join(sorted(less))}"))
        if path in should and path in does:
            if loose := _looser(wanted_rule, rule):
                differences.append(("too_wide", f"{path}: may send {loose}"))
            if strict := _looser(rule, wanted_rule):
                differences.append(("too_narrow", f"{path}: may not send {strict}"))
    return differences


def _block(text: str, start: int) -> str:
    """From behind an opening brace to the one that closes it."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position]
    return text[start:]


def _joined(one: Rule, other: Rule) -> Rule:
    """Two rules for one path: Vault allows what either does."""
    parameters: dict[str, frozenset[str]] | None = None
    if one.parameters is not None and other.parameters is not None:
        parameters = {**one.parameters, **other.parameters}
    return Rule(capabilities=one.capabilities | other.capabilities, parameters=parameters)


def _looser(strict: Rule, loose: Rule) -> str:
    """What may be sent under `loose` and not under `strict`, in words; empty when nothing."""
    if strict.parameters is None:
        return ""
    if loose.parameters is None:
        return f"any parameter, not only {', '.join(sorted(strict.parameters)) or 'none'}"
    names = [
        name
        for name, values in loose.parameters.items()
        if name not in strict.parameters
        or (strict.parameters[name] and not values <= strict.parameters[name])
        or (strict.parameters[name] and not values)
    ]
    return ", ".join(sorted(names))
