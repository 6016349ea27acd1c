"""Makes the tales: `python data/tales/make.py` writes the three .jsonl files and the table in CARD.md.

They are told from the grammar in `grammar/`. The same files go in, the same bytes come out, on any machine. What is
promised of the splits and of the ground truth is asserted before anything is written.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from grammar import Draw, read_plots
from tale import WORD, Tale

HERE = Path(__file__).resolve().parent
SEED = 1907
TALES = 760
SENTENCES = (6, 16)
"""The fewest and the most sentences of a tale."""
REFRAIN = 20
"""No six words in a row stand in more tales than this."""
SPLITS = ("train", "validation", "test")
Record = dict[str, Any]


def sentences(text: str) -> list[str]:
    """The sentences of a text, without the quotation marks around them."""
    return [sentence.strip(' "\n') for sentence in re.split(r'(?<=[.?!])"?\s+', text)]


def six_words(text: str) -> set[tuple[str, ...]]:
    """All runs of six words."""
    words = WORD.findall(text.lower())
    return {tuple(words[i : i + 6]) for i in range(len(words) - 5)}


def long_sentences(text: str) -> list[str]:
    """The sentences of more than six words."""
    return [sentence for sentence in sentences(text) if len(WORD.findall(sentence)) > 6]


def tell_tales() -> list[Record]:
    """All tales. One that repeats a long sentence of another, or adds to a refrain, is told again."""
    draw, plots = Draw(SEED), read_plots()
    told: set[str] = set()
    runs: Counter[tuple[str, ...]] = Counter()
    records: list[Record] = []
    while len(records) < TALES:
        tale = Tale(plots[len(records) % len(plots)], draw)
        new, count = long_sentences(tale.text), len(sentences(tale.text))
        refrain = any(runs[run] >= REFRAIN for run in six_words(tale.text))
        if refrain or told & set(new) or not SENTENCES[0] <= count <= SENTENCES[1]:
            continue
        told.update(new)
        runs.update(six_words(tale.text))
        name = f"tale-{len(records) + 1:05}"
        records.append({"id": name, "text": tale.text, "truth": tale.truth})
    return records


def split_of(place: int) -> str:
    """Of every ten tales eight are for training, one is for the test and one for validation."""
    return {4: "test", 9: "validation"}.get(place % 10, "train")


def split(tales: list[Record]) -> dict[str, list[Record]]:
    """Deals out the tales by draw."""
    dealt: dict[str, list[Record]] = {name: [] for name in SPLITS}
    draw = Draw(SEED + 1)
    places = [place % 10 for place in range(len(tales))]
    for record in tales:
        dealt[split_of(places.pop(draw.below(len(places))))].append(record)
    return dealt


def check(dealt: dict[str, list[Record]]) -> None:
    """Asserts what the card promises."""
    for records in dealt.values():
        for record in records:
            text, truth = record["text"], record["truth"]
            assert text.isascii(), record["id"]
            assert not re.search(r"[{}\[\]\x00-\x09\x0b-\x1f]| {2}", text), record["id"]
            for verb in truth["agreement"]:
                assert text[verb["verb_start"] :].startswith(verb["verb"]), (record["id"], verb)
            for again in truth["recall"]:
                assert text[again["start"] :].startswith(again["word"]), (record["id"], again)
                assert again["distance"] > 0, (record["id"], again)
    homes: dict[str, str] = {}
    for name, records in dealt.items():
        for record in records:
            for line in [record["text"], *long_sentences(record["text"])]:
                assert homes.setdefault(line, name) == name, f"in {homes[line]} and {name}: {line}"


def words_of(records: list[Record]) -> list[str]:
    """All words of some documents in lower case."""
    return [word for record in records for word in WORD.findall(record["text"].lower())]


def table(dealt: dict[str, list[Record]]) -> str:
    """Sizes by split, then what the ground truth holds, as Markdown."""
    rows = ["| split | tales | words | word types |", "|---|--:|--:|--:|"]
    every = [record for records in dealt.values() for record in records]
    for name, records in [*dealt.items(), ("all", every)]:
        words = words_of(records)
        rows.append(f"| {name} | {len(records):,} | {len(words):,} | {len(set(words)):,} |")
    verbs = [verb for record in every for verb in record["truth"]["agreement"]]
    recalls = [again for record in every for again in record["truth"]["recall"]]
    rows += ["", "| truth in the tales | number |", "|---|--:|"]
    rows.append(f"| plots | {len({record['truth']['plot'] for record in every})} |")
    rows.append(f"| people | {sum(len(record['truth']['people']) for record in every):,} |")
    rows.append(f"| verbs that agree with a marked subject | {len(verbs):,} |")
    rows.append(f"| ... four or more words after it | {sum(verb['distance'] >= 4 for verb in verbs):,} |")
    rows.append(f"| ... with an attractor between | {sum(verb['attractor'] for verb in verbs):,} |")
    rows.append(f"| words recalled | {len(recalls):,} |")
    for what, count in sorted(Counter(again["what"] for again in recalls).items()):
        far = sum(again["what"] == what and again["distance"] >= 10 for again in recalls)
        rows.append(f"| ... {what} (ten or more words back) | {count:,} ({far:,}) |")
    refrain = max(Counter(run for record in every for run in six_words(record["text"])).values())
    rows.append(f"| tales that share the commonest run of six words | {refrain} |")
    return "\n".join(rows)


def main() -> None:
    """Writes everything."""
    dealt = split(tell_tales())
    check(dealt)
    for name, records in dealt.items():
        lines = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records]
        (HERE / f"{name}.jsonl").write_bytes("".join(lines).encode())
    size = sum((HERE / f"{name}.jsonl").stat().st_size for name in SPLITS)
    assert size < 3_000_000, f"{size:,} bytes"
    numbers = f"{table(dealt)}\n\nTogether {size:,} bytes."
    card = HERE / "CARD.md"
    start, end = "<!-- numbers: made by make.py -->\n", "\n<!-- end of numbers -->"
    before, rest = card.read_text(encoding="utf-8").split(start)
    after = rest[rest.index(end) :]
    card.write_bytes((before + start + numbers + after).encode())
    print(numbers)


if __name__ == "__main__":
    main()
