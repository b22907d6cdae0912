"""Weight Distillation: weights that cannot be generated, and plans that mean nothing."""

import numpy as np

import tensornet as tn

ONE = tn.Generator(("t",), (4, 6), (4, 6))
PLAN = tn.generators({"w": (4, 6)}, {"w": (4, 6)})
STUDENT = {"e.weight": (9, 4), "l.0.q": (4, 4), "l.1.q": (4, 4)}
TEACHER = {"e.weight": (9, 8)} | {f"l.{k}.q": (8, 8) for k in range(5)}


def plan(student=STUDENT, teacher=TEACHER, **options):
    return tn.generators(student, teacher, tables=["e.weight"], **options)


CASES = {
    # one weight
    "no weight of the teacher": (
        lambda: tn.Generator((), (4, 6), (4, 6)),
        r"Generator: \(4, 6\) from 0 of \(4, 6\) .*, needed one weight of the teacher or more, .*; pair other weights",
    ),
    "another number of axes": (lambda: tn.Generator(("t",), (4, 6), (4,)), "of as many axes as the student's"),
    "a map of an axis that is not there": (
        lambda: tn.Generator(("t",), (4, 6), (4, 6), (2,)),
        "maps of axes that there",
    ),
    "no map of an axis that changes": (
        lambda: tn.Generator(("t",), (4, 6), (4, 3)),
        r"Generator: \(4, 3\) from \(4, 6\) without a map of axis 1, needed one or equal sizes, .*; add the axis to mapped",
    ),
    "another teacher": (
        lambda: ONE.of([np.ones((6, 4))]),
        r"got teacher's weights of shapes \[\(6, 4\)\], needed \[\(4, 6\)\], because the generator was made for t of those",
    ),
    "unknown start": (
        lambda: ONE.of([np.ones((4, 6))], "zero"),
        "start='zero' without random numbers, needed 'teacher' without or 'published' with them, .*; pass start=",
    ),
    "published without chance": (lambda: ONE.of([np.ones((4, 6))], "published"), "'published' without random numbers"),
    "chance for nothing": (lambda: ONE.of([np.ones((4, 6))], "teacher", np.ones), "'teacher' with random numbers"),
    "a teacher that diverged": (
        lambda: ONE.of([np.full((4, 6), np.nan)]).start(np.ones((4, 6))),
        "Generated: t: the weight of shape .* has 24 NaN or Inf entries",
    ),
    # names
    "no such weight in the teacher": (
        lambda: plan(STUDENT | {"head": (2, 4)}),
        r"generators: the teacher has no head, nor .*; pass pairs=\{'head': …\} with the teacher's names, or with None",
    ),
    "teacher too shallow": (
        lambda: tn.generators({f"l.{k}.q": (4, 4) for k in range(3)}, {f"l.{k}.q": (4, 4) for k in range(2)}),
        "generators: l.0.q is of one of 3 layers, and the teacher has 2, needed as many at least, .*; take a deeper teacher",
    ),
    "a group with a gap": (
        lambda: tn.generators({"l.0.a.0": (2,), "l.0.a.1": (2,)}, {"l.0.a.0": (2,), "l.1.a.0": (2,), "l.0.a.1": (2,)}),
        "generators: l.0.a.1 would be generated from l.1.a.1, which the teacher does not have, needed one in each layer",
    ),
    "pairs of another kind": (
        lambda: plan(pairs="uniform"),
        "pairs='uniform', needed a dict .*; pass one, or leave it",
    ),
    "pairs with what the teacher lacks": (
        lambda: plan(pairs={"e.weight": "f.weight"}),
        "generators: pairs name f.weight, needed weights of the teacher, .*; they are e.weight, l.0.q",
    ),
    "pairs with what the student lacks": (
        lambda: plan(pairs={"f[": None}),
        r"pairs has 'f\[', needed a weight of the student or an expression .*; the weights are e.weight",
    ),
    "paired twice": (
        lambda: plan(pairs={"l.0.q": "l.1.q", r"l\.\d\.q": None}),
        "l.0.q is paired by 'l.0.q' and by .*, needed one of them, .*; make one expression narrower",
    ),
    "nothing generated": (
        lambda: plan(pairs=lambda name: None),
        "generators: none of e.weight, l.0.q, l.1.q is generated, needed one at least, .*; pair one with weights",
    ),
    # shapes
    "a vector from matrices": (
        lambda: plan(pairs={"l.0.q": ["l.0.q", "e.weight"]}),
        r"l.0.q \(4, 4\) and l.0.q, e.weight of \[\(8, 8\), \(9, 8\)\] cannot be paired, needed weights of one shape",
    ),
    "another vocabulary": (
        lambda: plan(STUDENT | {"e.weight": (10, 4)}),
        "e.weight has 10 rows and the teacher's e.weight 9, needed as many, because they are words, .*; use one tokenizer",
    ),
    "other classes": (
        lambda: tn.generators(
            {"fc.weight": (4, 4), "head.weight": (2, 4)}, {"fc.weight": (8, 8), "head.weight": (3, 8)}
        ),
        "head.weight has 2 rows and the teacher's head.weight 3, needed as many, .* classes or .*; use one",
    ),
    "heads that do not divide": (
        lambda: plan(heads=(2, 3)),
        r"generators: heads=\(2, 3\) of widths \(8, 4\) \(teacher, student\), needed numbers of heads that divide .*; correct",
    ),
    # over a teacher, and as text
    "a teacher without a planned weight": (
        lambda: PLAN.of({"v": np.ones((4, 6))}),
        "Generators: the teacher has no w, needed all weights of the plan, .*; pass the teacher that was planned for",
    ),
    "no plan": (
        lambda: tn.Generators.from_json("[]"),
        r"Generators: this text is not what to_json writes .*, needed that, .*; pass it",
    ),
}
