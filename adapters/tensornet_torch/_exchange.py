"""Between the dense weights of the model and the processes that own their factors."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from tensornet import TensorNetError

T = TypeVar("T")
Make = Callable[[Sequence[str]], Iterable[tuple[str, Tensor]]]  # names of weights that are mine → each with its W


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a parameter or gradient: all of it, or its shard where it is a DTensor (FSDP2)."""
    to_local = getattr(tensor, "to_local", None)
    return to_local() if to_local else tensor


def is_sharded(tensor: Any) -> bool:
    """Whether it is a DTensor, whose module is slow to load and may not be there."""
    return hasattr(tensor, "device_mesh")


def settle(model: nn.Module) -> None:
    """Let FSDP2 hold its shards again: a forward without a backward leaves whole weights in their place, which would go on
    serving forwards when the shards are written.
    """
    for module in model.modules():
        reshard = getattr(module, "reshard", None)
        if reshard and hasattr(module, "unshard"):
            reshard()


class Exchange(ABC):
    """Where each weight's factors live, and how its gradient gets there and the weight comes back.

    parameters  the planned parameters of the model by name, on every process
    owners      name → global rank of the process that holds its factors
    mine        names of the weights whose factors this process holds
    rounds      the names in groups that are worked on one after another where memory is short
    """

    group: Any = None  # torch.distributed.ProcessGroup
    recovers: ClassVar[bool]  # whether a step that failed can be mended by this process alone

    parameters: Mapping[str, nn.Parameter]
    owners: Mapping[str, int]
    mine: tuple[str, ...]
    rounds: tuple[tuple[str, ...], ...]

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """W, whole, of `mine`."""

    @abstractmethod
    def gradients(self, names: Sequence[str]) -> dict[str, Tensor]:
        """dL/dW, whole, of those among `names` that are mine; every one of them must have its gradient."""

    @abstractmethod
    def write(self, names: Sequence[str], made: Make) -> None:
        """W ← what is made of the names on the owner of each, in the parameter's own storage and dtype, on every process."""

    @abstractmethod
    def gathered(self, tensor: Tensor) -> Tensor:
        """(processes, *shape): this tensor of every process."""

    @abstractmethod
    def answers(self, flags: Sequence[bool]) -> list[set[bool]]:
        """Of each flag what all processes say."""

    @abstractmethod
    def same(self, settings: Mapping[str, str]) -> None:
        """Refuse settings that differ between processes."""

    @abstractmethod
    def together(self, work: Callable[[], T]) -> T:
        """As `agreed`, quicker, for every step: what went wrong elsewhere is said there."""

    @abstractmethod
    def agreed(self, work: Callable[[], T]) -> T:
        """The result of `work`, if it raised on no process; an error on one is an error on all, so that none waits."""

    def with_gradient(self) -> list[str]:
        """Names of the weights that have a dL/dW."""
        for name, p in self.parameters.items():
            if p.grad is not None and p.grad.is_sparse:
                raise TensorNetError(
                    f"overparameterize: {name} has a sparse gradient, needed a dense one, because every entry of a factor "
                    f"acts on many rows; set sparse=False in its layer or leave it out of the plan"
                )
        found = self.answers([p.grad is not None for p in self.parameters.values()])
        there = dict(zip(self.parameters, found, strict=True))
        some = [n for n, answers in there.items() if len(answers) > 1]
        if some:
            raise TensorNetError(
                f"overparameterize: {', '.join(some)} has a gradient on some processes and none on others, needed it on all "
                f"or none, because its owner waits for all; reduce gradients over the group before the step, as "
                f"DistributedDataParallel and fully_shard do"
            )
        return [n for n, answers in there.items() if True in answers]


class Alone(Exchange):
    """One process that owns everything, or one of many that each do all the work."""

    recovers = True

    def __init__(self, parameters: Mapping[str, nn.Parameter], rank: int = 0) -> None:
        self.parameters, self.mine = parameters, tuple(parameters)
        self.owners = dict.fromkeys(parameters, rank)
        self.rounds = tuple((name,) for name in parameters)

    def weights(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self.parameters.items()}

    def gradients(self, names: Sequence[str]) -> dict[str, Tensor]:
        found = {name: self.parameters[name].grad for name in names}
        return {name: g for name, g in found.items() if g is not None}

    def write(self, names: Sequence[str], made: Make) -> None:
        for name, w in made(names):
            self.parameters[name].copy_(w)

    def gathered(self, tensor: Tensor) -> Tensor:
        return tensor[None]

    def answers(self, flags: Sequence[bool]) -> list[set[bool]]:
        return [{flag} for flag in flags]

    def same(self, settings: Mapping[str, str]) -> None:
        pass

    def together(self, work: Callable[[], T]) -> T:
        return work()

    def agreed(self, work: Callable[[], T]) -> T:
        return work()
