"""Writes the phrasebook: train.jsonl, validation.jsonl, test.jsonl and the tables of CARD.md.

Run `python data/phrasebook/make.py`. It needs the standard library only and writes the same bytes every time.
"""

import json
from pathlib import Path
from random import Random

import card
from languages import Chinese, English, German, alignment, spell
from meaning import Speaker, features

HERE = Path(__file__).parent
SEED = 1_912
SIZES = {"test": 800, "validation": 400, "train": 8000}
MOST = 24  # English words and marks in a sentence
HELD_OUT = "nested"  # a construction that train does not have


def record(generator: Random) -> dict:
    """One sentence in three languages, with what is known of it."""
    said = Speaker(generator).sentence()
    en, de, zh = (spell(language(), said) for language in (English, German, Chinese))
    texts = {name: " ".join(word.text for word in words) for name, words in (("en", en), ("de", de), ("zh", zh))}
    return texts | {"en_de": alignment(en, de), "en_zh": alignment(en, zh), "features": features(said)}


def splits() -> dict[str, list[dict]]:
    """The corpus. No sentence, whatever its language, occurs twice."""
    generator, seen, found = Random(SEED), set(), {}
    for split, size in SIZES.items():
        found[split] = []
        while len(found[split]) < size:
            candidate = record(generator)
            texts = {candidate["en"], candidate["de"], candidate["zh"]}
            held_out = split == "train" and HELD_OUT in candidate["features"]
            if len(candidate["en"].split()) > MOST or texts & seen or held_out:
                continue
            seen |= texts
            found[split].append({"id": f"{split}-{len(found[split]):04}"} | candidate)
    return {split: found[split] for split in ("train", "validation", "test")}


if __name__ == "__main__":
    made = splits()
    for split, records in made.items():
        lines = [json.dumps(r, ensure_ascii=False) + "\n" for r in records]
        (HERE / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
    card.write(made)
