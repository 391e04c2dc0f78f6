"""The examples of the documentation run and give what they say; the documentation names everything there is."""

import re
from pathlib import Path

import pytest

import numfmt as nf
from numfmt.formats import arithmetic, code_fields, ieee, packing
from numfmt.formats.catalogue import AMBIGUOUS, entries
from numfmt.formats.functions import FUNCTIONS
from numfmt.formats.nan_rules import NAN_RULES
from numfmt.formats.parse import _RULES
from numfmt.formats.policy import POLICIES

DOCS = Path(__file__).parent.parent / "docs"
FORMATS = (DOCS / "formats.md").read_text(encoding="utf-8")
MARK = "  # -> "


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda p: p.name)
def test_examples_give_what_they_say(page):
    found = blocks(page.read_text(encoding="utf-8"))
    names, compared = {}, 0
    for block in found:
        for line in filter(None, map(str.strip, block.splitlines())):
            expression, mark, said = line.partition(MARK)
            if mark:
                assert repr(eval(expression, names)) == said, line
                compared += 1
            else:
                exec(line, names)
    if page.name == "formats.md":
        assert compared > 120


def written():
    """What the page writes in code: `strings` in the text, "strings" in the examples."""
    return set(re.findall(r"`([^`\n]+)`", FORMATS)) | set(re.findall(r'"([^"\n]+)"', FORMATS))


def test_every_rule_of_the_parser_is_named():
    names = {name.lower() for name in written()}
    for pattern, _ in _RULES:
        assert any(pattern.fullmatch(name) for name in names), pattern.pattern


def test_every_name_is_there():
    names = written()
    for known in (nf.Rounding, nf.Overflow, POLICIES, NAN_RULES, packing.ORDERS, FUNCTIONS):
        for name in known:
            assert str(name) in names, name
    for name in AMBIGUOUS:
        assert name in names or name in ("float8",), name
    for operation in [*arithmetic.OPERATIONS, "lmul", "convert", "compare", "elementary", "pack", "unpack", "decode_packed"]:
        assert f"nf.{operation}(" in FORMATS or f"nf.{operation}`" in FORMATS, operation
    for operation in [
        n for n, f in vars(ieee).items() if callable(f) and getattr(f, "__module__", "") == ieee.__name__ and n[0] != "_"
    ]:
        assert f"nf.ieee.{operation}(" in FORMATS, operation


def test_every_catalogued_format_is_named_or_belongs_to_a_rule_that_is():
    names = {name.lower() for name in written()}
    for entry in entries():
        by_rule = any(pattern.fullmatch(entry.name) for pattern, _ in _RULES)
        assert by_rule or entry.name in names, entry.name
    listed = set(nf.catalogue()["name"])
    assert listed == {entry.name for entry in entries()}
    for name in names:  # what the page writes as a format is one
        kinds = r"(u?fixed|u?float|ap_u?fixed|posit|takum|codebook|lns|nupes|pot|llmfp|adaptivfloat)<[^A-Z\[]*\d[^A-Z\[]*>"
        placeholder = r"=[a-z]|<[a-z]|,[a-z](,|>|$)|bits"
        if re.fullmatch(kinds, name) and not re.search(placeholder, name):
            nf.parse(name)


def test_every_family_has_its_fields():
    for entry in entries():
        assert code_fields.layout(entry.format)[0][0] != "code", entry.name


def test_every_scheme_of_the_catalogue_has_its_row():
    page = (DOCS / "schemes.md").read_text(encoding="utf-8")
    for row in nf.schemes().itertuples():
        line = f"| `{row.scheme}` | {row.what} | {row.bits_per_element:.4g} | {row.source} | {row.status} |"
        assert line in page, f"{row.scheme}: run tools/fill_docs.py docs/schemes.md"
        assert str(nf.scheme(row.scheme)) == row.scheme or nf.scheme(row.scheme).name in row.scheme
    for option in ("pad", "asym", "full", "mse", "percentile=99.9", "reciprocal", "sel=fp16", "zp=gptq", "eps=1e-8"):
        assert f"`{option}`" in page, option
