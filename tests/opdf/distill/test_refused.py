"""Configurations and inputs that cannot be run: one clear message each, exit status 2, and nothing half-written."""

import gzip
import json
import sys
from pathlib import Path

import pytest
import task_files
import tiny_runs

from opdf.cli import main
from opdf.distill._toml import to_toml


def fashion(folder, **overrides):
    return to_toml(tiny_runs.images(folder, **overrides))


def mrpc(folder, **overrides):
    return to_toml(tiny_runs.texts(folder, **overrides))


def csv(folder, rows, **overrides):
    """A table of one's own, as train, dev and test."""
    tiny_runs.write_encoder(folder / "encoder")
    files = {f"task.{part}_file": str(folder / f"{part}.csv") for part in ("train", "dev", "test")}
    for path in files.values():
        Path(path).write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    config = tiny_runs.parsed(
        {"task": {"name": "csv"}, "out": str(folder / "run"), "teacher": {"source": str(folder / "encoder")}},
        {**files, **{key.replace("__", "."): value for key, value in overrides.items()}},
    )
    return to_toml(config)


GOOD = [("good film", "yes"), ("bad film", "no")] * 4


def unknown_key(folder):
    return fashion(folder) + "\n[extra]\nx = 1\n", "'extra' that nobody knows"


def unknown_inner_key(folder):
    return fashion(folder).replace(
        "batch_size", "batchsize"
    ), "'training.batchsize' that nobody knows, needed training.batch_size"


def no_toml(folder):
    return "task = [", "cannot be read"


def wrong_type(folder):
    return fashion(folder).replace("batch_size = 10", 'batch_size = "ten"'), "training.batch_size = 'ten' is a str"


def no_task(folder):
    return "[training]\nlr = 1.0\n", "lacks task"


def untaught_teacher(folder):
    return fashion(folder, teacher__epochs=0.0), "teacher.epochs = 0 without teacher.source"


def inside_of_an_untaught_teacher(folder):
    return fashion(folder, teacher__epochs=0.0, kd__hidden=1.0), "teacher.epochs = 0 without teacher.source"


def headless_teacher(folder):
    return csv(folder, GOOD, teacher__epochs=0.0), "has no head for task csv"


def no_such_device(folder):
    return fashion(folder, training__device="gpu"), "training.device = 'gpu' is none that PyTorch can use"


def cache_in_place_of_the_run(folder):
    return fashion(folder, cache=str(folder / "elsewhere" / ".." / "run")), "is out too, needed another folder"


def missing_folder(folder):
    return fashion(folder, task__folder=str(folder / "absent")), "absent"


def missing_file(folder):
    text = fashion(folder)
    (folder / "fashion" / "t10k-labels-idx1-ubyte").unlink()
    return text, "t10k-labels-idx1-ubyte"


def truncated_images(folder):
    text, path = fashion(folder), folder / "fashion" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    return text, "train-images-idx3-ubyte"


def no_images(folder):
    text = fashion(folder)
    (folder / "fashion" / "train-images-idx3-ubyte").write_bytes(b"hello, I am a text of no special length")
    return text, "train-images-idx3-ubyte"


def truncated_gzip(folder):
    text = fashion(folder)
    task_files.fashion_mnist(folder / "zipped", zipped=True)
    path = folder / "zipped" / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(b"x" * 4000)[:30])
    return text.replace(str(folder / "fashion"), str(folder / "zipped")), "train-images-idx3-ubyte.gz"


def wrong_column(folder):
    return csv(folder, GOOD, task__label="klass"), "klass"


def label_out_of_range(folder):
    text = csv(folder, GOOD)
    (folder / "test.csv").write_text("text,label\ngood film,perhaps\n")
    test = f'test_file = "{folder / "test.csv"}"'
    return "\n".join(test if line.startswith("test_file") else line for line in text.splitlines()), "perhaps"


def label_no_number(folder):
    return csv(folder, GOOD, task__regression=True), "yes"


def empty_split(folder):
    return csv(folder, []), "train.csv"


def one_class(folder):
    return csv(folder, [("good film", "yes")] * 4), "class"


def too_many_examples(folder):
    return fashion(folder, task__train_size=10**6), "1000000"


def no_teacher(folder):
    text = mrpc(folder)
    return "\n".join(line for line in text.splitlines() if not line.startswith("source")), "teacher.source is missing"


def absent_teacher(folder):
    return mrpc(folder, teacher__source=str(folder / "nowhere")), "nowhere"


def broken_teacher(folder):
    text, path = mrpc(folder), folder / "encoder" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    return text, "encoder"


def deeper_student(folder):
    return mrpc(folder, student__layers=5), "5"


def wider_student_from_layers(folder):
    return mrpc(folder, student__width=16), "start='teacher'"


def heads_that_do_not_divide(folder):
    return mrpc(folder, student__start="random", student__width=9), "heads"


def widths_without_a_common_divisor(folder):
    return fashion(folder, student__width=9), "common divisors"


def tokenizer_of_another_model(folder):
    text = mrpc(folder)
    tiny_runs.write_encoder(folder / "encoder", vocab_size=6)
    return text, "token"


def no_tokenizer(folder):
    text = mrpc(folder)
    (folder / "encoder" / "vocab.txt").unlink()
    (folder / "encoder" / "tokenizer_config.json").unlink()
    return text, "tokenizer"


def alignment_without_factors(folder):
    return fashion(folder, opdf__on=False), "opdf.alignment = 1.0 with opdf.on = false"


def one_core(folder):
    return fashion(folder, opdf__cores=1), "opdf.cores = 1"


def rule_that_matches_nothing(folder):
    return fashion(folder, opdf__rules=["decoder.*"]), "decoder.*"


def negative_rate(folder):
    return fashion(folder, training__lr=-1.0), "training.lr = -1.0"


def rate_that_is_no_number(folder):
    return fashion(folder, training__lr=float("nan")), "training.lr = nan"


def host_for_texts(folder):
    return fashion(folder, host="adkd"), "adkd"


def decisions_of_numbers(folder):
    rows = [("good film", 4.5), ("bad film", 1.0)] * 4
    return csv(folder, rows, task__regression=True, host="dbkd"), "dbkd"


def host_in_jax(folder):
    return fashion(folder, host="lgtm", training__backend="jax"), "host = 'lgtm' with training.backend = 'jax'"


def bfloat16_in_jax(folder):
    return fashion(folder, training__precision="bfloat16", training__backend="jax"), "needed 'float32' there"


def bfloat16_with_replaced_layers(folder):
    return mrpc(folder, training__precision="bfloat16", host="theseus"), "host = 'theseus', needed 'float32' or"


def loss_that_is_no_number(folder):
    return fashion(folder, training__lr=1e30, opdf__on=False, opdf__alignment=0.0), "the loss of step"


CASES = (
    unknown_key,
    unknown_inner_key,
    no_toml,
    wrong_type,
    no_task,
    untaught_teacher,
    inside_of_an_untaught_teacher,
    headless_teacher,
    no_such_device,
    cache_in_place_of_the_run,
    missing_folder,
    missing_file,
    truncated_images,
    no_images,
    truncated_gzip,
    wrong_column,
    label_out_of_range,
    label_no_number,
    empty_split,
    one_class,
    too_many_examples,
    no_teacher,
    absent_teacher,
    broken_teacher,
    deeper_student,
    wider_student_from_layers,
    heads_that_do_not_divide,
    widths_without_a_common_divisor,
    tokenizer_of_another_model,
    no_tokenizer,
    alignment_without_factors,
    one_core,
    rule_that_matches_nothing,
    negative_rate,
    rate_that_is_no_number,
    host_for_texts,
    decisions_of_numbers,
    host_in_jax,
    bfloat16_in_jax,
    bfloat16_with_replaced_layers,
    loss_that_is_no_number,
)


@pytest.mark.parametrize("case", CASES, ids=lambda f: f.__name__)
def test_refused_with_one_message(case, tmp_path, monkeypatch, capsys):
    text, said = case(tmp_path)
    path = tmp_path / "config.toml"
    path.write_text(text)
    monkeypatch.setattr(sys, "argv", ["opdf", "distill", str(path), "--quiet"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert not printed.out
    message = " ".join(printed.err.split())
    assert said in message
    assert message.count(";") >= 1, "what to do stands after a semicolon"
    assert not (tmp_path / "run" / "student").exists()
    assert not (tmp_path / "run" / "summary.json").exists()


def test_there_are_thirty():
    assert len(CASES) >= 30


def test_a_full_disk_is_one_message_and_the_run_goes_on_later(tmp_path, monkeypatch, capsys):
    """os.fsync is where a full disk says so at the latest."""
    path = tmp_path / "config.toml"
    path.write_text(fashion(tmp_path))
    monkeypatch.setattr(sys, "argv", ["opdf", "distill", str(path), "--quiet"])

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr("os.fsync", full)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 2
    assert "No space left on device" in capsys.readouterr().err
    assert not [p for p in (tmp_path / "run").rglob("*") if p.suffix in (".part", ".json", ".safetensors")]
    monkeypatch.setattr(sys, "argv", ["opdf", "distill", str(path), "--quiet", "--resume"])
    main()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] > 0


def test_a_second_run_in_the_folder_is_refused_and_the_first_stays(tmp_path, monkeypatch, capsys):
    path = tmp_path / "config.toml"
    path.write_text(fashion(tmp_path))
    monkeypatch.setattr(sys, "argv", ["opdf", "distill", str(path), "--quiet"])
    main()
    before = (tmp_path / "run" / "summary.json").read_bytes()
    labels = tmp_path / "fashion" / "t10k-labels-idx1-ubyte"
    data = labels.read_bytes()
    labels.write_bytes(data[:-1] + bytes([(data[-1] + 1) % 10]))  # the same file for all but its contents
    for flags, said in (
        ([], "holds a run already"),
        (["--resume", "--training.lr", "0.5"], "another training.lr"),
        (["--resume"], "has ended, with other examples in test than the files now"),
    ):
        monkeypatch.setattr(sys, "argv", ["opdf", "distill", str(path), "--quiet", *flags])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert said in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "run" / "summary.json").read_bytes() == before


def test_what_stopped_a_run_before_its_student_may_be_corrected_and_its_teacher_is_kept(tmp_path, monkeypatch, capsys):
    path = tmp_path / "config.toml"
    path.write_text(fashion(tmp_path))
    command = ["opdf", "distill", str(path), "--quiet"]
    monkeypatch.setattr(sys, "argv", [*command, "--student.layers", "9"])
    with pytest.raises(SystemExit):
        main()
    assert "9" in capsys.readouterr().err
    (teacher,) = (tmp_path / "cache" / "teachers").glob("*/model/model.safetensors")
    before = teacher.stat().st_mtime_ns
    assert {p.name for p in teacher.parents[1].iterdir()} == {"model", "metrics.jsonl"}  # and no state of its training
    monkeypatch.setattr(sys, "argv", command)
    main()
    assert teacher.stat().st_mtime_ns == before
    assert "layers = 9" not in (tmp_path / "run" / "config.toml").read_text()


def test_a_configuration_of_ones_own_is_not_written_over(tmp_path, monkeypatch, capsys):
    path = tmp_path / "config.toml"
    path.write_text(text := fashion(tmp_path))
    monkeypatch.setattr(sys, "argv", ["opdf", "distill", str(path), "--quiet", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "holds a run already" in " ".join(capsys.readouterr().err.split())
    assert path.read_text() == text
