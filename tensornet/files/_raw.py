"""Arrays from bytes and bytes from arrays, to the bit. The libraries are reached by name: the core imports none of them."""

import importlib
import sys
from typing import Any

from array_api_compat import is_jax_array, is_torch_array, to_device

from .._arrays import Array, namespace
from .._errors import TensorNetError
from ._header import Entry

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
FRAMEWORKS = {"numpy": "numpy", "torch": "torch", "jax": "jax.numpy"}


def split(x: Array) -> Array:
    """(…) → (…, 2), real and imaginary part, if x is complex: not every release of safetensors knows complex numbers."""
    if not is_complex(x):
        return x
    xp = namespace(x)
    return xp.stack([xp.real(x), xp.imag(x)], axis=-1)


def is_complex(x: Array) -> bool:
    return _dtype_name(x).startswith("complex")


def dtype_of(x: Array) -> str | None:
    """What safetensors calls the dtype of the parts of x; None if it is none of a factor."""
    name = _dtype_name(x)
    part = {"complex64": "float32", "complex128": "float64"}.get(name, name)
    return next((short for short, long in DTYPES.items() if long == part), None)


def _dtype_name(x: Array) -> str:
    """Of any library, and of NumPy's bfloat16, of which its own isdtype knows nothing."""
    return getattr(x.dtype, "name", str(x.dtype)).split(".")[-1]


def to_bytes(x: Array) -> memoryview:
    """The entries of a real x in C order, little-endian."""
    numpy: Any = importlib.import_module("numpy")
    try:
        flat = numpy.asarray(_on_host(x)).reshape(-1)  # C order, and a copy only where it is not in it
    except TypeError as error:
        raise TensorNetError(
            f"save: got factors without values ({type(error).__name__}), as jit has while it traces, needed arrays, because "
            f"a file holds values; call it outside jit"
        ) from error
    if flat.dtype.byteorder in "<>":
        flat = flat.astype(flat.dtype.newbyteorder("<"), copy=False)
    return numpy.ascontiguousarray(flat).view(numpy.uint8).data


def _on_host(x: Array) -> Array:
    if is_torch_array(x):  # as integers of the same size, because NumPy has no bfloat16 of its own
        torch = sys.modules["torch"]
        integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}
        return x.detach().cpu().resolve_neg().view(integers[x.element_size()]).numpy()
    return x if is_jax_array(x) else to_device(x, namespace(x).__array_namespace_info__().default_device())


def library(framework: str) -> Any:
    """The module that makes arrays of `framework`."""
    if framework not in FRAMEWORKS:
        raise TensorNetError(
            f"load: framework={framework!r}, needed one of {', '.join(FRAMEWORKS)}, because those make arrays from files; "
            f"choose one of them"
        )
    try:
        return importlib.import_module(FRAMEWORKS[framework])
    except ModuleNotFoundError as error:
        raise TensorNetError(
            f"load: framework={framework!r} is not installed ({error}), needed, because it makes the arrays; install it "
            f"or choose another of {', '.join(FRAMEWORKS)}"
        ) from error


def from_bytes(framework: str, entry: Entry, data: bytearray, *, complex: bool) -> Array:
    """The array of `entry`, or of a complex one with its last axis joined, in memory of its own."""
    module = library(framework)
    if framework == "torch":
        dtype = getattr(module, DTYPES[entry.dtype])
        flat = module.frombuffer(data, dtype=dtype) if data else module.empty(0, dtype=dtype)
        x = flat.reshape(entry.shape)
        return module.view_as_complex(x) if complex else x
    numpy: Any = importlib.import_module("numpy")
    dtype = _bfloat16() if entry.dtype == "BF16" else numpy.dtype(DTYPES[entry.dtype]).newbyteorder("<")
    x = numpy.frombuffer(data, dtype=dtype).reshape(entry.shape)
    if complex:
        x = x.view({"F32": "<c8", "F64": "<c16"}[entry.dtype])[..., 0]
    made = module.asarray(x)
    if made.dtype != x.dtype:
        raise TensorNetError(
            f"load: the file holds {x.dtype}, which jax holds only with jax_enable_x64, needed, because a file is read to the "
            f"bit; enable it, or load with framework='numpy' and convert"
        )
    return made


def _bfloat16() -> Any:
    """NumPy knows bfloat16 from ml_dtypes, which JAX brings along."""
    try:
        return importlib.import_module("ml_dtypes").bfloat16
    except ModuleNotFoundError as error:
        raise TensorNetError(
            "load: the file holds bfloat16, which NumPy has from ml_dtypes only; install that, or load with "
            "framework='torch'"
        ) from error
