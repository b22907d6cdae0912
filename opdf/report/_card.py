"""The model card: what the student is, how good, how large, how it was made, and what is not known of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ._front_matter import front_matter
from ._private import command_without_folders, without_folders
from ._tables import markdown_table, number, score

HOSTS = {
    "labels": "trained on the labels alone",
    "kd": "distilled from its teacher's answers (plain knowledge distillation)",
    "theseus": "distilled by module replacing (BERT-of-Theseus)",
    "lgtm": "distilled from a teacher that learns with it (LGTM)",
    "dbkd": "distilled from its teacher's decisions (DBKD)",
    "adkd": "distilled from its teacher's attributions (AD-KD)",
}
STARTS = {
    "teacher": "layers of its teacher",
    "random-layers": "random layers between its teacher's embeddings and head",
    "random": "random weights",
}
KINDS = {"fashion_mnist": "images", "translation": "translation"}  # of tasks; of the others the student classifies text
USE = {
    "compact": """import tensornet_torch as tnt
from transformers import AutoTokenizer

model = tnt.from_pretrained("compact")  # the folder; AutoModel would not find the factors
tokenizer = AutoTokenizer.from_pretrained("compact")
""",
    "text": """from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained("student")  # the folder
tokenizer = AutoTokenizer.from_pretrained("student")
""",
    "translation": """from opdf.translation import load

load("student").translate(["Two dogs run."], beam=5)  # the folder; a list of texts
""",
}

Summary = Mapping[str, Any]


def card(config: Mapping[str, Any], summary: Summary, folder: str = "student") -> str:
    """README.md of a run folder or of a model in it: Markdown behind a front matter in YAML.

    folder   "student", or "compact" for that of a model with factors

    config   as resolved: plain values by key
    summary  of the run: "name", "task" and "host" at least; what else is missing in it is not spoken of. "runs", a list of
             {"seed", "dev", "test"}, adds mean ± std over seeds; "figures" are paths of images beside the card; "base_model" is
             the hub's name of the teacher, "latency_rows" the examples of a call that was timed
    """
    summary = {name: value for name, value in summary.items() if value is not None}
    kind = KINDS.get(summary["task"], "text")
    sections = (
        _what(config, summary),
        _results(config, summary),
        _sizes(summary),
        _figures(summary),
        _use("compact" if folder == "compact" else kind),
        _made(config, summary),
        _limits(config, summary),
    )
    front = front_matter(summary, kind, library=None if folder == "compact" else "transformers")
    return "\n".join([front, *(section for section in sections if section)])


def _what(config: Mapping[str, Any], summary: Summary) -> str:
    text = f"A student for {summary['task']}, {HOSTS.get(summary['host'], summary['host'])}."
    start = config.get("student", {}).get("start")
    if generator := summary.get("generator"):
        text += (
            f" Its weights were generated from its teacher's first ([Weight Distillation](https://arxiv.org/abs/2009.09152)): "
            f"generators were trained for {generator['share']:.0%} of the steps, and the weights for the rest"
            f"{_before(summary)}."
        )
    elif kronecker := _kronecker(config):
        text += kronecker
    elif start is not None:  # Theseus takes over embeddings and head, whatever it starts from
        text += (
            f" It began with {STARTS['random-layers' if (summary['host'], start) == ('theseus', 'random') else start]}."
        )
    if config.get("translation", {}).get("sequence"):
        text += " It learnt from its teacher's translations of train in place of the published ones."
    if opdf := summary.get("opdf"):
        text += (
            f" While it was trained, its weights were factors of tensor networks ([OPDF](https://arxiv.org/abs/2411.06448): "
            f"{opdf['cores']} factors a weight{_alignment(opdf)}); here are the dense weights that the factors contract to."
        )
    return f"# {summary['name']}\n\n{text}\n"


def _kronecker(config: Mapping[str, Any]) -> str:
    student = config.get("student", {})
    if student.get("compact"):
        began = "the factors of an earlier run, and the head of its teacher"
    elif student.get("kronecker"):
        began = f"the products nearest to its teacher's layers, {student['kronecker']:g} times smaller in all"
    else:
        return ""
    return (
        f" Its embedding, attention and feed-forward weights are Kronecker products "
        f"([KroneckerBERT](https://arxiv.org/abs/2109.06243)), trained as such from {began}."
    )


def _alignment(opdf: Mapping[str, Any]) -> str:
    if not opdf.get("alignment"):
        return ", no alignment"
    return f", aligned with the teacher's, weight {opdf['alignment']:g}, gauge {opdf['alignment_gauge']}"


def _before(summary: Summary) -> str:
    """Where dev chose a student of the first phase."""
    if "best_step" not in summary or summary["best_step"] > summary.get("first_phase", 0):
        return ""
    return f"; this one is of step {summary['best_step']:,}, before its weights were trained by themselves"


def _chosen(config: Mapping[str, Any]) -> bool:
    """Whether dev chose between several students."""
    return bool(config.get("training", {}).get("evaluations", 2) > 1)


def _results(config: Mapping[str, Any], summary: Summary) -> str:
    """One column for each metric of dev and of test; fractions, as the summary has them."""
    parts = [(part, metric) for part in ("dev", "test") for metric in summary.get(part, {})]
    if not parts:
        return ""
    runs: Sequence[Summary] = summary.get("runs", ())
    rows = [
        ("teacher", [score([summary.get("teacher", {})], *p) for p in parts]),
        ("student", [score([summary], *p) for p in parts]),
        (f"student, mean ± std over {len(runs)} seeds", [score(runs, *p) if len(runs) > 1 else "" for p in parts]),
    ]
    table = markdown_table(["", *(f"{part} {metric}" for part, metric in parts)], rows)
    said = [f"Splits: {summary['splits']}"] if "splits" in summary else []
    if "signature" in summary:
        said.append(f"BLEU, here from 0 to 1, is sacrebleu's {summary['signature']}.")
    if "best_step" in summary:
        of = f" of {summary['steps']:,}" if "steps" in summary else ""
        which = "chosen on dev" if _chosen(config) else "the last, not chosen"
        said.append(f"The student is that of step {summary['best_step']:,}{of}, {which}.")
    return f"## Results\n\n{table}\n{' '.join(said)}\n"


def _sizes(summary: Summary) -> str:
    teacher, student, factors = summary.get("teacher", {}), summary.get("student", {}), "bytes" in summary
    shipped = [number(student.get("parameters")), number(student.get("latency_ms"))]
    rows = [
        ("teacher", [number(teacher.get("parameters")), number(teacher.get("latency_ms"))]),
        ("student, before training", [number(student.get("parameters")), ""]),
        ("student, in training: what the optimiser holds", [number(student.get("training_parameters")), ""]),
        ("student with factors, in `compact`" if factors else "student, as it is here", shipped),
        ("the same, dense, in `student`", [number(summary.get("dense_parameters")), ""]),
    ]
    batch = f", {summary['latency_rows']} examples" if "latency_rows" in summary else ""
    table = markdown_table(["", "parameters", f"latency in ms{batch}"], rows)
    said = []
    if teacher.get("latency_ms") and student.get("latency_ms"):
        which = "With its factors the student" if factors else "The student"
        said.append(f"{which} takes {student['latency_ms'] / teacher['latency_ms']:.2f} of its teacher's time.")
    if size := summary.get("bytes"):
        said.append(f"`compact` has {number(size['compact'])} bytes of weights, `student` {number(size['dense'])}.")
    if "fold_error" in summary:
        said.append(
            f"Between factors and weights of the last step, the largest ‖W − contract(T)‖/‖W‖ is {summary['fold_error']:.1g}."
        )
    return f"## Size and speed\n\n{table}\n{' '.join(said)}\n" if table else ""


def _figures(summary: Summary) -> str:
    return "".join(f"![{path.rpartition('/')[2].partition('.')[0]}]({path})\n" for path in summary.get("figures", ()))


def _use(kind: str) -> str:
    return f"## Use\n\n```python\n{USE[kind]}```\n" if kind in USE else ""


def _made(config: Mapping[str, Any], summary: Summary) -> str:
    import tomli_w

    others = HOSTS.keys() - {summary["host"]}
    shown = without_folders({name: value for name, value in config.items() if name not in others})
    parts = []
    if "steps" in summary and "seconds" in summary:
        step = f", a step {number(summary['step_ms'])} ms in the median" if "step_ms" in summary else ""
        parts.append(f"{summary['steps']:,} steps in {summary['seconds']:,.0f} s{step}.\n")
    if summary.get("command"):  # none, where Python called
        parts.append(f"```sh\n{command_without_folders(summary['command'])}\n```\n")
    parts.append(f"<details><summary>Configuration</summary>\n\n```toml\n{tomli_w.dumps(shown)}```\n</details>\n")
    if "versions" in summary:
        parts.append(", ".join(f"{name} {version}" for name, version in summary["versions"].items()) + "\n")
    return "## How it was made\n\n" + "\n".join(parts)


def _limits(config: Mapping[str, Any], summary: Summary) -> str:
    return "## Limits\n\n" + "".join(f"- {line}\n" for line in _limit_lines(summary, _chosen(config)))


def _limit_lines(summary: Summary, chosen: bool) -> Iterator[str]:
    if "dev" in summary and chosen:
        yield "Dev chose this student, so that its score there is too good by what choosing gains."
    if "test" in summary:
        yield f"In this run test was scored once on the student, after {'dev had chosen it' if chosen else 'training'}."
    if "seed" in summary and len(summary.get("runs", ())) < 2:
        yield f"One seed, {summary['seed']}: how far another would be from it is not known."
    if summary.get("student", {}).get("latency_ms"):
        yield "Latencies are those of the machine of the run."
    yield "No licence is set: what the teacher's and the data's allow was not looked at."
