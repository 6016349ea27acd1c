"""Corpora: `load(name)` gives one as a `datasets.DatasetDict`, from this course, a local folder or the hub.

Every data set is one entry of `CATALOGUE`. Columns: "text" for language modelling, "text" and "label" for
classification, one a language ("en", "de", "zh") or "text" and "english" or "translation" for translation; word pairs
and word analogies have their own, and so have names ("tokens" and "tags"), answers (as SQuAD on the hub) and summaries
("text" and "summary"); embedded corpora add their ground truth.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lmtutor import runtime
from lmtutor.data import files, readers
from lmtutor.data.readers import Rows
from lmtutor.runtime import CourseError, choose

if TYPE_CHECKING:  # datasets takes two seconds to import, so functions import it when they need it
    import pandas as pd
    from datasets import Dataset, DatasetDict

CHECKSUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Entry:
    """A data set and the ways to get it; `None` where there is no such way."""

    about: str
    task: str
    embedded: Callable[[], Rows] | None = None
    local: Callable[[Path], Rows] | None = None  # gets the set's folder inside LMTUTOR_DATA_DIR
    folder: str | None = None  # that folder's name
    hub: dict | None = None  # arguments of datasets.load_dataset
    rename: dict | None = None  # the hub's column names -> ours


def load(name: str, split: str | None = None) -> DatasetDict | Dataset:
    """Load a data set from the source that `setup` settled; embedded corpora are there whatever the source is.

    Args:
        name: a name in `CATALOGUE`, such as "harbour".
        split: "train", "validation" or "test" for one split alone.

    Returns:
        A `datasets.DatasetDict`, or a `datasets.Dataset` if a split is named.

    Raises:
        CourseError: the name is unknown, the source does not have the set, or a file is missing or damaged.
    """
    entry = CATALOGUE[choose(name, list(CATALOGUE), "The data set")]
    if entry.embedded:
        result = _from_rows(entry.embedded())
    elif runtime.current().source == "local":
        result = _from_rows(_load_local(name, entry))
    elif runtime.current().source == "hub":
        result = _load_hub(name, entry)
    else:
        download = "LMTUTOR_SOURCE=hub to download it, or " if entry.hub else ""
        raise CourseError(
            f"{name!r} does not come with the course: set {download}LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR to the "
            f"folder that holds it, and call lm.setup() again."
        )
    return result[choose(split, list(result), f"The split of {name!r}")] if split else result


def without_leaks(splits: DatasetDict, column: str = "text") -> DatasetDict:
    """The same data set without the examples that a later split holds, too; some published sets have many of them.

    The test split stays whole, so that results on it compare with others'; what else stands in it leaves train and
    validation, and what stands in validation leaves train. Blanks at the ends do not count.
    """
    import datasets

    kept, later = {}, set()
    for split in reversed(list(splits)):
        choose(column, splits[split].column_names, f"The column of {split!r}")
        texts = [text.strip() for text in splits[split][column]]
        kept[split] = splits[split].select([i for i, text in enumerate(texts) if text not in later])
        later.update(texts)
    return datasets.DatasetDict({split: kept[split] for split in splits})


def overview() -> pd.DataFrame:
    """All data sets that `load` knows, what they are for, and from where each can be had: one row a set."""
    import pandas as pd

    folder = runtime.current().data_dir
    rows = []
    for name, entry in CATALOGUE.items():
        here = bool(folder and entry.folder and os.path.isdir(folder / entry.folder))
        rows.append(
            {
                "name": name,
                "task": entry.task,
                "embedded": "yes" if entry.embedded else "",
                "local": "found" if here else "possible" if entry.local else "",
                "hub": entry.hub["path"] if entry.hub else "",
                "about": entry.about,
            }
        )
    return pd.DataFrame(rows).set_index("name")


# --- embedded ---------------------------------------------------------------------------------------------------------


def verify() -> list[tuple[str, bool]]:
    """Each embedded file and whether its checksum is right."""
    return [(name, _is_intact(name)) for name in _checksums()]


def write_checksums() -> Path:
    """Write the checksums of all embedded files that programs made; for maintainers, after a change of `data/`."""
    folder = runtime.share("data")
    files = sorted(folder.glob("*/*.jsonl"))
    lines = [f"{_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8", newline="\n")
    return folder / CHECKSUMS


def _checksums() -> dict[str, str]:
    path = runtime.share("data") / CHECKSUMS
    if not path.is_file():
        raise CourseError(
            f"data/{CHECKSUMS} is missing; restore it with `git checkout data` or install the course again."
        )
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_intact(name: str) -> bool:
    path = runtime.share("data") / name
    return path.is_file() and _sha256(path) == _checksums().get(name)


def _embedded(corpus: str) -> Callable[[], Rows]:
    """A reader of data/<corpus>/{train,validation,test}.jsonl that checks each file's checksum."""

    def read() -> Rows:
        rows = {}
        for split in ("train", "validation", "test"):
            name = f"{corpus}/{split}.jsonl"
            if not _is_intact(name):
                raise CourseError(
                    f"data/{name} is missing or damaged (its checksum differs); restore it with `git checkout data` "
                    f"or install the course again."
                )
            rows[split] = list(files.read_jsonl(runtime.share("data") / name))
        return rows

    return read


def _pydoc() -> Rows:
    """Python's own language reference, which the standard library carries: a document a topic, every tenth held out."""
    from pydoc_data.topics import topics

    return readers.tenths([[{"id": name, "text": topics[name]}] for name in sorted(topics)])


# --- local ------------------------------------------------------------------------------------------------------------


def _load_local(name: str, entry: Entry) -> Rows:
    if entry.local is None:
        raise CourseError(f"{name!r} cannot be read from a local folder; use LMTUTOR_SOURCE=hub.")
    folder = runtime.current().data_dir
    if folder is None:
        raise CourseError(
            "LMTUTOR_SOURCE is local, but LMTUTOR_DATA_DIR is not set: set it to the folder of your data."
        )
    place = folder / entry.folder
    try:
        if not folder.is_dir():
            raise CourseError(f"LMTUTOR_DATA_DIR names {str(folder)!r}, but there is no such folder.")
        if not place.is_dir():
            raise CourseError(f"{name!r} is expected in the folder {str(place)!r}, which does not exist.")
        rows = entry.local(place)
    except OSError as error:  # a folder that may not be read, a name that is too long, a disk that is gone
        raise files.unreadable(error, place) from None
    for split, examples in rows.items():
        # Readers of columns other than "text" let no blank one pass.
        if not any(example["text"].strip() if "text" in example else example for example in examples):
            raise CourseError(f"The {split} split of {name!r} in {str(place)!r} is empty.")
    return rows


# --- hub --------------------------------------------------------------------------------------------------------------


def _load_hub(name: str, entry: Entry) -> DatasetDict:
    if entry.hub is None:
        raise CourseError(f"{name!r} is not on the hub; use LMTUTOR_SOURCE=local with the folder that holds it.")
    import datasets

    try:
        result = datasets.load_dataset(**entry.hub)
    except datasets.exceptions.DatasetBuildError as error:  # the download was cut short, or is not what it was
        raise CourseError(
            f"{name!r} came from the hub but could not be read ({type(error).__name__}): delete it from the cache in "
            f"{str(datasets.config.HF_DATASETS_CACHE)!r} and load it again."
        ) from None
    except (OSError, ValueError) as error:  # no connection, offline mode, not in the cache
        raise CourseError(
            f"{name!r} could not be fetched from the hub ({type(error).__name__}): connect to the network, "
            f"unset HF_HUB_OFFLINE, or use LMTUTOR_SOURCE=local."
        ) from None
    result = datasets.DatasetDict(
        {split: result[split] for split in ("train", "validation", "test") if split in result}
    )
    return result.rename_columns(entry.rename) if entry.rename else result


def _from_rows(rows: Rows) -> DatasetDict:
    import datasets

    return datasets.DatasetDict({split: datasets.Dataset.from_list(examples) for split, examples in rows.items()})


CATALOGUE: dict[str, Entry] = {
    "harbour": Entry(
        about="Prose written for this course in many voices, much of it about one small harbour town.",
        task="language modelling",
        embedded=_embedded("harbour"),
    ),
    "tales": Entry(
        about="Tales told by a program from a grammar, whose plots, agreement and recalled words are known.",
        task="language modelling",
        embedded=_embedded("tales"),
    ),
    "reviews": Entry(
        about="Generated reviews whose negation, contrast and intensity are known.",
        task="sentiment",
        embedded=_embedded("reviews"),
    ),
    "harbour_zh": Entry(
        about="Part of harbour's prose in Chinese, paragraph by paragraph beside the English.",
        task="translation",
        embedded=_embedded("harbour_zh"),
    ),
    "phrasebook": Entry(
        about="Generated sentences in English, German and Chinese whose word alignments are known.",
        task="translation",
        embedded=_embedded("phrasebook"),
    ),
    "notices": Entry(
        about="Generated notices of a harbour office whose names, relations, answers and summaries are known.",
        task="extraction",
        embedded=_embedded("notices"),
    ),
    "pydoc": Entry(
        about="Python's language reference, from the standard library of this Python.",
        task="language modelling",
        embedded=_pydoc,
    ),
    "wikitext2": Entry(
        about="WikiText-2: good articles of Wikipedia by words, rare ones replaced by <unk> (Merity et al., 2016).",
        task="language modelling",
        local=readers.text_lines(
            {
                "train": ("train.txt", "wiki.train.tokens"),
                "validation": ("valid.txt", "wiki.valid.tokens"),
                "test": ("test.txt", "wiki.test.tokens"),
            }
        ),
        folder="wikitext2",
        hub={"path": "Salesforce/wikitext", "name": "wikitext-2-v1"},
    ),
    "penntreebank": Entry(
        about="Penn Treebank as prepared by Mikolov: ptb.train.txt, ptb.valid.txt, ptb.test.txt (licensed by the LDC).",
        task="language modelling",
        local=readers.text_lines(
            {"train": ("ptb.train.txt",), "validation": ("ptb.valid.txt",), "test": ("ptb.test.txt",)},
        ),
        folder="penntreebank",
    ),
    "tinyshakespeare": Entry(
        about="A million characters of Shakespeare (Karpathy, 2015).",
        task="language modelling",
        local=readers.tiny_shakespeare,
        folder="tinyshakespeare",
    ),
    "sst2": Entry(
        about="Stanford Sentiment Treebank, two classes (Socher et al., 2013).",
        task="sentiment",
        local=readers.sst2,
        folder="sst",
        hub={"path": "SetFit/sst2"},
    ),
    "imdb": Entry(
        about="Large Movie Review Dataset (Maas et al., 2011).",
        task="sentiment",
        local=readers.imdb,
        folder="imdb",
        hub={"path": "stanfordnlp/imdb"},
    ),
    "20newsgroups": Entry(
        about="Four newsgroups of 1993, split by date: the messages of scikit-learn's tutorial on text, whole.",
        task="topics",
        local=readers.newsgroups,
        folder="20newsgroups",
    ),
    "sms_spam": Entry(
        about="SMS Spam Collection (Almeida et al., 2011): spam is 1, each text once; every tenth is for testing.",
        task="spam",
        local=readers.sms_spam,
        folder="sms_spam",
    ),
    "chnsenticorp": Entry(
        about="ChnSentiCorp, Chinese reviews of hotels, laptops and books. It leaks: 331 of the 1,200 test texts stand "
        "in train word for word; data.without_leaks(load(...)) drops such texts from train.",
        task="sentiment",
        local=readers.chnsenticorp,
        folder="chnsenticorp",
        hub={"path": "lansinuote/ChnSentiCorp"},
    ),
    "financial_phrasebank": Entry(
        about="Financial PhraseBank, sentences of financial news on whose tone all annotators agree: negative, neutral "
        "or positive for an investor (Malo et al., 2014); split by position, as it has no splits of its own.",
        task="sentiment",
        local=readers.financial_phrasebank,
        folder="financial_phrasebank",
    ),
    "multi30k": Entry(
        about="Multi30k, captions of pictures in English and German; test is test_2016_flickr (Elliott et al., 2016).",
        task="translation",
        local=readers.parallel_lines(
            {"train": "train", "validation": "val", "test": "test_2016_flickr"}, languages=("en", "de")
        ),
        folder="multi30k",
        hub={"path": "bentrevett/multi30k"},
    ),
    "cmn_eng": Entry(
        about="English sentences and their Chinese translations from Tatoeba; every tenth English one is for testing.",
        task="translation",
        local=readers.cmn_eng,
        folder="cmn_eng",
    ),
    "weibo_ner": Entry(
        about="Weibo NER, second revision: Chinese microblog messages, character by character (Peng and Dredze, 2015).",
        task="names",
        local=readers.weibo_ner,
        folder="weibo_ner",
    ),
    "conll": Entry(
        about="Any folder of CoNLL files: a word and its tag on each line, blank lines between sentences, such as "
        "CoNLL-2003 (Tjong Kim Sang and De Meulder, 2003).",
        task="names",
        local=readers.conll,
        folder="conll",
    ),
    "squad": Entry(
        about="SQuAD, questions on articles of Wikipedia whose answers stand in them (Rajpurkar et al., 2016). Of its "
        "development set alone, if the rest is not there, eight articles of ten train, one validates, one tests.",
        task="answering",
        local=readers.squad,
        folder="squad",
        hub={"path": "rajpurkar/squad"},
    ),
    "cnn_dailymail": Entry(
        about="CNN/DailyMail, news articles with highlights as summaries (Hermann et al., 2015; See et al., 2017).",
        task="summaries",
        local=readers.cnn_dailymail,
        folder="cnn_dailymail_sample",
        hub={"path": "abisee/cnn_dailymail", "name": "3.0.0"},
        rename={"article": "text", "highlights": "summary"},
    ),
    "opinion_lexicon": Entry(
        about="Words of praise (1) and of blame (0), collected from reviews (Hu and Liu, 2004).",
        task="opinion words",
        local=readers.opinion_lexicon,
        folder="lexicons",
    ),
    "word_similarity": Entry(
        about="Thirteen sets of word pairs with people's scores of similarity (Faruqui and Dyer, 2014).",
        task="word vectors",
        local=readers.word_similarity,
        folder="word_similarity",
    ),
    "stsb": Entry(
        about="STS Benchmark: pairs of English sentences with people's scores of how alike their meanings are, from 0 "
        "to 5 (Cer et al., 2017).",
        task="sentence similarity",
        local=readers.stsb,
        folder="stsb",
        hub={"path": "mteb/stsbenchmark-sts"},
    ),
    "word_analogies": Entry(
        about="Questions such as Athens : Greece = Baghdad : Iraq (Mikolov et al., 2013).",
        task="word vectors",
        local=readers.word_analogies,
        folder="word_analogies",
    ),
}
