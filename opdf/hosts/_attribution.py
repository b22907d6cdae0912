"""Which tokens an encoder's answer is owed to.

Integrated gradients (Sundararajan, Taly, Yan, ICML 2017, arXiv 1703.01365) of a view F_c of the answer, over the tokens' word
embeddings e_i, from the baseline 0, as a sum over m points of the straight path:

    IG_c(e_i) = e_i ⊙ 1/m Σ_{k=1…m} ∂F_c(k/m · e)/∂e_i,        Σ_i Σ_d IG_c(e_i)_d → F_c(e) − F_c(0)  for m → ∞

of which m = 1 is gradient times input. A view is the log-probability of a class, so that a constant added to all logits changes
nothing; of a regression the number.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import normalize

from tensornet import TensorNetError

from ..models.networks import outputs, word_embeddings


def integrated_gradients(
    model: nn.Module, inputs: Mapping[str, Tensor], points: int, keep_graph: bool = False
) -> tuple[Tensor, Tensor]:
    """IG (classes, b, t, width) of a batch, and its logits (b, classes), which are those of the path's last point.

    points      m
    keep_graph  both can be differentiated by the model's parameters; else they are constants
    """
    embeddings = word_embeddings(model, inputs["input_ids"])
    gradients: list[Tensor] = []
    for k in range(1, points + 1):
        point = embeddings * (k / points)
        point = point if keep_graph and point.requires_grad else point.detach().requires_grad_()
        with _twice_differentiable(keep_graph):
            logits = outputs(model, {**inputs, "inputs_embeds": point}, {"logits"})["logits"]
        sums = views(logits).sum(0)  # of a batch: no example's view depends on another's embeddings
        found = [torch.autograd.grad(f, point, create_graph=keep_graph, retain_graph=True)[0] for f in sums]
        gradients.append(torch.stack(found))
    attributions = embeddings * torch.stack(gradients).mean(0)
    return (attributions, logits) if keep_graph else (attributions.detach(), logits.detach())


def views(logits: Tensor) -> Tensor:
    """F (b, classes) of logits (b, classes)."""
    return logits if logits.shape[1] == 1 else logits.log_softmax(1)


def attribution_map(attributions: Tensor, mask: Tensor, top: int | None = None) -> Tensor:
    """a (b, t, classes), of unit norm for each example: a_ic = ‖IG_c(e_i)‖₂ over the `top` strongest dimensions, or all.

    attributions: (classes, b, t, width);  mask: (b, t), 1 for tokens and 0 for padding, where a is 0
    raises: TensorNetError for more dimensions than there are
    """
    if top is not None and top > attributions.shape[-1]:
        raise TensorNetError(
            f"adkd: top={top}, needed at most {attributions.shape[-1]}, because an embedding of the teacher's has as many "
            f"dimensions; choose fewer, or leave it out for all"
        )
    if top is not None:
        attributions = attributions.abs().topk(top).values
    norms = torch.linalg.vector_norm(attributions, dim=-1).movedim(0, -1) * mask[..., None]
    return normalize(norms.flatten(1)).view_as(norms)


def _twice_differentiable(twice: bool) -> AbstractContextManager[None]:
    """Fused attention has no second derivative; the one of matrix products has."""
    return sdpa_kernel(SDPBackend.MATH) if twice else nullcontext()
