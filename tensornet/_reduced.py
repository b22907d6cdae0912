"""What one side of a bond weighs: its matrix M (rest, d) reduced to (d, d), from which the Schmidt values follow.

Two ways. The Gram matrix MᴴM costs one product, and its eigenvalues are squares: of values below √u of the largest nothing
is left, u being the rounding of its dtype. So it serves where the dtype is twice as long as that of the data. The triangle
R of M = QR keeps every digit and costs several times as much.
"""

from typing import Protocol

from ._arrays import Array, adjoint, eye, namespace
from ._unfold import along, gram, overlap, tall


class Reduction(Protocol):
    """How M is reduced."""

    def of(self, x: Array, axis: int, n: int) -> Array:
        """The reduced M of the factor x, all of whose other bonds are isometries."""

    def through(self, reduced: Array, x: Array, axis: int, out: int, n: int) -> Array:
        """That of x on the axis `out`, where `reduced` lies behind its `axis`."""

    def times(self, reduced: Array, r: Array) -> Array:
        """That of M r."""

    def diagonal(self, values: Array, like: Array) -> Array:
        """That of an M whose columns are orthogonal and of these norms."""

    def schmidt(self, reduced: Array) -> tuple[Array, Array]:
        """Singular values (*lead, d) of M, descending, and its right singular vectors (*lead, d, d) as columns."""


class Gram:
    """MᴴM."""

    def of(self, x: Array, axis: int, n: int) -> Array:
        return gram(x, axis, n)

    def through(self, reduced: Array, x: Array, axis: int, out: int, n: int) -> Array:
        return overlap(x, along(x, axis, n, namespace(x).matrix_transpose(reduced)), out, n)

    def times(self, reduced: Array, r: Array) -> Array:
        xp = namespace(r)
        return xp.matmul(adjoint(r), xp.matmul(reduced, r))

    def diagonal(self, values: Array, like: Array) -> Array:
        return _diagonal(values**2, like)

    def schmidt(self, reduced: Array) -> tuple[Array, Array]:
        xp = namespace(reduced)
        squares, vectors = xp.linalg.eigh((reduced + adjoint(reduced)) / 2)
        return xp.sqrt(xp.flip(xp.where(squares > 0, squares, 0 * squares), axis=-1)), xp.flip(vectors, axis=-1)


class Triangle:
    """R of M = QR."""

    def of(self, x: Array, axis: int, n: int) -> Array:
        matrix = tall(x, axis, n)
        return matrix if matrix.shape[-2] <= matrix.shape[-1] else namespace(x).linalg.qr(matrix)[1]

    def through(self, reduced: Array, x: Array, axis: int, out: int, n: int) -> Array:
        return self.of(along(x, axis, n, namespace(x).matrix_transpose(reduced)), out, n)

    def times(self, reduced: Array, r: Array) -> Array:
        return namespace(r).matmul(reduced, r)

    def diagonal(self, values: Array, like: Array) -> Array:
        return _diagonal(values, like)

    def schmidt(self, reduced: Array) -> tuple[Array, Array]:
        xp = namespace(reduced)
        rows, d = reduced.shape[-2:]
        if rows < d:  # all d right singular vectors are wanted: zero rows give the missing ones
            nothing = xp.zeros_like(reduced[..., :1, :])
            reduced = xp.concat([reduced, *[nothing] * (d - rows)], axis=-2)
        _, values, vh = xp.linalg.svd(reduced, full_matrices=False)
        return values, adjoint(vh)


def _diagonal(values: Array, like: Array) -> Array:
    """diag(values), in the dtype of `like`."""
    d = values.shape[-1]
    return namespace(like).astype(values, like.dtype)[..., None, :] * eye(d, d, like)
