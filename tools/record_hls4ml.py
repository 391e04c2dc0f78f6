"""Records hls4ml's own layers as test vectors: `python tools/record_hls4ml.py FOLDER OUT.npz [--cases N] [--seed S] [--check]`.

FOLDER is hls4ml/templates/vivado of an unpacked hls4ml 1.3.0 wheel: its nnet_utils templates and ap_types headers are compiled by
g++ (C++14) with random types, shapes and data. A case is a layer: kind, types (rows of W, I, signed, Q, O, N; the last is
the result's), sizes, and raw integers of inputs and output. --check compares with numfmt and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROUNDINGS = ("AP_TRN", "AP_TRN_ZERO", "AP_RND", "AP_RND_ZERO", "AP_RND_MIN_INF", "AP_RND_INF", "AP_RND_CONV")
OVERFLOWS = ("AP_WRAP", "AP_WRAP", "AP_SAT", "AP_SAT", "AP_SAT_SYM", "AP_SAT_ZERO", "AP_WRAP_SM", "AP_WRAP", "AP_WRAP_SM")
KINDS = ("dense", "dense", "conv2d", "conv2d", "depthwise", "average", "max", "batchnorm", "relu", "add")

HEAD = """
#define AP_INT_MAX_W 256
#include "ap_fixed.h"
#include "nnet_utils/nnet_common.h"
#include "nnet_utils/nnet_helpers.h"
#include "nnet_utils/nnet_dense_latency.h"
#include "nnet_utils/nnet_conv2d_latency.h"
#include "nnet_utils/nnet_sepconv2d_latency.h"
#include "nnet_utils/nnet_pooling.h"
#include "nnet_utils/nnet_batchnorm.h"
#include "nnet_utils/nnet_activation.h"
#include "nnet_utils/nnet_merge.h"
#include <cstdio>
static FILE *source, *result;
template <class T> T *words(int n) {
    T *made = new T[n];
    for (int i = 0; i < n; i++) { long long raw; if (fread(&raw, 8, 1, source) != 1) abort(); made[i].V = raw; }
    return made;
}
template <class T> void show(T *made, int n) {
    for (int i = 0; i < n; i++) { long long raw = made[i].V.to_int64(); fwrite(&raw, 8, 1, result); }
}
struct Mult { template <class x_T, class y_T> using product = nnet::product::mult<x_T, y_T>; };
template <class data_T, class C> struct Im2col {
    static void fill_buffer(data_T *x, data_T (*buffer)[C::filt_height * C::filt_width * C::n_chan], int) {
        for (int oy = 0, p = 0; oy < (int)C::out_height; oy++)
            for (int ox = 0; ox < (int)C::out_width; ox++, p++)
                for (int ky = 0, k = 0; ky < (int)C::filt_height; ky++)
                    for (int kx = 0; kx < (int)C::filt_width; kx++)
                        for (int c = 0; c < (int)C::n_chan; c++, k++) {
                            int y = oy * C::stride_height + ky * C::dilation_height - C::pad_top;
                            int z = ox * C::stride_width + kx * C::dilation_width - C::pad_left;
                            bool in = y >= 0 && y < (int)C::in_height && z >= 0 && z < (int)C::in_width;
                            if (in) buffer[p][k] = x[(y * C::in_width + z) * C::n_chan + c];
                            else buffer[p][k] = 0;
                        }
    }
};
"""


def c_type(row: list[str]) -> str:
    """A types row as C++."""
    w, i, signed, q, o, n = row
    return f"ap_{'' if signed == '1' else 'u'}fixed<{w},{i},{q},{o},{n}>"


def random_type(rng: np.random.Generator, plain: bool, most: int = 16) -> list[str]:
    """W, I, signed, Q, O, N; `plain`: the header's default modes."""
    w = int(rng.integers(2, most + 1))
    i = int(rng.integers(-1, w + 2))
    signed = int(rng.random() < 0.8)
    q, o, n = "AP_TRN", "AP_WRAP", 0
    if not plain:
        q, o = str(rng.choice(ROUNDINGS)), str(rng.choice(OVERFLOWS))
        if o == "AP_WRAP_SM":
            signed = 1
        if o.startswith("AP_WRAP"):
            n = int(rng.integers(0, min(w, 4)))
    return [str(w), str(i), str(signed), q, o, str(n)]


def raws(rng: np.random.Generator, row: list[str], shape: tuple[int, ...]) -> np.ndarray:
    """Raw integers of a type: all equally likely, some at the ends and around zero."""
    w, signed = int(row[0]), row[2] == "1"
    low, high = (-(1 << (w - 1)), (1 << (w - 1)) - 1) if signed else (0, (1 << w) - 1)
    made = rng.integers(low, high + 1, shape)
    ends = rng.choice([low, low + 1, high, high - 1, 0, 1, -1 if signed else 1], shape)
    return np.clip(np.where(rng.random(shape) < 0.15, ends, made), low, high)


def near(row: list[str], others: list[list[str]], rng: np.random.Generator) -> list[str]:
    """The type with its binary point where the numbers of the others' product are, so that modes act now and then."""
    top = sum(int(o[1]) for o in others)
    row[1] = str(top + int(rng.integers(-2, 4)))
    return row


def case(rng: np.random.Generator, kind: str) -> dict[str, Any]:
    """A random layer: types, sizes, inputs in the order of the file."""
    x, w, b = random_type(rng, True, 12), random_type(rng, True, 9), random_type(rng, True, 10)
    accum, result = near(random_type(rng, False, 20), [x, w], rng), near(random_type(rng, False), [x, w], rng)
    size: dict[str, int] = {}
    if kind == "dense":
        size = {"samples": 6, "n_in": int(rng.integers(1, 24)), "n_out": int(rng.integers(1, 7))}
        shapes = [(6, size["n_in"]), (size["n_in"], size["n_out"]), (size["n_out"],)]
        types = [x, w, b, accum, result]
    elif kind in ("conv2d", "depthwise", "average", "max"):
        h, z, c, f = (int(v) for v in rng.integers((3, 3, 1, 1), (9, 9, 4, 5)))
        kh, kw, sy, sx = (int(v) for v in rng.integers(1, (4, 4, 4, 4)))
        dy, dx = (int(v) for v in rng.integers(1, 3, 2)) if kind in ("conv2d", "depthwise") else (1, 1)
        top, bottom = (int(v) for v in rng.integers(0, kh, 2))
        left, right = (int(v) for v in rng.integers(0, kw, 2))
        spans = h + top + bottom - dy * (kh - 1) - 1, z + left + right - dx * (kw - 1) - 1
        if min(spans) < 0:
            return case(rng, kind)
        f = c if kind != "conv2d" else f
        size = {"samples": 2, "in_height": h, "in_width": z, "n_chan": c, "n_filt": f, "filt_height": kh, "filt_width": kw}
        size |= {"stride_height": sy, "stride_width": sx, "dilation_height": dy, "dilation_width": dx}
        size |= {"pad_top": top, "pad_bottom": bottom, "pad_left": left, "pad_right": right}
        size |= {"out_height": spans[0] // sy + 1, "out_width": spans[1] // sx + 1, "count_pad": int(rng.integers(0, 2))}
        shapes = [(2, h, z, c)]
        types = [x, near(random_type(rng, False, 20), [x], rng), near(random_type(rng, False), [x], rng)]
        if kind in ("conv2d", "depthwise"):
            shapes += [(kh, kw, c, f) if kind == "conv2d" else (kh, kw, c), (f,)]
            types = [x, w, b, accum, result]
    else:
        n, c = 5, int(rng.integers(1, 9))
        size = {"samples": n, "channels": c}
        shapes = {"batchnorm": [(n, c), (c,), (c,)], "relu": [(n, c)], "add": [(n, c), (n, c)]}[kind]
        types = {"batchnorm": [x, w, b, result], "relu": [x, near(result, [x], rng)], "add": [x, b, near(result, [x], rng)]}[kind]
    return {"kind": kind, "types": types, "size": size, "inputs": [raws(rng, t, s) for t, s in zip(types, shapes, strict=False)]}


def source_of(n: int, made: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
    """C++ of a case, and the shape of its result."""
    kind, size, types = made["kind"], made["size"], [c_type(t) for t in made["types"]]
    names = [f"T{n}_{i}" for i in range(len(types))]
    text = "".join(f"typedef {t} {name};\n" for t, name in zip(types, names, strict=True))
    constants = "".join(f"    static const unsigned {key} = {value};\n" for key, value in size.items() if key != "count_pad")
    if "count_pad" in size:
        constants += f"    static const bool count_pad = {size['count_pad']};\n"
    x, y = names[0], names[-1]
    text += f"struct C{n} : Mult {{\n{constants}"
    loads = [
        f"    {name} *v{i} = words<{name}>({a.size});\n" for i, (name, a) in enumerate(zip(names, made["inputs"], strict=False))
    ]
    s = size["samples"]
    if kind in ("dense", "conv2d", "depthwise"):
        text += f"    typedef {names[1]} weight_t; typedef {names[2]} bias_t; typedef {names[3]} accum_t;\n"
    if kind == "dense":
        each, out = size["n_in"], (s, size["n_out"])
        call = f"nnet::dense_latency<{x}, {y}, C{n}>"
    elif kind in ("conv2d", "depthwise"):
        text += f"    static const unsigned n_pixels = {size['out_height'] * size['out_width']}, n_partitions = 1;\n"
        text += f"    typedef C{n} mult_config;\n"
        text += "    template <class data_T, class CONFIG_T> using fill_buffer = Im2col<data_T, CONFIG_T>;\n"
        each, out = int(np.prod(made["inputs"][0].shape[1:])), (s, size["out_height"], size["out_width"], size["n_filt"])
        call = f"nnet::{'conv_2d_latency_cl' if kind == 'conv2d' else 'depthwise_conv_2d_latency_cl'}<{x}, {y}, C{n}>"
    elif kind in ("average", "max"):
        text += f"    typedef {names[1]} accum_t; static const unsigned pool_height = filt_height, pool_width = filt_width;\n"
        text += f"    static const unsigned reuse_factor = 1; static const nnet::Pool_Op pool_op = nnet::{kind.capitalize()};\n"
        each, out = int(np.prod(made["inputs"][0].shape[1:])), (s, size["out_height"], size["out_width"], size["n_filt"])
        call = f"nnet::pooling2d_cl<{x}, {y}, C{n}>"
    else:
        c = size["channels"]
        each, out = c, (s, c)
        if kind == "batchnorm":
            text += f"    typedef {names[1]} scale_t; typedef {names[2]} bias_t; static const int n_filt = -1;\n"
            text += f"    static const unsigned n_in = {c}, n_scale_bias = {c};\n"
            call = f"nnet::normalize<{x}, {y}, C{n}>"
        elif kind == "relu":
            text += f"    static const unsigned n_in = {c};\n"
            call = f"nnet::relu<{x}, {y}, C{n}>"
        else:
            text += f"    static const unsigned n_elem = {c}, n_elem1 = {c}, n_elem2 = {c};\n"
            call = f"nnet::add<{x}, {names[1]}, {y}, C{n}>"
    many = int(np.prod(out[1:]))
    rest = {"dense": ", v1, v2", "conv2d": ", v1, v2", "depthwise": ", v1, v2", "batchnorm": ", v1, v2"}.get(kind, "")
    step = f"    for (int i = 0; i < {s}; i++) {{ {call}(v0 + i * {each}, {'v1 + i * ' + str(each) + ', ' if kind == 'add' else ''}"
    step += f"out + i * {many}{rest}); }}\n"
    body = f"    {y} *out = new {y}[{s * many}];\n{step}    show(out, {s * many});\n"
    return text + f"}};\nvoid run{n}() {{\n{''.join(loads)}{body}}}\n", out


def run(cases: list[dict[str, Any]], headers: Path) -> None:
    """Compile and run all cases; the result goes into each under "y"."""
    parts = [source_of(n, made) for n, made in enumerate(cases)]
    calls = "".join(f"    run{n}();\n" for n in range(len(cases)))
    main = (
        f'int main(int, char **a) {{\n    source = fopen(a[1], "rb"); result = fopen(a[2], "wb");\n{calls}    fclose(result);\n}}\n'
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "all.cpp").write_text(HEAD + "".join(text for text, _ in parts) + main)
        np.concatenate([a.reshape(-1) for made in cases for a in made["inputs"]]).astype(np.int64).tofile(folder / "in")
        flags = ["-std=c++14", "-O1", "-w", "-DNDEBUG", f"-I{headers}", f"-I{headers / 'ap_types'}"]
        subprocess.run(["g++", *flags, str(folder / "all.cpp"), "-o", str(folder / "all")], check=True)
        subprocess.run([str(folder / "all"), str(folder / "in"), str(folder / "out")], check=True)
        found, at = np.fromfile(folder / "out", np.int64), 0
    for made, (_, shape) in zip(cases, parts, strict=True):
        made["y"] = found[at : at + int(np.prod(shape))].reshape(shape)
        at += int(np.prod(shape))


def arrays(cases: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """The cases as arrays of an .npz: `words`, all raw integers in turn, and `index`, the rest as JSON."""
    index = []
    for made in cases:
        shapes = {name: a.shape for name, a in zip("xwb", made["inputs"], strict=False)} | {"y": made["y"].shape}
        index.append({"kind": made["kind"], "types": made["types"], "size": made["size"], "shapes": shapes})
    flat = [a.reshape(-1) for made in cases for a in (*made["inputs"], made["y"])]
    return {"index": np.array(json.dumps(index)), "words": np.concatenate(flat).astype(np.int32)}


def main() -> None:
    """Record, or compare with numfmt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("headers", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    cases = [case(rng, KINDS[n % len(KINDS)]) for n in range(options.cases)]
    run(cases, options.headers.resolve())
    if not options.check:
        np.savez_compressed(options.out, **arrays(cases))
        return
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.fixed_layer_cases import computed, unpacked

    wrong, words = 0, 0
    for n, made in enumerate(unpacked(arrays(cases))):
        got = computed(made)
        words += got.size
        if not np.array_equal(got, made["y"]):
            wrong += int((got != made["y"]).sum())
            print("case", n, made["kind"], made["types"], made["size"])
    print(f"{words} words of {len(cases)} layers, {wrong} differ")


if __name__ == "__main__":
    main()
