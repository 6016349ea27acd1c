"""Writes the review corpus: train.jsonl, validation.jsonl, test.jsonl and the tables of CARD.md.

Run `python data/reviews/make.py`. It needs the standard library only and writes the same bytes every time.
"""

import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import card
import grammar
import words
from domains import DOMAINS
from engine import SENTENCE, Frame, Writer, finish, split_entries

HERE = Path(__file__).parent
SEED = 20_241
SIZES = {"train": 4000, "validation": 800, "test": 1200}
NOISE = 0.02  # share of wrong labels, in train only
LONG = 6  # sentences of more words than this occur in one split only, unless they are neutral
FEWEST, MOST, SENTENCES = 8, 70, 6  # words in a review, and sentences at most
TEMPLATES = 2.5  # how steeply constructions fall off from common to rare
# How often a plain sentence of the same opinion stands beside a construction.
SUPPORT = {"simple": 0.7, "distant": 0.3, "contrast_first": 0.3, "contrast_last": 0.3, "comparison": 0.5,
           "reported": 0.5, "expectation": 0.5, "irony": 0.3}  # fmt: skip

NUMBER_WORDS = {word.lower() for text in (words.NUMBERS, words.DAYS, words.MONTHS) for word in split_entries(text)}
NUMBER_WORDS |= {"first", "second", "third", "fourth", "fifth"}


# ------------------------------------------------------------------ one review
def core(writer: Writer, kind: str) -> list[str]:
    """The sentences with the opinion, as templates."""
    draw, chance = (lambda text: writer.draw(text, TEMPLATES)), writer.chance
    more = [opinion(writer)] if chance(SUPPORT.get(kind, 0)) else []
    if kind in ("plain", "idle"):
        count = writer.rng.choices((1, 2, 3, 4), weights=(2, 5, 4, 1))[0]
        first = draw(grammar.IDLE) if kind == "idle" else "{S*}, and {S*}" if chance(0.4) else "{S*}"
        return [first] + [opinion(writer) for _ in range(count - 1)]
    if kind == "simple":
        return [draw(grammar.NEGATED)] + ([draw(grammar.NEGATED)] if chance(0.15) else more)
    if kind == "distant":
        return [draw(grammar.DISTANT)] + (more or [draw(grammar.NEGATED)] * chance(0.3))
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


def opinion(writer: Writer) -> str:
    """A plain sentence on the side of the label: as it is, with a few idle words before it, or in short hand."""
    if writer.chance(0.15):
        return writer.draw(grammar.FRAGMENTS, 0.8)
    return writer.draw(grammar.LEADS, 0.4) + " {S*}" if writer.chance(0.15) else "{S*}"


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
    for _ in range(writer.rng.choices((0, 1, 2), weights=(50, 40, 10))[0]):
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
    nested = "nested negation" in writer.tags or (kind == "mixed" and any(o.negated for o in opinions))
    if nested and negation == "none":
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
    found = re.findall(r"[a-z0-9']+", text.lower())
    return " ".join("#" if word in NUMBER_WORDS or word.isdigit() else word for word in found)


def plan(rng: Random) -> list[tuple[str, str, int, str]]:
    """What to write: (split, kind, label, domain), each kind and domain half positive, in a random order."""
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


def generate(rng: Random) -> tuple[dict[str, list[dict]], set[str]]:
    """The splits, with no long sentence and no text in two of them; and the neutral sentences, which may be shared."""
    splits: dict[str, list[dict]] = {split: [] for split in SIZES}
    texts: set[str] = set()
    owner: dict[str, str] = {}
    all_neutral: set[str] = set()
    for split, kind, label, domain in plan(rng):
        while True:
            record, sentences, neutral = write(rng, kind, label, domain, held_out=split != "train")
            key = normal(record["text"])
            long_ones = [s for s in map(normal, sentences) if len(s.split()) > LONG]
            fits = FEWEST <= len(card.tokens(record["text"])) <= MOST and len(sentences) + len(neutral) <= SENTENCES
            if fits and key not in texts and all(owner.get(s, split) == split for s in long_ones):
                break
        texts.add(key)
        owner.update(dict.fromkeys(long_ones, split))
        all_neutral.update(map(normal, neutral))
        splits[split].append(record)
    for split, records in splits.items():
        for i, record in enumerate(records):
            record["id"] = f"{split}-{i:04d}"
    return splits, all_neutral


def add_noise(rng: Random, train: list[dict]) -> None:
    """Turns the label of a few training reviews round, as many of either kind, and says so."""
    for label in (0, 1):
        for record in rng.sample([r for r in train if r["label"] == label], round(len(train) * NOISE / 2)):
            record["noisy"] = True
    for record in train:
        record["label"] ^= record["noisy"]


def check(splits: dict[str, list[dict]], neutral: set[str]) -> None:
    """Asserts what the card claims."""
    seen: dict[str, str] = {}
    for split, records in splits.items():
        assert len(records) == SIZES[split]
        assert sum(r["noisy"] for r in records) == (round(len(records) * NOISE) if split == "train" else 0)
        assert sum(r["label"] for r in records) * 2 == len(records), "labels are balanced"
        for name in ("domain", "kind"):
            count = Counter((kind_of(r) if name == "kind" else r["domain"], r["label"] ^ r["noisy"]) for r in records)
            assert all(count[value, 0] == count[value, 1] for value, _ in count), f"balanced in every {name}"
        for record in records:
            check_text(record)
            assert seen.setdefault(normal(record["text"]), record["id"]) == record["id"], "no text twice"
    shown = {word for record in splits["train"] for word in card.tokens(record["text"])}
    assert not shown & card.held_out_words(), "what is held out is not in train"
    assert not any("unseen" in record["phenomena"] for record in splits["train"])
    opinionated = card.shared(splits, normal) - neutral
    assert not {s for s in opinionated if len(s.split()) > LONG}, "only neutral sentences are shared"
    for word, (count, share) in card.balance(splits).items():
        assert count < 300 or abs(share - 0.5) < 0.06, f"{word!r} tells the label: {share:.2f} of {count} are positive"


def kind_of(record: dict) -> tuple:
    """What a review was written to show."""
    main = record["phenomena"][0]
    return main, record["negation"] if main == "negation" else record["contrast"] if main == "contrast" else ""


def check_text(record: dict) -> None:
    """One record: its text is clean and its spans lie where they say."""
    text = record["text"]
    assert text.isascii() and FEWEST <= len(card.tokens(text)) <= MOST, text
    assert not re.search(r"[{}<>|()\x00-\x1f]|  | [.,;:]|[.,;:?!]{2}|\ba [aeio]\w", text), text
    assert record["spans"] or record["phenomena"][0] == "irony", text
    for span in record["spans"]:
        assert text[span["start"] : span["end"]] == span["text"] and span["text"].strip() == span["text"]


def main() -> None:
    """Writes everything."""
    rng = Random(SEED)
    splits, neutral = generate(rng)
    add_noise(rng, splits["train"])
    check(splits, neutral)
    for split, records in splits.items():
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (HERE / f"{split}.jsonl").write_text(lines, encoding="utf-8", newline="\n")
    page = HERE / "CARD.md"
    page.write_text(card.fill(page.read_text(encoding="utf-8"), splits, normal), encoding="utf-8", newline="\n")
    print(", ".join(f"{split}.jsonl: {len(records)}" for split, records in splits.items()))


if __name__ == "__main__":
    main()
