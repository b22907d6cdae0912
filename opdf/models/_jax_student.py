"""The smaller network in JAX, in the image of its teacher."""

from tensornet import TensorNetError
from tensornet.planning import layer_map

from ._fits import check_copied
from ._jax_network import Model, Network
from ._spec import Student
from ._stream import student_seed


def make_student(spec: Student, teacher: Model, seed: int) -> Model:
    """A network of the teacher's family.

    start="teacher"        embeddings, layers by the map, pooler and head are copies of the teacher's
    start="random-layers"  the same but for the layers, which are drawn from the seed
    start="random"         all weights are drawn from the seed, and sizes may differ
    raises: TensorNetError for sizes that cannot be, or cannot start from the teacher's layers
    """
    kind = teacher.network.sizes.get("kind")
    if spec.kind not in (None, kind):
        raise TensorNetError(
            f"student: kind={spec.kind!r} in JAX, needed {kind!r}, the teacher's, because other kinds are written for PyTorch; "
            f"leave it out, or take training.backend = 'torch'"
        )
    network = teacher.network.smaller(spec.layers, spec.width, spec.feed_forward, spec.heads)
    weights = network.fresh(student_seed(seed))
    if spec.start != "random":
        check_copied(network.sizes, teacher.network.sizes, spec.start)
        weights |= {name: teacher.weights[other] for name, other in _partners(network, teacher.network, spec).items()}
    return Model(network, weights)


def _partners(student: Network, teacher: Network, spec: Student) -> dict[str, str]:
    """Weight → that of the teacher which it is a copy of."""
    pairs = layer_map(student.depth, teacher.depth, spec.layer_map)
    found = {}
    for name in student.shapes:
        if not name.startswith(student.layers):
            found[name] = name
        elif spec.start == "teacher":
            number, _, rest = name.removeprefix(student.layers).partition(".")
            found[name] = f"{student.layers}{pairs[int(number)]}.{rest}"
    return found
