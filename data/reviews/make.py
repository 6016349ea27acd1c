"""Writes the review corpus: train.jsonl, validation.jsonl, test.jsonl and the tables of CARD.md.

Run `python data/reviews/make.py`. It needs the standard library only and writes the same bytes every time.
"""

import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import grammar
import words
from engine import SENTENCE, Frame, Writer, finish, split_entries

HERE = Path(__file__).parent
SEED = 20_240
SIZES = {"train": 4000, "validation": 800, "test": 1200}
NOISE = 0.02  # share of wrong labels, in train only
LONG = 6  # sentences of more words than this occur in one split only, unless they are neutral
FEWEST, MOST = 8, 70  # words in a review
TEMPLATES = 1.3  # how steeply constructions fall off from common to rare
# How often a plain sentence of the same opinion stands beside a construction.
SUPPORT = {"plain": 0, "idle": 0, "simple": 0.6, "distant": 0.3, "double": 0, "contrast_first": 0.2, "contrast_last": 0.2,
           "comparison": 0.4, "reported": 0.4, "expectation": 0.4, "irony": 0.3, "mixed": 0}  # fmt: skip

NUMBER_WORDS = {w for text in (words.NUMBERS, words.DAYS, words.MONTHS) for w in text.lower().replace("\n", " ").split("; ")}
NUMBER_WORDS = {word.strip() for word in NUMBER_WORDS} | {"first", "second", "third", "fourth", "fifth"}


# ------------------------------------------------------------------ one review
def core(writer: Writer, kind: str) -> list[str]:
    """The sentences with the opinion, as templates."""
    draw, chance = (lambda text: writer.draw(text, TEMPLATES)), writer.chance
    more = ["{S*}"] if chance(SUPPORT[kind]) else []
    if kind in ("plain", "idle"):
        count = writer.rng.choices((1, 2, 3, 4), weights=(2, 4, 3, 1))[0]
        first = draw(grammar.IDLE) if kind == "idle" else "{S*}, and {S*}" if chance(0.4) else "{S*}"
        return [first] + ["{S*}"] * (count - 1)
    if kind == "simple":
        return [draw(grammar.NEGATED)] + ([draw(grammar.NEGATED)] if chance(0.15) else more)
    if kind == "distant":
        return [draw(grammar.DISTANT)] + more
    if kind == "double":
        return double(writer, draw)
    if kind == "mixed":
        if chance(0.3):
            return [draw(grammar.VERDICT_FIRST), draw(grammar.MIXED_SIDES)]
        return [draw(grammar.MIXED_SIDES), draw(grammar.VERDICT_LAST)]
    if kind == "irony":
        return [draw(grammar.IRONY[writer.label])] + more
    by_label = getattr(grammar, kind.upper() + "_BY_LABEL", None)
    if by_label and chance(0.25):
        return [draw(by_label[writer.label])] + more
    return [draw(getattr(grammar, kind.upper()))] + more


def double(writer: Writer, draw) -> list[str]:
    """Two reversals that cancel, mostly beside a word of the other side that is conceded or reversed once."""
    sentence = draw(grammar.DOUBLE)
    if writer.chance(0.55):
        parts = [sentence, draw(grammar.NEGATED)]
        writer.rng.shuffle(parts)
        return parts
    if writer.chance(0.8):
        writer.tags.add("conceded")
        return [writer.rng.choice(["{O}, but ", "Although {O}, ", "{O}. Still, ", "{O}, and yet "]) + sentence]
    return [sentence]


def add_fillers(writer: Writer, parts: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Puts neutral sentences before and after: (template, is it neutral)."""
    own = writer.info["fillers"]
    chosen: list[str] = []
    for _ in range(writer.rng.choices((0, 1, 2), weights=(40, 45, 15))[0]):
        filler = writer.draw(own if writer.chance(0.75) else grammar.FILLERS, 0.2)
        chosen += [filler] * (filler not in chosen)
    for filler in chosen:
        parts.insert(0 if writer.chance(0.7) else len(parts), (filler, True))
    if writer.chance(0.07):
        parts.insert(0, (writer.draw(grammar.OPENERS, 0.2), True))
    return parts


def write(rng: Random, kind: str, label: int, domain: str, held_out: bool) -> tuple[dict, list[str], list[str]]:
    """One review as a record, its opinionated and its neutral sentences."""
    writer = Writer(rng, domain, 1 if label else -1, held_out)
    writer.nests = kind in ("contrast_first", "contrast_last", "mixed", "reported", "expectation", "comparison")
    parts = [(template, False) for template in core(writer, kind)]
    if kind == "plain" and writer.chance(0.2):
        parts.append((writer.draw(grammar.SIGN_OFF[writer.label], 0.3), False))
    marked, neutral = [], []
    for template, is_neutral in add_fillers(writer, parts):
        sentence = writer.expand(template, Frame(writer.label))
        if not sentence.endswith((".", "?", "!")):
            sentence += "!" if not is_neutral and writer.chance(0.05) else "."
        marked.append(sentence)
        if is_neutral:
            neutral.append(finish(sentence)[0])
    text, places = finish(" ".join(marked))
    record = annotate(writer, kind, label, text, places)
    return record, [s for s in SENTENCE.split(text) if s not in neutral], neutral


def annotate(writer: Writer, kind: str, label: int, text: str, places: dict[int, tuple[int, int]]) -> dict:
    """The record: the text, its label and all that is known about it."""
    opinions = writer.opinions
    spans = [{"start": places[i][0], "end": places[i][1], "aspect": opinion.aspect or "overall",
              "polarity": opinion.polarity, "negated": opinion.negated, "text": text[slice(*places[i])]}
             for i, opinion in enumerate(opinions)]  # fmt: skip
    negation = kind if kind in ("simple", "distant", "double") else "none"
    if negation == "none" and ("nested negation" in writer.tags or (kind == "mixed" and any(o.negated for o in opinions))):
        negation = "simple"
    contrast = kind.removeprefix("contrast_") if kind.startswith("contrast_") else "none"
    if "conceded" in writer.tags:
        contrast = "last"
    intensity = max((o.level for o in opinions if o.decisive), default=0)
    phenomena = [{"idle": "idle negation"}.get(kind, "negation" if kind == negation else kind.split("_")[0])]
    phenomena += ["negation"] * (negation != "none" and "negation" not in phenomena)
    phenomena += ["contrast"] * (contrast != "none" and "contrast" not in phenomena)
    phenomena += ["intensity"] * (intensity > 0) + ["unseen"] * ("unseen" in writer.tags)
    return {"id": "", "text": text, "label": label, "domain": writer.domain, "negation": negation, "contrast": contrast,
            "intensity": intensity, "phenomena": phenomena, "noisy": False,
            "spans": sorted(spans, key=lambda span: span["start"])}  # fmt: skip


# ------------------------------------------------------------------ the whole corpus
def normal(text: str) -> str:
    """Lower case, without punctuation, all numbers, days and months alike: what decides whether two texts are one."""
    found = re.findall(r"[a-z0-9'-]+", text.lower())
    return " ".join("#" if word in NUMBER_WORDS or word.isdigit() else word for word in found)


def plan(rng: Random) -> list[tuple[str, str, int, str]]:
    """What to write: (split, kind, label, domain), each kind and domain half positive, in a random order."""
    from domains import DOMAINS

    jobs = []
    for split, size in SIZES.items():
        quota = {kind: 2 * round(size * share / 2) for kind, share in grammar.SHARES.items()}
        quota["plain"] += size - sum(quota.values())
        names, turn = list(DOMAINS), 0
        for kind, count in quota.items():
            for i in range(count):
                jobs.append((split, kind, i % 2, names[turn // 2 % len(names)]))
                turn += 1
    rng.shuffle(jobs)
    return jobs


def generate(rng: Random) -> dict[str, list[dict]]:
    """The splits, with no long sentence and no text in two of them."""
    splits: dict[str, list[dict]] = {split: [] for split in SIZES}
    texts: set[str] = set()
    owner: dict[str, str] = {}
    for split, kind, label, domain in plan(rng):
        while True:
            record, sentences, _ = write(rng, kind, label, domain, held_out=split != "train")
            key = normal(record["text"])
            long_ones = [s for s in map(normal, sentences) if len(s.split()) > LONG]
            fits = FEWEST <= len(key.split()) <= MOST and key not in texts
            if fits and all(owner.get(s, split) == split for s in long_ones):
                break
        texts.add(key)
        owner.update(dict.fromkeys(long_ones, split))
        splits[split].append(record)
    for split, records in splits.items():
        for i, record in enumerate(records):
            record["id"] = f"{split}-{i:04d}"
    return splits


def add_noise(rng: Random, train: list[dict]) -> None:
    """Turns the label of a few training reviews round, as many of either kind, and says so."""
    for label in (0, 1):
        for record in rng.sample([r for r in train if r["label"] == label], round(len(train) * NOISE / 2)):
            record["noisy"] = True
    for record in train:
        record["label"] ^= record["noisy"]


def check(splits: dict[str, list[dict]]) -> None:
    """Asserts what the card claims."""
    seen: dict[str, str] = {}
    for split, records in splits.items():
        assert len(records) == SIZES[split]
        assert sum(r["label"] for r in records) * 2 == len(records), "labels are balanced"
        assert sum(r["noisy"] for r in records) == (round(len(records) * NOISE) if split == "train" else 0)
        for record in records:
            text = record["text"]
            assert text.isascii() and FEWEST <= len(normal(text).split()) <= MOST
            assert not re.search(r"[{}<>|()\x00-\x1f]|  | [.,;:]|\ba [aeio]\w", text), text
            assert seen.setdefault(normal(text), record["id"]) == record["id"], "no text twice"
            for span in record["spans"]:
                assert text[span["start"] : span["end"]] == span["text"] and span["text"]


def main() -> None:
    """Writes everything."""
    rng = Random(SEED)
    splits = generate(rng)
    add_noise(rng, splits["train"])
    check(splits)
    for split, records in splits.items():
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (HERE / f"{split}.jsonl").write_text(lines, encoding="utf-8", newline="\n")
    print({split: len(records) for split, records in splits.items()})


if __name__ == "__main__":
    main()
