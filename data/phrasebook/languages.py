"""How it is said in English, in German and in Chinese.

Every word is marked with what it says, so words that say the same belong together whatever the language.
"""

from __future__ import annotations

from typing import NamedTuple

from meaning import Clause, Phrase, Sentence


class Word(NamedTuple):
    text: str
    says: tuple[int, str] | None = None  # the number of a phrase or clause, and which part of it
    sure: bool = False  # whether it carries the meaning, or only helps (articles, auxiliaries, classifiers ...)


def several(text: str, says: tuple[int, str], carrier: int = -1) -> list[Word]:
    """Words joined by "+", "_" or blanks, one of which carries the meaning."""
    parts = text.replace("+", " ").replace("_", " ").split()
    return [Word(part, says, number == carrier % len(parts)) for number, part in enumerate(parts)]


class English:
    END, QUESTION = ".", "?"

    def phrase(self, p: Phrase) -> list[Word]:
        if p.pronoun:
            return [Word("them" if p.plural else "it", (p.id, "noun"), True)]
        described = [Word(p.adjective[0], (p.id, "adjective"), True)] if p.adjective else []
        described.append(Word(p.noun.en[p.plural], (p.id, "noun"), True))
        number = [Word(p.number[0], (p.id, "number"), True)] if p.number else []
        article = ["the"] if p.definite else [] if p.number else ["an" if described[0].text[0] in "aeiou" else "a"]
        found = [Word(word, (p.id, "noun")) for word in article] + number + described
        if p.relative:
            found.append(Word("who" if p.noun.person else "that", (p.relative.id, "relative")))
            found += self.clause(p.relative, plural=p.plural)
        return found

    def verb(self, c: Clause, plural: bool, asks: bool = False) -> tuple[list[Word], list[Word]]:
        """The auxiliary, which comes before the subject of a question, and what follows it, up to the verb."""
        base, third, past = c.verb.en
        says = (c.id, "verb")
        do = Word("did" if c.past else "do" if plural else "does", says)
        negation = [Word("not", (c.id, "negation"), True)] if c.negated else []
        if c.modal and "+" not in c.modal[0][1]:  # must, can
            return several(c.modal[0][0], (c.id, "modal"), 0), several(base, says, 0)
        if c.modal and asks:
            return [do], several(c.modal[0][1], (c.id, "modal"), 0) + several(base, says, 0)
        if c.modal:
            return [], several(c.modal[0][plural], (c.id, "modal"), 0) + several(base, says, 0)
        if asks or c.negated:
            return [do], negation + several(base, says, 0)
        return [], several(past if c.past else base if plural else third, says, 0)

    def rest(self, c: Clause) -> list[Word]:
        """What stands behind the verb."""
        found = self.phrase(c.object) if c.object and not c.object.pronoun else []
        found += several(c.place[0], (c.id, "place")) if c.place else []
        found += several(c.time[0], (c.id, "time")) if c.time else []
        if c.complement:
            found += [Word("that", (c.id, "that")), *self.clause(c.complement)]
        return found

    def clause(self, c: Clause, plural: bool = False) -> list[Word]:
        subject = self.phrase(c.subject) if c.subject else []
        helper, verb = self.verb(c, c.subject.plural if c.subject else plural)
        if c.object and c.object.pronoun:  # "bring it back", but "look for it"
            place = len(verb) - 1 if "+" in c.verb.en[0] else len(verb)
            verb = verb[:place] + self.phrase(c.object) + verb[place:]
        return subject + helper + verb + self.rest(c)

    def sentence(self, said: Sentence) -> list[Word]:
        main = said.main
        if said.kind == "question":
            front, verb = self.verb(main, main.subject.plural, asks=True)
            return [*front, *self.phrase(main.subject), *verb, *self.rest(main)]
        if not said.other:
            return self.clause(main)
        comma = [Word(",")] if said.kind == "pronoun" else []
        conjunction = several(said.conjunction[0], (said.id, "conjunction"))
        return [*self.clause(main), *comma, *conjunction, *self.clause(said.other)]


class German:
    END, QUESTION = ".", "?"
    ARTICLES = {"m": ("der", "den"), "f": ("die", "die"), "n": ("das", "das"), "many": ("die", "die")}
    INDEFINITE = {"m": ("ein", "einen"), "f": ("eine", "eine"), "n": ("ein", "ein")}
    ENDINGS = {"m": ("er", "en"), "f": ("e", "e"), "n": ("es", "es")}  # after the indefinite article
    PRONOUNS = {"m": "ihn", "f": "sie", "n": "es", "many": "sie"}

    def adjective(self, p: Phrase, accusative: bool) -> str:
        stem = p.adjective[1]
        stem = stem[:-3] + "r" if stem.endswith("er!") else stem.removesuffix("e")
        if p.plural:
            return stem + ("en" if p.definite else "e")
        if p.definite:
            return stem + ("en" if p.noun.gender == "m" and accusative else "e")
        return stem + self.ENDINGS[p.noun.gender][accusative]

    def phrase(self, p: Phrase, accusative: bool = False) -> list[Word]:
        kind = "many" if p.plural else p.noun.gender
        if p.pronoun:
            return [Word(self.PRONOUNS[kind], (p.id, "noun"), True)]
        found = []
        if p.definite or not p.plural:
            articles = self.ARTICLES if p.definite else self.INDEFINITE
            found.append(Word(articles[kind][accusative], (p.id, "noun")))
        found += [Word(p.number[1], (p.id, "number"), True)] if p.number else []
        found += [Word(self.adjective(p, accusative), (p.id, "adjective"), True)] if p.adjective else []
        found.append(Word(p.noun.de[p.plural or (p.noun.weak and accusative)], (p.id, "noun"), True))
        if p.relative:
            article = self.ARTICLES[kind][not p.noun.person]  # persons are subjects of it, things are objects
            found += [Word(","), Word(article, (p.relative.id, "relative"))]
            found += [*self.verb_last(p.relative, p.plural), Word(",")]
        return found

    def verb(self, c: Clause, plural: bool) -> tuple[list[Word], list[Word]]:
        """What stands at the second place, and what closes the clause."""
        infinitive, one, many, participle = c.verb.de
        says = (c.id, "verb")
        if c.modal:
            return [Word(c.modal[1][plural], (c.id, "modal"), True)], [Word(infinitive, says, True)]
        if c.past:
            forms = ("hat", "haben") if c.verb.auxiliary == "haben" else ("ist", "sind")
            return [Word(forms[plural], says)], [Word(participle, says, True)]
        return [Word(many if plural else one, says, True)], [Word(c.verb.prefix, says)] if c.verb.prefix else []

    def middle(self, c: Clause, time: bool = True) -> list[Word]:
        when = several(c.time[1], (c.id, "time")) if c.time and time else []
        what = self.phrase(c.object, accusative=True) if c.object else []
        found = what + when if c.object and c.object.pronoun else when + what
        found += several(c.place[1], (c.id, "place")) if c.place else []
        return found + ([Word("nicht", (c.id, "negation"), True)] if c.negated else [])

    def tail(self, c: Clause) -> list[Word]:
        if not c.complement:
            return []
        return [Word(","), Word("dass", (c.id, "that")), *self.verb_last(c.complement)]

    def verb_second(self, c: Clause, front: str = "subject") -> list[Word]:
        second, close = self.verb(c, c.subject.plural)
        subject, middle = self.phrase(c.subject), self.middle(c, time=front != "time")
        end = [*middle, *close, *self.tail(c)]
        if front == "subject":
            return [*subject, *second, *end]
        time = several(c.time[1], (c.id, "time")) if front == "time" else []
        return [*time, *second, *subject, *end]

    def verb_last(self, c: Clause, plural: bool = False) -> list[Word]:
        second, close = self.verb(c, c.subject.plural if c.subject else plural)
        subject = self.phrase(c.subject) if c.subject else []
        if close and not c.modal and not c.past:  # the prefix joins its verb again: zurück + bringt
            second, close = [Word(close[0].text + second[0].text, second[0].says, True)], []
        return [*subject, *self.middle(c), *close, *second, *self.tail(c)]

    def sentence(self, said: Sentence) -> list[Word]:
        if said.kind == "question":
            return self.verb_second(said.main, "verb")
        if not said.other:
            return self.verb_second(said.main, "time" if said.time_first else "subject")
        english, german, *order = said.conjunction
        if english == "when":
            german = german.split("/")[not said.other.past]
        conjunction = several(german, (said.id, "conjunction"))
        coordinating = said.kind == "pronoun"
        other = self.verb_second(said.other, order[0]) if coordinating else self.verb_last(said.other)
        return [*self.verb_second(said.main), Word(","), *conjunction, *other]


class Chinese:
    END, QUESTION = "。", "？"

    def phrase(self, p: Phrase) -> list[Word]:
        if p.pronoun:
            return [Word("它们" if p.plural else "它", (p.id, "noun"), True)]
        found = []
        if p.relative:
            found += [*self.clause(p.relative, finished=False), Word("的", (p.relative.id, "relative"))]
        if p.number:
            found += [Word("那", (p.id, "noun"))] if p.definite else []
            found += [Word(p.number[2], (p.id, "number"), True), Word(p.noun.classifier, (p.id, "number"))]
        elif not p.definite:
            found += [Word("一", (p.id, "noun")), Word(p.noun.classifier, (p.id, "noun"))]
        if p.adjective:
            found.append(Word(p.adjective[2], (p.id, "adjective"), True))
            found += [Word("的", (p.id, "adjective"))] if len(p.adjective[2]) > 1 else []
        return [*found, Word(p.noun.zh, (p.id, "noun"), True)]

    def clause(self, c: Clause, finished: bool = True) -> list[Word]:
        """A clause; 了 marks what is done, unless the clause only describes or says when (then not `finished`)."""
        found = self.phrase(c.subject) if c.subject else []
        found += several(c.time[2], (c.id, "time")) if c.time else []
        found += [Word(c.modal[2][0], (c.id, "modal"), True)] if c.modal else []
        found += [Word("没有" if c.past else "不", (c.id, "negation"), True)] if c.negated else []
        found += several(c.place[2], (c.id, "place"), 1) if c.place else []
        found.append(Word(c.verb.zh, (c.id, "verb"), True))
        done = [Word("了", (c.id, "verb"))] if c.past and finished and not c.negated and not c.complement else []
        if c.object:
            return [*found, *done, *self.phrase(c.object)]
        return [*found, *done, *(self.clause(c.complement) if c.complement else [])]

    def sentence(self, said: Sentence) -> list[Word]:
        main = self.clause(said.main)
        if said.kind == "question":
            return [*main, Word("吗")]
        if not said.other:
            return main
        says = (said.id, "conjunction")
        if said.kind == "pronoun":
            return [*main, Word("，"), Word(said.conjunction[3], says, True), *self.clause(said.other)]
        before, after = said.conjunction[2:]
        if not before:  # "when" stands behind its clause
            return [*self.clause(said.other, finished=False), Word(after, says, True), Word("，"), *main]
        return [Word(before, says, True), *self.clause(said.other), Word("，"), Word(after, says), *main]


def spell(language: English | German | Chinese, said: Sentence) -> list[Word]:
    """A whole sentence: no two commas side by side and none at the end, a capital first, the final mark."""
    kept: list[Word] = []
    for word in language.sentence(said):
        if not (word.text == "," and kept[-1].text == ","):
            kept.append(word)
    while kept[-1].text == ",":
        kept.pop()
    kept[0] = kept[0]._replace(text=kept[0].text[0].upper() + kept[0].text[1:])
    return [*kept, Word(language.QUESTION if said.kind == "question" else language.END, (0, "end"), True)]


def alignment(source: list[Word], target: list[Word]) -> str:
    """The links between words that say the same: "i-j" is sure (both carry the meaning), "i?j" is possible."""
    links = []
    for i, one in enumerate(source):
        for j, other in enumerate(target):
            if one.says and one.says == other.says:
                links.append(f"{i}{'-' if one.sure and other.sure else '?'}{j}")
    return " ".join(links)
