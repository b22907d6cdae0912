"""The optimiser that a training loop sees: dense parameters outside, factors inside."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

import tensornet as tn
from tensornet import TensorNetError

from ._alignment import Aligner
from ._exchange import Exchange, settle
from ._handover import carry, forget_empty, hand_over, hyper_parameters, refuse_scheduled, refuse_written
from ._places import Places
from ._saved import Settings, check_saved, inner_names, load_inner, names_of, state_of
from ._stepper import Stepper
from ._weight import Weight, factors_of


class Overparameterized(Optimizer):
    """A torch.optim.Optimizer whose `param_groups` hold the dense parameters; see `overparameterize`.

    plan    the plan, with its teacher weights if there is alignment; a tensornet.Generation of `generate`
    owners  weight name → global rank of the process that holds its factors; without a group, this process
    """

    plan: Any  # a Plan, or a Generation
    _built = False

    def __init__(
        self,
        inner: Optimizer,
        model: nn.Module,
        plan: tn.Coordinated[Any],
        exchange: Exchange,
        *,
        alignment: tn.Alignment | None,
        gauge: str | tn.Mixed,
        **options: Any,
    ) -> None:
        self.plan, self.inner, self.gauge, self._exchange = plan, inner, gauge, exchange
        exchange.same(_settings(inner, plan, alignment, gauge, options))
        self._weights = exchange.agreed(self._started)
        self._aligner: Aligner | None = None
        if alignment is not None:
            self._aligner = exchange.agreed(lambda: Aligner(alignment, self.plan, self._weights, gauge))
            self.plan = self._aligner.plan
        self._model, self._places = model, Places(model, exchange.parameters)
        self._names = names_of(inner.param_groups, model)
        super().__init__([dict(g) for g in inner.param_groups], dict(inner.defaults))
        self._outer_of = hand_over(inner, exchange.parameters, self._weights)
        self._carried: list[dict[str, Any]] | None = None  # the inner hyper-parameters, which nobody else may write
        self._carry_in()
        self._stepper = Stepper(inner, exchange, self._weights, self._aligner, **options)
        inner.zero_grad = self.zero_grad  # type: ignore[method-assign]  # its own would leave the planned weights out
        self.state = inner.state
        self._built = True
        self._stepper.write()

    def _started(self) -> dict[str, Weight]:
        parameters, whole = self._exchange.parameters, self._exchange.weights()
        return {
            n: Weight.started(n, self.plan[n], parameters[n], whole.pop(n), self.gauge) for n in self._exchange.mine
        }

    # ---- what a training loop calls ---------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """dL/dW → dL/dT_k, one step of the inner optimiser on the factors, W ← contract(T)."""
        self._places.refuse_replaced()
        self._stepper.check()
        self._refuse_written()
        self._carry_in()
        self._carried = None  # in its step the inner optimiser may write there itself, and then fail
        loss = self._stepper.step(closure)
        self._carry_out()
        return loss

    @property
    def alignment_loss(self) -> Tensor:
        """Σ_pairs L_Aux of the last step, over all processes, not multiplied by its weight λ; NaN before the first step."""
        return self._stepper.alignment_loss

    @property
    def alignment_losses(self) -> Mapping[str, Tensor]:
        """Weight name → its L_Aux at the last step, of the paired weights that this process owns; empty before the first."""
        return dict(self._aligner.losses) if self._aligner else {}

    @property
    def factor_norm(self) -> Tensor:
        """Norm of all factors' gradients at the last step, before clipping; NaN unless max_factor_norm is given."""
        return self._stepper.factor_norm

    @property
    def owners(self) -> Mapping[str, int]:
        return self._exchange.owners

    @property
    def group(self) -> Any:
        """The processes among which owners are, a torch.distributed.ProcessGroup; None without."""
        return self._exchange.group

    def factors(self, name: str) -> tuple[Tensor, ...]:
        """Copies of the factors of the weight called `name`, (*shape) for each of `plan[name].shapes`; on its owner only."""
        if name not in self.plan:
            raise TensorNetError(
                f"factors: {name!r} is not planned; the plan has {', '.join(self.plan)}; ask for one of those"
            )
        if name not in self._weights:
            raise TensorNetError(
                f"factors: {name!r} is asked for on another process than {self.owners[name]}, which owns it and alone has its "
                f"factors; ask there, as `owners` says"
            )
        return tuple(f.detach().clone() for f in self._weights[name].factors)

    @torch.no_grad()
    def resync(self) -> None:
        """Take the weights as the model has them now: decompose anew, and forget the inner state of their factors."""
        settle(self._model)
        whole = self._exchange.weights()
        fresh = self._exchange.agreed(
            lambda: {n: factors_of(n, w.format.decompose, whole[n], self.gauge) for n, w in self._weights.items()}
        )
        for name, w in self._weights.items():
            for factor, new in zip(w.factors, fresh[name], strict=True):
                factor.copy_(new)
                self.inner.state.pop(factor, None)
        if self._aligner:
            self._aligner.restart()
        if self._stepper.transfer:
            self._stepper.transfer.restart()
        self._stepper.write()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Train more dense parameters, outside the plan."""
        if self._built:
            self._refuse_written()
        super().add_param_group(param_group)
        if self._built:
            self.inner.add_param_group(dict(self.param_groups[-1]))
            self._outer_of.append(len(self.param_groups) - 1)
            self._names = names_of(self.param_groups, self._model)
            self._note()

    def _carry_in(self) -> None:
        carry([self.param_groups[k] for k in self._outer_of], self.inner.param_groups)
        self._note()

    def _carry_out(self) -> None:
        carry(self.inner.param_groups, [self.param_groups[k] for k in self._outer_of])
        self._note()

    def _note(self) -> None:
        self._carried = [hyper_parameters(g) for g in self.inner.param_groups]

    def _refuse_written(self) -> None:
        refuse_scheduled(self.inner)
        if self._carried is not None:
            refuse_written(self.inner, self._carried)

    # ---- saving -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values by names of parameters: the inner optimiser's state, the factors, the alignment targets.

        In a group the factors that this process owns, and their state: save with torch.distributed.checkpoint.
        """
        self._refuse_written()
        self._carry_in()  # a scheduler may have moved the learning rate since the last step
        forget_empty(self.inner, self._exchange.parameters.values())
        state = state_of(self.inner, self._mine(), self.param_groups, self._names)
        state["factors"] = {n: [f.detach() for f in w.factors] for n, w in self._weights.items()}
        state["formats"] = {n: f.to_dict() for n, f in self.plan.items()}
        state["gauge"] = str(self.gauge)
        if self._aligner:
            state["alignment"] = self._aligner.state()
        if self._stepper.transfer:
            state["lr_transfer"] = self._stepper.transfer.state()
        return state

    @torch.no_grad()
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`: factors, inner state and hyper-parameters; the model's weights are written anew."""
        self._refuse_written()
        settle(self._model)
        transfer = self._stepper.transfer
        ours = Settings(self._names, str(self.gauge), self._aligner, transfer.rule if transfer else None)
        held = self.held()
        self._exchange.agreed(lambda: check_saved(state_dict, self.plan, self._weights, held, ours))
        with self._stepper.recovering():
            self._exchange.agreed(lambda: self._load(state_dict))
            self._stepper.write()

    def _load(self, state: Mapping[str, Any]) -> None:
        load_inner(self.inner, self._mine(), state)
        self.state = self.inner.state
        carry(copy.deepcopy(state["param_groups"]), self.param_groups)  # a learning rate may be a tensor
        self._carry_in()
        for name, w in self._weights.items():
            for factor, saved in zip(w.factors, state["factors"][name], strict=True):
                factor.copy_(saved)
        if self._aligner:
            self._aligner.load(state["alignment"])
        if self._stepper.transfer:
            self._stepper.transfer.load(state["lr_transfer"])

    def held(self) -> dict[str, Tensor]:
        """What the inner optimiser trains on this process, by name: factor k of a weight as "weight.k", other parameters."""
        return dict(zip(self._mine(), (p for group in self.inner.param_groups for p in group["params"]), strict=True))

    def _mine(self) -> list[str]:
        dense = (p for group in self.param_groups for p in group["params"])
        named = dict(zip(map(id, dense), (n for names in self._names for n in names), strict=True))
        return inner_names(self.inner, self._weights, named)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse copy.deepcopy and pickle: a copy would train parameters that no model has."""
        raise TensorNetError(
            "overparameterize: this optimiser cannot be copied or pickled, because it writes to the parameters of one model; "
            "save state_dict(), or make a new one for the copied model and load_state_dict() into it"
        )


def _settings(
    inner: Optimizer,
    plan: tn.Coordinated[Any],
    alignment: tn.Alignment | None,
    gauge: str | tn.Mixed,
    options: Mapping[str, Any],
) -> dict[str, str]:
    """What all processes of a group must have alike, as text."""
    aligned = alignment and {key: getattr(alignment, key, None) for key in ("weight", "gauge", "every")}
    given = {"the inner optimiser": type(inner).__name__, "alignment": aligned, "gauge": gauge, **options}
    return {"the plan": plan.to_json(), **{name: str(value) for name, value in given.items()}}
