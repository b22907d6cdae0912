"""Laws of contract, apply and pullback."""

import random

from .._contract import contract
from .._path import Path
from ._case import Case
from ._gauge_invariance import assert_gauge_invariant
from ._law import require
from ._measure import inner, norm, relative


def apply_is_a_product(case: Case) -> None:
    """apply(factors, x) = x @ contract(factors).T, for every number of batch axes."""
    fmt, xp = case.fmt, case.xp
    factors = case.factors()
    w = xp.reshape(fmt.contract(factors), fmt.matrix_shape)
    for lead in ((), (1,), (3,), (2, 3), (40,), (0,)):
        x = case.normal(*lead, fmt.matrix_shape[1])
        got, want = fmt.apply(factors, x), xp.matmul(x, xp.matrix_transpose(w))
        require(got.shape == want.shape, f"x {x.shape} gives {got.shape}", f"{want.shape}")
        if 0 in lead:
            continue
        error = norm(got - want) / (norm(x) * norm(w))  # not over ‖x Wᵀ‖, whose terms may cancel
        require(error <= 10 * case.tolerance, f"x {x.shape} gives an error of {error:.1e} ‖x‖ ‖W‖", "x @ W.T")


def pullback_is_the_gradient(case: Case) -> None:
    """⟨dL/dT_k, D⟩ is the central difference of ⟨G, W⟩ along D; exactly, because W is linear in each factor."""
    fmt = case.fmt
    factors, gradient = case.factors(), case.normal(*fmt.shape, salt="gradient")
    w, pull = fmt.linearize(factors)
    require(relative(w, fmt.contract(factors)) <= case.tolerance, "linearize gives another matrix", "that of contract")
    pulled = fmt.pullback(factors, gradient)
    for k, (got, shared) in enumerate(zip(pulled, pull(gradient), strict=True)):
        require(norm(got - shared) <= 10 * case.tolerance * norm(got), f"linearize pulls {k} elsewhere", "one gradient")
        require(tuple(got.shape) == fmt.shapes[k], f"gradient {k} has shape {tuple(got.shape)}", f"{fmt.shapes[k]}")
        step = case.normal(*fmt.shapes[k], salt="step")
        step = step * (norm(factors[k]) / norm(step))
        ahead, behind = (fmt.contract([*factors[:k], factors[k] + s, *factors[k + 1 :]]) for s in (step, -step))
        want, found = inner(gradient, ahead - behind) / 2, inner(got, step)
        room = 30 * case.tolerance * norm(gradient) * (norm(ahead) + norm(behind))
        require(abs(found - want) <= room, f"the slope by factor {k} is {found!r}", f"{want!r} ± {room:.0e}")


def order_does_not_matter(case: Case) -> None:
    """Whatever pairs are contracted first, the matrix is the same."""
    network, factors = case.fmt.network, case.factors()
    n, draw = len(network.factors), random.Random(case.seed)
    sweep = tuple((0, live - 1) for live in range(n, 1, -1))  # in opt_einsum's convention the result goes to the end
    back = tuple((live - 2, live - 1) for live in range(n, 1, -1))
    orders = [sweep, back]
    for _ in range(3):
        pairs = (sorted(draw.sample(range(live), 2)) for live in range(n, 1, -1))
        orders.append(tuple((a, b) for a, b in pairs))
    want = case.fmt.contract(factors)
    for order in orders:
        made = case.fmt._as_weight(contract(Path.of_matrix(network, order=order), factors))
        error = relative(made, want)
        require(error <= 10 * case.tolerance, f"order {order} differs by {error:.1e}", "one matrix in every order")


def lead_axes_carried(case: Case) -> None:
    """A stack of weights is decomposed, contracted and pulled back as its members are, over one lead axis or two."""
    fmt, xp, room = case.fmt, case.xp, 10 * case.tolerance
    stacked, gradient = case.factors(2), case.normal(2, *fmt.shape)
    w, pulled = fmt.contract(stacked), fmt.pullback(stacked, gradient)
    for n in range(2):
        one = [f[n, ...] for f in stacked]
        pairs = [(w, fmt.contract(one)), *zip(pulled, fmt.pullback(one, gradient[n, ...]), strict=True)]
        error = max(relative(s[n, ...], member) for s, member in pairs)
        require(error <= room, f"member {n} of a stack differs by {error:.1e}", "equality")
    deeper = fmt.contract([f[:, None, ...] for f in stacked])
    require(
        tuple(deeper.shape) == (2, 1, *fmt.shape), f"two lead axes give {tuple(deeper.shape)}", f"{(2, 1, *fmt.shape)}"
    )
    error = relative(deeper[:, 0, ...], w)
    require(error <= room, f"two lead axes differ by {error:.1e}", "equality")
    unlike = xp.stack([w[0, ...], xp.zeros_like(w[0, ...])])  # no scale may leak from one member to the other
    for gauge in case.gauges:
        back, room = fmt.contract(fmt.decompose(unlike, gauge=gauge)), 2 * case.tolerance
        if fmt.iterative:  # as near as alone
            alone = fmt.contract(fmt.decompose(unlike[0, ...], gauge=gauge))
            room += 1.1 * relative(alone, unlike[0, ...]) + 1e3 * case.tolerance
            require(norm(back[1, ...]) == 0.0, "a zero in a stack comes back as another", "zero")
        error = relative(back, unlike)
        found = f"a stack {tuple(unlike.shape)} in gauge {gauge!r} comes back with a relative error of {error:.1e}"
        require(error <= room, found, f"at most {room:.0e}")


def contraction_is_gauge_invariant(case: Case) -> str | None:
    """T_k → T_k G, T_{k+1} → G⁻¹ T_{k+1} on any bond leaves W as it is, as do scales that cancel on any other index."""
    if not case.fmt.network.unshared.summed:
        return "nothing is summed over"
    probe = case.normal(*case.fmt.shape, salt="probe")

    def seen(factors):
        return inner(probe, case.fmt.contract(factors))

    scale = norm(probe) * norm(case.fmt.contract(case.factors()))
    assert_gauge_invariant(seen, case.fmt, case.factors(), atol=100 * case.tolerance * scale, seed=case.seed)
    return None
