"""Makes the harbour_zh corpus: `python data/harbour_zh/make.py` writes the three .jsonl files and the table in CARD.md.

The Chinese is read from `prose/`, the English and the split of each document from the files of `../harbour`, which
must be there. Paragraph stands beside paragraph. What the card promises is checked before anything is written.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENGLISH = HERE.parent / "harbour"
SPLITS = ("train", "validation", "test")
HAN = re.compile(r"[\u4e00-\u9fff]")
WORD = re.compile(r"\w+")
RATIO = (0.9, 2.0)
"""The fewest and the most Chinese characters to an English word, in a paragraph of 20 English words or more."""
Record = dict[str, str]


def paragraphs_of(path: Path) -> list[str]:
    """The paragraphs of a file, which are parted by a blank line."""
    return [part.strip() for part in path.read_text(encoding="utf-8").split("\n\n") if part.strip()]


def read_english() -> dict[str, tuple[str, list[str]]]:
    """Of every English document by name: its split in harbour and its paragraphs."""
    found = {}
    for name in SPLITS:
        path = ENGLISH / f"{name}.jsonl"
        if not path.is_file():
            sys.exit(f"harbour/{name}.jsonl is missing; make it with: python data/harbour/make.py")
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            found[record["id"]] = name, record["text"].split("\n\n")
    return found


def read_glossary() -> dict[str, str]:
    """English name -> Chinese name."""
    lines = (HERE / "glossary.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def check(name: str, chinese: list[str], english: list[str], glossary: dict[str, str]) -> None:
    """Stops with one sentence if a translation is not what the card promises."""
    if len(chinese) != len(english):
        sys.exit(f"prose/{name}.txt has {len(chinese)} paragraphs, but the English has {len(english)}.")
    for number, (ours, theirs) in enumerate(zip(chinese, english, strict=True)):
        where = f"Paragraph {number} of prose/{name}.txt"
        if found := re.search(r"[\u4e00-\u9fff][,.;:?!()'\"]|[,.;:?!()'\"][\u4e00-\u9fff]|[ \n]{2}|\n|\t", ours):
            sys.exit(f"{where} has punctuation or space that is not Chinese: {found.group()!r}.")
        words = len(WORD.findall(theirs))
        if words >= 20 and not RATIO[0] <= len(HAN.findall(ours)) / words <= RATIO[1]:
            sys.exit(f"{where} has {len(HAN.findall(ours))} characters for {words} English words; is it the right one?")
    whole, translated = "\n".join(english), "\n".join(chinese)
    for theirs, ours in glossary.items():
        if re.search(rf"\b{re.escape(theirs)}\b", whole) and ours not in translated:
            sys.exit(f"prose/{name}.txt does not hold {ours}, though the English speaks of {theirs}.")


def align() -> dict[str, list[Record]]:
    """All paragraphs beside their English, by split."""
    english, glossary = read_english(), read_glossary()
    dealt: dict[str, list[Record]] = {name: [] for name in SPLITS}
    for path in sorted((HERE / "prose").glob("*.txt")):
        if path.stem not in english:
            sys.exit(f"prose/{path.name} translates nothing: harbour has no prose of that name.")
        split, theirs = english[path.stem]
        ours = paragraphs_of(path)
        check(path.stem, ours, theirs, glossary)
        for number, (text, original) in enumerate(zip(ours, theirs, strict=True)):
            dealt[split].append({"id": f"{path.stem}-{number:02}", "text": text, "english": original})
    return dealt


def table(dealt: dict[str, list[Record]]) -> str:
    """Sizes by split, as Markdown."""
    rows = [
        "| split | documents | paragraphs | Chinese characters | different ones | all signs | English words |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    every = [record for records in dealt.values() for record in records]
    for name, records in [*dealt.items(), ("all", every)]:
        documents = len({record["id"].rsplit("-", 1)[0] for record in records})
        text = "".join(record["text"] for record in records)
        han = HAN.findall(text)
        words = sum(len(WORD.findall(record["english"])) for record in records)
        numbers = [documents, len(records), len(han), len(set(han)), len(text), words]
        rows.append(f"| {name} | {' | '.join(f'{number:,}' for number in numbers)} |")
    return "\n".join(rows)


def main() -> None:
    """Writes everything."""
    dealt = align()
    for name, records in dealt.items():
        lines = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records]
        (HERE / f"{name}.jsonl").write_bytes("".join(lines).encode())
    card = HERE / "CARD.md"
    start, end = "<!-- numbers: made by make.py -->\n", "\n<!-- end of numbers -->"
    before, rest = card.read_text(encoding="utf-8").split(start)
    after = rest[rest.index(end) :]
    numbers = table(dealt)
    card.write_bytes((before + start + numbers + after).encode())
    print(numbers)


if __name__ == "__main__":
    main()
