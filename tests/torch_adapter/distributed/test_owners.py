"""Who owns what: time and memory shared alike, without a process group."""

import pytest
import torch
from torch import nn

import tensornet_torch as tnt
from tensornet_torch.distributed import assign


def planned(layers):
    with torch.device("meta"):
        model = nn.ModuleList(
            nn.ModuleDict(
                {
                    **{name: nn.Linear(768, 768) for name in ("query", "key", "value", "output")},
                    "up": nn.Linear(768, 3072),
                    "down": nn.Linear(3072, 768),
                }
            )
            for _ in range(layers)
        )
    return tnt.plan(model, cores=5)


def shares(plan, owners, load, processes):
    total = sum(load(f) for f in plan.values())
    held = [sum(load(plan[n]) for n, owner in owners.items() if owner == r) / total for r in range(processes)]
    return [share * processes for share in held]


def flops(fmt):
    cost = fmt.cost()
    return cost.flops + cost.backward_flops


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 8])
def test_memory_and_time_of_a_bert_student_are_within_a_fifth_of_their_share(processes):
    """Six layers of BERT-base at the paper's layout, 36 matrices of two kinds: 8 times the FLOPs at 4 times the entries."""
    plan = planned(6)
    owners = assign(plan, processes)
    assert list(owners) == list(plan)
    assert set(owners.values()) == set(range(processes))
    assert max(shares(plan, owners, lambda f: f.num_params, processes)) <= 1.2
    assert max(shares(plan, owners, flops, processes)) <= 1.2


def test_it_is_cost_that_is_balanced_and_not_the_number_of_weights():
    plan = tnt.plan(nn.Sequential(nn.Linear(64, 64), *[nn.Linear(16, 16) for _ in range(8)]), cores=3)
    owners = assign(plan, 2)
    large = owners["0.weight"]
    assert [n for n, owner in owners.items() if owner == large] == ["0.weight"]


def test_more_processes_than_weights_leave_some_without():
    owners = assign(tnt.plan(nn.Linear(16, 16), cores=3), 4)
    assert owners == {"weight": 0}
