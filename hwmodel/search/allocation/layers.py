"""Layers that must agree and layers whose scheme is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hwmodel._checks import unknown
from hwmodel.search.allocation.table import Candidates


@dataclass(frozen=True)
class Blocks:
    """Sets of layers with one scheme: `members[block]`, and the schemes (`options[block]`) that all of them may have."""

    members: tuple[tuple[str, ...], ...]
    options: tuple[tuple[str, ...], ...]


def blocks_of(table: Candidates, groups: Any, fixed: Mapping[str, str] | None) -> Blocks:
    """Each group one block, every other layer its own, in the order of the layers; fixed layers keep one option.

    Groups that share a layer are one. A column `group` of the table groups the layers with the same value there.
    """
    root = {layer: layer for layer in table.layers}

    def find(layer: str) -> str:
        while root[layer] != layer:
            layer = root[layer]
        return layer

    for names in [*_named(table, groups), *_column(table)]:
        for other in names[1:]:
            root[find(other)] = find(names[0])
    members: dict[str, list[str]] = {}
    for layer in table.layers:
        members.setdefault(find(layer), []).append(layer)
    given = _fixed(table, fixed or {})
    return Blocks(tuple(map(tuple, members.values())), tuple(_options(table, block, given) for block in members.values()))


def matched(table: Candidates, what: str, pattern: Any) -> list[str]:
    """Layers of this name or pattern (shell wildcards). ValueError where there are none."""
    if pattern in table.layers:
        return [pattern]
    found = [layer for layer in table.layers if fnmatchcase(layer, pattern)] if isinstance(pattern, str) else []
    if not found:
        raise unknown(f"{what}: layer or pattern", pattern, table.layers)
    return found


def _named(table: Candidates, groups: Any) -> list[list[str]]:
    if groups is None:
        return []
    if isinstance(groups, Mapping):
        groups = list(groups.values())
    if isinstance(groups, str) or not isinstance(groups, Iterable):
        raise ValueError(
            f"groups is {groups!r}; give a list of groups, each a list of layers or a pattern: [['conv1', 'conv2'], 'blocks.*.qkv']"
        )
    out = []
    for i, group in enumerate(groups):
        names = [group] if isinstance(group, str) else list(group)
        found = list(dict.fromkeys(layer for name in names for layer in matched(table, f"groups[{i}]", name)))
        if not found:
            raise ValueError(f"groups[{i}] is empty; name layers that must have the same scheme")
        out.append(found)
    return out


def _column(table: Candidates) -> list[list[str]]:
    if "group" not in table.frame.columns:
        return []
    held: dict[Any, list[str]] = {}
    of: dict[str, Any] = {}
    for layer, value in zip(table.frame["layer"].tolist(), table.frame["group"].tolist(), strict=True):
        value = None if value is None or value != value or value == "" else value
        if of.setdefault(layer, value) != value:
            raise ValueError(f"candidates: layer {layer!r} is in group {of[layer]!r} and {value!r}; give all its rows the same")
        if value is not None and layer not in held.setdefault(value, []):
            held[value].append(layer)
    return list(held.values())


def _fixed(table: Candidates, fixed: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(fixed, Mapping):
        raise ValueError(f"fixed is {fixed!r}; give a mapping from layers or patterns to schemes")
    out: dict[str, str] = {}
    for pattern, scheme in fixed.items():
        for layer in matched(table, "fixed", pattern):
            if (layer, scheme) not in table.row:
                raise unknown(f"fixed[{pattern!r}]: scheme of layer {layer!r}", scheme, table.options(layer))
            out[layer] = scheme
    return out


def _options(table: Candidates, block: list[str], fixed: Mapping[str, str]) -> tuple[str, ...]:
    common = [s for s in table.options(block[0]) if all((layer, s) in table.row for layer in block)]
    if not common:
        raise ValueError(
            f"layers {_listed(block)} must agree, but have no scheme in common; add rows, or leave one out of the group"
        )
    given = {layer: fixed[layer] for layer in block if layer in fixed}
    if len(set(given.values())) > 1:
        raise ValueError(f"layers {_listed(block)} must agree, but are fixed to different schemes: {given}")
    if not given:
        return tuple(common)
    scheme = next(iter(given.values()))
    if scheme not in common:
        raise ValueError(
            f"layer {next(iter(given))!r} is fixed to {scheme!r}, which layers {_listed(block)} do not have in common:"
            f" {', '.join(common)}"
        )
    return (scheme,)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
