"""Plans: strings, YAML and mappings name the same thing, and print as what they parse."""

import pytest

import numfmt as nf

PLANS = [
    "int4/g128",
    "bitmod4/g128+sel=fp16",
    "w=int4/g128",
    "w=int4/g128; a=int8/token; kv=int8/token; path=int32>fp32",
    "a=float16;w=mixed<int4,flint4>/g64",
    "path=float<3,2>>fp32; w=nf4",
    "w=int4/g128 | *.head: w=int8/channel | layers.0.*: w=bitmod4; path=bitmod.paper",
    "int4/g128 | *.head: int8/channel",
]


@pytest.mark.parametrize("text", PLANS)
def test_strings_round_trip(text):
    plan = nf.Plan.parse(text)
    assert nf.Plan.parse(str(plan)) == plan
    assert str(nf.Plan.parse(str(plan))) == str(plan)
    assert nf.Plan.parse(plan) is plan


def test_what_is_left_out():
    bare = nf.Plan.parse("int4/g128").for_layer("any")
    assert (str(bare.weight), str(bare.activation), str(bare.kv), bare.path) == ("int4/g128", "float16", "float16", None)
    assert nf.Plan.parse(nf.scheme("int4/g128")) == nf.Plan.parse("int4/g128") == nf.Plan.parse("w=int4/g128")


YAML = """
default: {w: int4/g128, a: int8/token, path: "int32>fp32"}
layers:
  "*.head": {w: int8/channel}
  "layers.0.*": {w: bitmod4/g128, a: float16, path: bitmod.paper}
"""


def test_yaml_mapping_and_string_agree(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(YAML, encoding="utf-8")
    plan = nf.Plan.parse(str(path))
    text = "w=int4/g128; a=int8/token; path=int32>fp32 | *.head: w=int8/channel"
    text += " | layers.0.*: w=bitmod4/g128; a=float16; path=bitmod.paper"
    assert plan == nf.Plan.parse(text)
    assert plan == nf.Plan.parse(str(plan))
    mapping = {"default": {"w": "int4/g128", "a": "int8/token", "path": "int32>fp32"}, "layers": {"*.head": {"w": "int8/channel"}}}
    assert nf.Plan.parse(mapping).for_layer("lm.head") == plan.for_layer("lm.head")
    assert str(plan.for_layer("lm.head").weight) == "int8/channel"
    assert str(plan.for_layer("lm.head").path) == "int32>fp32"
    assert str(plan.for_layer("layers.0.q").path) == "bitmod.paper"
    assert plan.for_layer("layers.0.head") == plan.for_layer("layers.0.q")  # the last match wins
    assert plan.for_layer("layers.1.q") == plan.default


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("w=int4/g128; b=int8", "unknown key 'b'"),
        ("w=int4/g128; w=int8/g128", "given twice"),
        ("w=int4/g128; a", "not key=value"),
        ("w=", "not key=value"),
        ("int4x/g128", "unknown scheme"),
        ("w=int4/g128; path=fp33", "fp32"),
        (5, "not a string"),
        ({"weights": {}}, "unknown key 'weights'"),
        ({"default": "int4"}, "must hold keys"),
        ({"layers": {"x": None}}, "must hold keys"),
        ("int4/g128 | x", "not PATTERN"),
        ("", "scheme ''"),
    ],
)
def test_refusals(spec, words):
    with pytest.raises(ValueError, match=words):
        nf.Plan.parse(spec)


def test_refused_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        nf.Plan.parse(str(tmp_path / "absent.yaml"))
    path = tmp_path / "p.yml"
    for content, words in (("a: [", "not valid YAML"), ("- 1", "must hold the keys"), ("default: {w: int4q}", "int4q")):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=words):
            nf.Plan.parse(str(path))


def test_what_holds_a_plan_stands_for_it():
    class Answer:
        plan = nf.Plan.parse("w=int4/g128; a=int8/token")

    assert nf.Plan.parse(Answer()) is Answer.plan
    Answer.plan = "int4"
    with pytest.raises(ValueError, match="is not a string"):
        nf.Plan.parse(Answer())
