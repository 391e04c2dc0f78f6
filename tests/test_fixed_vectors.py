"""Fixed point against words computed by the ap_fixed C++ headers: every row, every element."""

from pathlib import Path

import numpy as np

import numfmt as nf
from numfmt.formats import fixed_ops as fx

VECTORS = Path(__file__).parent / "vectors" / "ap_fixed"


def load(name):
    with np.load(VECTORS / f"{name}.npz") as file:
        return dict(file)


def destination(v, c):
    kind = "ap_fixed" if v["signed"][c] else "ap_ufixed"
    return nf.parse(f"{kind}<{v['W'][c]},{v['I'][c]},{v['Q'][c]},{v['O'][c]},{v['N'][c]}>")


def test_casts_of_doubles():
    v = load("cast_double")
    count = 0
    for c in range(len(v["W"])):
        f = destination(v, c)
        x = v["x"][v["input_row"][c]]
        got = fx.raw(nf.encode(x, f), f)
        np.testing.assert_array_equal(got, v["raw"][c], err_msg=str(f))
        values = nf.cast(x, f)
        want = got * np.float64(2.0) ** -f.frac_bits if f.width <= 53 else fx._fractions(got, f)
        np.testing.assert_array_equal(values, want, err_msg=str(f))
        count += got.size
    assert count == 952 * 160


def test_casts_of_doubles_that_float32_holds():
    v = load("cast_double")
    for c in range(len(v["W"])):
        f = destination(v, c)
        x = v["x"][v["input_row"][c]]
        with np.errstate(over="ignore"):
            single = x.astype(np.float32)
        same = single == x
        np.testing.assert_array_equal(fx.raw(nf.encode(single[same], f), f), v["raw"][c][same], err_msg=str(f))


def test_casts_of_fixed_point():
    v = load("cast_fixed")
    count = 0
    for c in range(len(v["W"])):
        f = destination(v, c)
        source = nf.Fixed(int(v["src_W"][c]), int(v["src_I"][c]), bool(v["src_signed"][c]))
        raws = v["src_raw"][v["input_row"][c]]
        got = fx.cast(raws, source, f)
        np.testing.assert_array_equal(got, v["raw"][c], err_msg=f"{source} to {f}")
        np.testing.assert_array_equal(fx.convert_fixed(fx.codes(raws, source), source, f), fx.codes(got, f))
        count += got.size
    assert count == 756 * 256


NAMES = {"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "neg": "negate", "shl": "left", "shr": "right"}


def test_operations():
    v = load("ops")
    count = 0
    for c, op in enumerate(v["op"]):
        a, b = (nf.Fixed(int(v[f"{s}_W"][c]), int(v[f"{s}_I"][c]), bool(v[f"{s}_signed"][c])) for s in "ab")
        x, y = v["a"][c], v["b"][c]
        want = v["res_hi"][c].astype(object) * 2**64 + v["res_lo"][c].astype(object)
        if op in NAMES:
            made = fx.result(NAMES[op], a, b)
            assert (made.width, made.int_bits, made.signed) == (v["res_W"][c], v["res_I"][c], bool(v["res_signed"][c])), (op, a, b)
        match op:
            case "add" | "sub" | "mul" | "div":
                got = getattr(fx, NAMES[op])(x, y, a, b)
            case "neg":
                got = fx.negate(x, a)
            case "shl" | "shr":
                got = getattr(fx, NAMES[op])(x, y, a)
            case "cmp":
                sign = fx.compare(x, y, a, b)
                rows = (sign < 0, sign <= 0, sign == 0, sign != 0, sign > 0, sign >= 0)
                got = sum(row.astype(np.int64) << i for i, row in enumerate(rows))
            case "to_double":
                got, want = fx.to_float64(x, a).view(np.uint64), v["res_lo"][c]
            case "to_float":
                got, want = fx.to_float32(x, a).view(np.uint32), v["res_lo"][c]
            case "to_int64":
                got, want = fx.to_int64(x, a), v["res_lo"][c].view(np.int64)
        np.testing.assert_array_equal(got, want, err_msg=f"{op} {a} {b}")
        count += x.size
    assert count == 282 * 160


def test_the_header_wraps_a_quotient_that_its_type_could_hold():
    """Trap T2: min / -1."""
    a, b = nf.parse("ap_fixed<4,1>"), nf.parse("ap_fixed<4,1>")
    assert fx.divide(-8, -1, a, b) == -64
    assert fx.divide(-8, -1, a, b, exact=True) == 64
    assert fx.result("divide", a, b).max_int >= 64


def test_plain_c_integers_have_32_bits():
    def shape(made):
        return made.width, made.int_bits, made.signed

    assert shape(fx.result("add", "ap_fixed<8,4>", "int32")) == (37, 33, True)
    assert shape(fx.result("multiply", "ap_fixed<8,4>", "uint32")) == (40, 36, True)
