"""What each parameter is called in the files of Hugging Face's BertModel."""

import re

# Module by module; # stands for the number of a layer.
MODULES = {
    "embeddings.words": "embeddings.word_embeddings",
    "embeddings.positions": "embeddings.position_embeddings",
    "embeddings.types": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "layers.#.attention.query": "encoder.layer.#.attention.self.query",
    "layers.#.attention.key": "encoder.layer.#.attention.self.key",
    "layers.#.attention.value": "encoder.layer.#.attention.self.value",
    "layers.#.attention.out": "encoder.layer.#.attention.output.dense",
    "layers.#.attention_norm": "encoder.layer.#.attention.output.LayerNorm",
    "layers.#.up": "encoder.layer.#.intermediate.dense",
    "layers.#.down": "encoder.layer.#.output.dense",
    "layers.#.norm": "encoder.layer.#.output.LayerNorm",
    "pooler": "pooler.dense",
}
LEAVES = {"kernel": "weight", "embedding": "weight", "scale": "weight", "bias": "bias"}
OLD = {"weight": "gamma", "bias": "beta"}


def torch_name(name: str) -> str:
    """`layers.0.up.kernel` → `encoder.layer.0.intermediate.dense.weight`."""
    module, _, leaf = name.rpartition(".")
    number = re.search(r"\d+", module)
    if number is None:
        return f"{MODULES[module]}.{LEAVES[leaf]}"
    return f"{MODULES[module.replace(number[0], '#')].replace('#', number[0])}.{LEAVES[leaf]}"


def old_name(name: str) -> str:
    """What files converted from TensorFlow call a parameter of a LayerNorm; any other has the name it has."""
    module, _, leaf = name.rpartition(".")
    return f"{module}.{OLD[leaf]}" if module.endswith("LayerNorm") else name
