"""What Hugging Face's hub reads of a model card: YAML between two lines of dashes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

# as the hub calls them
METRICS = {"matthews": "matthews_correlation", "pearson": "pearsonr", "spearman": "spearmanr", "bleu": "sacrebleu"}
SCALES = {"bleu": 100}  # of what the hub takes over ours, where it counts from 0 to 100
PIPELINES = {"text": "text-classification", "images": "image-classification", "translation": "translation"}


def front_matter(summary: Mapping[str, Any], kind: str, *, library: str | None = "transformers") -> str:
    """Tags, metrics and results; the licence is left to whoever publishes.

    kind     "text", "images" or "translation"
    library  whose from_pretrained reads a text model
    """
    lines = "".join(f"{name}: {_flow(value)}\n" for name, value in _entries(summary, kind, library))
    return f"---\n{lines}# license: yours to choose, as the teacher's and the data's allow\n---\n"


def _entries(summary: Mapping[str, Any], kind: str, library: str | None) -> Iterator[tuple[str, Any]]:
    if kind == "text" and library:
        yield "library_name", library
    yield "pipeline_tag", PIPELINES[kind]
    if summary.get("base_model"):
        yield "base_model", summary["base_model"]
    distilled = [] if summary["host"] == "labels" else ["knowledge-distillation", summary["host"]]
    yield "tags", [*distilled, *(["opdf", "tensor-networks"] if summary.get("opdf") else [])]
    results = [
        {"type": METRICS.get(name, name), "value": round(SCALES.get(name, 1) * value, 4)}
        for name, value in summary.get("test", {}).items()
    ]
    if not results:
        return
    yield "metrics", [result["type"] for result in results]
    task = {"type": PIPELINES[kind], "name": f"{summary['task']}, test"}
    dataset = {"type": summary["task"], "name": summary["task"], "split": "test"}
    yield (
        "model-index",
        [{"name": summary["name"], "results": [{"task": task, "dataset": dataset, "metrics": results}]}],
    )


def _flow(value: Any) -> str:
    """JSON, which YAML takes as it is."""
    return json.dumps(value, ensure_ascii=False)
