"""The tables of CARD.md, made from the records themselves, so that no figure in it is typed."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable

import words
from engine import SENTENCE, split_entries

BEGIN, END = "<!-- tables: written by make.py -->", "<!-- end of tables -->"
FUNCTION_WORDS = split_entries(
    """not; no; never; nobody; nothing; hardly; without; cannot; wasn't; weren't; but; although; though; yet; still;
    despite; even; while; very; really; so; quite; utterly; absolutely; rather; fairly; and; i; we; my; it; was; were;
    the; would; could; than; less; more; that"""
)

Splits = dict[str, list[dict]]


def tokens(text: str) -> list[str]:
    """Lower-case words, with their hyphens and apostrophes."""
    return re.findall(r"[a-z]+(?:['-][a-z]+)*", text.lower())


def truth(record: dict) -> int:
    """The label before any noise."""
    return record["label"] ^ record["noisy"]


def shared(splits: Splits, normal: Callable[[str], str]) -> set[str]:
    """Sentences that occur in more than one split, once numbers, days and months are made alike."""
    owners = defaultdict(set)
    for split, records in splits.items():
        for record in records:
            for sentence in SENTENCE.split(record["text"]):
                owners[normal(sentence)].add(split)
    return {sentence for sentence, found in owners.items() if len(found) > 1}


def balance(splits: Splits) -> dict[str, tuple[int, float]]:
    """For each function word: in how many reviews it stands, and which share of them is positive."""
    count, positive = Counter(), Counter()
    for record in (r for records in splits.values() for r in records):
        for word in set(tokens(record["text"])) & set(FUNCTION_WORDS):
            count[word] += 1
            positive[word] += truth(record)
    return {word: (count[word], positive[word] / count[word]) for word in FUNCTION_WORDS if count[word]}


def groups(record: dict) -> list[str]:
    """The rows of the tables to which a review belongs: what it was written to show, and where it comes last."""
    main = record["phenomena"][0]
    detail = {"negation": record["negation"], "contrast": f"decisive side {record['contrast']}"}.get(main)
    return ["all", f"{main}, {detail}" if detail else main]


def table(head: list[str], rows: list[list]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def percent(share: float) -> str:
    """One decimal."""
    return f"{100 * share:.1f} %"


# ------------------------------------------------------------------ two bags of words
def lexicon() -> dict[str, int]:
    """The polarity of every opinion word; words that are good of one thing and bad of another come out as 0."""
    total = Counter()
    for (side, _), text in words.GENERAL.items():
        total.update({word: side for word in opinion_words(text)})
    for pair in words.BY_KIND.values():
        for side, text in zip((1, -1), pair, strict=True):
            for word in opinion_words(text):
                total[word] += side
    for lists in (words.NOUNS, words.QUALITIES, words.MOVES, words.LOVES):
        for side, text in lists.items():
            for entry in opinion_words(text):
                total.update({form: side for form in entry.split("/")})
    return {word: (count > 0) - (count < 0) for word, count in total.items()}


def opinion_words(text: str) -> list[str]:
    """All entries of a list, the held-out ones too."""
    return split_entries(text.replace("||", ";"))


def held_out_words() -> set[str]:
    """The single words that the training split must not contain."""
    texts = [*words.GENERAL.values(), *(text for pair in words.BY_KIND.values() for text in pair)]
    for lists in (words.NOUNS, words.QUALITIES, words.MOVES, words.LOVES):
        texts += lists.values()
    forms = {form for text in texts for entry in split_entries(text.partition("||")[2]) for form in entry.split("/")}
    return {form for form in forms if " " not in form}


def flips() -> list[str]:
    """Adjectives that are good of one kind of thing and bad of another."""
    good = {word for pair in words.BY_KIND.values() for word in opinion_words(pair[0])}
    return sorted(good & {word for pair in words.BY_KIND.values() for word in opinion_words(pair[1])})


def count_words(records: list[dict]) -> list[float]:
    """How right it is to count good against bad words: 1, 0, or 0.5 where there is no majority."""
    polarity = lexicon()
    scores = [sum(polarity.get(word, 0) for word in tokens(r["text"])) for r in records]
    return [0.5 if not s else float((s > 0) == r["label"]) for s, r in zip(scores, records, strict=True)]


def naive_bayes(train: list[dict], test: list[dict]) -> list[float]:
    """Whether naive Bayes on single words (add one) is right about each test review."""
    counts = {0: Counter(), 1: Counter()}
    for record in train:
        counts[record["label"]].update(tokens(record["text"]))
    known = set(counts[0]) | set(counts[1])
    size = {label: sum(count.values()) + len(known) for label, count in counts.items()}
    score = {w: math.log((counts[1][w] + 1) / size[1] * size[0] / (counts[0][w] + 1)) for w in known}
    return [float((sum(score.get(w, 0) for w in tokens(r["text"])) > 0) == r["label"]) for r in test]


# ------------------------------------------------------------------ the tables
def sizes(splits: Splits) -> str:
    """Reviews, words and labels per split."""
    rows = []
    for split, records in splits.items():
        lengths = [len(tokens(r["text"])) for r in records]
        types = {word for r in records for word in tokens(r["text"])}
        rows.append([split, len(records), percent(sum(r["label"] for r in records) / len(records)),
                     sum(r["noisy"] for r in records), sum(lengths), len(types),
                     f"{min(lengths)} / {sum(lengths) / len(lengths):.1f} / {max(lengths)}"])  # fmt: skip
    head = ["split", "reviews", "positive", "wrong labels", "words", "types", "length: least / mean / most"]
    return table(head, rows)


def phenomena(splits: Splits) -> str:
    """How many reviews show what, and how two bags of words fare on them."""
    test = splits["test"]
    results = [count_words(test), naive_bayes(splits["train"], test)]
    names = list(dict.fromkeys(name for r in splits["train"] for name in groups(r)))
    rows = []
    for name in sorted(names, key=lambda n: (n != "all", n)):
        where = [i for i, r in enumerate(test) if name in groups(r)]
        numbers = [sum(name in groups(r) for r in records) for records in splits.values()]
        rows.append([name, *numbers, *(percent(sum(result[i] for i in where) / len(where)) for result in results)])
    return table(["what the review shows", *splits, "test: counting words", "test: naive Bayes"], rows)


def attributes(splits: Splits) -> str:
    """How often each value of each annotation occurs, and how many of those are positive."""
    rows = []
    for name in ("domain", "negation", "contrast", "intensity"):
        for value in dict.fromkeys(sorted(str(r[name]) for r in splits["train"])):
            row = [f"{name}: {value}"]
            for records in splits.values():
                found = [truth(r) for r in records if str(r[name]) == value]
                row.append(f"{len(found)} ({percent(sum(found) / len(found))})")
            rows.append(row)
    return table(["annotation", *(f"{split} (positive)" for split in splits)], rows)


def facts(splits: Splits, normal: Callable[[str], str]) -> str:
    """What is known about the words."""
    seen = Counter(word for r in splits["train"] for word in tokens(r["text"]))
    heads = [tokens(s["text"])[-1] for r in splits["test"] for s in r["spans"]]
    few = sum(seen[word] < 5 for word in heads) / len(heads)
    never = sum(seen[word] == 0 for word in heads) / len(heads)
    common = shared(splits, normal)
    long_ones = sum(len(sentence.split()) > 6 for sentence in common)
    types = {word for records in splits.values() for r in records for word in tokens(r["text"])}
    told = ", ".join(f"{word} {percent(share)} of {n}" for word, (n, share) in balance(splits).items() if n >= 100)
    spans = sum(len(r["spans"]) for records in splits.values() for r in records)
    unseen = sum("unseen" in r["phenomena"] for r in splits["test"])
    return "\n".join([
        f"- Types in all splits together: {len(types)}. Opinion expressions: {spans}.",
        f"- Opinion expressions of the test split whose last word stands fewer than five times in train: {percent(few)}"
        f"; never: {percent(never)}. Test reviews with a word or construction held out from train: {unseen}.",
        f"- Adjectives that are good of one kind of thing and bad of another ({len(flips())}): {', '.join(flips())}.",
        f"- Sentences that stand in more than one split (numbers, days and months made alike): {len(common)}, of which "
        f"{long_ones} have more than six words. All of these are neutral.",
        f"- Share of positive reviews among those with a function word: {told}.",
    ])  # fmt: skip


def fill(page: str, splits: Splits, normal: Callable[[str], str]) -> str:
    """The card with its tables renewed."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    parts = [sizes(splits), "### Phenomena", phenomena(splits), "### Annotations", attributes(splits), "### Words",
             facts(splits, normal)]  # fmt: skip
    return before + BEGIN + "\n\n" + "\n\n".join(parts) + "\n\n" + END + after
