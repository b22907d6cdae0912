"""A vocabulary of pieces of words: learnt from train, or read from the folder of a model.

Byte-pair encoding over bytes: no text has unknown pieces, and all text, in Unicode's NFC, comes back (Sennrich et al. 2016,
arXiv 1508.07909; bytes: Radford et al. 2019). One vocabulary serves both languages.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tensornet import TensorNetError
from tensornet.files._replace import replacing

TOKENIZER = "tokenizer.json"
SPECIAL = ("<pad>", "<bos>", "<eos>")
PAD, BOS, EOS = range(3)
BYTES = 256


def vocabulary(texts: Sequence[str], size: int, lowercase: bool, cache: Path | None) -> Any:
    """`learnt`, or what of the same texts and settings lies in the folder `cache`, where it is kept."""
    if cache is None:
        return learnt(texts, size, lowercase)
    path = cache / f"{_key(texts, size, lowercase)}.json"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(learnt(texts, size, lowercase).to_str().encode())
    return read_vocabulary(path)


def learnt(texts: Sequence[str], size: int, lowercase: bool = False) -> Any:
    """A `tokenizers.Tokenizer` of `size` pieces at most, those in SPECIAL first; a text becomes its pieces and <eos>.

    The same texts give the same vocabulary. Sources: the module's.
    raises: TensorNetError for fewer pieces than there are bytes and special ones
    """
    least = len(SPECIAL) + BYTES
    if size < least:
        raise TensorNetError(
            f"translation: vocabulary={size}, needed {least} or more, because each byte is a piece, and so are "
            f"{', '.join(SPECIAL)}; set task.vocabulary, usually to some thousands"
        )
    t = _tokenizers()
    made = t.Tokenizer(t.models.BPE())
    made.normalizer = t.normalizers.Sequence([t.normalizers.NFC(), *([t.normalizers.Lowercase()] if lowercase else [])])
    made.pre_tokenizer = t.pre_tokenizers.ByteLevel(add_prefix_space=True)  # the first word is like the others
    made.decoder = t.decoders.ByteLevel()
    trainer = t.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(t.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    made.post_processor = t.processors.TemplateProcessing(
        single=f"$A {SPECIAL[EOS]}", special_tokens=[(SPECIAL[EOS], EOS)]
    )
    made.encode_special_tokens = True  # "<eos>" in a text is five bytes of it
    return made


def read_vocabulary(path: Path) -> Any:
    """The tokenizer in a file, or in a folder's tokenizer.json.

    raises: TensorNetError where it cannot be read, or was not made by `learnt`
    """
    path = path / TOKENIZER if path.is_dir() else path
    try:
        found = _tokenizers().Tokenizer.from_file(str(path))
    except TensorNetError:
        raise
    except Exception as error:  # tokenizers raises no narrower class
        raise TensorNetError(
            f"translation: {path} cannot be read ({error}), needed the tokenizer of a translation model, because its ids are "
            f"the rows of the model's tables; correct the path, or leave task.tokenizer out to have one learnt from train"
        ) from None
    if [found.token_to_id(piece) for piece in SPECIAL] != [PAD, BOS, EOS]:
        raise TensorNetError(
            f"translation: {path} has ids {[found.token_to_id(piece) for piece in SPECIAL]} for {', '.join(SPECIAL)}, needed "
            f"{PAD}, {BOS}, {EOS}, because sentences begin, end and are filled up with these; take the tokenizer of a model "
            f"that a run exported"
        )
    found.encode_special_tokens = True  # as in `learnt`: files do not hold it
    return found


def decoded(tokenizer: Any, ids: Sequence[Sequence[int]]) -> list[str]:
    """Ids of each sentence → its text, special pieces left out."""
    return [text.strip() for text in tokenizer.decode_batch([list(map(int, row)) for row in ids])]


def lowercases(tokenizer: Any) -> bool:
    """Whether it turns what it reads into lower case."""
    return "Lowercase" in json.dumps(json.loads(tokenizer.to_str())["normalizer"])


def _key(texts: Sequence[str], size: int, lowercase: bool) -> str:
    return hashlib.sha256(json.dumps([list(texts), size, lowercase]).encode()).hexdigest()[:16]


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise TensorNetError(
            "translation: the package tokenizers is not installed, needed to cut text into pieces; pip install "
            "'opdf[translation]'"
        ) from None
    return tokenizers
