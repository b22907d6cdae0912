"""What to learn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class TaskSpec:
    """What to learn, and from which files."""

    name: Literal["sst2", "mrpc", "cola", "rte", "stsb", "fashion_mnist", "csv", "translation"]
    """A task of GLUE, Fashion-MNIST, "csv": tables of one's own, or "translation": sentences and their translations."""
    folder: Path | None = None
    """Where the files are. With `hub`: a clone of the hub's repository. With "csv": what the three files are relative to."""
    hub: bool = False
    """Read through Hugging Face `datasets`: from the hub, or from a clone of its repository in `folder`."""
    tokenizer: str | None = None
    """Folder or hub name of the tokenizer of a text task; none takes the teacher's, or, "translation", learns one."""
    max_length: int = 128
    """Tokens of an example, special ones included: longer texts are cut, of a pair the longer first; "translation" refuses."""
    train_size: int | None = None
    """Take that many training examples, stratified by class; none takes all."""
    dev_size: int | None = None
    """Take that many dev examples, stratified by class; none takes all, or 10 % of train where dev is split from it."""
    split_seed: int = 0
    """Seed of everything that is drawn: dev out of train, and the parts that `train_size` and `dev_size` take."""
    train_file: Path | None = None
    """"csv": the training table, .csv or .tsv, also .gz, with a header line."""
    dev_file: Path | None = None
    """"csv": the table to choose on, where there is a test_file, else that to report; none splits dev from train."""
    test_file: Path | None = None
    """"csv": the table to report; none takes the dev table for it, and splits dev from train."""
    text: str = "text"
    """"csv": the column of the text."""
    text_pair: str | None = None
    """"csv": the column of the second text, where there are two."""
    label: str = "label"
    """"csv": the column of the class, a number or a name, or of the number to predict."""
    regression: bool = False
    """"csv": predict the number itself, not a class."""
    source: str = "en"
    """"translation": the language to translate from, the end of its files' names."""
    target: str = "de"
    """"translation": the language to translate into."""
    train_part: str = "train"
    """"translation": what the files to learn from are called before the language, as in train.en; also .gz."""
    dev_part: str = "val"
    """"translation": those to choose on."""
    test_part: str = "test_2016_flickr"
    """"translation": those to report."""
    vocabulary: int = 4000
    """"translation": pieces of words, for both languages, where they are learnt from train."""
    lowercase: bool = False
    """"translation": turn all text into lower case, and score so."""
