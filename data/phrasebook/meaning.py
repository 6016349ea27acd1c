"""What is said: clauses, and the people and things in them, drawn by chance. No language yet."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Any

import words

STEEPNESS = 0.7  # the weight of the word of rank r is r to the power of minus this, as in real text


@dataclass(frozen=True)
class Noun:
    en: list[str]
    gender: str  # m, f or n
    de: list[str]
    weak: bool  # the accusative has the form of the plural: der Junge, den Jungen
    zh: str
    classifier: str
    person: bool


@dataclass(frozen=True)
class Verb:
    en: list[str]  # base, third person, past
    de: list[str]  # infinitive, singular, plural, participle
    auxiliary: str
    prefix: str
    zh: str


@dataclass
class Phrase:
    """A noun with what belongs to it, or a pronoun for one that came before."""

    id: int
    noun: Noun
    number: list[str] | None = None  # from two on
    definite: bool = True
    adjective: list[str] | None = None
    relative: Clause | None = None
    pronoun: bool = False

    @property
    def plural(self) -> bool:
        return self.number is not None


@dataclass
class Clause:
    """Who does what. Without a subject or a transitive verb's object it is a relative clause, which lacks just that."""

    id: int
    subject: Phrase | None
    verb: Verb
    object: Phrase | None = None
    past: bool = False
    modal: list[list[str]] | None = None
    negated: bool = False
    time: list[str] | None = None
    place: list[str] | None = None
    complement: Clause | None = None

    def phrases(self) -> list[Phrase]:
        return [phrase for phrase in (self.subject, self.object) if phrase]


@dataclass
class Sentence:
    """A question, a statement, or two clauses with a conjunction between them."""

    kind: str
    main: Clause
    conjunction: list[str] | None = None
    other: Clause | None = None
    id: int = 0  # of the conjunction
    time_first: bool = False  # whether German begins with the time


def table(text: str) -> list[list[str]]:
    return [[part.strip() for part in line.split("|")] for line in text.strip().splitlines()]


def nouns(text: str, person: bool) -> list[Noun]:
    found = []
    for english, german, chinese in table(text):
        gender, singular, plural = german.split()
        zh, classifier = chinese.split()
        forms = [singular.removesuffix("*"), plural]
        found.append(Noun(english.split(), gender, forms, "*" in singular, zh, classifier, person))
    return found


def verbs(text: str) -> list[Verb]:
    found = []
    for english, german, chinese in table(text):
        *forms, auxiliary, prefix = german.split()
        found.append(Verb(english.split(), forms, auxiliary, prefix.removesuffix("-"), chinese))
    return found


PERSONS, THINGS = nouns(words.PERSONS, True), nouns(words.THINGS, False)
TRANSITIVE, INTRANSITIVE, SAYING = verbs(words.TRANSITIVE), verbs(words.INTRANSITIVE), verbs(words.SAYING)
ADJECTIVES, TIMES, PLACES = table(words.ADJECTIVES), table(words.TIMES), table(words.PLACES)
NUMBERS = [line.split() for line in words.NUMBERS.strip().splitlines()]
MODALS = [[part.split() for part in row] for row in table(words.MODALS)]
SUBORDINATING, COORDINATING = table(words.SUBORDINATING), table(words.COORDINATING)


class Speaker:
    """Draws one sentence, in which no noun comes twice and each phrase and clause has a number."""

    def __init__(self, generator: random.Random):
        self.generator, self.ids, self.used = generator, itertools.count(1), set()

    def chance(self, p: float) -> bool:
        return self.generator.random() < p

    def draw(self, choices: list) -> Any:
        weights = [rank**-STEEPNESS for rank in range(1, len(choices) + 1)]
        return self.generator.choices(choices, weights)[0]

    def phrase(self, nouns: list[Noun], *, relative: bool, definite: bool | None = None) -> Phrase:
        p = Phrase(next(self.ids), self.draw([noun for noun in nouns if noun.zh not in self.used]))
        self.used.add(p.noun.zh)
        p.number = self.draw(NUMBERS) if self.chance(0.2) else None
        p.definite = self.chance(0.7) if definite is None else definite
        if self.chance(0.4):
            kind = "person" if p.noun.person else "thing"
            p.adjective = self.draw([a for a in ADJECTIVES if a[3] in (kind, "any")])
        if relative and p.definite and self.chance(0.22):
            verb = self.draw(TRANSITIVE)
            if p.noun.person:
                p.relative = Clause(next(self.ids), None, verb, self.phrase(THINGS, relative=False), past=True)
            else:
                p.relative = Clause(next(self.ids), self.phrase(PERSONS, relative=False), verb, past=True)
        return p

    def clause(self, *, inner: bool = False, past: bool | None = None, about: Phrase | None = None) -> Clause:
        """A clause; an inner one has no clauses inside; its object may be a pronoun `about` an earlier phrase."""
        subject = self.phrase(PERSONS, relative=not inner)
        c = Clause(next(self.ids), subject, self.draw(TRANSITIVE))
        c.past = self.chance(0.6) if past is None else past
        if not inner and self.chance(0.2):
            c.verb, subject.relative = self.draw(SAYING), None
            c.complement = self.clause(inner=True)
            return c
        c.negated = self.chance(0.15)
        if about:
            c.object = Phrase(next(self.ids), about.noun, about.number, pronoun=True)
        elif self.chance(0.3):
            c.verb = self.draw(INTRANSITIVE)
        else:
            relative = not inner and subject.relative is None
            c.object = self.phrase(THINGS, relative=relative, definite=True if c.negated else None)
        if not c.negated and not c.past and self.chance(0.4):
            c.modal = self.draw(MODALS)
        if self.chance(0.4):
            c.time = self.draw([t for t in TIMES if t[3] == "any" or c.past])
        if self.chance(0.35):
            c.place = self.draw(PLACES)
        return c

    def sentence(self) -> Sentence:
        main, kind = self.clause(), self.generator.random()
        if kind < 0.12 and not main.complement:
            return Sentence("question", main)
        if kind < 0.32:
            conjunction = self.draw(SUBORDINATING)
            other = self.clause(inner=True, past=main.past if conjunction[0] == "when" else None)
            return Sentence("subordinate", main, conjunction, other, next(self.ids))
        if kind < 0.62 and main.object and not main.negated:
            conjunction = self.draw(COORDINATING)
            return Sentence("pronoun", main, conjunction, self.clause(inner=True, about=main.object), next(self.ids))
        return Sentence("statement", main, time_first=main.time is not None and self.chance(0.5))


def features(said: Sentence) -> list[str]:
    """What makes a sentence hard to translate word by word."""
    clauses = [c for c in (said.main, said.other, said.main.complement) if c]
    phrases = [p for c in clauses for p in c.phrases()]
    found = {said.kind} - {"statement", "subordinate"}
    found |= {said.conjunction[0]} if said.kind == "subordinate" else set()
    found |= {"inversion"} if said.time_first else set()
    found |= {"complement"} if said.main.complement else set()
    found |= {"nested"} if said.kind == "subordinate" and said.main.complement else set()
    found |= {"negation"} if any(c.negated for c in clauses) else set()
    found |= {"separable"} if any(c.verb.prefix for c in clauses) else set()
    found |= {"relative"} if any(p.relative for p in phrases) else set()
    found |= {"modal"} if any(c.modal for c in clauses) else set()
    return sorted(found)
