"""Makes the notices: `python data/notices/make.py` writes the three .jsonl files and the numbers in CARD.md.

Standard library only; the same bytes on every run and machine. What is promised of splits and truth is asserted first.
"""

import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import grammar
import words

HERE = Path(__file__).resolve().parent
SEED = 1911
SIZES = {"train": 900, "validation": 150, "test": 250}
UNSEEN = 0.5  # how often the test split draws a name, or a template, that is its own
ROLE = re.compile(r"\{(\w+)\}|<(\w+)>")
TYPES = {"ship": "SHIP", "captain": "PERSON", "person": "PERSON", "org": "ORG", "rock": "PLACE", "origin": "PLACE",
         "goal": "PLACE", "place": "PLACE", "date": "DATE", "day": "DATE"}  # fmt: skip


def pool(text: str) -> tuple[list[str], list[str]]:
    """The entries of all splits, and those of the test split only."""
    common, _, own = text.replace("\n", " ").partition("|")
    return [w.strip() for w in common.split(",") if w.strip()], [w.strip() for w in own.split(",") if w.strip()]


POOLS = {name.lower(): pool(text) for name, text in vars(words).items() if name.isupper()}
POOLS["decide"] = pool(grammar.DECIDE)


class Template:
    """One line of the grammar: the text with its roles, what it states, whether it is for the test split only."""

    def __init__(self, line: str):
        self.own = line.startswith("*")
        self.text, _, states = line.removeprefix("*").strip().partition(" | ")
        self.states = states.split()
        self.roles = {role for role, _ in ROLE.findall(self.text) if role}
        # "She" needs a ship in the sentence before.
        self.leans = bool({"C", "O", "F", "G"} & set(self.states)) and "ship" not in self.roles


def templates(text: str) -> list[Template]:
    return [Template(line) for line in text.strip().splitlines()]


FOLLOW = {name: templates(text) for name, text in grammar.FOLLOW.items()}
CHATTER = templates(grammar.CHATTER)
KINDS = {
    kind: {part: templates(text) if part in ("key", "background", "summary") else text for part, text in parts.items()}
    for kind, parts in grammar.KINDS.items()
}


class Notice:
    """One notice with all that is known about it."""

    def __init__(self, rng: Random, kind: str, split: str):
        self.rng, self.kind, self.test = rng, kind, split == "test"
        self.fixed: dict[str, str] = {}  # words that stay the same in a notice
        self.text, self.mentions, self.relations, self.sentences = "", [], [], []
        self.seen: dict[str, list[int]] = {}  # role -> its mentions
        self.evidence: dict[str, int] = {}  # fact -> the sentence that states it first
        self.cast = self.draw_cast()
        self.write()

    # names
    def draw(self, name: str) -> str:
        common, own = POOLS[name]
        return self.rng.choice(own if self.test and own and self.rng.random() < UNSEEN else common)

    def surname(self) -> str:
        return self.draw("double" if self.rng.random() < 0.35 else "surnames")

    def town(self) -> str:
        return self.draw("double" if self.rng.random() < 0.35 else "towns")

    def organisation(self) -> str:
        kind = self.rng.choice(("body", "body", "trade", "sons", "pair"))
        if kind == "body":
            return "the " + self.draw("bodies")
        if kind == "trade":
            return f"the {self.town()} {self.draw('trades')}"
        ending = self.rng.choice(("and Sons", "Brothers", "and Daughters"))
        return f"{self.surname()} {ending}" if kind == "sons" else f"{self.surname()} and {self.surname()}"

    def date(self) -> str:
        kind = self.rng.choices(("day", "long", "short", "feast"), weights=(35, 35, 20, 10))[0]
        if kind == "day":
            return self.draw("days")
        if kind == "long":
            return f"the {self.draw('ordinals')} of {self.draw('months')}"
        return f"{self.rng.randint(1, 28)} {self.draw('months')}" if kind == "short" else self.draw("feasts")

    def ship(self) -> str:
        kind = self.rng.choices(("thing", "double", "person", "of", "town"), weights=(32, 26, 20, 14, 8))[0]
        if kind == "thing":
            return self.draw("ships")
        if kind == "person":
            return f"{self.draw('women')} {self.surname()}"
        if kind == "of":
            return f"{self.rng.choice(('Maid', 'Pride', 'Star', 'Lady'))} of {self.town()}"
        return self.draw("double") if kind == "double" else self.town()

    def person(self) -> dict:
        woman = self.rng.random() < 0.5
        title = self.rng.choice(("Mrs", "Miss")) if woman else "Mr"
        return {"first": self.draw("women" if woman else "men"), "last": self.surname(), "title": title}

    def draw_cast(self) -> dict:
        """Who and what the roles are; no two of one kind have the same name."""
        cast: dict = {}
        taken: set[str] = set()

        def new(make):
            while True:
                found = make()
                name = found["last"] if isinstance(found, dict) else found
                if name not in taken:
                    taken.add(name)
                    return found

        for role in ("captain", "captain2", "person", "person2"):
            cast[role] = new(self.person)
        for role in ("owner", "owner2"):
            cast[role] = new(self.organisation if self.rng.random() < 0.45 else self.person)
        taken.clear()  # a place may be called as a person is
        for role in ("origin", "goal", "origin2", "goal2", "place", "place2"):
            cast[role] = new(self.town)
        cast["rock"] = self.draw("rocks")
        for role in ("org", "org2"):
            cast[role] = new(lambda: "the " + self.draw("bodies"))
        for role in ("date", "date2"):
            cast[role] = new(self.date)
        for role in ("day", "day2"):
            cast[role] = new(lambda: self.draw("days"))
        taken.clear()
        for role in ("ship", "ship2"):
            cast[role] = new(self.ship)
        if self.rng.random() < 0.15:  # the ship is called as somebody or something else in the same notice
            role = self.rng.choice(("goal", "place2", "origin", "owner", "captain"))
            other = cast[role]
            name = other if isinstance(other, str) else f"{other['first']} {other['last']}"
            if not name.startswith("the ") and name != cast["ship2"]:
                cast["ship"] = name
        return cast

    # words
    def mention(self, role: str, full: bool = False) -> tuple[str, str]:
        """What stands before the name (article, title), and the name."""
        found = self.cast[role]
        if isinstance(found, str):
            return ("the ", found[4:]) if found.startswith("the ") else ("", found)
        name, captain = f"{found['first']} {found['last']}", role.startswith("captain")
        if full:
            return "", name
        if role in self.seen and self.rng.random() < 0.6:
            return ("Captain " if captain else f"{found['title']} "), found["last"]
        return ("Captain " if captain and self.rng.random() < 0.5 else ""), name

    def word(self, name: str) -> str:
        if name in ("n", "N"):
            found = self.draw("numbers")
        elif name.lower() in ("thing", "decide"):
            found = self.fixed.setdefault(name.lower(), self.draw({"thing": "things"}.get(name.lower(), name.lower())))
        else:
            found = self.draw({"ordinal": "ordinals"}.get(name, name))
        return found[0].upper() + found[1:] if name[0].isupper() else found

    def say(self, template: Template, full: bool = False) -> tuple[str, list[tuple[str, int, int]]]:
        """A template as a sentence, and where it mentions which role."""
        out, at, places = "", 0, []
        for match in ROLE.finditer(template.text):
            out += template.text[at : match.start()]
            at = match.end()
            if match[2]:
                out += self.word(match[2])
                continue
            before, name = self.mention(match[1], full)
            out += before
            places.append((match[1], len(out), len(out) + len(name)))
            out += name
        out += template.text[at:]
        return out[0].upper() + out[1:], places

    def add(self, template: Template) -> None:
        """Put a sentence behind the text, with its mentions and what it states."""
        sentence, places = self.say(template)
        self.text += " " * bool(self.text)
        start, here = len(self.text), {}
        self.text += sentence
        for role, a, b in places:
            here.setdefault(role, len(self.mentions))
            self.seen.setdefault(role, []).append(len(self.mentions))
            entity = self.cast[role]
            owner = "PERSON" if isinstance(entity, dict) else "ORG"
            kind = TYPES.get(role.rstrip("2"), owner)
            self.mentions.append({"start": start + a, "end": start + b, "type": kind, "role": role})
        for fact in template.states:
            self.evidence.setdefault(fact, len(self.sentences))
            if fact in grammar.FACTS:
                name, head, tail = grammar.FACTS[fact]
                if head in here and tail in here:
                    self.relations.append({"head": here[head], "tail": here[tail], "type": name})
        self.sentences.append(template)

    # the whole
    def pick(self, candidates: list[Template]) -> Template | None:
        last = self.sentences[-1] if self.sentences else None
        stands = last is not None and "ship" in last.roles and "ship2" not in last.roles
        banned = {"C2"} if self.kind == "command" else set()
        fit = [t for t in candidates if not banned & set(t.states) and (stands or not t.leans)]
        fit = [t for t in fit if t not in self.sentences and (self.test or not t.own)]
        own = [t for t in fit if t.own]
        if self.test and own and self.rng.random() < UNSEEN / 2:
            fit = own
        return self.rng.choice(fit) if fit else None

    def write(self) -> None:
        """Sentences in an order in which the important one often stands late."""
        kind, rng = KINDS[self.kind], self.rng
        parts = [name for name in kind["follow"].split() if rng.random() < 0.72]
        rng.shuffle(parts)
        before: list = [CHATTER] * rng.choices((0, 1, 2), weights=(50, 38, 12))[0]
        before += [kind["background"]] * (rng.random() < 0.4)
        while parts and rng.random() < 0.35:
            before.append(FOLLOW[parts.pop()])
        rng.shuffle(before)
        if rng.random() < 0.3:
            before = []
        after = [FOLLOW[name] for name in parts]
        if rng.random() < 0.35:
            after.insert(rng.randint(0, len(after)), CHATTER)
        for group in before:
            if template := self.pick(group):
                self.add(template)
        self.key = len(self.sentences)
        self.add(self.pick(kind["key"]))
        for group in after:
            if template := self.pick(group):
                self.add(template)

    def summary(self) -> tuple[str, list[int]]:
        """What is to be remembered, in other words, and the sentences that it rests on."""
        known = set(self.seen)
        fit = [t for t in KINDS[self.kind]["summary"] if t.roles <= known and not t.own]
        said, rests = [self.say(self.rng.choice(fit), full=True)[0]], [self.key]
        for line in grammar.SECOND_OF.get(self.kind, grammar.SECOND).strip().splitlines():
            fact, text = line.split(" ", 1)
            template = Template(text)
            told = any(full in said[0] for full in (self.mention(role, True)[1] for role in template.roles - {"ship2"}))
            if self.evidence.get(fact, self.key) > self.key and not told and template.roles <= known:
                said.append(self.say(template, full=True)[0])
                rests.append(self.evidence[fact])
                break
        return " ".join(said), rests

    def questions(self) -> list[dict]:
        """Three questions at most that the text answers, and sometimes one that it does not."""
        lines = []
        for line in KINDS[self.kind]["questions"].strip().splitlines():
            fact, text = line.split(" ", 1)
            lines.append((fact, text, grammar.ANSWERS[fact]))
        special = {line[0] for line in lines}
        past = self.kind == "wreck"
        for line in (grammar.QUESTIONS_PAST if past else grammar.QUESTIONS).strip().splitlines():
            text, role = line.split(" > ")
            lines.append((*text.split(" ", 1), role))
        for line in grammar.QUESTIONS.strip().splitlines():  # the same of the second ship
            text, role = line.split(" > ")
            fact, text = text.split(" ", 1)
            lines.append((fact + "2", re.sub(r"\{(\w+)\}", r"{\g<1>2}", text), role + "2"))
        choices: dict[str, list] = {}
        for fact, text, role in lines:
            own = text.startswith("*")
            if self.test or not own:
                choices.setdefault(fact, []).append((Template(text), role))
        stated = [f for f in choices if f in self.evidence or (f == "B" and "org" in self.seen)]
        first = [f for f in stated if f in special][:2]
        others = [f for f in stated if f not in first]
        self.rng.shuffle(others)
        asked = [self.ask(fact, choices[fact]) for fact in (first + others)[:3]]
        silent = [f for f in choices if f in grammar.FACTS and f not in self.evidence
                  and ("ship2" if f.endswith("2") else "ship") in self.seen]  # fmt: skip
        if silent and self.rng.random() < 0.4:
            fact = self.rng.choice(silent)
            fit = [(t, role) for t, role in choices[fact] if "captain" not in t.text and t.roles <= set(self.seen)]
            if fit:
                template, _ = self.rng.choice(fit)
                asked.append(self.asked(template, [], fact))
        return [question for question in asked if question]

    def ask(self, fact: str, choices: list) -> dict | None:
        fit = [(t, role) for t, role in choices if t.roles <= set(self.seen)]
        own = [choice for choice in fit if choice[0].own]
        template, role = self.rng.choice(own if own and self.rng.random() < UNSEEN / 2 else fit) if fit else (None, "")
        if template is None or role not in self.seen:
            return None
        at = self.evidence.get(fact, self.key)
        bounds = self.bounds()
        inside = [m for m in self.seen[role] if bounds[at][0] <= self.mentions[m]["start"] < bounds[at][1]]
        others = [m for m in self.seen[role] if m not in inside[:1]]
        return self.asked(template, inside[:1] + others, fact) if inside else None

    def asked(self, template: Template, answers: list[int], fact: str) -> dict:
        text = self.say(template, full=True)[0]
        return {"question": text, "answers": answers, "kind": fact.rstrip("2"), "unseen": template.own}

    def bounds(self) -> list[tuple[int, int]]:
        """Where each sentence begins and ends."""
        found, start = [], 0
        for match in re.finditer(r"(?<=[.!?]) (?=[A-Z0-9])", self.text):
            found.append((start, match.start()))
            start = match.end()
        return [*found, (start, len(self.text))]

    def record(self) -> dict:
        summary, rests = self.summary()
        entities = [{key: m[key] for key in ("start", "end", "type")} for m in self.mentions]
        return {"id": "", "kind": self.kind, "text": self.text, "entities": entities, "relations": self.relations,
                "questions": self.questions(), "summary": summary, "key": rests}  # fmt: skip


def make() -> dict[str, list[dict]]:
    rng, rows, texts = Random(SEED), {}, set()
    for split, size in SIZES.items():
        rows[split] = []
        while len(rows[split]) < size:
            notice = Notice(rng, list(KINDS)[len(rows[split]) % len(KINDS)], split)
            normal = " ".join(re.findall(r"\w+", notice.text.lower()))
            count = len(notice.sentences)
            if normal in texts or not 3 <= count <= 8 or len(notice.bounds()) != count:
                continue
            texts.add(normal)
            rows[split].append({**notice.record(), "id": f"{split}-{len(rows[split]):04}"})
        rng.shuffle(rows[split])
        for number, row in enumerate(rows[split]):
            row["id"] = f"{split}-{number:04}"
    return rows


def check(rows: dict[str, list[dict]]) -> None:
    """What the card promises."""
    for row in (row for split in rows.values() for row in split):
        ends = 0
        for entity in row["entities"]:
            name = row["text"][entity["start"] : entity["end"]]
            assert name and name == name.strip() and entity["start"] >= ends and not name.startswith("the "), row
            ends = entity["end"]
        for relation in row["relations"]:
            head, tail = row["entities"][relation["head"]], row["entities"][relation["tail"]]
            assert (head["type"], tail["type"]) in {("PERSON", "SHIP"), ("ORG", "SHIP"), ("SHIP", "PLACE")}, row
        assert row["questions"] and all(i < len(row["entities"]) for q in row["questions"] for i in q["answers"])
        assert not re.search(r"[{}<>|*]", row["text"] + row["summary"] + row["questions"][0]["question"]), row["text"]


def names(rows: list[dict], kind: str | None = None) -> Counter:
    return Counter((r["text"][e["start"] : e["end"]], e["type"]) for r in rows for e in r["entities"]
                   if kind in (None, e["type"]))  # fmt: skip


def numbers(rows: dict[str, list[dict]]) -> str:
    """The tables of the card."""
    lines = ["| | " + " | ".join(rows) + " |", "|---|" + "--:|" * len(rows)]

    def line(what: str, count) -> None:
        lines.append(f"| {what} | " + " | ".join(f"{count(found):,}" for found in rows.values()) + " |")

    def questions(found: list[dict]) -> list[dict]:
        return [question for row in found for question in row["questions"]]

    line("notices", len)
    line("words", lambda found: sum(len(re.findall(r"\w+", r["text"])) for r in found))
    line("sentences", lambda found: sum(len(re.findall(r"[.?!](?= [A-Z0-9]|$)", r["text"])) for r in found))
    for kind in ("PERSON", "PLACE", "SHIP", "DATE", "ORG"):
        line(f"mentions: {kind}", lambda found, kind=kind: sum(names(found, kind).values()))
    for kind in ("captain_of", "owns", "came_from", "bound_for"):
        line(
            f"relations: {kind}",
            lambda found, kind=kind: sum(pair["type"] == kind for row in found for pair in row["relations"]),
        )
    line("questions", lambda found: len(questions(found)))
    line("... without an answer in the text", lambda found: sum(not q["answers"] for q in questions(found)))
    line("... in words of the test split alone", lambda found: sum(q["unseen"] for q in questions(found)))
    line("notices whose important sentence is the first", lambda found: sum(r["key"][0] == 0 for r in found))
    known = {name for name, _ in names(rows["train"])}
    kinds: dict[str, set] = {}
    for name, kind in names(rows["train"]):
        kinds.setdefault(name, set()).add(kind)
    test = names(rows["test"])
    unseen = sum(n for (name, _), n in test.items() if name not in known) / sum(test.values())
    several = sum(n for (name, _), n in test.items() if len(kinds.get(name, ())) > 1) / sum(test.values())
    told = (
        f"Of the {sum(test.values()):,} mentions in test, {unseen:.0%} have a name that no mention in train has, and "
    )
    return "\n".join([*lines, "", f"{told}{several:.0%} a name that stands for several types in train."])


def main() -> None:
    rows = make()
    check(rows)
    for split, found in rows.items():
        lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in found]
        (HERE / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
    card = (HERE / "CARD.md").read_text(encoding="utf-8")
    head, rest = card.split("<!-- numbers: made by make.py -->\n")
    tail = rest.split("<!-- end of numbers -->")[1]
    table = f"<!-- numbers: made by make.py -->\n{numbers(rows)}\n<!-- end of numbers -->"
    (HERE / "CARD.md").write_text(head + table + tail, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
