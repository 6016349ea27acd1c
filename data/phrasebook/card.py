"""The tables of CARD.md, made from the records themselves, so that no figure in it is typed."""

from collections import Counter
from pathlib import Path

BEGIN, END = "<!-- tables: written by make.py -->", "<!-- end of tables -->"
PAIRS = {"en_de": "English–German", "en_zh": "English–Chinese"}


def links(alignment: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The sure and the possible links of an alignment; those that are only possible come second."""
    sure, possible = [], []
    for link in alignment.split():
        kind = "-" if "-" in link else "?"
        i, j = link.split(kind)
        (sure if kind == "-" else possible).append((int(i), int(j)))
    return sure, possible


def crossing(alignment: str) -> float:
    """The share of pairs of sure links that cross: 0 where both have the same order, 1 where it is turned round."""
    sure, _ = links(alignment)
    pairs = [(a, b) for n, a in enumerate(sure) for b in sure[n + 1 :] if a[0] != b[0] and a[1] != b[1]]
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in pairs) / max(len(pairs), 1)


def mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def table(head: list[str], rows: list[list]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def tables(splits: dict[str, list[dict]]) -> str:
    """Sizes, order and constructions."""
    train, names = splits["train"], ("en", "de", "zh")
    known = {name: Counter(word for r in train for word in r[name].split()) for name in names}
    sizes = []
    for split, records in splits.items():
        texts = {name: [r[name].split() for r in records] for name in names}
        words = [f"{sum(map(len, texts[name])):,}" for name in names]
        lengths = sorted(len(text) for text in texts["en"])
        new = [f"{mean([word not in known[name] for text in texts[name] for word in text]):.2%}" for name in names]
        shape = f"{lengths[0]} / {mean(lengths):.1f} / {lengths[-1]}"
        sizes.append([split, f"{len(records):,}", *words, shape, " / ".join(new)])
    head = ["split", "sentences", *(f"words, {name}" for name in names), "English length", "words new: en / de / zh"]
    order = []
    for pair, title in PAIRS.items():
        found = [links(r[pair]) for r in train]
        sure, possible = sum(len(s) for s, _ in found), sum(len(p) for _, p in found)
        moved = [crossing(r[pair]) for r in train]
        order.append([title, f"{sure:,}", f"{possible:,}", f"{mean(moved):.1%}", f"{mean([m > 0 for m in moved]):.1%}"])
    kinds = sorted({feature for records in splits.values() for r in records for feature in r["features"]})
    counts = {split: Counter(f for r in records for f in r["features"]) for split, records in splits.items()}
    test = splits["test"]
    rows = []
    for kind in kinds:
        moved = [f"{mean([crossing(r[pair]) for r in test if kind in r['features']]):.1%}" for pair in PAIRS]
        rows.append([kind, *(f"{counts[split][kind]:,}" for split in splits), *moved])
    once = [f"{name} {sum(count == 1 for count in known[name].values())}" for name in names]
    vocabulary = [f"{name} {len(known[name])}" for name in names]
    return "\n\n".join(
        [
            table(head, sizes),
            f"Different words in train: {', '.join(vocabulary)}; of these seen once: {', '.join(once)}.",
            table(["train", "sure links", "possible links", "pairs of sure links that cross", "in sentences"], order),
            "### Constructions\n\nWith the share of crossing pairs of links in the test split.",
            table(["construction", *splits, "crossing, en–de", "crossing, en–zh"], rows),
        ]
    )


def write(splits: dict[str, list[dict]]) -> None:
    """Put the tables into CARD.md."""
    path = Path(__file__).parent / "CARD.md"
    text = path.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    path.write_text(f"{before}{BEGIN}\n\n{tables(splits)}\n\n{after}", encoding="utf-8", newline="\n")
