"""Vector work of a transformer, counted element by element from the steps of each operation; shares no code with hwmodel."""

from collections import Counter

# One line a step: (class, "element" or "vector"). Reductions count one operation an element.
STEPS = {
    "layernorm": [
        ("add", "element"), ("multiply", "vector"),  # sum; mean
        ("add", "element"), ("multiply", "element"), ("add", "element"), ("multiply", "vector"),  # subtract, square, sum; variance
        ("add", "vector"), ("special", "vector"),  # eps; reciprocal root
        ("multiply", "element"), ("multiply", "element"), ("add", "element"),  # scale, weight, bias
    ],
    "rmsnorm": [
        ("multiply", "element"), ("add", "element"), ("multiply", "vector"), ("add", "vector"), ("special", "vector"),
        ("multiply", "element"), ("multiply", "element"),
    ],
    "softmax": [
        ("compare", "element"), ("add", "element"), ("special", "element"), ("add", "element"), ("special", "vector"),
        ("multiply", "element"),
    ],
    "rope": [("multiply", "element"), ("multiply", "element"), ("add", "element")],
    "add": [("add", "element")],
    "multiply": [("multiply", "element")],
    "scale": [("multiply", "element")],
    "relu": [("compare", "element")],
    "gelu": [("multiply", "element"), ("multiply", "element"), ("special", "element"), ("add", "element"), ("multiply", "element")],
    "gelu_tanh": [
        *[("multiply", "element")] * 3, ("add", "element"), ("multiply", "element"), ("special", "element"), ("add", "element"),
        ("multiply", "element"), ("multiply", "element"),
    ],
    "silu": [("special", "element"), ("add", "element"), ("special", "element"), ("multiply", "element")],
    "softcap": [("multiply", "element"), ("special", "element"), ("multiply", "element")],
}  # fmt: skip
INPUTS = {"add": 2, "multiply": 2}


def walk(op, vectors, width):
    """Operations by class of `vectors` vectors of `width` elements, one at a time."""
    found = Counter()
    for _ in range(vectors):
        for kind, per in STEPS[op]:
            for _ in range(width if per == "element" else 1):
                found[kind] += 1
    return found


def llama_elements(hidden, intermediate, heads, kv_heads, head_dim, layers, tokens, queries, context, batch):
    """Elements by operation of a LLaMA-like model (B T h, B a T S), block by block."""
    found = Counter()
    for _ in range(layers):
        found["rmsnorm"] += 2 * tokens * hidden
        found["rope"] += tokens * (heads + kv_heads) * head_dim
        found["softmax"] += batch * heads * queries * context
        found["add"] += 2 * tokens * hidden
        found["silu"] += tokens * intermediate
        found["multiply"] += tokens * intermediate
    found["rmsnorm"] += tokens * hidden
    return found
