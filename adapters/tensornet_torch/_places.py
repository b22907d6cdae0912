"""Whether the model still holds the parameters that an optimiser trains."""

from collections.abc import Mapping

from torch import nn

from tensornet import TensorNetError

from ._exchange import is_sharded


class Places:
    """Module and attribute of each planned parameter, as they were; a shard (FSDP2) comes and goes, and is not followed."""

    def __init__(self, model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> None:
        self.model = model
        self.parameters = {n: p for n, p in parameters.items() if not is_sharded(p)}
        self._held = {n: model.get_submodule(n.rpartition(".")[0])._parameters for n in self.parameters}

    def refuse_replaced(self) -> None:
        """A parameter may have moved within the model (PEFT, parametrize), but not have gone."""
        if all(self._held[n].get(n.rpartition(".")[2]) is p for n, p in self.parameters.items()):
            return
        there = {id(p) for p in self.model.parameters()}
        gone = [n for n, p in self.parameters.items() if id(p) not in there]
        if gone:
            raise TensorNetError(
                f"overparameterize: the model holds another tensor as {', '.join(gone)} than the one this optimiser trains "
                f"(load_state_dict(assign=True), a quantised layer?); a step would train a weight that no forward uses; make "
                f"the optimiser anew for the model as it is"
            )
