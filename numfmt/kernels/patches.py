"""The inputs of each output pixel of a convolution, side by side."""

from __future__ import annotations

import numba

from .jit import parallel_kernel


@parallel_kernel
def gather(x, top, channels, kernel, stride, dilation, padding, height, width, first, out):
    """out[r]: what output pixel first + r sums over: channel, kernel row, kernel column; zeros beyond the image.

    x: (images, C, rows, columns), whose first row is row `top` of the image, padding not included; channels: (from, to); kernel:
    (rows, columns); height, width: of the output; out: (R, (to - from) * rows * columns).
    """
    for r in numba.prange(out.shape[0]):
        image, rest = divmod(first + r, height * width)
        y, z = divmod(rest, width)
        y, z = y * stride - padding - top, z * stride - padding
        inside = y >= 0 and z >= 0 and y + (kernel[0] - 1) * dilation < x.shape[2] and z + (kernel[1] - 1) * dilation < x.shape[3]
        row = out[r]
        place = 0
        for c in range(channels[0], channels[1]):
            plane = x[image, c]
            for i in range(kernel[0]):
                u = y + i * dilation
                for j in range(kernel[1]):
                    v = z + j * dilation
                    if inside or (0 <= u < x.shape[2] and 0 <= v < x.shape[3]):
                        row[place] = plane[u, v]
                    else:
                        row[place] = 0
                    place += 1
