"""Many processes: DistributedDataParallel, FSDP2 and torch.distributed.checkpoint, two processes over gloo."""

import pytest
from interplay import two_processes
from interplay.encoders import largest_difference, weights
from interplay.two_processes import STEPS, optimizer_of, resume, student, train
from processes import run_all

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")  # one process may load too


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def found(folder):
    return run_all(two_processes.ALL, folder)


@pytest.fixture(scope="module")
def alone():
    """One process and the whole batch."""
    model = student()
    train(model, optimizer_of(model), range(STEPS))
    return weights(model)


def check(results, alone):
    for result in results:
        assert isinstance(result, dict), result
        assert largest_difference(result["weights"], alone) < 1e-6
    entries = [result["entries"] for result in results]
    assert max(entries) <= 1.2 * sum(entries) / len(entries)  # the factors of the planned weights and all about them


@pytest.mark.row(
    "DDP, two processes, 20 steps",
    limit="equal to one process to 1e-6; with `group=` factors, moments and targets of each weight on one process, none on "
    "more than 1.2/N of all; without, every process does all the work",
)
def test_ddp(found, alone):
    check(found["ddp"], alone)


@pytest.mark.row(
    "FSDP2 `fully_shard`, two processes, 20 steps",
    limit="the same; shard before the optimiser is made; `Shard` and `Replicate`, not the strided shards of FSDP with tensor "
    "parallelism",
)
def test_fsdp(found, alone):
    check(found["fsdp"], alone)


@pytest.mark.row(
    "`torch.distributed.checkpoint`",
    limit="`dcp.save` of `optimizer.state_dict()`; `tensornet_torch.distributed.load` into any number of processes",
)
def test_checkpoint(found, folder, alone):
    check(found["fsdp_resumed"], alone)
    model = student(7)
    resume(model, optimizer_of(model), folder / "half")
    assert largest_difference(weights(model), alone) < 1e-6


@pytest.mark.row(
    "HF `Trainer` under DDP, two processes",
    limit="without `group=`, because it saves the optimiser of the first process alone; resumes bit for bit",
)
def test_trainer(found):
    first, second = found["trainer"]
    assert isinstance(first, dict), first
    for result in (first, second):
        assert largest_difference(result["second"], result["first"]) == 0
    assert largest_difference(first["first"], second["first"]) == 0
