"""What a model of Transformers keeps about itself besides modules: its config, and which parameters are tied.

It is known by its methods; Transformers is imported only to make one.
"""

from pathlib import Path
from typing import Any

from torch import nn

from tensornet import TensorNetError
from tensornet.files._compressed import KEY

Ties = dict[int, dict[str, str]]  # id of a model of Transformers, the whole one or a part → {tied name: name}


def ties_of(model: nn.Module) -> Ties:
    """What each model in `model` says of its ties; to be asked while it is dense."""
    parts: list[Any] = [m for m in model.modules() if is_pretrained(m)]
    return {id(part): part.get_expanded_tied_weights_keys(all_submodels=False) for part in parts}


def as_factorized(model: nn.Module, note: dict[str, Any], dense: Ties) -> None:
    """Note the formats in the config, which its own `save_pretrained` writes, and tie factors where weights were tied."""
    for part in model.modules():
        if id(part) in dense:
            vars(part)["_tied_weights_keys"] = _ties(part, dense[id(part)])
    if is_pretrained(model):
        setattr(model.config, KEY, note)
        _tell_ties(model)


def as_dense(model: nn.Module) -> None:
    """Undo `as_factorized`."""
    for part in model.modules():
        if is_pretrained(part):
            vars(part).pop("_tied_weights_keys", None)  # the class has them
    if is_pretrained(model):
        vars(model.config).pop(KEY, None)
        _tell_ties(model)


def skeleton(folder: Path, config: dict[str, Any]) -> nn.Module:
    """The dense model that a config.json describes, with weights of no meaning."""
    try:
        import transformers

        made = getattr(transformers, config["architectures"][0])
        return made(transformers.AutoConfig.from_pretrained(folder, local_files_only=True))
    except (ImportError, KeyError, IndexError, TypeError, AttributeError, ValueError, OSError) as error:
        raise TensorNetError(
            f"from_pretrained: {folder} describes no model that Transformers makes here ({error!r}), needed one, because files "
            f"hold tensors and no classes; install transformers, or pass model=, the dense model or what makes one"
        ) from error


def is_pretrained(model: nn.Module) -> bool:
    return all(hasattr(model, name) for name in ("config", "save_pretrained", "get_expanded_tied_weights_keys"))


def _ties(model: nn.Module, dense: dict[str, str]) -> dict[str, str]:
    """Those between parameters that are still there, and those of the factors."""
    first: dict[int, str] = {}
    names = dict(model.named_parameters(remove_duplicate=False))
    for name, parameter in names.items():
        first.setdefault(id(parameter), name)
    kept = {tied: name for tied, name in dense.items() if tied in names and name in names}
    factors = {n: first[id(p)] for n, p in names.items() if ".factors." in n and first[id(p)] != n}
    return kept | {
        f"{tied}$": f"{name}$" for tied, name in factors.items()
    }  # they are expressions: 1 is not to match 10


def _tell_ties(model: Any) -> None:
    model.all_tied_weights_keys = model.get_expanded_tied_weights_keys(all_submodels=True)
