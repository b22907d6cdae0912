"""A training by Hugging Face's Trainer that goes on from its last complete checkpoint, to be run in a process and killed."""

import doctest
from pathlib import Path

import torch
from interplay.encoders import classifier, wrapped
from interplay.trainers import trainer

PAGE = Path(__file__).parents[2] / "docs" / "pytorch.md"
EVERY = 2  # steps from one checkpoint to the next


def documented(name):
    """The function of this name that the page shows."""
    sources = [e.source for e in doctest.DocTestParser().get_examples(PAGE.read_text())]
    names = {}
    exec("".join(s for s in sources if s.startswith(("import ", "from ", f"def {name}("))), names)
    return names[name]


def run(folder, steps):
    torch.set_num_threads(1)
    model = classifier(hidden_dropout_prob=0.1)
    options = {"max_steps": steps, "save_strategy": "steps", "save_steps": EVERY, "save_total_limit": 2}
    trainer(folder, model, wrapped(model), **options).train(resume_from_checkpoint=documented("last_complete")(folder))
