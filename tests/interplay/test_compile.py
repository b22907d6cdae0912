"""torch.compile of the model and of the step, gradient checkpointing: what runs the model's code otherwise."""

import pytest
import torch
from interplay.encoders import (
    batch,
    classifier,
    is_contracted,
    largest_difference,
    same,
    tokens,
    train,
    weights,
    wrapped,
)

import tensornet_torch as tnt

pytestmark = [
    # array_api_compat looks classes up through an lru_cache, which Dynamo traces through and warns of: harmless there.
    pytest.mark.filterwarnings("ignore:.*Dynamo detected a call to a `functools.lru_cache`:UserWarning"),
    # Dynamo imports torch.utils.mkldnn, which is written with it
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
]


@pytest.mark.row("`torch.compile(model, fullgraph=True)`", limit="no graph break, no recompilation as weights change")
def test_model():
    model, eager = classifier(), classifier()
    # aot_eager traces forward and backward as inductor does, and leaves out the C++ compiler, which takes a minute
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    train(eager, wrapped(eager), range(4))
    torch._dynamo.utils.counters.clear()
    optimizer = wrapped(model)
    train(compiled, optimizer, range(4))
    assert is_contracted(model, optimizer)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert largest_difference(weights(model), weights(eager)) < 1e-5
    ids = tokens(7)
    assert torch.allclose(compiled(ids).logits, model(ids).logits, atol=1e-5)  # the weights as they are now


@pytest.mark.row("`torch.compile(optimizer.step)`", limit="graph breaks where it looks at values: no `fullgraph`")
def test_step():
    def run(compiled):
        model = classifier(num_hidden_layers=1)
        inner = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        optimizer = tnt.overparameterize(inner, model, tnt.plan(model, ["pooler.dense.weight"], cores=3))
        step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
        for i in range(4):
            optimizer.zero_grad()
            model(**batch(i)).loss.backward()
            step()
        return model, optimizer

    torch._dynamo.utils.counters.clear()
    ours, optimizer = run(compiled=True)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert largest_difference(weights(ours), weights(run(compiled=False)[0])) < 1e-5
    assert is_contracted(ours, optimizer)


@pytest.mark.row("gradient checkpointing, reentrant and not", limit="equal to the last bit")
@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing(reentrant):
    model, plain = classifier(), classifier()
    train(plain, wrapped(plain), range(3))
    model.activation_checkpointing_enable({"use_reentrant": reentrant})
    runs = []
    model.bert.encoder.layer[0].attention.register_forward_hook(lambda *_: runs.append(1))
    optimizer = wrapped(model)
    train(model.train(), optimizer, range(3))
    assert is_contracted(model, optimizer)
    assert len(runs) == 6  # forward, and once more for backward
    assert same(model, plain)
