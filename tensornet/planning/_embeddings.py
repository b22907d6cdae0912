"""Tables of embeddings by their names, where nothing else tells them from the weights of layers."""

from collections.abc import Iterable

NAMES = ("wte", "wpe", "shared")  # of GPT-2 and T5, which do not say that they are
WHY = "an embedding, by its name; a rule of its own takes it"


def embeddings(names: Iterable[str]) -> dict[str, str]:
    """Those that are tables, as far as names tell, and why they are left out: a file or a pytree does not say of which layer a
    matrix is.
    """
    return {n: WHY for n in names if any("emb" in part.lower() or part in NAMES for part in n.split("."))}
