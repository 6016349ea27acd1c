"""Makes the harbour corpus: `python data/harbour/make.py` writes the three .jsonl files and the table in CARD.md.

The same files in `prose/` go in, the same bytes come out, on any machine. What is promised of the splits is checked
before anything is written.
"""

import json
import re
import sys
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPLITS = ("train", "validation", "test")
FORMS = ("story", "letter", "diary", "essay", "report", "history", "news", "dialogue", "howto", "talk")
WORD = re.compile(r"\w+")
HELD_OUT = 15_000
"""The fewest words of the validation and of the test split."""
SHINGLE, ALIKE = 5, 0.02
"""Documents are near-duplicates if they share more than this share of their runs of so many words (Broder, 1997)."""
COPIED = 12
"""No run of so many words occurs in two documents."""
Record = dict[str, str]


def words_of(records: list[Record]) -> list[str]:
    """All words of some documents in lower case."""
    return [word for record in records for word in WORD.findall(record["text"].lower())]


def read_prose() -> list[Record]:
    """All files of `prose/`, by name. The first line of each is its title."""
    records = []
    for path in sorted((HERE / "prose").glob("*.txt")):
        paragraphs = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        form = path.stem.split("_")[0]
        records.append({"id": path.stem, "form": form, "title": paragraphs[0], "text": "\n\n".join(paragraphs)})
    return records


def split_of(place: int) -> str:
    """Of every ten documents eight are for training, one is for the test and one for validation."""
    return {4: "test", 9: "validation"}.get(place % 10, "train")


def split(prose: list[Record]) -> dict[str, list[Record]]:
    """Deals out each form of prose by name, so that every split holds every form."""
    dealt: dict[str, list[Record]] = {name: [] for name in SPLITS}
    for form in FORMS:
        for place, record in enumerate(record for record in prose if record["form"] == form):
            dealt[split_of(place)].append(record)
    return dealt


def runs(text: str, size: int) -> set[tuple[str, ...]]:
    """All runs of so many words."""
    words = WORD.findall(text.lower())
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def near_duplicates(records: list[Record], size: int = SHINGLE) -> dict[tuple[str, str], float]:
    """How alike the documents are that have a run of words in common: shared runs over all runs of both (Jaccard)."""
    of = {record["id"]: runs(record["text"], size) for record in records}
    holders: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, found in of.items():
        for run in found:
            holders[run].append(name)
    shared = Counter(pair for names in holders.values() for pair in combinations(sorted(names), 2))
    return {(a, b): count / (len(of[a]) + len(of[b]) - count) for (a, b), count in shared.items()}


def check(dealt: dict[str, list[Record]]) -> None:
    """Stops with one sentence unless everything is as the card promises."""
    every = [record for records in dealt.values() for record in records]
    for record in every:
        if record["form"] not in FORMS:
            sys.exit(f"prose/{record['id']}.txt: {record['form']!r} is no form; known: {', '.join(FORMS)}.")
        if found := re.search(r"[\x00-\x09\x0b-\x1f\u2018-\u201d]| {2}", record["text"]):
            sys.exit(f"prose/{record['id']}.txt holds {found.group()!r}: write straight quotation marks and one space.")
    for name, records in dealt.items():
        if missing := set(FORMS) - {record["form"] for record in records}:
            sys.exit(f"The split {name} has no {', '.join(sorted(missing))}.")
        if name != "train" and len(words_of(records)) < HELD_OUT:
            sys.exit(f"The split {name} has fewer than {HELD_OUT:,} words.")
    for pair, alike in near_duplicates(every).items():
        if alike > ALIKE:
            sys.exit(f"{' and '.join(pair)} are near-duplicates: they share {alike:.1%} of their runs of five words.")
    if copied := near_duplicates(every, COPIED):
        sys.exit(f"{' and '.join(next(iter(copied)))} have a run of {COPIED} words in common.")


def table(dealt: dict[str, list[Record]]) -> str:
    """Sizes by split, then by form, as Markdown."""
    every = [record for records in dealt.values() for record in records]
    rows = ["| split | documents | words | word types |", "|---|--:|--:|--:|"]
    for name, records in [*dealt.items(), ("all", every)]:
        words = words_of(records)
        rows.append(f"| {name} | {len(records):,} | {len(words):,} | {len(set(words)):,} |")
    rows += ["", f"| form | {' | '.join(SPLITS)} | words |", "|---|--:|--:|--:|--:|"]
    for form in FORMS:
        counts = [sum(record["form"] == form for record in records) for records in dealt.values()]
        words = words_of([record for record in every if record["form"] == form])
        rows.append(f"| {form} | {' | '.join(map(str, counts))} | {len(words):,} |")
    return "\n".join(rows)


def main() -> None:
    """Writes everything."""
    dealt = split(read_prose())
    check(dealt)
    for name, records in dealt.items():
        lines = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records]
        (HERE / f"{name}.jsonl").write_bytes("".join(lines).encode())
    size = sum((HERE / f"{name}.jsonl").stat().st_size for name in SPLITS)
    numbers = f"{table(dealt)}\n\nTogether {size:,} bytes."
    card = HERE / "CARD.md"
    start, end = "<!-- numbers: made by make.py -->\n", "\n<!-- end of numbers -->"
    before, rest = card.read_text(encoding="utf-8").split(start)
    after = rest[rest.index(end) :]
    card.write_bytes((before + start + numbers + after).encode())
    print(numbers)


if __name__ == "__main__":
    main()
