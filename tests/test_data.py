"""Corpora from every source: what comes with the course, a local folder, the hub; and what can be wrong with each."""

import dataclasses
import gzip
import importlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
import tracemalloc
from functools import partial
from pathlib import Path

import pytest
from complaints import complaint as complaint_of

import lmtutor as lm
from lmtutor import data, runtime
from lmtutor.data import catalogue, files
from lmtutor.runtime import CourseError

# At least as many examples.
EMBEDDED = {"harbour": 230, "tales": 700, "reviews": 6000, "harbour_zh": 400, "phrasebook": 9200, "notices": 1200}
COLUMNS = {"phrasebook": ["en", "de", "zh"]}  # of texts, where it is not "text" alone
WORD = re.compile(r"\w+")
SPLITS = ["train", "validation", "test"]
WIKITEXT = {"wiki.train.tokens": " = A = \n\n a b \n", "wiki.valid.tokens": " c \n", "wiki.test.tokens": " d <unk> \n"}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The source is the hub; returns a function that points a data set's entry to a folder laid out as on the hub."""
    monkeypatch.setenv("LMTUTOR_SOURCE", "hub")

    def point(name, path, **changes):
        arguments = {"path": str(path), "cache_dir": str(tmp_path / "cache")}
        entry = dataclasses.replace(data.CATALOGUE[name], hub=arguments, **changes)
        monkeypatch.setitem(data.CATALOGUE, name, entry)

    return point


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of data/ that a test may damage."""
    folder = tmp_path / "data"
    shutil.copytree(runtime.share("data"), folder)
    monkeypatch.setattr(runtime, "share", lambda name: tmp_path / name)
    return folder


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8", newline="")
    return folder


complaint = partial(complaint_of, data.load)  # what `load` says


def examples(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


# --- what comes with the course ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "source"), [("harbour", "embedded"), ("reviews", "local"), ("pydoc", "hub"), ("pydoc", "embedded")]
)
def test_embedded_corpora_are_there_whatever_the_source_is(name, source, monkeypatch):
    monkeypatch.setenv("LMTUTOR_SOURCE", source)
    corpus = lm.load(name)
    assert list(corpus) == SPLITS
    texts = {split: corpus[split]["text"][:] for split in SPLITS}
    assert all(texts[split] and all(text.strip() for text in texts[split]) for split in SPLITS)


@pytest.mark.parametrize("name", EMBEDDED)
def test_no_two_splits_share_a_text(name):
    home = {}
    for split, record in records(name):
        for column in COLUMNS.get(name, ["text"]):
            text = " ".join(WORD.findall(record[column].lower()))
            assert home.setdefault(text, split) == split, f"in {home[text]} and {split}: {record[column]}"


def test_no_two_splits_of_pydoc_share_a_text():
    loaded = lm.load("pydoc")
    topics = {split: set(texts["text"]) for split, texts in loaded.items()}
    assert len(loaded["train"]) >= 7 * max(len(loaded["validation"]), len(loaded["test"])) > 0
    assert not topics["train"] & (topics["validation"] | topics["test"])
    assert not topics["validation"] & topics["test"]


def test_a_named_split_comes_alone_and_is_the_same():
    assert lm.load("pydoc", "test")[:] == lm.load("pydoc")["test"][:]


def test_every_embedded_file_is_in_the_list_of_checksums_and_right():
    checked = dict(data.verify())
    there = {p.relative_to(runtime.share("data")).as_posix() for p in runtime.share("data").glob("*/*.jsonl")}
    assert set(checked) == there == {f"{name}/{split}.jsonl" for name in EMBEDDED for split in SPLITS}
    assert all(checked.values()), checked


def test_writing_the_checksums_again_changes_nothing(copied):
    before = (copied / catalogue.CHECKSUMS).read_bytes()
    assert data.write_checksums() == copied / catalogue.CHECKSUMS
    assert (copied / catalogue.CHECKSUMS).read_bytes() == before


def test_every_corpus_has_its_card_and_maker():
    for name in EMBEDDED:
        folder = runtime.share("data") / name
        assert (folder / "make.py").is_file()
        card = (folder / "CARD.md").read_text(encoding="utf-8")
        assert "CC0" in card and all(split in card.lower() for split in SPLITS)


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_maker_makes_the_same_files_byte_for_byte(name, tmp_path):
    source = runtime.share("data") / name
    folder = tmp_path / "data" / name
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.jsonl", "__pycache__"))
    if name == "harbour_zh":
        shutil.copytree(runtime.share("data") / "harbour", tmp_path / "data" / "harbour")
    environment = {**os.environ, "PYTHONHASHSEED": "1907"}  # an order that hangs on the hash of strings would show
    command = [sys.executable, "make.py"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for split in SPLITS:
        again, file = folder / f"{split}.jsonl", source / f"{split}.jsonl"
        assert catalogue._sha256(again) == catalogue._sha256(file), f"{name}/{split}.jsonl came out different"
    assert (folder / "CARD.md").read_bytes() == (source / "CARD.md").read_bytes(), "the numbers in the card are old"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes().replace(b"e", b"a", 1)),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
    ids=["one letter changed", "cut short", "empty", "deleted"],
)
@pytest.mark.parametrize("name", EMBEDDED)
def test_a_damaged_embedded_file_is_told_with_the_way_to_restore_it(copied, name, damage):
    damage(copied / name / "test.jsonl")
    said = complaint(name)
    assert f"data/{name}/test.jsonl is missing or damaged" in said and "git checkout data" in said
    assert [file for file, right in data.verify() if not right] == [f"{name}/test.jsonl"]


def test_a_lost_list_of_checksums_is_told_with_the_way_to_restore_it(copied):
    (copied / catalogue.CHECKSUMS).unlink()
    assert "data/SHA256SUMS is missing" in complaint("harbour")


def test_a_file_that_the_list_of_checksums_does_not_know_is_not_trusted(copied):
    lines = (copied / catalogue.CHECKSUMS).read_text(encoding="utf-8").splitlines(keepends=True)
    (copied / catalogue.CHECKSUMS).write_text("".join(s for s in lines if "harbour/train" not in s), encoding="utf-8")
    assert "data/harbour/train.jsonl is missing or damaged" in complaint("harbour")


# --- the ground truth of what was generated ---------------------------------------------------------------------------


def records(name):
    """All examples of an embedded corpus as they stand in its files, with the split of each."""
    for split in SPLITS:
        with (runtime.share("data") / name / f"{split}.jsonl").open(encoding="utf-8") as lines:
            yield from ((split, json.loads(line)) for line in lines)


@pytest.mark.parametrize("name", EMBEDDED)
def test_what_is_loaded_is_what_stands_in_the_files(name):
    for split, loaded in lm.load(name).items():
        written = [record for s, record in records(name) if s == split]
        assert loaded["id"][:] == [record["id"] for record in written]
        for column in COLUMNS.get(name, ["text"]):
            assert loaded[column][:] == [record[column] for record in written]


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_example_has_an_id_of_its_own(name):
    ids = [record["id"] for _, record in records(name)]
    assert len(set(ids)) == len(ids) >= EMBEDDED[name]


def test_harbour_is_prose_in_ten_forms_with_enough_of_it_held_out():
    words, forms = dict.fromkeys(SPLITS, 0), {split: set() for split in SPLITS}
    for split, record in records("harbour"):
        assert set(record) == {"id", "form", "title", "text"}
        assert record["id"].startswith(record["form"] + "_") and record["text"].startswith(record["title"] + "\n\n")
        words[split] += len(WORD.findall(record["text"]))
        forms[split].add(record["form"])
    assert words["train"] > 200_000 and min(words["validation"], words["test"]) >= 15_000
    assert len(forms["train"]) == 10 and forms["train"] == forms["validation"] == forms["test"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text, "and story_99 are near-duplicates: they share 100.0% of their runs of five words"),
        (
            lambda text: "Copied\n\n" + "A new line of my own. " * 3 + " ".join(text.split()[200:214]),
            "and story_99 have a run of 12 words in common",
        ),
        (lambda text: "Two  spaces", "story_99.txt holds '  '"),
        (lambda text: "“Curly”", "write straight quotation marks"),
    ],
    ids=["the same again", "a copied sentence", "two spaces", "curly"],
)
def test_the_maker_of_harbour_refuses_near_duplicates_and_other_forms(copied, change, message):
    prose = copied / "harbour" / "prose"
    (prose / "story_99.txt").write_text(change((prose / "story_01.txt").read_text(encoding="utf-8")), encoding="utf-8")
    command = [sys.executable, str(copied / "harbour" / "make.py")]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_the_verbs_of_the_tales_stand_where_the_truth_says_and_have_one_number_each():
    numbers = {}
    count = 0
    for _, record in records("tales"):
        starts = {match.start() for match in WORD.finditer(record["text"])}
        for verb in record["truth"]["agreement"]:
            assert verb["verb_start"] in starts and record["text"].startswith(verb["verb"], verb["verb_start"]), verb
            numbers.setdefault(verb["verb"], set()).add(verb["number"])
            assert verb["distance"] >= 1 or not verb["attractor"]
            count += 1
    assert count > 1000 and all(len(number) == 1 for number in numbers.values()), numbers
    assert numbers["was"] == {"singular"} and numbers["were"] == {"plural"}


def test_the_recalled_words_of_the_tales_stood_in_the_text_as_many_words_before_as_the_truth_says():
    count = 0
    for _, record in records("tales"):
        words = list(WORD.finditer(record["text"]))
        place = {match.start(): i for i, match in enumerate(words)}
        for again in record["truth"]["recall"]:
            i = place[again["start"]]
            assert words[i].group() == again["word"]
            assert words[i - again["distance"]].group().lower() == again["word"].lower() and 0 < again["distance"] <= i
            count += 1
    assert count > 5000


def test_the_people_of_the_tales_are_named_in_their_tale():
    for _, record in records("tales"):
        for person in record["truth"]["people"]:
            assert person["name"].split()[-1] in record["text"], record["id"]
            assert person["pronoun"] in ("he", "she")


def test_the_opinions_of_the_reviews_stand_where_the_truth_says_and_do_not_overlap():
    for _, record in records("reviews"):
        spans = record["spans"]
        assert spans
        for span in spans:
            assert record["text"][span["start"] : span["end"]] == span["text"] and span["text"].strip()
            assert span["polarity"] in (-1, 1)
        assert all(one["end"] <= other["start"] for one, other in zip(spans, spans[1:], strict=False))


def test_the_labels_of_the_reviews_are_balanced_and_only_the_training_labels_have_noise():
    for split in SPLITS:
        labels = [(r["label"], r["noisy"]) for s, r in records("reviews") if s == split]
        assert sum(label for label, _ in labels) * 2 == len(labels)
        share = sum(noisy for _, noisy in labels) / len(labels)
        assert share == pytest.approx(0.02, abs=0.002) if split == "train" else share == 0


def test_a_review_without_contrast_has_the_label_of_its_opinions_turned_round_by_their_negations():
    negated = 0
    for _, record in records("reviews"):
        if record["phenomena"][0] in ("plain", "negation") and record["contrast"] == "none":
            signs = {-span["polarity"] if span["negated"] else span["polarity"] for span in record["spans"]}
            assert signs == {1 if record["label"] ^ record["noisy"] else -1}, record
            negated += any(span["negated"] for span in record["spans"])
    assert negated > 1000  # enough to tell who reads a negation from who counts words


# --- the phrasebook ---------------------------------------------------------------------------------------------------


def links(record, pair):
    """The links of an alignment: (source word, target word, whether it is sure)."""
    source, target = (record[language].split() for language in pair.split("_"))
    for link in record[pair].split():
        i, j = re.split(r"[-?]", link)
        yield source[int(i)], target[int(j)], "-" in link


@pytest.mark.parametrize(("pair", "most"), [("en_zh", 2), ("en_de", 6)])
def test_sure_links_of_the_phrasebook_join_words_that_mean_the_same(pair, most):
    """German inflects, so an English word has up to six forms there; in Chinese two words stand for "not" or "old"."""
    partners, linked, words = {}, 0, 0
    for _, record in records("phrasebook"):
        sure = {(source.lower(), target.lower()) for source, target, sure in links(record, pair) if sure}
        for source, target in sure:
            partners.setdefault(source, set()).add(target)
        linked += len({link.split("-")[0] for link in record[pair].split() if "-" in link})
        words += len(record["en"].split())
    assert len(partners) > 250 and 0.5 < linked / words < 0.8
    assert {word: found for word, found in partners.items() if len(found) > most} == {}
    if pair == "en_zh":
        assert partners["old"] == {"老", "旧"} and partners["not"] == {"不", "没有"} and partners["key"] == {"钥匙"}
    else:
        assert partners["it"] == {"ihn", "sie", "es"} and partners["key"] == {"schlüssel"}


def test_every_word_of_the_phrasebook_but_marks_helpers_and_particles_is_linked():
    for pair, alone in (("en_de", {","}), ("en_zh", {",", "，", "吗", "that"})):
        for _, record in records("phrasebook"):
            source, target = (record[language].split() for language in pair.split("_"))
            ends = [link.replace("?", "-").split("-") for link in record[pair].split()]
            lonely = {source[i] for i in set(range(len(source))) - {int(a) for a, _ in ends}}
            lonely |= {target[j] for j in set(range(len(target))) - {int(b) for _, b in ends}}
            assert lonely <= alone, (record["id"], lonely)


def test_what_is_held_out_of_the_phrasebook_s_training_stands_in_its_other_splits():
    counts = {split: sum("nested" in r["features"] for s, r in records("phrasebook") if s == split) for split in SPLITS}
    assert counts["train"] == 0 and counts["validation"] > 15 and counts["test"] > 30


@pytest.fixture
def grammar(monkeypatch):
    """The modules that make the phrasebook: what is said, and how."""
    monkeypatch.syspath_prepend(str(runtime.share("data") / "phrasebook"))
    names = ("words", "meaning", "languages")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module("meaning"), importlib.import_module("languages")
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("make", "english", "german", "chinese"),
    [
        (
            lambda say: say("statement", say.clause("boy", "see", "old boat", past=True, time=0, time_first=True)),
            "The boy saw the old boat yesterday .",
            "Gestern hat der Junge das alte Boot gesehen .",
            "男孩 昨天 看见 了 旧 船 。",
        ),
        (
            lambda say: say("statement", say.clause("sailor", "throw+away", "two heavy lamp", place=1)),
            "The sailor throws away the two heavy lamps at the market .",
            "Der Matrose wirft die zwei schweren Lampen auf dem Markt weg .",
            "水手 在 市场 上 扔掉 那 两 盏 重 灯 。",
        ),
        (
            lambda say: say("question", say.clause("three child", "look_for", "a expensive hat", modal=2)),
            "Do the three children want to look for an expensive hat ?",
            "Wollen die drei Kinder einen teuren Hut suchen ?",
            "那 三 个 孩子 想 寻找 一 顶 昂贵 的 帽子 吗 ？",
        ),
        (
            lambda say: say(
                "subordinate", say.clause("doctor", "laugh"), 2, say.clause("boy", "bring+back", "key", negated=True)
            ),
            "The doctor laughs when the boy does not bring back the key .",
            "Die Ärztin lacht , wenn der Junge den Schlüssel nicht zurückbringt .",
            "男孩 不 带回 钥匙 的时候 ， 医生 笑 。",
        ),
        (
            lambda say: say(
                "pronoun",
                say.clause("baker", "find", "door", past=True),
                1,
                say.clause("a young nurse", "bring+back", "it", past=True, time=0),
            ),
            "The baker found the door , so a young nurse brought it back yesterday .",
            "Der Bäcker hat die Tür gefunden , also hat eine junge Krankenschwester sie gestern zurückgebracht .",
            "面包师 找到 了 门 ， 所以 一 位 年轻 的 护士 昨天 带回 了 它 。",
        ),
    ],
)
def test_the_phrasebook_s_grammars_say_it_as_people_do(grammar, make, english, german, chinese):
    meaning, languages = grammar

    class Say:
        """Builds what is said out of a few words."""

        last = None

        def __init__(self):
            self.ids = iter(range(1, 100))

        def phrase(self, text):
            if text == "it":
                return meaning.Phrase(next(self.ids), self.last.noun, self.last.number, pronoun=True)
            *before, noun = text.split()
            nouns = {n.en[0]: n for n in meaning.PERSONS + meaning.THINGS}
            numbers = {n[0]: n for n in meaning.NUMBERS}
            phrase = meaning.Phrase(next(self.ids), nouns[noun], definite="a" not in before)
            kinds = ("any", "person" if phrase.noun.person else "thing")
            for word in (word for word in before if word != "a"):
                if word in numbers:
                    phrase.number = numbers[word]
                else:
                    phrase.adjective = next(a for a in meaning.ADJECTIVES if a[0] == word and a[3] in kinds)
            return phrase

        def clause(self, subject, verb, thing=None, *, modal=None, time=None, place=None, time_first=False, **more):
            verbs = {v.en[0]: v for v in meaning.TRANSITIVE + meaning.INTRANSITIVE}
            made = meaning.Clause(
                next(self.ids), self.phrase(subject), verbs[verb], thing and self.phrase(thing), **more
            )
            made.modal = None if modal is None else meaning.MODALS[modal]
            made.time = None if time is None else meaning.TIMES[time]
            made.place = None if place is None else meaning.PLACES[place]
            self.last, self.time_first = made.object, time_first
            return made

        def __call__(self, kind, main, number=None, other=None):
            lists = {"subordinate": meaning.SUBORDINATING, "pronoun": meaning.COORDINATING}
            conjunction = lists[kind][number] if other else None
            return meaning.Sentence(kind, main, conjunction, other, next(self.ids), self.time_first)

    said = make(Say())
    spoken = [
        languages.spell(language(), said) for language in (languages.English, languages.German, languages.Chinese)
    ]
    assert [" ".join(word.text for word in words) for words in spoken] == [english, german, chinese]


# --- what was translated ----------------------------------------------------------------------------------------------

HAN = re.compile(r"[\u4e00-\u9fff]")


def documents(records):
    """Document -> its examples in order."""
    found = {}
    for record in records:
        found.setdefault(record["id"].rsplit("-", 1)[0], []).append(record)
    return found


def test_the_english_of_harbour_zh_is_whole_documents_of_harbour_in_the_same_split():
    prose = {(split, r["id"]): r["text"] for split, r in records("harbour")}
    count = 0
    for split in SPLITS:
        translated = documents(record for s, record in records("harbour_zh") if s == split)
        for name, examples in translated.items():
            assert [e["id"] for e in examples] == [f"{name}-{i:02}" for i in range(len(examples))]
            assert "\n\n".join(example["english"] for example in examples) == prose[split, name]
        assert translated
        count += len(translated)
    assert count == len(list((runtime.share("data") / "harbour_zh" / "prose").glob("*.txt"))) >= 16


def test_the_texts_of_harbour_zh_are_chinese():
    text = "".join(record["text"] for _, record in records("harbour_zh"))
    assert len(HAN.findall(text)) >= 20_000 and len(set(HAN.findall(text))) > 1500
    assert len(HAN.findall(text)) / len(text) > 0.8  # the rest is punctuation, digits and some Latin letters
    assert all(set(text) & set(signs) for signs in ("，。", "“”", "？！", "0123456789", "abcdefgh"))
    assert not re.search(r"[\u4e00-\u9fff][,.;:?!]|[　�]", text)
    for _, record in records("harbour_zh"):
        assert HAN.search(record["text"]) and not HAN.search(record["english"]), record


def test_the_paragraphs_of_harbour_zh_are_as_long_as_their_english_lets_expect():
    ratios = []
    for _, record in records("harbour_zh"):
        words = len(WORD.findall(record["english"]))
        if words >= 20:
            ratios.append(len(HAN.findall(record["text"])) / words)
    assert len(ratios) > 150 and min(ratios) > 0.9 and max(ratios) < 2.0
    assert 1.2 < sorted(ratios)[len(ratios) // 2] < 1.7
    quoted = [("“" in r["text"]) == ('"' in r["english"]) for _, r in records("harbour_zh")]
    assert sum(quoted) / len(quoted) > 0.95  # who speaks in the one speaks in the other


def test_names_are_the_same_in_all_of_harbour_zh():
    lines = (runtime.share("data") / "harbour_zh" / "glossary.tsv").read_text(encoding="utf-8").splitlines()
    glossary = dict(line.split("\t") for line in lines)
    assert len(glossary) == len(lines) == len(set(glossary.values())) > 40
    met = set()
    for name, examples in documents(record for _, record in records("harbour_zh")).items():
        english, chinese = ("\n".join(example[key] for example in examples) for key in ("english", "text"))
        for theirs, ours in glossary.items():
            if re.search(rf"\b{theirs}\b", english):
                met.add(theirs)
                assert ours in chinese, (name, theirs, ours)
    assert met == set(glossary)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "prose/story_01.txt",
            lambda text: text + "\n多出来的一段。\n",
            "story_01.txt has 26 paragraphs, but the English has 25.",
        ),
        (
            "prose/story_01.txt",
            lambda text: text.partition("\n\n")[2],
            "story_01.txt has 24 paragraphs, but the English has 25.",
        ),
        (
            "prose/story_01.txt",
            lambda text: text.replace("奈尔", "内尔"),
            "story_01.txt does not hold 奈尔, though the English speaks of Nell.",
        ),
        ("prose/story_01.txt", lambda text: text.replace("，", ","), "has punctuation or space that is not Chinese"),
        ("prose/story_01.txt", lambda text: "\n\n".join(sorted(text.split("\n\n"))), "is it the right one?"),
        ("prose/story_99.txt", lambda text: "没有原文。\n", "prose/story_99.txt translates nothing"),
        ("../harbour/test.jsonl", None, "harbour/test.jsonl is missing; make it with: python data/harbour/make.py"),
    ],
    ids=["too many", "too few", "another name", "half-width", "another order", "no English", "no harbour"],
)
def test_the_maker_of_harbour_zh_tells_a_translation_that_does_not_fit(copied, name, change, message):
    path = copied / "harbour_zh" / name
    if change:
        path.write_text(change(path.read_text(encoding="utf-8") if path.exists() else ""), encoding="utf-8")
    else:
        path.unlink()
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, str(copied / "harbour_zh" / "make.py")]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("wikitex2", "did you mean 'wikitext2'?"),
        ("Harbour", "did you mean 'harbour'?"),
        ("x0!", "known: harbour, tales,"),
        ("", "known: harbour, tales,"),
    ],
)
def test_an_unknown_data_set_is_told_with_the_nearest(name, way_out):
    assert complaint(name).startswith(f"The data set {name!r} is not known; {way_out}")


def test_an_unknown_split_is_told_with_the_nearest():
    assert complaint("pydoc", "tests") == "The split of 'pydoc' 'tests' is not known; did you mean 'test'?"


def test_what_does_not_come_with_the_course_is_told_with_the_ways_to_get_it():
    said = complaint("wikitext2")
    assert "LMTUTOR_SOURCE=hub" in said and "LMTUTOR_SOURCE=local" in said and "LMTUTOR_DATA_DIR" in said
    said = complaint("penntreebank")  # which is not on the hub
    assert "LMTUTOR_SOURCE=hub" not in said and "LMTUTOR_SOURCE=local" in said


def test_the_catalogue_has_a_row_a_set_and_says_where_each_can_be_had(local):
    (local / "wikitext2").mkdir()
    table = data.overview()
    assert list(table.index) == list(data.CATALOGUE)
    assert table.loc["harbour", ["embedded", "local", "hub"]].tolist() == ["yes", "", ""]
    assert table.loc["wikitext2", ["embedded", "local", "hub"]].tolist() == ["", "found", "Salesforce/wikitext"]
    assert table.loc["penntreebank", ["embedded", "local", "hub"]].tolist() == ["", "possible", ""]


# --- a local folder ---------------------------------------------------------------------------------------------------


def test_a_local_source_without_a_folder_is_told(monkeypatch):
    monkeypatch.setenv("LMTUTOR_SOURCE", "local")
    assert "LMTUTOR_DATA_DIR is not set" in complaint("wikitext2")


def test_a_folder_that_does_not_exist_is_named(local, monkeypatch):
    monkeypatch.setenv("LMTUTOR_DATA_DIR", str(local / "nowhere"))
    assert f"'{local / 'nowhere'}', but there is no such folder" in complaint("wikitext2")


def test_a_file_in_place_of_the_folder_is_named(local, monkeypatch):
    monkeypatch.setenv("LMTUTOR_DATA_DIR", str(write(local, {"file": ""}) / "file"))
    assert "there is no such folder" in complaint("wikitext2")


def test_a_missing_folder_of_one_set_is_named(local):
    assert f"'wikitext2' is expected in the folder '{local / 'wikitext2'}', which does not exist" in complaint(
        "wikitext2"
    )


def test_a_missing_file_is_named_with_its_possible_names(local):
    write(local / "wikitext2", {"train.txt": "a\n", "valid.txt": "a\n"})
    assert "There is no test.txt or wiki.test.tokens (nor the same with .gz)" in complaint("wikitext2")


def test_a_set_that_has_no_local_form_is_told(local, monkeypatch):
    monkeypatch.setitem(data.CATALOGUE, "far", catalogue.Entry(about="", task="", hub={"path": "nobody/far"}))
    assert "'far' cannot be read from a local folder; use LMTUTOR_SOURCE=hub" in complaint("far")


@pytest.mark.parametrize("content", ["", "\n", " \n\t\n"])
@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_an_empty_file_is_told_with_its_split(local, split, content):
    write(local / "wikitext2", WIKITEXT | {f"wiki.{split}.tokens": content})
    said = complaint("wikitext2")
    assert f"The {'validation' if split == 'valid' else split} split of 'wikitext2'" in said and "is empty" in said


def test_an_empty_text_is_told_with_its_split(local):
    write(local / "tinyshakespeare", {"input.txt": ""})
    assert "split of 'tinyshakespeare'" in complaint("tinyshakespeare")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_text_that_is_not_utf_8_is_told_with_the_byte_and_the_way_to_convert_it(local, encoding):
    bad = "a café\n".encode(encoding)
    write(local / "wikitext2", WIKITEXT | {"wiki.valid.tokens": bad})
    said = complaint("wikitext2")
    where = {"latin-1": "byte 5 is 0xe9", "utf-16": "byte 0 is 0xff"}[encoding]
    assert "wiki.valid.tokens' is not UTF-8 text" in said and where in said and "iconv" in said


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:12] + bytes(b ^ 255 for b in packed[12:20]) + packed[20:],
        lambda packed: packed[:-8] + b"\0" * 8,
        lambda packed: b"no gzip at all",
    ],
    ids=["cut short", "garbled", "wrong checksum", "not packed"],
)
def test_a_damaged_gz_file_is_told(local, damage):
    packed = gzip.compress("".join(f"line {i}\n" for i in range(300)).encode(), mtime=0)
    write(local / "wikitext2", WIKITEXT)
    (local / "wikitext2" / "wiki.test.tokens").unlink()
    write(local / "wikitext2", {"wiki.test.tokens.gz": damage(packed)})
    said = complaint("wikitext2")
    assert "wiki.test.tokens.gz' cannot be read" in said and "is the file complete?" in said


def test_the_names_of_the_original_wikitext_work_with_and_without_gz(local):
    write(local / "wikitext2", WIKITEXT)
    plain = data.load("wikitext2")
    assert list(plain) == SPLITS
    assert plain["train"]["text"][:] == [" = A = ", "", " a b "]
    assert plain["test"]["text"][:] == [" d <unk> "]
    for path in list((local / "wikitext2").iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed = data.load("wikitext2")
    assert {split: packed[split][:] for split in SPLITS} == {split: plain[split][:] for split in SPLITS}


def test_lines_end_at_line_feeds_only_and_windows_ends_and_marks_are_taken_off(local):
    text = "\ufeffone\u0085still one\u2028still one\r\ntwo\n\nfour"
    write(local / "penntreebank", {f"ptb.{split}.txt": text for split in ("train", "valid", "test")})
    lines = data.load("penntreebank", "train")["text"][:]
    assert lines == ["one\u0085still one\u2028still one", "two", "", "four"]


def test_tiny_shakespeare_keeps_its_last_tenth_for_validation(local):
    text = "To be\nor not\n" * 100
    write(local / "tinyshakespeare", {"input.txt": text})
    loaded = data.load("tinyshakespeare")
    assert list(loaded) == ["train", "validation"]
    parts = [loaded[split]["text"][0] for split in loaded]
    assert "".join(parts) == text and len(parts[0]) == int(len(text) * 0.9)
    assert "known: train, validation" in complaint("tinyshakespeare", "test")


def test_sst2_lines_are_a_label_and_a_sentence(local):
    files = {f"stsa.binary.{part}": f"1 a fine , {part} film\n0 1 bad film\n" for part in ("train", "dev", "test")}
    write(local / "sst", files)
    loaded = data.load("sst2")
    assert list(loaded) == SPLITS
    assert loaded["validation"][:] == {"text": ["a fine , dev film", "1 bad film"], "label": [1, 0]}


@pytest.mark.parametrize("line", ["a film without a label", "2 too good", "", "-1 bad", "1\ta tab"])
def test_an_sst2_line_without_its_label_is_told_with_its_number(local, line):
    files = {f"stsa.binary.{part}": "1 good\n" for part in ("train", "dev", "test")}
    write(local / "sst", files | {"stsa.binary.dev": f"1 good\n{line}\n0 bad\n"})
    assert complaint("sst2").startswith(f"Line 2 of '{local / 'sst' / 'stsa.binary.dev'}' does not begin with a label")


def test_the_opinion_lexicon_has_its_words_without_comments(local):
    write(local / "lexicons", {"positive-words.txt": ";;; by Hu\n\nfine\n", "negative-words.txt": "; x\nbad\ndull\n"})
    assert data.load("opinion_lexicon", "train")[:] == {"text": ["fine", "bad", "dull"], "label": [1, 0, 0]}


@pytest.mark.parametrize("inside", ["imdb/aclImdb", "imdb"])
def test_imdb_reads_the_folders_as_published(local, inside):
    files = {
        f"{inside}/{split}/{kind}/{i}_{rating}.txt": f"{split} {kind} {i}<br />\nsecond line"
        for split in ("train", "test")
        for kind, rating in (("pos", 9), ("neg", 1))
        for i in (0, 1)
    }
    write(local, files | {f"{inside}/train/unsup/0_0.txt": "never read", f"{inside}/train/urls_pos.txt": "nor this"})
    loaded = data.load("imdb")
    assert list(loaded) == ["train", "test"]
    assert loaded["test"]["label"][:] == [0, 0, 1, 1]
    assert loaded["test"]["text"][2] == "test pos 0<br />\nsecond line"
    assert not any("never" in text for text in loaded["train"]["text"])


@pytest.mark.parametrize("lost", ["train/neg", "train/pos", "test/neg", "test/pos"])
@pytest.mark.parametrize("instead", [None, "readme"])
def test_an_imdb_folder_without_a_review_is_told(local, lost, instead):
    """Else all reviews of that split would have one label."""
    names = [f"imdb/aclImdb/{split}/{kind}" for split in ("train", "test") for kind in ("neg", "pos")]
    write(local, {f"{name}/0_9.txt": "fine" for name in names if not name.endswith(lost)})
    if instead:
        write(local / "imdb" / "aclImdb" / lost, {instead: "no review"})
    assert f"aclImdb/{lost}' is missing or holds no review" in complaint("imdb")


def test_imdb_reads_lines_of_json_and_keeps_text_and_label(local):
    rows = [{"id": "0_9", "label": 1, "rating": 9, "text": "fine\u2028film"}, {"id": "1_2", "label": 0, "text": "bad"}]
    write(local / "imdb", {"train.jsonl": examples(rows), "test.jsonl.gz": gzip.compress(examples(rows).encode())})
    loaded = data.load("imdb")
    assert loaded["train"][:] == loaded["test"][:] == {"text": ["fine\u2028film", "bad"], "label": [1, 0]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "cut sho', "is not JSON; is the file complete?"),
        ("", "is not JSON; is the file complete?"),
        ('{"text": "no label"}', "has no 'label'; needed are text, label."),
        ('{"review": "fine", "label": 1}', "has no 'text'; needed are text, label."),
        ('["fine", 1]', "has no 'text'; needed are text, label."),
    ],
)
def test_a_broken_line_of_json_is_told_with_its_number(local, line, message):
    good = examples([{"text": "fine", "label": 1}])
    write(local / "imdb", {"train.jsonl": good + line + "\n", "test.jsonl": good})
    assert complaint("imdb") == f"Line 2 of '{local / 'imdb' / 'train.jsonl'}' {message}"


@pytest.fixture
def shelf(local):
    """A folder with a small set of each kind that the readers below know; returns it."""
    newsgroups = [
        {"split": "test", "category": "sci.med", "id": 3, "text": "From: b\n\ndoses\u2028"},
        {"split": "train", "category": "sci.med", "id": 1, "text": "a pill"},
        {"split": "train", "category": "alt.atheism", "id": 2, "text": "a proof"},
    ]
    reviews = 'label\ttext_a\n1\t房间"很大\t好\n    0\t太吵\n'
    sentences = "".join(f"S{i}.\t句{i}。\n" for i in range(20))
    return write(
        local,
        {
            "20newsgroups/four_categories.jsonl.gz": gzip.compress(examples(newsgroups).encode()),
            "chnsenticorp/train.tsv.gz": gzip.compress((reviews + "0\t太吵\n1\t好\n1\t快\n").encode()),
            "chnsenticorp/dev.tsv": reviews + "1\t快",  # no line feed at the end
            "chnsenticorp/test.tsv": reviews,
            "cmn_eng/cmn.txt": sentences.replace("S9.\t句9。\n", "S9.\t句9。\nS9.\t第九句。\n")
            + "S8.\t第八句。\tCC-BY\n",
            **{
                f"multi30k/{name}.{language}": f"{language} {name}\n" * 2
                for name in ("train", "val", "test_2016_flickr")
                for language in ("en", "de")
            },
            "sms_spam/sms.tsv": "".join(f"{'spam' if i % 3 else 'ham'}\ttext\t{i} \n" * (i % 2 + 1) for i in range(20)),
            "financial_phrasebank/Sentences_AllAgree.txt": "".join(
                f"Sales {i} rose , mail a@b.fi .@{('positive', 'neutral', 'negative')[i % 3]}\r\n" * (i % 2 + 1)
                for i in range(20)
            ),
            "word_similarity/EN-B-2.txt": "car\tauto\t3.92\r\nold new 1\r\n",
            "word_similarity/EN-A-1.txt.gz": gzip.compress(b"sun\tsunlight\t50.0"),
            "word_similarity/README": "not a set",
            "stsb/stsb-en-train.csv": "A cat sleeps.,A cat is asleep.,5.0\n",
            "stsb/stsb-en-dev.csv.gz": gzip.compress(b'"Well, yes.",No.,1\r\n'),
            "stsb/stsb-en-test.csv": '"He said ""go"".",A plane lands.,0.25',
            "word_analogies/questions-words.txt": ": capital\nAthens Greece Oslo Norway\n: family\nboy girl he she\n",
        },
    )


def test_newsgroups_have_labels_in_the_alphabetical_order_of_their_categories(shelf):
    loaded = data.load("20newsgroups")
    assert list(loaded) == ["train", "test"]
    assert loaded["train"][:] == {
        "text": ["a pill", "a proof"], "label": [1, 0], "category": ["sci.med", "alt.atheism"],
    }  # fmt: skip
    assert loaded["test"][0] == {"text": "From: b\n\ndoses\u2028", "label": 1, "category": "sci.med"}


def test_financial_phrasebank_holds_each_sentence_once_and_splits_at_the_last_mark(shelf):
    loaded = data.load("financial_phrasebank")
    assert [len(loaded[split]) for split in SPLITS] == [16, 2, 2]
    assert loaded["train"][:3] == {"text": [f"Sales {i} rose , mail a@b.fi ." for i in range(3)], "label": [2, 1, 0]}


def test_chnsenticorp_keeps_quotation_marks_and_tabs_and_strips_labels(shelf):
    loaded = data.load("chnsenticorp")
    assert list(loaded) == SPLITS
    assert loaded["test"][:] == {"text": ['房间"很大\t好', "太吵"], "label": [1, 0]}
    assert [len(loaded[split]) for split in SPLITS] == [5, 3, 2]


def test_without_leaks_later_splits_keep_what_earlier_ones_lose(shelf):
    loaded = data.load("chnsenticorp")
    clean = data.without_leaks(loaded)
    assert list(clean) == SPLITS
    assert clean["train"][:] == {"text": ["好"], "label": [1]}
    assert clean["validation"][:] == {"text": ["快"], "label": [1]}
    assert clean["test"][:] == loaded["test"][:]
    assert data.without_leaks(clean)["train"][:] == clean["train"][:]
    with pytest.raises(CourseError, match="The column of 'test'"):
        data.without_leaks(loaded, "review")


def test_sms_spam_holds_each_text_once_and_every_tenth_for_testing(shelf):
    loaded = data.load("sms_spam")
    assert {split: loaded[split]["text"][:] for split in ("validation", "test")} == {
        "validation": ["text\t8", "text\t18"], "test": ["text\t9", "text\t19"],
    }  # fmt: skip
    texts = [text for split in SPLITS for text in loaded[split]["text"]]
    assert len(texts) == len(set(texts)) == 20
    assert loaded["test"]["label"][:] == [0, 1]


def test_all_translations_of_an_english_sentence_are_in_one_split(shelf):
    loaded = data.load("cmn_eng")
    assert loaded["test"][:] == {"text": ["S9.", "S9.", "S19."], "translation": ["句9。", "第九句。", "句19。"]}
    assert loaded["validation"][:] == {"text": ["S8.", "S8.", "S18."], "translation": ["句8。", "第八句。", "句18。"]}
    assert len(loaded["train"]) == 16


def test_multi30k_joins_the_lines_of_both_languages(shelf):
    loaded = data.load("multi30k")
    assert list(loaded) == SPLITS
    assert loaded["test"][:] == {"en": ["en test_2016_flickr"] * 2, "de": ["de test_2016_flickr"] * 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("one\n", "* has 1 lines and *en has 2, but line by line they should be translations of each other; is one"),
        ("one\n\n", "Line 2 of * is empty: it has no translation."),
    ],
)
def test_lines_of_multi30k_that_translate_nothing_are_told(shelf, content, message):
    write(shelf, {"multi30k/val.de": content})
    en, de = (repr(str(shelf / "multi30k" / f"val.{language}")) for language in ("en", "de"))
    assert complaint("multi30k").startswith(message.replace("*en", en).replace("*", de))


def test_word_similarity_reads_every_set_in_the_folder(shelf):
    assert list(data.load("word_similarity")) == ["test"]
    assert data.load("word_similarity", "test")[:] == {
        "set": ["A-1", "B-2", "B-2"],
        "word1": ["sun", "car", "old"],
        "word2": ["sunlight", "auto", "new"],
        "score": [50.0, 3.92, 1.0],
    }


def test_sts_benchmark_keeps_commas_and_quotation_marks_of_sentences(shelf):
    loaded = data.load("stsb")
    assert list(loaded) == SPLITS
    assert loaded["validation"][:] == {"sentence1": ["Well, yes."], "sentence2": ["No."], "score": [1.0]}
    assert loaded["test"][0] == {"sentence1": 'He said "go".', "sentence2": "A plane lands.", "score": 0.25}


def test_word_analogies_know_their_section(shelf):
    assert list(data.load("word_analogies")) == ["test"]
    assert list(data.load("word_analogies", "test")) == [
        {"section": "capital", "a": "Athens", "b": "Greece", "c": "Oslo", "d": "Norway"},
        {"section": "family", "a": "boy", "b": "girl", "c": "he", "d": "she"},
    ]


NEWS = '{"split": "train", "category": "sci.med", "text": "a"}\n'


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("20newsgroups/four_categories.jsonl", NEWS + NEWS[:20], "Line 2 of * is not JSON; is the file complete?"),
        (
            "20newsgroups/four_categories.jsonl",
            NEWS + '{"split": "train", "text": "a"}',
            "Line 2 of * has no 'category'",
        ),
        ("20newsgroups/four_categories.jsonl", NEWS + NEWS.replace("train", "dev"), "Line 2 of * needs a text, a cat"),
        ("20newsgroups/four_categories.jsonl", NEWS + NEWS.replace('"a"', "null"), "Line 2 of * needs a text, a cat"),
        ("20newsgroups/four_categories.jsonl", NEWS.replace('"train"', "[]"), "Line 1 of * needs a text, a category"),
        ("chnsenticorp/test.tsv", "1\t好\n", "Line 1 of * is not the header 'label\\ttext_a'."),
        ("chnsenticorp/test.tsv", "", "Line 1 of * is not the header"),
        (
            "chnsenticorp/dev.tsv",
            "label\ttext_a\n1\t好\n2\t吵\n",
            'Line 3 of * does not begin with a label "0<tab>" or',
        ),
        ("chnsenticorp/dev.tsv", "label\ttext_a\n1 好\n", "Line 2 of * does not begin with a label"),
        ("sms_spam/sms.tsv", "ham\ta\nSpam\tb\n", 'Line 2 of * does not begin with a label "ham<tab>" or "spam<tab>".'),
        ("sms_spam/sms.tsv", "ham\ta\n\nham\tb\n", "Line 2 of * does not begin with a label"),
        ("sms_spam/sms.tsv", "ham", "Line 1 of * does not begin with a label"),
        ("financial_phrasebank/Sentences_AllAgree.txt", "a@neutral\nb\n", "Line 2 of * does not end with @positive, "),
        ("financial_phrasebank/Sentences_AllAgree.txt", "a@good\n", "Line 1 of * does not end with @positive, "),
        ("cmn_eng/cmn.txt", "Hi.\t嗨。\nHi. 嗨。\n", "Line 2 of * is not an English and a Chinese sentence with a tab"),
        ("cmn_eng/cmn.txt", "\t嗨。\n", "Line 1 of * is not an English and a Chinese sentence with a tab"),
        ("cmn_eng/cmn.txt", "Hi.\t \n", "Line 1 of * is not an English and a Chinese sentence with a tab"),
        ("word_similarity/EN-B-2.txt", "a b 1\na b\n", "Line 2 of * is not two words and a number"),
        ("word_similarity/EN-B-2.txt", "a b 1\n\na b 2\n", "Line 2 of * is not two words and a number"),
        ("word_similarity/EN-B-2.txt", "a b 1 2\n", "Line 1 of * is not two words and a number"),
        ("word_similarity/EN-B-2.txt", "a b c\n", "Line 1 of * is not two words and a number"),
        ("word_similarity/EN-B-2.txt", "a b nan\n", "Line 1 of * is not two words and a number"),
        ("stsb/stsb-en-train.csv", "a,b,1\na,b\n", "Line 2 of * is not two sentences and a score from 0 to 5"),
        ("stsb/stsb-en-train.csv", "a,b,1\n\na,b,2\n", "Line 2 of * is not two sentences and a score"),
        ("stsb/stsb-en-train.csv", "a,b,c,1\n", "Line 1 of * is not two sentences and a score"),
        ("stsb/stsb-en-train.csv", "a,,1\n", "Line 1 of * is not two sentences and a score"),
        ("stsb/stsb-en-train.csv", "a,b,5.1\n", "Line 1 of * is not two sentences and a score"),
        ("stsb/stsb-en-train.csv", "a,b,nan\n", "Line 1 of * is not two sentences and a score"),
        ("word_analogies/questions-words.txt", ": x\na b c\n", 'Line 2 of * is neither a section ": name" nor four'),
        ("word_analogies/questions-words.txt", ": x\na b c d e\n", "Line 2 of * is neither a section"),
        ("word_analogies/questions-words.txt", ": x\n\na b c d\n", "Line 2 of * is neither a section"),
        ("word_analogies/questions-words.txt", "a b c d\n", "Line 1 of * is neither a section"),
        ("word_analogies/questions-words.txt", ":\na b c d\n", "Line 2 of * is neither a section"),
    ],
)
def test_a_line_that_a_reader_does_not_understand_is_told_with_its_number(shelf, file, content, message):
    for path in (shelf / file, shelf / f"{file}.gz"):
        path.unlink(missing_ok=True)
    write(shelf, {file: content})
    assert complaint(file.split("/")[0]).startswith(message.replace("*", repr(str(shelf / file))))


@pytest.mark.parametrize(
    "name", ["20newsgroups", "sms_spam", "cmn_eng", "multi30k", "word_similarity", "stsb", "word_analogies"]
)
def test_an_empty_file_of_these_sets_is_told(shelf, name):
    for path in (shelf / name).iterdir():
        path.write_bytes(gzip.compress(b"") if path.suffix == ".gz" else b"")
    assert re.fullmatch(rf"The \w+ split of '{name}' in '.*' is empty\.", complaint(name))


@pytest.mark.parametrize(
    "name", ["20newsgroups", "chnsenticorp", "sms_spam", "cmn_eng", "word_similarity", "stsb", "word_analogies"]
)
def test_a_folder_without_the_file_of_these_sets_is_told_with_its_name(shelf, name):
    for path in (shelf / name).iterdir():
        path.unlink()
    said = complaint(name)
    assert said.startswith("There is no ") and said.endswith(f"(nor the same with .gz) in '{shelf / name}'.")


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_without_words_is_told_as_empty_whatever_its_other_columns_say(shelf, split):
    """A label is no text."""
    name = {"train": "train", "validation": "dev", "test": "test"}[split]
    (shelf / "chnsenticorp" / "train.tsv.gz").unlink(missing_ok=split == "train")
    (shelf / "chnsenticorp" / "train.tsv").write_text("label\ttext_a\n1\t好\n", encoding="utf-8")
    (shelf / "chnsenticorp" / f"{name}.tsv").write_text("label\ttext_a\n1\t \n0\t\n", encoding="utf-8")
    assert complaint("chnsenticorp").startswith(f"The {split} split of 'chnsenticorp'")


# --- files that are not what they should be ---------------------------------------------------------------------------

QUESTION = {"id": "q", "question": "What sank?", "answers": [{"text": "Swift", "answer_start": 4}]}
NAMES = "EU B-ORG\nrejects O\n\nPeter B-PER\nBlack I-PER\n"


def squad_file(question=QUESTION, context="The Swift sank.", title="t"):
    paragraph = {"context": context, "qas": [question]}
    return json.dumps({"data": [{"title": f"{title}{i}", "paragraphs": [paragraph]} for i in range(10)]})


# A small set of every kind that has a local reader.
SMALL = {
    "wikitext2": WIKITEXT,
    "penntreebank": {f"ptb.{split}.txt": "a b\nc d\n" for split in ("train", "valid", "test")},
    "tinyshakespeare": {"input.txt": "To be or not to be\n" * 9},
    "sst2": {f"stsa.binary.{split}": "1 good film\n0 bad film\n" for split in ("train", "dev", "test")},
    "opinion_lexicon": {"positive-words.txt": "; a comment\n\nfine\n", "negative-words.txt": "bad\ndull\n"},
    "imdb": {
        f"{s}.jsonl": examples([{"text": "fine", "label": 1}, {"text": "", "label": 0}]) for s in ("train", "test")
    },
    "20newsgroups": {
        "four_categories.jsonl": examples(
            [{"split": s, "category": c, "text": "a"} for s, c in [("train", "x"), ("test", "y"), ("train", "y")]]
        )
    },
    "sms_spam": {"sms.tsv": "".join(f"{'spam' if i % 3 else 'ham'}\ttext {i}\n" for i in range(20))},
    "financial_phrasebank": {"Sentences_AllAgree.txt": "".join(f"Sales {i} rose .@neutral\n" for i in range(20))},
    "chnsenticorp": {f"{split}.tsv": "label\ttext_a\n1\t好\n0\t吵\n" for split in ("train", "dev", "test")},
    "multi30k": {
        f"{name}.{language}": f"{language} {name}\nx y\n"
        for name in ("train", "val", "test_2016_flickr")
        for language in ("en", "de")
    },
    "cmn_eng": {"cmn.txt": "".join(f"S{i}.\t句{i}。\n" for i in range(20))},
    "weibo_ner": {f"weiboNER_2nd_conll.{s}": "我0\tO\n爱1\tB-PER.NAM\n\n你0\tO\n" for s in ("train", "dev", "test")},
    "conll": dict.fromkeys(("train.txt", "dev.txt", "test.txt"), NAMES),
    "squad": {"dev-v1.1.json": squad_file()},
    "cnn_dailymail": {"cnn_dailymail.jsonl": examples([{"article": "A b.", "highlights": "B"}] * 10)},
    "word_similarity": {"EN-A.txt": "car auto 3.9\nold new 1\n"},
    "stsb": {f"stsb-en-{s}.csv": "A cat sleeps.,A cat is asleep.,5.0\n" for s in ("train", "dev", "test")},
    "word_analogies": {"questions-words.txt": ": c\nAthens Greece Oslo Norway\n: f\nboy girl he she\n"},
}
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"


@pytest.fixture
def small(local):
    """Puts a small set into the local folder, with other contents of some of its files; returns the set's folder."""

    def put(name, contents=()):
        folder = local / data.CATALOGUE[name].folder
        shutil.rmtree(folder, ignore_errors=True)
        return write(folder, SMALL[name] | dict(contents))

    return put


def first_file(name):
    return next(iter(SMALL[name]))


def test_every_local_reader_reads_its_small_set(small):
    assert set(SMALL) == {name for name, entry in data.CATALOGUE.items() if entry.local}
    for name in SMALL:
        small(name)
        assert all(len(split) for split in data.load(name).values())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LFS, "is a Git LFS pointer, not the file itself: run `git lfs pull`"),
        ("<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", "is a web page, not the file itself"),
        ("\ufeff\n <HTML lang='en'>\n", "is a web page, not the file itself"),
        ('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is XML, mostly a server's message"),
        ("404: Not Found", "is a server's message that there is no such file"),
        (gzip.compress(b"a b", mtime=0), "is packed with gzip once more than its name says"),
        (b"PK\x03\x04\x14\0", "is a zip archive: unpack it"),
        ("a b\n" + "\0" * 9, "holds a zero byte"),
        ("a b\n".encode("utf-16-le"), "UTF-16 (then convert it with: iconv -f UTF-16 -t UTF-8)"),
    ],
    ids=["LFS", "web page", "HTML", "XML", "404", "gzip", "zip", "zeros", "UTF-16"],
)
@pytest.mark.parametrize("name", SMALL)
def test_what_is_plainly_another_file_is_told_by_every_reader(small, name, content, said):
    folder = small(name, {first_file(name): content})
    assert said in complaint(name) and str(folder / first_file(name)) in complaint(name)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("method", ["open", "is_dir", "exists", "iterdir"])
def test_files_and_folders_that_may_not_be_read_are_told_by_every_reader(small, monkeypatch, name, method):
    listing = ("conll", "word_similarity")  # they look what is there
    folder, real = small(name), getattr(Path, method)
    asked = []

    def refuse(path, *arguments, **named):
        if path == folder or folder in path.parents:
            asked.append(path)
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(Path, method, refuse)
    try:
        data.load(name)
    except CourseError as error:
        assert f"'{asked[-1]}' cannot be read (Permission denied)" in str(error)
    assert asked or (method == "iterdir") == (name not in listing)


@pytest.mark.parametrize("kind", ["neg", "pos"])
def test_an_imdb_folder_that_may_not_be_read_is_told(local, monkeypatch, kind):
    """Path.glob would find nothing in it, and all reviews would have one label."""
    names = [f"imdb/aclImdb/{split}/{kind}" for split in ("train", "test") for kind in ("neg", "pos")]
    write(local, {f"{name}/0_9.txt": "fine" for name in names})
    real = Path.iterdir

    def refuse(path):
        if path.name == kind:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert f"aclImdb/train/{kind}' cannot be read (Permission denied)" in complaint("imdb")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("name", [*SMALL, "imdb/aclImdb"])
def test_a_pipe_in_place_of_a_file_is_told_and_never_opened(small, monkeypatch, name):
    """Opening it would wait for ever."""
    monkeypatch.setattr(
        files, "_bytes", lambda path: pytest.fail("it was opened") if path.is_fifo() else path.read_bytes()
    )
    name, _, folders = name.partition("/")
    place = small(name) / first_file(name)
    if folders:
        place = place.parent / "train" / "pos" / "0_9.txt"
        write(place.parents[1], {"neg/0_1.txt": "bad", "pos/0_9.txt": "fine"})
    place.unlink()
    os.mkfifo(place)
    said = complaint(name)
    assert "is not a file but a folder, a pipe or a device" in said or said.startswith(("There is no ", "No file of "))


def test_a_small_packed_file_that_holds_gigabytes_is_told_and_never_unpacked_whole(small, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 2_000_000)
    folder = small("penntreebank")
    (folder / "ptb.test.txt").unlink()
    write(folder, {"ptb.test.txt.gz": gzip.compress(b"\0" * 40_000_000)})
    tracemalloc.start()
    said = complaint("penntreebank")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "ptb.test.txt.gz' has more than 2 MB unpacked; cut it" in said and peak < 10_000_000


@pytest.mark.parametrize(
    ("label", "text"),
    [(label, '"fine"') for label in ("7", "-1", "0.5", "NaN", "null", "true", '"1"', "[]", "1e999", "1" + "0" * 30)]
    + [("1", text) for text in ("null", "3", "[]", "{}", '["fine"]')],
)
def test_imdb_takes_no_label_but_0_and_1_and_no_text_but_a_string(small, label, text):
    good = SMALL["imdb"]["test.jsonl"]
    folder = small("imdb", {"test.jsonl": f'{good}{{"text": {text}, "label": {label}}}\n'})
    assert complaint("imdb").startswith(
        f"Line 3 of '{folder / 'test.jsonl'}' needs as text a string, and as label 0 or 1"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[" * 100_000, "nests too deep"),
        ('{"a":' * 100_000, "nests too deep"),
        ("[" * 100_000 + "]" * 100_000, "nests too deep"),
        ('{"text": "a", "label": ' + "1" * 10_000 + "}", "has too long a number"),
        ('{"text": "a \\ud83d b", "label": 1}', "holds half a character (\\ud83d alone)"),
        ('{"text": "fine", "label": 1, "\\udc00": 0}', "holds half a character (\\udc00 alone)"),
    ],
    ids=["lists", "objects", "closed", "a long number", "half a character", "half in a name"],
)
def test_json_that_python_cannot_take_is_told(small, line, said):
    folder = small("imdb", {"train.jsonl": SMALL["imdb"]["train.jsonl"] + line + "\n"})
    assert complaint("imdb").startswith(f"Line 3 of '{folder / 'train.jsonl'}'") and said in complaint("imdb")


def test_both_halves_of_a_character_are_one(small):
    small("imdb", {"train.jsonl": '{"text": "\\ud83d\\ude00 \\\\ud83d", "label": 1}\n'})
    assert data.load("imdb", "train")["text"][0] == "\U0001f600 \\ud83d"


ANSWER = QUESTION["answers"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *[({"answer_start": start}, f"does not stand at character {start} of") for start in (-11, 3, 99)],
        *[({"answer_start": start}, "needs 'answer_start', a whole number") for start in ("4", 4.0, True, None, [4])],
        ({"text": 3}, "question 'q' needs 'text', a string"),
        ({"answers": [3]}, "question 'q' needs 'text', a string"),
        ({"answers": ANSWER}, "question 'q' needs 'answers', a list"),
        ({"answers": "Swift"}, "question 'q' needs 'answers', a list"),
        ({"question": None}, "question 'q' needs 'question', a string"),
        ({"id": ["q"]}, "a question of article 1 needs 'id', a string"),
        ({"context": None}, "article 1 needs 'context', a string"),
        ({"context": ["The Swift sank."]}, "article 1 needs 'context', a string"),
    ],
)
def test_squad_says_what_is_wrong_with_which_question(small, change, said):
    change = dict(change)
    context = change.pop("context", "The Swift sank.")
    changed = {"answers": [ANSWER | change]} if set(change) <= set(ANSWER) else change
    folder = small("squad", {"dev-v1.1.json": squad_file(QUESTION | changed, context)})
    assert said in complaint("squad") and str(folder / "dev-v1.1.json") in complaint("squad")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "\r\r\n"], ids=["Unix", "Windows", "old Mac", "twice converted"])
@pytest.mark.parametrize("name", ["conll", "weibo_ner", "sms_spam", "chnsenticorp", "imdb", "word_analogies"])
def test_lines_end_where_any_system_ends_them(small, name, ends):
    small(name)
    plain = data.load(name)
    small(name, {file: text.replace("\n", ends) for file, text in SMALL[name].items()})
    assert {split: rows[:] for split, rows in data.load(name).items()} == {s: rows[:] for s, rows in plain.items()}


@pytest.mark.parametrize("separator", ["\t", " ", " \t "])
@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", "\u2028", "\u0085", "\u2003"])
def test_other_blanks_than_those_between_conll_s_columns_belong_to_the_words(small, separator, blank):
    small("conll", {"train.txt": f"New{blank}York{separator}NNP{separator}B-LOC\n.{separator}.{separator}O\n"})
    assert data.load("conll", "train")[:] == {"tokens": [[f"New{blank}York", "."]], "tags": [["B-LOC", "O"]]}


def test_where_tabs_part_conll_s_columns_a_word_may_hold_blanks(small):
    small("conll", {"train.txt": "-DOCSTART- -X- O\n\nNew York\tB-LOC\n10 000 \tO\t\n"})
    assert data.load("conll", "train")[:] == {"tokens": [["New York", "10 000"]], "tags": [["B-LOC", "O"]]}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("EU B-ORG\nNew York B-LOC\n", "Line 2 of * has 3 columns, but those above have 2."),
        ("EU\tB-ORG\n\tO\n", "Line 2 of * is not a word and, in the last column, a tag"),
        ("EU\u00a0B-ORG\n", "Line 1 of * is not a word and, in the last column, a tag"),
        ("EU B-ORG\u2028rejects O\n", "Line 1 of * is not a word and, in the last column, a tag"),
    ],
)
def test_conll_lines_that_would_be_misread_are_told(small, lines, said):
    folder = small("conll", {"dev.txt": lines})
    assert complaint("conll").startswith(said.replace("*", repr(str(folder / "dev.txt"))))


@pytest.mark.parametrize("score", ["1_0", "３", "3,92", "1e400", "inf", "0x1"])
def test_a_score_of_similarity_is_a_plain_number(small, score):
    small("word_similarity", {"EN-A.txt": f"car auto {score}\n"})
    assert "is not two words and a number" in complaint("word_similarity")


def test_a_set_of_similarities_whose_name_is_no_utf_8_is_read(small):
    folder = small("word_similarity")
    try:
        (folder / os.fsdecode(b"EN-\xff.txt")).write_text("a b 1\n", encoding="utf-8")
    except (OSError, UnicodeEncodeError):
        pytest.skip("this system's names are all UTF-8")
    assert set(data.load("word_similarity", "test")["set"]) == {"A", "\ufffd"}


def damaged(content: bytes, rng: random.Random) -> bytes:
    """A few bytes of a file changed, lost, doubled, or put in."""
    odd = (
        b"\t",
        b"\n",
        b" ",
        b"\r",
        b'"',
        b"{",
        b"]",
        b"\xc2\xa0",
        b"\\ud800",
        b"\0",
        b"null",
        b"-",
        b"9",
        b"\xff",
        b"NaN",
    )
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(content) + 1), rng.randrange(4)
        before, after = content[:at], content[at:]
        content = {
            0: before + bytes([rng.randrange(256)]) + after[1:],
            1: before + after[rng.randint(1, 8) :],
            2: before + rng.choice(odd) + after,
            3: before + content[: rng.randrange(len(content) + 1)] + after,
        }[kind]
    return content


@pytest.mark.parametrize("name", SMALL)
def test_whatever_is_damaged_loads_or_is_told_in_one_sentence(small, name):
    """30 damaged files for each reader: no other error than a CourseError that names the folder."""
    rng, told = random.Random(name), 0
    for _ in range(30):
        file = rng.choice(list(SMALL[name]))
        folder = small(name, {file: damaged(SMALL[name][file].encode(), rng)})
        try:
            data.load(name)
        except CourseError as error:
            assert str(folder) in str(error) and "\n" not in str(error)
            told += 1
    assert told


# --- real data sets ---------------------------------------------------------------------------------------------------


def test_the_real_wikitext_2_has_the_published_numbers_of_lines_and_tokens(real):
    loaded = data.load("wikitext2")
    assert {split: len(loaded[split]) for split in loaded} == {"train": 36718, "validation": 3760, "test": 4358}
    lines = lm.text.sentences(loaded["test"]["text"], tokens="whitespace")
    assert sum(len(line) + 1 for line in lines) == 245_569  # with one </s> a line
    lines = lm.text.sentences(loaded["train"]["text"], tokens="whitespace")
    assert sum(len(line) + 1 for line in lines) == 2_088_628
    assert len(lm.text.Vocabulary(lines)) - 2 == 33_278 - 1  # theirs counts <eos>; ours <s> and </s> besides


def test_the_real_sst2_has_the_published_numbers_of_sentences(real):
    loaded = data.load("sst2")
    assert {split: len(loaded[split]) for split in loaded} == {"train": 6920, "validation": 872, "test": 1821}
    assert set(loaded["train"]["label"]) == {0, 1}
    assert not any(text[:2] in ("0 ", "1 ") for text in loaded["train"]["text"][:100])


def test_the_real_imdb_is_balanced(real):
    loaded = data.load("imdb")
    assert {split: (len(loaded[split]), sum(loaded[split]["label"])) for split in loaded} == {
        "train": (10_000, 5_000),
        "test": (5_000, 2_500),
    }


def test_the_real_tiny_shakespeare_has_its_1_115_394_characters(real):
    loaded = data.load("tinyshakespeare")
    text = loaded["train"]["text"][0] + loaded["validation"]["text"][0]
    assert len(text) == 1_115_394 and text.startswith("First Citizen:")


def test_the_real_newsgroups_are_those_of_scikit_learn_s_tutorial(real):
    loaded = data.load("20newsgroups")
    assert {split: len(loaded[split]) for split in loaded} == {"train": 2257, "test": 1502}
    names = {(row["label"], row["category"]) for row in loaded["train"]}
    assert sorted(names) == list(enumerate(["alt.atheism", "comp.graphics", "sci.med", "soc.religion.christian"]))
    assert [loaded["train"]["label"][:].count(label) for label in range(4)] == [480, 584, 594, 599]
    assert data.without_leaks(loaded)["train"].num_rows == 2257


def test_the_real_chnsenticorp_leaks_331_texts_and_without_leaks_none(real):
    loaded = data.load("chnsenticorp")
    assert {split: len(loaded[split]) for split in loaded} == {"train": 9600, "validation": 1200, "test": 1200}
    train = set(loaded["train"]["text"])
    assert len(train) == 8249
    assert sum(text in train for text in loaded["test"]["text"]) == 331
    assert "331 of the 1,200 test texts" in data.CATALOGUE["chnsenticorp"].about
    assert [loaded[split]["label"][:].count(1) for split in SPLITS] == [4798, 590, 602]
    clean = data.without_leaks(loaded)
    assert {split: len(clean[split]) for split in clean} == {"train": 8913, "validation": 1161, "test": 1200}
    texts = [set(clean[split]["text"]) for split in SPLITS]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]


def test_without_leaks_the_real_imdb_and_sst2_lose_the_few_that_are_known(real):
    lost = {}
    for name in ("imdb", "sst2"):
        loaded = data.load(name)
        lost[name] = {split: len(loaded[split]) - len(rest) for split, rest in data.without_leaks(loaded).items()}
    assert lost == {"imdb": {"train": 14, "test": 0}, "sst2": {"train": 3, "validation": 0, "test": 0}}


def test_the_real_sms_spam_has_each_text_once(real):
    loaded = data.load("sms_spam")
    assert {split: len(loaded[split]) for split in loaded} == {"train": 4128, "validation": 516, "test": 516}
    assert [sum(loaded[split]["label"]) for split in SPLITS] == [512, 67, 63]
    texts = [text for split in SPLITS for text in loaded[split]["text"]]
    assert len(set(texts)) == len(texts) == 5160  # 5,171 of the 5,574 differ; 11 of them only by blanks at their end


def test_the_real_english_chinese_pairs_are_all_there_and_no_english_sentence_is_in_two_splits(real):
    loaded = data.load("cmn_eng")
    assert sum(map(len, loaded.values())) == 20_133
    english = {split: set(loaded[split]["text"]) for split in SPLITS}
    assert [len(english[split]) for split in SPLITS] == [15_684, 1960, 1960]
    assert len(set.union(*english.values())) == 19_604
    assert loaded["train"][0] == {"text": "Hi.", "translation": "嗨。"}


def test_the_real_multi30k_is_all_there_and_its_test_sentences_are_not_trained_on(real):
    loaded = data.load("multi30k")
    assert {split: len(loaded[split]) for split in loaded} == {"train": 29_000, "validation": 1014, "test": 1000}
    assert not set(loaded["train"]["en"]) & set(loaded["test"]["en"])
    assert loaded["train"][0]["de"].startswith("Zwei junge weiße Männer")


def test_the_real_word_similarity_sets_have_their_numbers_of_pairs(real):
    sets = data.load("word_similarity", "test")["set"][:]
    assert {name: sets.count(name) for name in sets} == {
        "MC-30": 30, "MEN-TR-3k": 3000, "MTurk-287": 287, "MTurk-771": 771, "RG-65": 65, "RW-STANFORD": 2034,
        "SIMLEX-999": 999, "SimVerb-3500": 3500, "VERB-143": 144, "WS-353-ALL": 353, "WS-353-REL": 252,
        "WS-353-SIM": 203, "YP-130": 130,
    }  # fmt: skip


def test_the_real_word_analogies_are_19_544_in_14_sections(real):
    sections = data.load("word_analogies", "test")["section"][:]
    assert len(sections) == 19_544 and len(set(sections)) == 14
    assert sections.count("capital-world") == 4524 and sections.count("family") == 506


# --- the hub ----------------------------------------------------------------------------------------------------------


def test_the_hub_is_read_through_datasets_from_jsonl_files(hub, tmp_path):
    folder = tmp_path / "wikitext"
    write(folder, {f"{split}.jsonl": examples([{"text": f"{split} line"}, {"text": ""}]) for split in SPLITS})
    hub("wikitext2", folder)
    loaded = data.load("wikitext2")
    assert list(loaded) == SPLITS
    assert loaded["test"]["text"][:] == ["test line", ""]


def test_the_hub_is_read_through_datasets_from_parquet_files_and_other_splits_are_left_out(hub, tmp_path):
    import datasets

    folder = tmp_path / "imdb"
    for split in ("train", "test", "unsupervised"):
        rows = datasets.Dataset.from_list([{"text": split, "label": 1}])
        (folder / "plain_text").mkdir(parents=True, exist_ok=True)
        rows.to_parquet(folder / "plain_text" / f"{split}-00000-of-00001.parquet")
    files = [{"split": s, "path": f"plain_text/{s}-*"} for s in ("train", "test", "unsupervised")]
    card = {"configs": [{"config_name": "plain_text", "data_files": files}]}
    write(folder, {"README.md": f"---\n{json.dumps(card)}\n---\n"})  # YAML holds JSON
    hub("imdb", folder)
    loaded = data.load("imdb")
    assert list(loaded) == ["train", "test"]
    assert loaded["train"][:] == {"text": ["train"], "label": [1]}


def test_the_columns_of_the_hub_get_our_names(hub, tmp_path):
    rows = examples([{"sentence": "fine", "label": 1}])
    folder = write(tmp_path / "sst", {f"{split}.jsonl": rows for split in SPLITS})
    hub("sst2", folder, rename={"sentence": "text"})
    assert data.load("sst2", "train")[:] == {"text": ["fine"], "label": [1]}


def test_the_hub_arguments_of_the_catalogue_are_those_of_load_dataset():
    import inspect

    from datasets import load_dataset

    for name, entry in data.CATALOGUE.items():
        if entry.hub:
            inspect.signature(load_dataset).bind(**entry.hub)
            assert entry.hub["path"].count("/") == 1, name


@pytest.mark.parametrize("path", ["nobody/no-such-data-set", "no-such-data-set"])
def test_offline_what_is_not_in_the_cache_is_told_at_once(hub, path):
    hub("wikitext2", path)
    start = time.perf_counter()
    said = complaint("wikitext2")
    assert said.startswith("'wikitext2' could not be fetched from the hub") and "LMTUTOR_SOURCE=local" in said
    assert time.perf_counter() - start < 10


def test_what_is_not_on_the_hub_is_told(monkeypatch):
    monkeypatch.setenv("LMTUTOR_SOURCE", "hub")
    assert "'penntreebank' is not on the hub; use LMTUTOR_SOURCE=local" in complaint("penntreebank")


def test_a_damaged_download_is_told_with_the_cache_to_clear(hub, tmp_path):
    folder = write(tmp_path / "sst", {f"{split}.jsonl": '{"text": "cut sho' for split in SPLITS})
    hub("sst2", folder)
    said = complaint("sst2")
    assert said.startswith("'sst2' came from the hub but could not be read") and "delete it from the cache" in said


def test_nothing_is_written_beside_the_data(local):
    write(local / "wikitext2", WIKITEXT)
    data.load("wikitext2")
    assert sorted(p.name for p in Path(local).rglob("*")) == sorted([*WIKITEXT, "wikitext2"])
