"""Readers of real data sets as they lie in a learner's folder: each gets that folder and returns its examples by split.

`lmtutor.data` says which reader is whose. All raise a CourseError if a file is missing, cannot be read, or has a line
that is not as it should be; its number is told.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from lmtutor.data.files import files_in, find, lines_of, parse_json, read_jsonl, read_text
from lmtutor.runtime import CourseError

Rows = dict[str, list[dict]]  # split -> examples
_NUMBER = re.compile(
    r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,2})?"
)  # float() also reads 1_0, and digits of any script


def text_lines(names: dict[str, tuple[str, ...]]) -> Callable[[Path], Rows]:
    """A reader of one text file a split, one example a line; `names` lists each split's possible file names."""

    def read(folder: Path) -> Rows:
        return {split: [{"text": line} for line in lines_of(find(folder, *files))] for split, files in names.items()}

    return read


def parallel_lines(names: dict[str, str], languages: tuple[str, ...]) -> Callable[[Path], Rows]:
    """A reader of a file NAME.LANGUAGE a split and language, in which lines of the same number mean the same."""

    def read(folder: Path) -> Rows:
        rows: Rows = {}
        for split, name in names.items():
            paths = [find(folder, f"{name}.{language}") for language in languages]
            texts = [[line.strip() for line in lines_of(path)] for path in paths]
            for path, lines in zip(paths, texts, strict=True):
                if len(lines) != len(texts[0]):
                    raise CourseError(
                        f"{str(path)!r} has {len(lines)} lines and {str(paths[0])!r} has {len(texts[0])}, but line by "
                        f"line they should be translations of each other; is one of them incomplete?"
                    )
                if "" in lines:
                    raise CourseError(f"Line {lines.index('') + 1} of {str(path)!r} is empty: it has no translation.")
            rows[split] = [dict(zip(languages, line, strict=True)) for line in zip(*texts, strict=True)]
        return rows

    return read


def tenths(groups: Iterable[list[dict]]) -> Rows:
    """Splits for a set that has none: of ten groups of examples eight train, the ninth validates, the tenth tests."""
    rows: Rows = {"train": [], "validation": [], "test": []}
    for i, examples in enumerate(groups):
        rows[{8: "validation", 9: "test"}.get(i % 10, "train")] += examples
    return rows


def _labelled(path: Path, labels: dict[str, int], separator: str, skip: int = 0) -> Iterator[dict]:
    """Examples of a file whose lines, but for the first `skip`, are a label, a separator and a text."""
    for number, line in enumerate(lines_of(path)[skip:], start=1 + skip):
        label, between, text = line.partition(separator)
        if label.strip() not in labels or not between:
            shown = "<tab>" if separator == "\t" else separator
            known = " or ".join(f'"{label}{shown}"' for label in labels)
            raise CourseError(f"Line {number} of {str(path)!r} does not begin with a label {known}.")
        yield {"text": text, "label": labels[label.strip()]}


def tiny_shakespeare(folder: Path) -> Rows:
    """One long text; its last tenth is held out, as nanoGPT does."""
    text = read_text(find(folder, "input.txt"))
    cut = int(len(text) * 0.9)
    return {"train": [{"text": text[:cut]}], "validation": [{"text": text[cut:]}]}


def sst2(folder: Path) -> Rows:
    """Lines "label sentence", as the Stanford Sentiment Treebank is usually passed around."""
    names = {"train": "train", "validation": "dev", "test": "test"}
    return {
        split: list(_labelled(find(folder, f"stsa.binary.{name}"), {"0": 0, "1": 1}, " "))
        for split, name in names.items()
    }


def opinion_lexicon(folder: Path) -> Rows:
    """A word a line, in two files: Hu and Liu's lexicon without its comments."""
    rows = []
    for label, name in ((1, "positive-words.txt"), (0, "negative-words.txt")):
        lines = (line.strip() for line in lines_of(find(folder, name)))
        rows += [{"text": line, "label": label} for line in lines if line and not line.startswith(";")]
    return {"train": rows}


def imdb(folder: Path) -> Rows:
    """The folders aclImdb/{train,test}/{neg,pos}/*.txt as published, or train.jsonl and test.jsonl."""
    splits = ("train", "test")
    root = next((f for f in (folder / "aclImdb", folder) if (f / "train").is_dir()), None)
    if root is None:
        return {split: _imdb_rows(find(folder, f"{split}.jsonl")) for split in splits}
    rows: Rows = {split: [] for split in splits}
    for split in splits:
        for label, kind in enumerate(("neg", "pos")):
            place = root / split / kind
            paths = [path for path in place.iterdir() if path.name.endswith(".txt")] if place.is_dir() else []
            if not paths:
                raise CourseError(f"The folder {str(place)!r} is missing or holds no review (*.txt); is all there?")
            rows[split] += [{"text": read_text(path), "label": label} for path in sorted(paths)]
    return rows


def _imdb_rows(path: Path) -> list[dict]:
    rows = []
    for number, row in enumerate(read_jsonl(path, ("text", "label")), start=1):
        text, label = row["text"], row["label"]
        if not isinstance(text, str) or type(label) is not int or label not in (0, 1):
            raise CourseError(
                f"Line {number} of {str(path)!r} needs as text a string, and as label 0 or 1, not {label!r}."
            )
        rows.append({"text": text, "label": label})
    return rows


def newsgroups(folder: Path) -> Rows:
    """Lines of JSON with split, category and text; the labels number the categories in alphabetical order."""
    path, columns = find(folder, "four_categories.jsonl"), ("split", "category", "text")
    messages = list(read_jsonl(path, columns))
    rows: Rows = {"train": [], "test": []}
    for number, message in enumerate(messages, start=1):
        if not all(isinstance(message[column], str) for column in columns) or message["split"] not in rows:
            raise CourseError(
                f'Line {number} of {str(path)!r} needs a text, a category and the split "train" or "test", as strings.'
            )
    labels = {category: label for label, category in enumerate(sorted({message["category"] for message in messages}))}
    for message in messages:
        category = message["category"]
        rows[message["split"]].append({"text": message["text"], "label": labels[category], "category": category})
    return rows


def chnsenticorp(folder: Path) -> Rows:
    """A header, then lines "label<tab>text" in which a quotation mark is a character like any other."""
    rows: Rows = {}
    for split, name in {"train": "train", "validation": "dev", "test": "test"}.items():
        path, header = find(folder, f"{name}.tsv"), "label\ttext_a"
        if lines_of(path)[:1] != [header]:
            raise CourseError(f"Line 1 of {str(path)!r} is not the header {header!r}.")
        rows[split] = list(_labelled(path, {"0": 0, "1": 1}, "\t", skip=1))
    return rows


def sms_spam(folder: Path) -> Rows:
    """Lines "ham<tab>text" or "spam<tab>text"; each text once, as many were collected several times."""
    messages = {}
    for message in _labelled(find(folder, "sms.tsv", "SMSSpamCollection"), {"ham": 0, "spam": 1}, "\t"):
        text = message["text"].strip()
        messages.setdefault(text, [message | {"text": text}])
    return tenths(messages.values())


def financial_phrasebank(folder: Path) -> Rows:
    """Lines "sentence@label" of Sentences_AllAgree.txt; 0 is negative, 1 neutral, 2 positive; each sentence once."""
    path, names = find(folder, "Sentences_AllAgree.txt"), {"negative": 0, "neutral": 1, "positive": 2}
    sentences = {}
    for number, line in enumerate(lines_of(path), start=1):
        text, between, label = line.strip().rpartition("@")
        if not between or label not in names:
            raise CourseError(f"Line {number} of {str(path)!r} does not end with @positive, @neutral or @negative.")
        sentences.setdefault(text.strip(), [{"text": text.strip(), "label": names[label]}])
    return tenths(sentences.values())


def cmn_eng(folder: Path) -> Rows:
    """Lines "English<tab>Chinese"; all translations of an English sentence are in the same split."""
    path = find(folder, "cmn.txt")
    pairs: dict[str, list[dict]] = {}
    for number, line in enumerate(lines_of(path), start=1):
        english, _, rest = line.partition("\t")
        chinese = rest.partition("\t")[0]  # newer editions add a column with the authors
        if not english.strip() or not chinese.strip():
            raise CourseError(
                f"Line {number} of {str(path)!r} is not an English and a Chinese sentence with a tab between."
            )
        pairs.setdefault(english, []).append({"text": english, "translation": chinese})
    return tenths(pairs.values())


def word_similarity(folder: Path) -> Rows:
    """Every EN-NAME.txt in the folder: lines of two words and the mean score that people gave to their similarity."""
    names = {path.name.removesuffix(".gz") for path in files_in(folder)}
    names = sorted(name for name in names if name.startswith("EN-") and name.endswith(".txt"))
    rows = []
    for name in names or ["EN-*.txt"]:
        path = find(folder, name)
        for number, line in enumerate(lines_of(path), start=1):
            word1, word2, score = [*line.split(), "", "", ""][:3]
            if len(line.split()) != 3 or not _NUMBER.fullmatch(score):
                raise CourseError(
                    f"Line {number} of {str(path)!r} is not two words and a number between tabs or blanks."
                )
            named = os.fsencode(name).decode(errors="replace").removeprefix("EN-").removesuffix(".txt")
            rows.append({"set": named, "word1": word1, "word2": word2, "score": float(score)})
    return {"test": rows}


def stsb(folder: Path) -> Rows:
    """Lines "sentence,sentence,score" with quotation marks where a sentence has a comma; scores are from 0 to 5."""
    rows: Rows = {}
    for split, name in {"train": "train", "validation": "dev", "test": "test"}.items():
        path, rows[split] = find(folder, f"stsb-en-{name}.csv"), []
        for number, line in enumerate(lines_of(path), start=1):
            columns = next(csv.reader([line]), [])
            known = len(columns) == 3 and all(column.strip() for column in columns) and _NUMBER.fullmatch(columns[2])
            if not known or not 0 <= float(columns[2]) <= 5:
                raise CourseError(
                    f"Line {number} of {str(path)!r} is not two sentences and a score from 0 to 5 with commas between."
                )
            rows[split].append({"sentence1": columns[0], "sentence2": columns[1], "score": float(columns[2])})
    return rows


def word_analogies(folder: Path) -> Rows:
    """Lines ": section", and below each its questions "a b c d": a is to b as c is to d."""
    path = find(folder, "questions-words.txt")
    section, rows = "", []
    for number, line in enumerate(lines_of(path), start=1):
        if line.startswith(":"):
            section = line[1:].strip()
            continue
        words = line.split()
        if len(words) != 4 or not section:
            raise CourseError(f'Line {number} of {str(path)!r} is neither a section ": name" nor four words below one.')
        rows.append({"section": section, **dict(zip("abcd", words, strict=True))})
    return {"test": rows}


def _columns(lines: list[str]) -> list[list[str]]:
    """The columns of each line; none if it is blank. Tabs part them if every line has one, else blanks and tabs do.

    Other blanks, such as U+00A0 and U+3000, belong to the words.
    """
    lines = [line.strip(" \r") if line.strip() else "" for line in lines]
    tabs = all("\t" in line for line in lines if line and not line.startswith("-DOCSTART-"))
    if tabs:
        return [[column.strip(" ") for column in line.removesuffix("\t").split("\t")] if line else [] for line in lines]
    return [re.split("[ \t]+", line.strip("\t")) if line else [] for line in lines]


def _tagged(path: Path, word: Callable[[str], str] = str) -> list[dict]:
    """Sentences of a CoNLL file: a line's first column is the word, the last its tag; a blank line ends a sentence.

    Tags come out as BIO: what CoNLL-2003 (IOB1) and others (BIOES) write differently is rewritten.
    """
    rows, tokens, tags, width = [], [], [], 0
    for number, columns in enumerate([*_columns(lines_of(path)), []], start=1):
        if not columns or columns[0].startswith("-DOCSTART-"):
            if tokens:
                rows.append({"tokens": tokens, "tags": tags})
            tokens, tags = [], []
            continue
        prefix, _, kind = columns[-1].partition("-")
        known = (prefix == "O" and not kind) or (prefix in ("B", "I", "E", "S") and kind)
        if len(columns) < 2 or not columns[0] or not known or any(re.search(r"\s", tag) for tag in columns[1:]):
            raise CourseError(
                f"Line {number} of {str(path)!r} is not a word and, in the last column, a tag such as O or B-PER."
            )
        width = width or len(columns)
        if len(columns) != width:
            raise CourseError(
                f"Line {number} of {str(path)!r} has {len(columns)} columns, but those above have {width}."
            )
        goes_on = prefix in ("I", "E") and tags and tags[-1][2:] == kind
        tokens.append(word(columns[0]))
        tags.append("O" if prefix == "O" else f"{'I' if goes_on else 'B'}-{kind}")
    return rows


def conll(folder: Path) -> Rows:
    """A folder of CoNLL files: one each for training, validation and testing, under any of the usual names."""
    names = {"train": ("train",), "validation": ("dev", "valid", "validation", "testa"), "test": ("test", "testb")}
    files = files_in(folder)
    rows: Rows = {}
    for split, marks in names.items():
        found = [path for path in files if set(re.split(r"[^a-z]+", path.name.lower())) & set(marks)]
        if len(found) > 1:
            listed = ", ".join(path.name for path in found)
            raise CourseError(f"Several files of {str(folder)!r} could be its {split} split ({listed}); keep one.")
        if found:
            rows[split] = _tagged(found[0])
    if "train" not in rows:
        raise CourseError(f'No file of {str(folder)!r} has "train" in its name, such as train.txt or eng.train.')
    return rows


def weibo_ner(folder: Path) -> Rows:
    """Lines "character and its place in the word<tab>tag", a blank line between messages."""
    return {
        split: _tagged(find(folder, f"weiboNER_2nd_conll.{name}"), word=lambda column: column[:1])
        for split, name in {"train": "train", "validation": "dev", "test": "test"}.items()
    }


def _articles(path: Path) -> list[list[dict]]:
    """The questions of each article of a SQuAD file; an answer that does not stand where it should is told."""

    def part(whole: Any, key: str, kind: type, where: str) -> Any:
        if not isinstance(whole, dict) or type(whole.get(key)) is not kind:
            named = {str: "a string", list: "a list", int: "a whole number"}[kind]
            raise CourseError(f"{str(path)!r} is no SQuAD file: {where} needs {key!r}, {named}.")
        return whole[key]

    def read(question: Any, context: str, place: str) -> dict:
        if isinstance(question, dict) and type(question.get("id")) is int:
            question = {**question, "id": str(question["id"])}
        name = part(question, "id", str, f"a question of {place}")
        where, answers = f"question {name!r}", {"text": [], "answer_start": []}
        for answer in part(question, "answers", list, where):
            text, start = part(answer, "text", str, where), part(answer, "answer_start", int, where)
            if not text or start < 0 or not context.startswith(text, start):
                raise CourseError(
                    f"The answer {text!r} of {where} in {str(path)!r} does not stand at character {start} of its text."
                )
            answers["text"].append(text)
            answers["answer_start"].append(start)
        return {"id": name, "question": part(question, "question", str, where).strip(), "answers": answers}

    found = []
    content = parse_json(read_text(path), repr(str(path)))
    for number, article in enumerate(part(content, "data", list, "it"), start=1):
        place, rows = f"article {number}", []
        title = part(article, "title", str, place)
        for paragraph in part(article, "paragraphs", list, place):
            context = part(paragraph, "context", str, place)
            for question in part(paragraph, "qas", list, place):
                rows.append({**read(question, context, place), "title": title, "context": context})
        found.append(rows)
    return found


def squad(folder: Path) -> Rows:
    """SQuAD's own JSON. With its development set alone, that is split by article; else it is the test split."""
    versions = ("1.1", "2.0")
    held_out = _articles(find(folder, *(f"dev-v{version}.json" for version in versions)))
    names = [f"train-v{version}.json{end}" for version in versions for end in ("", ".gz")]
    if not any((folder / name).is_file() for name in names):
        return tenths(held_out)
    learned = tenths(_articles(find(folder, *(f"train-v{version}.json" for version in versions))))
    return {
        "train": learned["train"] + learned["test"],
        "validation": learned["validation"],
        "test": [row for rows in held_out for row in rows],
    }


def cnn_dailymail(folder: Path) -> Rows:
    """Lines of JSON with article and highlights; of ten articles eight train, one validates, one tests."""
    path, columns = find(folder, "cnn_dailymail_200.jsonl", "cnn_dailymail.jsonl"), ("article", "highlights")
    rows = []
    for number, row in enumerate(read_jsonl(path, columns), start=1):
        if not all(isinstance(row[column], str) and row[column].strip() for column in columns):
            raise CourseError(f"Line {number} of {str(path)!r} needs an article and highlights that are not empty.")
        rows.append({"text": row["article"], "summary": row["highlights"]})
    return tenths([row] for row in rows)
