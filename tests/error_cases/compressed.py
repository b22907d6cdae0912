"""Files of compressed models: a note that cannot be read."""

from tensornet.files._compressed import read_note

CASES = {
    "no plan": (
        lambda: read_note("config.json", {"errors": {}}),
        r"from_pretrained: config.json has a note of formats that cannot be read \('plan'\), needed what .*; save the model",
    ),
}
