"""Evaluators that other processes can import, and a child process that sweeps."""

import os
import sys
import time


def cheap(point):
    """A number, a whole number, a text, a truth."""
    return {
        "y": point["a"] * 1.1 + point["b"],
        "n": point["a"] // 2,
        "t": f"{point['a']}-{point['b']}",
        "even": point["a"] % 2 == 0,
    }


def some_fail(point):
    """Every third point has no result; which ones depends on a file that the caller may remove."""
    if point["a"] % 3 == 0 and os.path.exists(point["flag"]):
        raise RuntimeError(f"no result for {point['a']}")
    return {"y": float(point["a"])}


def wrong_kind(point):
    """Results that no table holds."""
    return [1, 2] if point["a"] == 0 else {"y": [1]} if point["a"] == 1 else {"a": 3} if point["a"] == 2 else {"y": 1}


def dies(point):
    """The process ends in the middle of a point."""
    if point["a"] == 7:
        time.sleep(0.2)
        os._exit(13)
    return {"y": point["a"]}


def two_goals(point):
    """A trade-off between y and z with a known front: x on the diagonal."""
    if point["x"] == point["w"] == 3:
        raise ValueError("no such design")
    return {"y": point["x"] ** 2 + point["w"], "z": (point["x"] - 10) ** 2 + point["w"], "name": "ab"[point["w"] % 2]}


def logged(point):
    """Says in a file that it was called, at the moment it is."""
    log = os.open(point["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{point['i']}\n".encode())
    os.close(log)
    time.sleep(0.001)
    return {"square": point["i"] ** 2, "half": point["i"] / 2}


def logged_space(log, count=500):
    return {"i": list(range(count)), "log": str(log)}


def live(store, log):
    """One sweep on two threads."""
    from concurrent.futures import ThreadPoolExecutor

    from hwmodel.search.sweeps.sweep import sweep

    with ThreadPoolExecutor(2) as pool:
        sweep(logged_space(log), logged, store=store, executor=pool, workers=2, progress=False)


def numbered(point):
    """Says in a file which process it was computed in."""
    with open(point["log"], "a") as log:
        log.write(f"{os.getpid()}\n")
    time.sleep(0.02)
    return {"y": point["i"]}


def pool(store, log):
    """One sweep on two processes."""
    from hwmodel.search.sweeps.sweep import sweep

    sweep(logged_space(log, 5000), numbered, store=store, workers=2)


def serve():
    """A process that has no threads and has loaded what a sweep needs; each line (store, log) forks one that sweeps, in a group of
    its own. Its number goes out, and then how it ended."""
    import hwmodel.search.sweeps.sweep  # noqa: F401

    for line in sys.stdin:
        number = os.fork()
        if not number:
            os.setsid()
            live(*line.rstrip("\n").split("\t"))
            os._exit(0)
        print(number, flush=True)
        print(os.waitpid(number, 0)[1], flush=True)


if __name__ == "__main__":
    sys.modules["tests.sweep_cases"] = sys.modules["__main__"]
    logged.__module__ = numbered.__module__ = "tests.sweep_cases"
    if sys.argv[1] == "serve":
        serve()
    elif sys.argv[1] == "pool":
        pool(*sys.argv[2:])
    else:
        live(*sys.argv[1:])
