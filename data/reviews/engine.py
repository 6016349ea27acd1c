"""Turns the templates of `grammar` into reviews and keeps the truth about them: what is said of what, and how.

While a review is being written, an opinion expression stands between the marks OPEN and CLOSE, with the number of its
record; `finish` takes the marks out and knows the character offsets.
"""

import re
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

import words
from domains import DOMAINS, PRODUCTS
from grammar import CLAUSES, HELD_OUT, NEGATED, SIMPLE_CLAUSES, THIRD_PERSON

OPEN, CLOSE = "\x02", "\x03"
MARK = re.compile(r"\x02(\d+):|\x03")
CHOICE = re.compile(r"\(([^()]*)\)")
SLOT = re.compile(r"\{(\w+)(?:\.([SO]))?([~*]*)\}")
ARTICLE = re.compile(r"\b([Aa]) (?=(?:\x02\d+:)?([a-z-]+))")
CAPITAL = re.compile(r"(^(?:\x02\d+:)?|[.!?]\x03? +(?:\x02\d+:)?)([a-z])")
SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z\x02])")

DEGREE_RATE = 0.35  # how often an adjective has a degree word
HELD_OUT_RATE = 0.04  # how often validation and test draw from what training never shows
ZIPF = 2.0  # how steeply the use of words falls off from common to rare
NESTED_RATE = 0.2  # how often a clause inside a construction is itself a negation
ONLY_BE = ("price", "wait")  # kinds of which nothing is said but what they were


class Pool:
    """Strings drawn with weights that fall with their rank; some may be held out from training."""

    def __init__(self, text: str, steepness: float):
        common, _, held = text.partition(HELD_OUT)
        self.common, self.held = split_entries(common), split_entries(held)
        self.weights = list(accumulate(round(10_000 / (rank + 3) ** steepness) for rank in range(len(self.common))))

    def draw(self, rng: Random, held_out: bool = False) -> tuple[str, bool]:
        """One entry, and whether it was a held-out one (which needs leave)."""
        if held_out and self.held and rng.random() < HELD_OUT_RATE:
            return rng.choice(self.held), True
        return rng.choices(self.common, cum_weights=self.weights)[0], False


def split_entries(text: str) -> list[str]:
    """The entries of a list as the word files write it."""
    return [" ".join(entry.split()) for entry in text.split(";") if entry.strip()]


_POOLS: dict[tuple[str, float], Pool] = {}


def pool(text: str, steepness: float = ZIPF) -> Pool:
    """The pool for a text, made once."""
    key = (text, steepness)
    if key not in _POOLS:
        _POOLS[key] = Pool(text, steepness)
    return _POOLS[key]


@dataclass
class Noun:
    """Something that is being judged: the words for it, the aspect it belongs to and the kind of its adjectives."""

    text: str
    aspect: str
    kind: str
    plural: bool = False


@dataclass
class Opinion:
    """An opinion expression: its polarity as it stands, and whether the context reverses it."""

    aspect: str
    polarity: int
    negated: bool
    held_out: bool
    level: int  # degree, 0 to 3
    decisive: bool


@dataclass
class Frame:
    """Where we are: what S means, whether opinions here decide ("all", "marked", "none"), whether they are reversed."""

    side: int
    decides: str = "marked"
    negated: bool = False


@dataclass
class Writer:
    """Writes one review: expands templates and remembers what it has said."""

    rng: Random
    domain: str
    label: int
    held_out: bool
    opinions: list[Opinion] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    noun: Noun | None = None
    waiting: Noun | None = None  # chosen by {pick}, not written yet
    elsewhere: bool = False  # the last thing named was what this one is compared with
    nests: bool = False  # whether clauses may hold negations of their own

    def __post_init__(self):
        self.info = DOMAINS[self.domain]
        kinds = {aspect: kind for aspect, (kind, _) in self.info["groups"].items()}
        self.only_be = [aspect for aspect, kind in kinds.items() if kind in ONLY_BE] or list(kinds)
        self.open_to_all = [aspect for aspect, kind in kinds.items() if kind not in ONLY_BE]
        self.groups = self.open_to_all
        title = f"The {self.draw(words.TITLE_FIRST, 0.3)} {self.draw(words.TITLE_LAST, 0.3)}"
        self.fixed = {"title": title, "product": self.draw(PRODUCTS, 0.4)}

    # -- drawing
    def draw(self, text: str, steepness: float = ZIPF) -> str:
        """An entry of a list; a held-out one leaves a tag."""
        entry, held = pool(text, steepness).draw(self.rng, self.held_out)
        if held:
            self.tags.add("unseen")
        return entry

    def chance(self, share: float) -> bool:
        """True in that share of all cases."""
        return self.rng.random() < share

    def pick(self, group: str | None = None) -> Noun:
        """An aspect of the domain that has not been mentioned in this review, if there is one left."""
        for _ in range(20):
            aspect = group or self.rng.choice(self.groups)
            kind, nouns = self.info["groups"][aspect]
            text = self.draw(nouns, 0.4)
            if text not in self.used:
                break
        self.used.append(text)
        return Noun(text.rstrip("+"), aspect, kind, text.endswith("+"))

    # -- expanding
    def expand(self, template: str, frame: Frame) -> str:
        """The template with choices made and slots filled, from left to right."""
        while CHOICE.search(template):
            template = CHOICE.sub(lambda m: self.rng.choice(m[1].split("|")), template, count=1)
        return SLOT.sub(lambda m: self.fill(m[1].lower(), m[2], m[3], frame), template)

    def fill(self, name: str, side: str | None, flags: str, frame: Frame) -> str:
        """What stands in one slot."""
        if name in ("s", "o", "ts", "to"):
            name, side = "third" if name[0] == "t" else "clause", name[-1].upper()
        if side is None:
            return self.plain_slot(name, frame)
        decides = "all" if "*" in flags and frame.decides == "marked" else frame.decides
        if decides == "marked":
            decides = "none"
        inner = Frame(frame.side if side == "S" else -frame.side, decides, frame.negated != ("~" in flags))
        return getattr(self, f"slot_{name}")(inner)

    def plain_slot(self, name: str, frame: Frame) -> str:
        """Slots that carry no opinion."""
        if name in ("np", "pick", "waspick", "whole"):
            text = self.name_something(name, frame)
            self.settle_aspects()
            return text
        if name in ("was", "wasnt", "it"):
            self.settle_aspects()
            forms = {"was": ("was", "were"), "wasnt": ("wasn't", "weren't"), "it": ("it", "they")}
            return forms[name][self.noun.plural]
        if name in self.fixed:
            return self.fixed[name]
        if name in self.info["groups"]:
            return self.pick(name).text
        if name in ("tail", "which"):
            text = self.expand(self.draw(words.TAILS if name == "tail" else words.WHICHES, 0.8), frame)
            return text if name == "which" or text[0] == "," else " " + text
        if name in ("occasion", "other", "fan"):
            self.elsewhere = name == "other"
            return self.expand(self.draw(self.info[name if name == "occasion" else name + "s"], 0.8), frame)
        if name == "ordinal":
            return self.rng.choice(["first", "second", "third", "fourth", "fifth"])
        if name == "semi":
            return ";"
        if name == "hour":
            return self.rng.choice(split_entries(words.NUMBERS)[:11])
        lists = {"who": words.PEOPLE, "company": words.COMPANY, "place": words.PLACES, "day": words.DAYS,
                 "month": words.MONTHS, "num": words.NUMBERS, "aside": words.ASIDES, "stretch": words.STRETCHES,
                 "object": words.OBJECTS}  # fmt: skip
        return self.draw(lists[name], 1.6 if name in ("aside", "stretch", "who") else 0.4)

    def name_something(self, name: str, frame: Frame) -> str:
        """Brings up the next aspect, or the whole thing, and makes it the one that is being talked about."""
        self.elsewhere = False
        if name == "whole":
            self.noun = Noun(self.expand(self.draw(self.info["whole"], 0.4), frame), "overall", "general")
            return self.noun.text
        if name == "np" and self.waiting:
            text, self.waiting = self.waiting.text, None
            return text
        self.noun = self.pick()
        if name == "np":
            return self.noun.text
        self.waiting = self.noun
        return "" if name == "pick" else self.plain_slot("was", frame)

    def settle_aspects(self) -> None:
        """Opinions written before their object ("I loved ...") learn what they are about."""
        for opinion in self.opinions:
            opinion.aspect = opinion.aspect or self.noun.aspect

    # -- opinions
    def mark(self, text: str, frame: Frame, aspect: str, level: int = 0, held: bool = False) -> str:
        """Writes an opinion expression down in the record and puts the marks round it."""
        self.opinions.append(Opinion(aspect, frame.side, frame.negated, held, level, frame.decides == "all"))
        return f"{OPEN}{len(self.opinions) - 1}:{text}{CLOSE}"

    def entry(self, text: str) -> tuple[str, bool]:
        """An entry of a list of opinion words, and whether it was held out."""
        entry, held = pool(text).draw(self.rng, self.held_out)
        if held:
            self.tags.add("unseen")
        return entry, held

    def degree(self, degrees: dict[int, str], rate: float = DEGREE_RATE) -> tuple[int, str]:
        """A degree word with a space after it and its strength, or nothing."""
        if not self.chance(rate):
            return 0, ""
        level = self.rng.choices((1, 2, 3), weights=(3, 4, 3))[0]
        return level, self.draw(degrees[level], 0.6) + " "

    def adjective(self, frame: Frame, kind: str, plain: bool) -> tuple[str, int, bool]:
        """An adjective that fits, its strength (1 to 3) and whether it was held out."""
        fitting = words.BY_KIND.get(kind)
        if fitting and self.chance(0.92 if kind in ONLY_BE else 0.45):
            return *self.entry(fitting[frame.side < 0]), 2
        strength = self.rng.choices((1, 2, 3), weights=(3, 4, 0 if plain else 4))[0]
        return *self.entry(words.GENERAL[frame.side, strength]), strength

    def graded(self, frame: Frame, noun: Noun, degrees: dict[int, str], plain: bool = False) -> str:
        """An adjective with or without a degree word in front."""
        text, held, strength = self.adjective(frame, noun.kind, plain)
        level, degree = self.degree(degrees, DEGREE_RATE if degrees else 0)
        if level and strength == 3:
            level, degree = 3, self.draw(words.MAX_DEGREES, 0.6) + " "
        return self.mark(degree + text, frame, noun.aspect, level, held)

    def slot_adj(self, frame: Frame) -> str:
        """'very thin', of the last aspect."""
        return self.graded(frame, self.noun, words.DEGREES)

    def slot_nadj(self, frame: Frame) -> str:
        """'particularly thin', after a "not"."""
        return self.graded(frame, self.noun, words.NOT_DEGREES, plain=True)

    def slot_bare(self, frame: Frame) -> str:
        """'thin', without degree word; none of the strongest."""
        return self.graded(frame, self.noun, {}, plain=True)

    def anything(self) -> Noun:
        """What a general adjective is about: the thing under review, or what it is compared with."""
        return Noun("", "other" if self.elsewhere else "overall", "general")

    def slot_gen(self, frame: Frame) -> str:
        """'very good', of anything."""
        return self.graded(frame, self.anything(), words.ATTRIBUTIVE_DEGREES)

    def slot_exclaim(self, frame: Frame) -> str:
        """'Superb', a strong word on its own."""
        text, held = self.entry(words.GENERAL[frame.side, self.rng.choice((2, 3))])
        return self.mark(text, frame, "overall", held=held)

    def slot_ngen(self, frame: Frame) -> str:
        """'particularly good', after a "not"."""
        return self.graded(frame, self.anything(), words.NOT_DEGREES, plain=True)

    def slot_mild(self, frame: Frame) -> str:
        """'good', of anything, without degree word."""
        return self.graded(frame, self.anything(), {}, plain=True)

    def slot_both(self, frame: Frame) -> str:
        """'very good', of two aspects of which the last is recorded."""
        return self.graded(frame, Noun("", self.noun.aspect, "general"), words.DEGREES)

    def slot_attr(self, frame: Frame) -> str:
        """'the thin plot': a new aspect with the adjective before it."""
        self.noun, self.elsewhere = self.pick(), False
        article, _, rest = self.noun.text.partition(" ")
        if article != "the":
            return f"{self.slot_adj(frame)} {self.noun.text}"
        return f"the {self.graded(frame, self.noun, words.ATTRIBUTIVE_DEGREES)} {rest}"

    def slot_attrs(self, frame: Frame) -> str:
        """'thin plot', without article, for notes in short hand."""
        self.noun, self.elsewhere = self.pick(), False
        return f"{self.graded(frame, self.noun, {})} {self.noun.text.removeprefix('the ')}"

    def slot_noun(self, frame: Frame) -> str:
        """'a real treat'."""
        level, degree = self.degree({} if frame.negated else words.NOUN_DEGREES, 0 if frame.negated else DEGREE_RATE)
        text, held = self.entry(words.NOUNS[frame.side])
        if degree.endswith("of a "):
            degree = degree[:-2] + article(text) + " "
        return self.mark(f"a {degree}{text}", frame, self.noun.aspect, level, held)

    def slot_nakednoun(self, frame: Frame) -> str:
        """'treat', as in "it was no treat"."""
        text, held = self.entry(words.NOUNS[frame.side])
        return self.mark(text, frame, self.noun.aspect, held=held)

    def slot_qual(self, frame: Frame) -> str:
        """'charm', as in "not without charm"."""
        text, held = self.entry(words.QUALITIES[frame.side])
        return self.mark(text, frame, self.noun.aspect, held=held)

    def verb(self, lists: dict[int, str], form: int, frame: Frame, aspect: str) -> str:
        """A verb of opinion in the past (0) or base form (1), the past sometimes with a degree word."""
        text, held = self.entry(lists[frame.side])
        level, degree = self.degree(words.VERB_DEGREES, 0.2) if form == 0 else (0, "")
        return self.mark(degree + text.split("/")[form], frame, aspect, level, held)

    def action(self, form: int, frame: Frame) -> str:
        """What the last aspect did to us, in the past or base form."""
        if self.chance(0.4):
            text, held = self.entry(words.RESULTS[frame.side])
            return self.mark(text.split("/")[form], frame, self.noun.aspect, held=held)
        return f"{self.verb(words.MOVES, form, frame, self.noun.aspect)} {self.draw(words.OBJECTS, 0.6)}"

    def slot_vp(self, frame: Frame) -> str:
        """'delighted us'."""
        return self.action(0, frame)

    def slot_vb(self, frame: Frame) -> str:
        """'delight us'."""
        return self.action(1, frame)

    def slot_mover(self, frame: Frame) -> str:
        """'delight'."""
        return self.verb(words.MOVES, 1, frame, self.noun.aspect)

    def slot_love(self, frame: Frame) -> str:
        """'loved'."""
        return self.verb(words.LOVES, 0, frame, "")

    def slot_loveb(self, frame: Frame) -> str:
        """'love'."""
        return self.verb(words.LOVES, 1, frame, "")

    def slot_detail(self, frame: Frame) -> str:
        """A clause that only makes sense in this domain."""
        aspect, _, text = self.draw(self.info["details"][frame.side], 0.3).partition(": ")
        before, _, rest = self.expand(text, frame).partition("<")
        opinion, _, after = rest.partition(">")
        return before + self.mark(opinion, frame, aspect) + after

    def slot_third(self, frame: Frame) -> str:
        """A clause that somebody else can have said."""
        return self.expand(self.draw(THIRD_PERSON, 0.8), frame)

    def slot_clause(self, frame: Frame) -> str:
        """A whole clause that says something good or bad about one aspect; now and then by way of a negation."""
        if self.nests and not frame.negated and self.chance(NESTED_RATE):
            self.tags.add("nested negation")
            return self.expand(self.draw(NEGATED, 2.2), frame)
        if self.chance(0.1):
            self.groups = self.only_be
            text = self.expand(self.draw(SIMPLE_CLAUSES, 0.5), frame)
            self.groups = self.open_to_all
            return text
        return self.expand(self.draw(CLAUSES, 1.0), frame)


def article(text: str) -> str:
    """'a' or 'an', by the next word."""
    return "an" if text[0] in "aeiou" and not text.startswith(("one", "use", "uni", "eu")) else "a"


def finish(marked: str) -> tuple[str, dict[int, tuple[int, int]]]:
    """The text without marks, with capitals and the right articles, and where each opinion stands in it."""
    marked = ARTICLE.sub(lambda m: m[1] + ("n " if article(m[2]) == "an" else " "), marked)
    marked = CAPITAL.sub(lambda m: m[1] + m[2].upper(), marked)
    text, starts, places, open_now, last = "", {}, {}, [], 0
    for mark in MARK.finditer(marked):
        text += marked[last : mark.start()]
        last = mark.end()
        if mark[1]:
            open_now.append(int(mark[1]))
            starts[open_now[-1]] = len(text)
        else:
            number = open_now.pop()
            places[number] = (starts[number], len(text))
    return text + marked[last:], places
