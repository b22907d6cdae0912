"""The backends by name."""

from ._backend import Backend


def load(name: str) -> type[Backend]:
    """The backend called "torch" or "jax"; only that framework is imported."""
    if name == "torch":
        from ._torch import TorchBackend

        return TorchBackend
    from ._jax import JaxBackend

    return JaxBackend
