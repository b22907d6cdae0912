"""Fashion-MNIST from its four IDX files."""

from pathlib import Path

from tensornet import TensorNetError

from ._files import check_folder, find, missing
from ._idx import idx
from ._source import Part, Source, classes

NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
METRICS = ("accuracy",)
MEAN, DEVIATION = 0.2860, 0.3530  # of the pixels of train, as fractions of 255


def read(folder: Path | None) -> Source:
    """train-* and t10k-*; there is no official dev."""
    folder = check_folder("fashion_mnist", folder)
    return Source("images", NAMES, METRICS, _part(folder, "train"), None, _part(folder, "t10k"))


def _part(folder: Path, prefix: str) -> Part:
    names = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
    contents = find(folder, names)
    if contents is None:
        raise missing(folder, f"fashion_mnist, {prefix}", [names])
    pixels, labels = (idx(content, axes) for content, axes in zip(contents, (3, 1), strict=True))
    if len(pixels) != len(labels):
        raise TensorNetError(
            f"{contents[0].name}: {len(pixels)} images, but {contents[1].name} has {len(labels)} labels, needed as many, "
            f"because the n-th label is of the n-th image; take both files from the same release"
        )
    codes = classes(contents[1].name, [str(n) for n in labels], [str(n) for n in range(len(NAMES))])
    return Part(contents[0].name, (pixels,), codes)
