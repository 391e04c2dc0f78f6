"""`hwmodel quantize`: a model's weights in safetensors files, quantized shard by shard."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    what = "quantize a model's safetensors files under a scheme, shard by shard, in little memory"
    parser = commands.add_parser("quantize", help=what, description=what.capitalize() + ". Run again to resume.")
    parser.add_argument("source", help="a .safetensors file or a directory of them")
    parser.add_argument("target", help="directory for the quantized files")
    parser.add_argument(
        "--scheme", default="bitmod4/g128", help="scheme of every matrix (default %(default)s; hwmodel list schemes)"
    )
    parser.add_argument(
        "--for",
        dest="patterns",
        action="append",
        default=[],
        metavar="PATTERN=SCHEME",
        help="another scheme for tensors of this name",
    )
    parser.add_argument("--skip", action="append", default=[], metavar="PATTERN", help="copy these tensors as they are")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=_quantize)


def _quantize(arguments: argparse.Namespace) -> int:
    import numfmt as nf

    spec = {}
    for text in arguments.patterns:
        pattern, equals, scheme = text.partition("=")
        if not (pattern and equals and scheme):
            raise ValueError(f"--for {text!r} is not PATTERN=SCHEME; write for example --for '*embed*=int8/channel'")
        spec[pattern] = scheme
    spec["*"] = arguments.scheme
    start = time.perf_counter()
    quiet = arguments.quiet or arguments.json
    out = nf.quantize_checkpoint(arguments.source, arguments.target, spec, skip=tuple(arguments.skip), progress=not quiet)
    held = nf.open_checkpoint(out)
    elements, bits = held.quantized_size()
    summary = {
        "target": str(out),
        "tensors_quantized": len(held.schemes),
        "tensors_copied": len(held) - len(held.schemes),
        "elements_quantized": elements,
        "bits_per_element": bits / elements if elements else 0.0,
        "file_bytes": held.nbytes,
        "seconds": round(time.perf_counter() - start, 2),
    }
    if arguments.json:
        print(json.dumps(summary, indent=1))
    else:
        print(
            f"{summary['tensors_quantized']} tensors, {elements:,} elements, {summary['bits_per_element']:.4g} bits an element; "
            f"{summary['tensors_copied']} tensors copied; {held.nbytes / 1e9:.3f} GB in {out}, {summary['seconds']} s"
        )
    return 0
