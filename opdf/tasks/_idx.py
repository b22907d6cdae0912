"""IDX, the format of MNIST: two zero bytes, type, number of axes, big-endian sizes, data."""

import math

import numpy as np

from tensornet import TensorNetError

from ._files import Content

UINT8 = 8


def idx(content: Content, axes: int) -> np.ndarray:
    """The uint8 array of a file with so many axes."""
    data, head = content.data, 4 + 4 * axes
    if data[:4] != bytes([0, 0, UINT8, axes]) or len(data) < head:
        raise TensorNetError(
            f"{content.name}: begins with bytes {data[:4].hex(' ')}, needed 00 00 08 {axes:02x}, because an IDX file of bytes "
            f"with {axes} axes begins so; look whether images and labels are exchanged"
        )
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", axes, 4))
    if len(data) - head != math.prod(shape):
        raise TensorNetError(
            f"{content.name}: {len(data) - head} bytes of data, needed {math.prod(shape)} for the shape {shape} in its header, "
            f"because nothing may be missing; fetch it again and compare its checksum"
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
