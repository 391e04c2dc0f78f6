"""One thread a test process: several run side by side, and pools of threads that wait would slow each other."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def pytest_configure(config):
    """Kernels start on one thread; tests of more threads set their number themselves."""
    if hasattr(config, "workerinput"):
        import numba

        numba.set_num_threads(1)
