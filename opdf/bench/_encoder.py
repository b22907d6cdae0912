"""A BERT in plain PyTorch and three ways to distil it: as it is, with its factors beside the optimiser, and as published."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

import tensornet as tn
import tensornet_torch as tnt

from ._step import Size

LINEAR = r"layers\..*\.(query|key|value|output|up|down)\.weight"
VOCABULARY, CLASSES = 1000, 3
LEARNING_RATE, TEMPERATURE = 1e-5, 2.0


class Layer(nn.Module):
    """One post-norm layer: six weights, four of them (hidden, hidden), (inner, hidden) and (hidden, inner)."""

    def __init__(self, hidden: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(hidden, hidden) for _ in range(4))
        self.up, self.down = nn.Linear(hidden, inner), nn.Linear(inner, hidden)
        self.norms = nn.ModuleList([nn.LayerNorm(hidden), nn.LayerNorm(hidden)])

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))
        heads: Tensor = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = self.norms[0](x + self.output(heads))
        normed: Tensor = self.norms[1](x + self.down(functional.gelu(self.up(x))))
        return normed


class Encoder(nn.Module):
    """Token ids (batch, length) → logits (batch, CLASSES) of the mean over tokens."""

    def __init__(self, size: Size, layers: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, size.hidden)
        self.places = nn.Parameter(torch.randn(size.length, size.hidden))
        self.layers = nn.Sequential(*(Layer(size.hidden, 4 * size.hidden, size.heads) for _ in range(layers)))
        self.head = nn.Linear(size.hidden, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layers(self.tokens(ids) + self.places).mean(1))
        return logits


@dataclass(frozen=True)
class Training:
    """A way to train: `backward` adds the gradients of one micro-batch, `finish` steps and clears them."""

    loss: Callable[[], Tensor]
    optimizer: torch.optim.Optimizer

    def backward(self) -> None:
        self.loss().backward()

    def finish(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()

    def step(self) -> tuple[()]:
        self.backward()
        self.finish()
        return ()


class Distillation:
    """One student for each way, all equal at first, and the teacher they learn from: KL of softened logits."""

    def __init__(self, size: Size, cores: int) -> None:
        torch.manual_seed(0)
        self.teacher = Encoder(size, size.teacher_layers).eval().requires_grad_(requires_grad=False)
        self.student, self.cores, self.size = Encoder(size, size.layers), cores, size
        self.ids = torch.randint(VOCABULARY, (size.batch, size.length))

    def plain(self) -> Training:
        student = self._copy()
        return Training(lambda: self._loss(student), _adamw(student.parameters()))

    def ours(self, lr_transfer: bool = False) -> Training:
        """Plain steps, as the published way takes them; with lr_transfer the adapter's default."""
        student = self._copy()
        inner = _adamw(student.parameters())
        optimizer = tnt.overparameterize(inner, student, self.plan(), gauge="identity", lr_transfer=lr_transfer)
        return Training(lambda: self._loss(student), optimizer)

    def published(self) -> Training:
        """The factors are the module's parameters, and every forward contracts them, from left to right, under autograd."""
        student, plan = self._copy(), self.plan()
        rest = {n: p for n, p in student.named_parameters() if n not in plan}
        factors = {
            n: [nn.Parameter(t) for t in fmt.decompose(student.get_parameter(n).detach(), gauge="identity")]
            for n, fmt in plan.items()
        }

        def loss() -> Tensor:
            weights = {n: left_to_right(t) for n, t in factors.items()}
            return self._loss(lambda ids: functional_call(student, rest | weights, (ids,)))

        return Training(loss, _adamw([*rest.values(), *(t for ts in factors.values() for t in ts)]))

    def plan(self) -> tn.Plan:
        return tnt.plan(self.student, LINEAR, cores=self.cores)

    def _copy(self) -> Encoder:
        student = Encoder(self.size, self.size.layers)
        student.load_state_dict(self.student.state_dict())
        return student

    def _loss(self, student: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.no_grad():
            target = functional.log_softmax(self.teacher(self.ids) / TEMPERATURE, -1)
        found = functional.log_softmax(student(self.ids) / TEMPERATURE, -1)
        return functional.kl_div(found, target, reduction="batchmean", log_target=True) * TEMPERATURE**2


def left_to_right(factors: Sequence[Tensor]) -> Tensor:
    """W (Π i_k, Π j_k) of factors (d_{k-1}, i_k, j_k, d_k), the largest first."""
    whole, n = factors[0], len(factors)
    for factor in factors[1:]:
        whole = torch.tensordot(whole, factor, 1)
    order = [*range(1, 2 * n, 2), *range(2, 2 * n + 1, 2)]  # (1, i_1, j_1, …, i_n, j_n, 1)
    rows, cols = (math.prod([f.shape[axis] for f in factors]) for axis in (1, 2))
    return whole.squeeze(0).squeeze(-1).permute([k - 1 for k in order]).reshape(rows, cols)


def floor(plan: tn.Plan) -> Callable[[], tuple[()]]:
    """What cannot be left out: the products of contraction and pullback, bare, and the bytes that AdamW moves."""
    products = {fmt: _products(fmt) for fmt in plan.values()}
    largest = torch.empty(max(fmt.num_params for fmt in plan.values()))
    source = torch.ones_like(largest)

    def run() -> tuple[()]:
        for fmt in plan.values():
            for a, b, out in products[fmt]:
                torch.matmul(a, b, out=out)
            # AdamW reads T, dL/dT and two moments and writes all but the gradient: 7 passes; a copy is 2
            for passes in (2, 2, 2, 1):
                n = fmt.num_params * passes // 2
                largest[:n].copy_(source[:n])
        return ()

    return run


def _products(fmt: tn.Format) -> list[tuple[Tensor, Tensor, Tensor]]:
    pairs = [p for s in fmt.path.steps for p in (s.forward, s.to_left, s.to_right)]
    stacks = [(p.batch,) if p.batch > 1 else () for p in pairs]
    return [
        (torch.randn(*b, p.rows, p.summed), torch.randn(*b, p.summed, p.cols), torch.empty(*b, p.rows, p.cols))
        for b, p in zip(stacks, pairs, strict=True)
    ]


def _adamw(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=LEARNING_RATE, fused=True)
