"""Train with a checkpoint after every step, going on from the last one: `killed_run.py FOLDER STEPS PAUSE`."""

import sys
import time
from pathlib import Path

import torch

import tensornet_torch as tnt

sys.path.insert(0, str(Path(__file__).parents[1]))
from torch_adapter.students import student, train

torch.set_num_threads(1)
folder, steps, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
model, last = student(0), folder / "last.pt"
inner = torch.optim.AdamW(model.parameters(), lr=1e-2)
alignment = tnt.Alignment(student(9), weight=10.0, every=7)
optimizer = tnt.overparameterize(inner, model, tnt.plan(model, cores=5), alignment=alignment)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
done = 0
if last.exists():
    saved = torch.load(last, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    done = saved["done"]
for step in range(done, steps):
    train(model, optimizer, range(step, step + 1))
    scheduler.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
    torch.save({**state, "done": step + 1}, folder / "new.pt")
    (folder / "new.pt").replace(last)
    with (folder / "steps.txt").open("a") as log:
        log.write(f"{step}\n")
    time.sleep(pause)
torch.save(model.state_dict(), folder / "writing.pt")
(folder / "writing.pt").replace(folder / "final.pt")
