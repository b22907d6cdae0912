"""What one framework wrote the other goes on with: a run, compressed weights, a plan."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import nnx
from jax_adapter import students as jax_side
from test_frameworks_agree import as_pytree
from torch_adapter import students as torch_side

import tensornet as tn
import tensornet_jax as tnj
import tensornet_torch as tnt
from opdf.losses import Schedule
from tensornet.files import Run

RATE, DECAY = 1e-2, 0.1
WEIGHT = Schedule(16.0, 0.0, steps=16)  # of an alignment; sixteenths are the same in float32


def in_jax(name):
    return name.replace("norm.weight", "norm.scale").replace("weight", "kernel")


def in_torch(name):
    return name.replace("scale", "weight").replace("kernel", "weight")


def torch_start(seed, every=None):
    """One linear layer is not planned, so that a dense kernel has to be turned round."""
    model = torch_side.student(seed, torch.float64)
    alignment = tnt.Alignment(torch_side.student(9, torch.float64), weight=WEIGHT, every=every) if every else None
    inner = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    plan = tnt.plan(model, r"blocks.*weight", cores=3)
    return model, tnt.overparameterize(inner, model, plan, alignment=alignment)


def jax_start(seed, tx=None, every=None):
    p = as_pytree(torch_side.student(seed, torch.float64))
    alignment = None
    if every:
        alignment = tnj.Alignment(as_pytree(torch_side.student(9, torch.float64)), weight=WEIGHT, every=every)
    plan = tnj.plan(p, r"blocks.*kernel", cores=3)
    tx = tnj.overparameterize(tx or optax.adamw(RATE, weight_decay=DECAY), plan, alignment=alignment)
    return plan, tx, p, tx.init(p)


def jax_steps(tx, p, state, steps):
    @jax.jit
    def step(p, state, data):
        updates, state = tx.update(jax.grad(jax_side.loss_of)(p, data), state, p)
        return optax.apply_updates(p, updates), state

    for k in steps:
        x, y = torch_side.batch(k, torch.float64)
        p, state = step(p, state, (jnp.asarray(x.numpy()), jnp.asarray(y.numpy())))
    return p, state


def test_a_run_goes_on_in_the_other_framework_as_if_it_had_stayed(tmp_path):
    """PyTorch, then JAX from other weights, then PyTorch from other weights again: always beside PyTorch alone."""
    every = 1  # the rotations of an alignment are not in a run: they are those of the moment
    model, optimizer = torch_start(0, every)
    torch_side.train(model, optimizer, range(5))
    tnt.to_run(optimizer).save(tmp_path / "run")

    plan, tx, p, state = jax_start(3, optax.adamw(optax.constant_schedule(RATE), weight_decay=DECAY), every)
    with pytest.raises(tn.TensorNetError, match=r"missing in the run .*blocks.0.kernel.*rename with run.renamed"):
        tnj.from_run(Run.load(tmp_path / "run", framework="jax"), plan, p, state)
    begun = state._replace(alignment=state.alignment._replace(steps=jnp.int32(3)))
    p, state = tnj.from_run(Run.load(tmp_path / "run", framework="jax").renamed(in_jax), plan, p, begun)
    assert state.alignment.steps == 5
    assert jax_side.distance(p, as_pytree(model)) < 1e-12
    assert {int(c) for _, c in optax.tree_utils.tree_get_all_with_path(state.inner, "count")} == {5}
    torch_side.train(model, optimizer, range(5, 15))
    p, state = jax_steps(tx, p, state, range(5, 15))
    assert jax_side.distance(p, as_pytree(model)) < 1e-12

    tnj.to_run(plan, p, state).renamed(in_torch).save(tmp_path / "back")
    again, resumed = torch_start(4, every)
    tnt.from_run(Run.load(tmp_path / "back", framework="torch"), resumed)
    torch_side.train(model, optimizer, range(15, 20))
    torch_side.train(again, resumed, range(15, 20))
    assert jax_side.distance(as_pytree(again), as_pytree(model)) < 1e-12


def test_a_run_that_has_not_begun_and_one_in_a_chain(tmp_path):
    _, optimizer = torch_start(0)
    tnt.to_run(optimizer).save(tmp_path / "run")
    run = Run.load(tmp_path / "run", framework="jax").renamed(in_jax)
    assert (run.step, run.moments) == (0, {})
    plan, tx, p, _ = jax_start(3)
    chain = optax.chain(optax.clip_by_global_norm(1.0), tx)
    begun, state = tnj.from_run(run, plan, p, chain.init(p))
    assert isinstance(state, tuple)
    updates, _ = chain.update(jax.tree.map(jnp.zeros_like, begun), state, begun)  # the guard knows the new weights
    assert jax.tree.structure(updates) == jax.tree.structure(begun)


def test_only_adam_means_the_same_to_both():
    model = torch_side.student(0)
    inner = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    plan = tnt.plan(model, ["head.weight"], cores=2)
    with pytest.raises(tn.TensorNetError, match=r"to_run: got a Overparameterized around SGD, needed .* Adam"):
        tnt.to_run(tnt.overparameterize(inner, model, plan))
    amsgrad = torch.optim.AdamW(model.parameters(), amsgrad=True)
    with pytest.raises(tn.TensorNetError, match=r"around AdamW with amsgrad"):
        tnt.to_run(tnt.overparameterize(amsgrad, model, plan))
    for tx in (optax.sgd(0.1, momentum=0.9), optax.chain(optax.adam(0.1), optax.ema(0.9))):
        plan, _, p, state = jax_start(0, tx)
        with pytest.raises(
            tn.TensorNetError, match=r"the inner state has \d states of optax.scale_by_adam, and beside"
        ):
            tnj.to_run(plan, p, state)
    injected = optax.inject_hyperparams(optax.adam)(learning_rate=0.1)
    plan, _, p, state = jax_start(0, injected)
    run = tnj.to_run(plan, p, state)
    gone_on = Run(run.formats, run.values, {"mu": run.values, "nu": run.values}, 4, run.scales)
    _, state = tnj.from_run(gone_on, plan, p, state)
    assert float(state.inner.hyperparams["learning_rate"]) == pytest.approx(0.1)
    assert int(state.inner.count) == 4


def test_weights_that_did_not_step_together_are_refused():
    model, optimizer = torch_start(0)
    torch_side.loss_of(model, 0).backward()
    model.head.bias.grad = None
    optimizer.step()
    run = tnt.to_run(optimizer)  # of one that never had a gradient there are moments of zero
    assert run.step == 1
    assert not run.moments["nu"]["head.bias"][0].any()
    torch_side.loss_of(model, 1).backward()
    optimizer.step()
    with pytest.raises(tn.TensorNetError, match=r"updated 1 times and others 2, needed one number"):
        tnt.to_run(optimizer)


def test_a_plan_is_the_same_text_in_both():
    p = as_pytree(torch_side.student(0))
    theirs = tnt.plan(torch_side.student(0), r"blocks.*weight|head.weight", cores=3)
    ours = tnj.plan(p, r"(blocks|head).*kernel", cores=3)
    texts = [json.loads(plan.to_json()) for plan in (theirs, ours)]
    assert {in_jax(n): f for n, f in texts[0]["formats"].items()} == texts[1]["formats"]
    assert texts[0].keys() == texts[1].keys()
    for plan in (theirs, ours):
        assert tn.Plan.from_json(plan.to_json()) == plan


def test_compressed_weights_go_from_pytorch_to_jax_and_back(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Embedding(30, 12, padding_idx=0), torch.nn.Linear(12, 6)).bfloat16()
    model.register_buffer("steps", torch.tensor(7))
    small = tnt.compress(
        model, tnt.plan(model, {r"0\.weight": tn.Kronecker((30, 1), (1, 12)), r"1\.weight": tn.LowRank(6, 12, 4)})
    )
    tnt.save_pretrained(small, tmp_path)
    held = tnj.from_pretrained(tmp_path)
    assert set(held) == {"0.weight", "0.padding", "1.weight", "1.bias", "steps"}
    assert held["1.weight"].dtype == jnp.bfloat16
    theirs = small[1].weight.detach().float().numpy()
    assert np.array_equal(np.asarray(held["1.weight"].dense().astype(jnp.float32)), theirs)
    tnj.save_pretrained(held, tmp_path / "back")
    back = tnt.from_pretrained(tmp_path / "back", model)
    assert all(torch.equal(a, b) for a, b in zip(back.state_dict().values(), small.state_dict().values(), strict=True))


def test_kernels_of_jax_stand_the_other_way_round_in_pytorch(tmp_path):
    p = as_pytree(torch_side.student(0))
    small = tnj.compress(p, tnj.plan(p, "head.kernel", format="low_rank", rank=3))
    named = {n: leaf for n, leaf in zip(named_of(p), jax.tree.leaves(p), strict=True)}
    held = {in_torch(n): leaf.T if n.endswith("kernel") else leaf for n, leaf in named.items()}
    tnj.save_pretrained(held | {"head.weight": small["head"]["kernel"].T}, tmp_path)
    model = tnt.from_pretrained(tmp_path, torch_side.student(1)).double()
    x, _ = torch_side.batch(0, torch.float64)
    ours = jax_side.forward(tnj.dense(small), jnp.asarray(x.numpy()))
    assert np.allclose(model(x).detach().numpy(), np.asarray(ours), atol=1e-5)


def named_of(p):
    return [
        jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree_util.tree_leaves_with_path(p)
    ]


def test_a_run_goes_into_the_boxes_of_nnx_and_out_again():
    layer = nnx.Linear(12, 6, rngs=nnx.Rngs(0))
    p = nnx.state(layer, nnx.Param)
    plan = tnj.plan(p, "kernel", cores=2)
    tx = tnj.overparameterize(optax.adamw(RATE), plan)
    state = nnx.Optimizer(layer, tx, wrt=nnx.Param).opt_state
    rng = np.random.default_rng(0)
    values, *moments = (
        {"kernel": tuple(rng.random(s) for s in plan["kernel"].shapes), "bias": (rng.random(6),)} for _ in range(3)
    )
    scales = {"kernel": (0.5, 0.25)}
    run = Run(dict(plan.formats), values, dict(zip(("mu", "nu"), moments, strict=True)), 7, scales)
    begun, resumed = tnj.from_run(run, plan, p, state)
    assert jax.tree.structure((begun, resumed)) == jax.tree.structure((p, state))
    again = tnj.to_run(plan, begun, resumed)
    assert (again.step, again.scales) == (7, scales)
    for ours, theirs in ((again.values, values), *((again.moments[k], run.moments[k]) for k in run.moments)):
        assert all(np.allclose(a, b, rtol=1e-6) for n in theirs for a, b in zip(ours[n], theirs[n], strict=True))
