"""Tells one tale: expands the templates of a plot and keeps the ground truth while doing so.

A template holds "{slots}" and "[one|or|another]". While a tale grows, words worth remembering are wrapped in marks
(control characters that no text contains); at the end the marks are taken out and become offsets.
"""

import re
from dataclasses import dataclass
from typing import Any

from grammar import Draw, Plot, numbers_of, plural, read_domains, read_phrases, read_synonyms, read_words

WORDS = read_words()
DOMAINS = read_domains()
PHRASES = read_phrases()
SYNONYMS = read_synonyms()
SAID_OTHERWISE = re.compile(r"\b(" + "|".join(sorted(SYNONYMS, key=len, reverse=True)) + r")\b(?! of\b)(?![^{]*})")
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
NUMBERS += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen"]
FORMS = {
    "she": {"he": "she", "him": "her", "his": "her", "himself": "herself", "hers": "hers"},
    "he": {"he": "he", "him": "him", "his": "his", "himself": "himself", "hers": "his"},
}
OPEN, MIDDLE, CLOSE = "\x02", "\x03", "\x04"
MARK = re.compile(f"{OPEN}(\\d+){MIDDLE}([^{CLOSE}]*){CLOSE}")
WORD = re.compile(r"\w+")
OTHERWISE, ADJECTIVE, AFTER_NAME, OPENING = 0.6, 0.45, 0.35, 0.45
"""How often an ornament is used where it could be."""
PEOPLE, KEEPSAKES, PLACES, ERRANDS, DISH = "ABCK", "XY", "PQR", "HIJ", "EFG"


@dataclass
class Person:
    """Somebody in a tale. `trade` of a child is what it is to person A: "daughter", "nephew"."""

    first: str
    last: str
    title: str
    pronoun: str
    trade: str
    domain: dict[str, list[str]]
    main: str
    known: bool = False


def _for_pronoun(entry: str, pronoun: str) -> str:
    """ "nurse|surgeon" is the nurse if she, the surgeon if he."""
    hers, _, his = entry.partition("|")
    return his if his and pronoun == "he" else hers


def _without(entries: list[str], taken: set[str]) -> list[str]:
    return [entry for entry in entries if entry not in taken]


class Tale:
    """One tale. `text` and `truth` are ready after construction."""

    def __init__(self, plot: Plot, draw: Draw) -> None:
        self.plot, self.draw = plot, draw
        self.marks: list[dict[str, Any]] = []
        self.heads = 0
        self.mentioned: set[str] = set()
        self.weather = draw.zipf(["bright", "rain", "fog", "gale", "calm", "frost", "heat", "snow", "thunder"])
        self._cast()
        self._bind()
        self.text, self.truth = self._finish(self._paragraphs())

    # -- what is fixed for the whole tale ------------------------------------------------------------------------

    def _cast(self) -> None:
        """Draws four people with different names and, unless the plot says otherwise, different circles of trades."""
        self.people: dict[str, Person] = {}
        names: set[str] = set()
        domains: set[str] = set()
        for who in PEOPLE:
            pronoun = self.draw.even(["she", "he"])
            first = self.draw.even(_without(WORDS["=women" if pronoun == "she" else "=men"], names))
            last = self.draw.even(_without(WORDS["=surnames"], names))
            names |= {first, last}
            domain = self.draw.even(_without(list(DOMAINS), domains))
            domains.add(domain)
            words = self.people[self.plot.same[who]].domain if who in self.plot.same else DOMAINS[domain]
            trade = _for_pronoun(self.draw.zipf(words["trades"]).partition("/")[0], pronoun)
            title = "Mr" if pronoun == "he" else self.draw.even(["Mrs", "Miss"])
            if who in self.plot.same:
                trade = "apprentice"
            if who == "K":
                last, words = self.people["A"].last, self.people["A"].domain
                trade, title = _for_pronoun(self.draw.zipf(WORDS["kin"]), pronoun), title.replace("Mrs", "Miss")
            main = self.draw.even(words["goods"])
            self.people[who] = Person(first, last, title, pronoun, trade, words, main)

    def _distinct(self, name: str, keys: str) -> dict[str, str]:
        """Entries of a list for each of `keys`, all with different last words."""
        chosen: dict[str, str] = {}
        used: set[str] = set()
        for key in keys:
            chosen[key] = self.draw.even([entry for entry in WORDS[name] if entry.split()[-1] not in used])
            used.add(chosen[key].split()[-1])
        return chosen

    def _bind(self) -> None:
        """Draws the things, places, numbers and days to which the tale comes back."""
        draw = self.draw
        self.things = self._distinct("=keepsakes", KEEPSAKES)
        self.colours = self._distinct("=colours", KEEPSAKES)
        self.places = self._distinct("=places", PLACES)
        self.errands = self._distinct("=errands", ERRANDS)
        self.amounts = {
            key: (draw.zipf(WORDS["numbers"][:8]), entry) for key, entry in self._distinct("=ingredients", DISH).items()
        }
        n = 3 + draw.below(7)
        m = 2 + draw.even([k for k in range(8) if k + 2 != n])
        self.counts = {"N": n, "M": m, "N+M": n + m, "N-1": n - 1}
        days = self._distinct("=days", "12")
        clause, question, answer = draw.even(WORDS["=questions"]).split("|")
        self.bound = {
            "day": (days["1"], "day"),
            "day2": (days["2"], "day"),
            "boat": (draw.even(WORDS["=boats"]), "name"),
            "town": (draw.even(WORDS["=towns"]), "place"),
            "lane": (draw.even(WORDS["=lanes"]), "place"),
            "food": (draw.zipf(WORDS["edibles"]), "object"),
            "dish": (draw.even(WORDS["=dishes"]), "object"),
            "feat": (draw.even(WORDS["=feats"]), None),
            "oddity": (numbers_of(draw.zipf(WORDS["oddities"]))[0], "object"),
            "elder": (draw.even(WORDS["=elders"]), None),
            "season": (draw.even(["spring", "summer", "autumn", "winter"]), None),
            "why": (clause, None),
            "Why": (question, None),
            "because": (answer, None),
        }
        self.taken = {days["1"], days["2"], *self.colours.values(), *(NUMBERS[k] for k in self.counts.values())}
        self.taken |= {self.bound["town"][0], self.bound["oddity"][0], self.bound["food"][0]}
        self.taken |= {numbers_of(thing)[0] for thing in self.things.values()}

    # -- expansion -----------------------------------------------------------------------------------------------

    def _paragraphs(self) -> str:
        """The whole tale with marks, paragraphs parted by blank lines."""
        tale = ""
        used: set[str] = set()
        for probability, opens, templates in self.plot.steps:
            if not self.draw.chance(probability):
                continue
            fitting = [template for template in templates if self._missing(template) <= self.mentioned]
            template = self.draw.even([template for template in fitting or templates if template not in used])
            used.add(template)
            if re.match(r"{(ref:|sub:|subject:|[ABCK][.}])", template) and self.draw.chance(OPENING):
                template = ("{scene}, " if template.startswith("{subject:") else "{opening}, ") + template
            sentence = _tidy(self.expand(template))
            tale += sentence if not tale else ("\n\n" if opens else " ") + sentence
        return tale

    def expand(self, template: str) -> str:
        """Replaces slots and alternatives from left to right, and adds ornaments where they fit."""
        out = ""
        template = SAID_OTHERWISE.sub(self._otherwise, template)
        while template:
            start = re.search(r"[\[{]", template)
            if not start:
                return out + template
            out += template[: start.start()]
            end = _closing(template, start.start())
            inner, template = template[start.start() + 1 : end], template[end + 1 :]
            if start[0] == "[":
                template = self.draw.even(_alternatives(inner)) + template
            else:
                spoken = out.count('"') % 2 == 1
                out += self._adjective(out, inner) + self._slot(inner, spoken)
                out += self._after(inner, template, spoken or out.endswith(","))
        return out

    def _otherwise(self, match: re.Match[str]) -> str:
        """Now and then a synonym for a word of a template."""
        return self.draw.even(SYNONYMS[match[0]]) if self.draw.chance(OTHERWISE) else match[0]

    def _adjective(self, before: str, slot: str) -> str:
        """Now and then an adjective before a thing that has none."""
        follows = re.search(r"(?:^|\W)(?:a|the|his|her|my|your) $", before)
        if follows and slot in KEEPSAKES and not before.endswith("a ") and self.draw.chance(ADJECTIVE):
            return self.expand(self.draw.weighted(PHRASES["wherever"])) + " "
        if follows and re.fullmatch(r"[ABC]\.(good|goods|noun|tool)", slot) and self.draw.chance(ADJECTIVE):
            return self.draw.zipf(self.people[slot[0]].domain["adjs"]) + " "
        return ""

    def _after(self, slot: str, rest: str, plain: bool) -> str:
        """What may follow a name: a comma before "who", or now and then a few words about that person."""
        if slot.startswith("intro:"):
            return "," if rest.startswith((" who ", " whose ")) and not plain else ""
        who = slot.removeprefix("ref:").removeprefix("sub:")
        fits = rest.startswith(" ") and not rest.startswith((" who", " the ", " {manner"))
        if plain or not fits or who not in ("A", "B", "C") or not self.draw.chance(AFTER_NAME):
            return ""
        return self._phrase("after name", who)

    @staticmethod
    def _missing(template: str) -> set[str]:
        """The things that a template takes for known."""
        return {key for key in KEEPSAKES if f"{{{key}.a}}" not in template and re.search(f"{{{key}[.}}]", template)}

    def _mark(self, text: str, **what: Any) -> str:
        self.marks.append(what)
        return f"{OPEN}{len(self.marks) - 1}{MIDDLE}{text}{CLOSE}"

    def _noun(self, entry: str, number: str = "", head: bool = False) -> str:
        """A marked noun of the given number (or either), as the head of a subject if `head`."""
        number = number or self.draw.even(["singular", "plural"])
        if head:
            self.heads += 1
            self.head_number = number
        text = numbers_of(entry)[number == "plural"]
        return self._mark(text, number=number, head=self.heads if head else None)

    def _slot(self, slot: str, spoken: bool = False) -> str:
        """One slot: a list word, a person's word, a bound thing, a verb that agrees, or a phrase."""
        if slot in self.people and self.people[slot].known and not spoken:
            return self._named(slot)
        name, _, argument = slot.partition(":")
        if name == "V" and argument:
            verb = argument.split("|")[self.head_number == "plural"]
            return self._mark(verb, verb=self.heads)
        if name == "I" and argument:
            return argument.split("|")[self.head_number == "plural"]
        if name in ("sg", "pl"):
            return self._mark(argument, number="singular" if name == "sg" else "plural")
        if name in ("head1", "head2"):
            return self._noun(f"{argument}/{argument}", "singular" if name == "head1" else "plural", head=True)
        if argument:
            return self._phrase(name, argument)
        if "." in name:
            return self._dotted(*name.split(".", 1))
        return self._plain(name)

    def _plain(self, name: str) -> str:
        """A slot of one word: a bound value, a person's name, a thing, a phrase or a word of a list."""
        if name in self.people:
            return self._person(name, "name")
        if name in self.things or name in self.places:
            return self._dotted(name, "name")
        if name in self.counts:
            return self._mark(NUMBERS[self.counts[name]], what="number", key=name)
        if name in self.errands or name in self.amounts:
            return self._dotted(name, "name")
        if name in self.bound:
            text, what = self.bound[name]
            return self._mark(text, what=what, key=name) if what else text
        if name == "someone":
            return self._townsperson()
        if name in ("aday", "sometown", "colour", "selfnum"):
            name = {"aday": "=days", "sometown": "=towns", "colour": "=colours"}[name]
        weathered = f"{name} {self.weather}"
        if name in PHRASES or weathered in PHRASES:
            return self.expand(self.draw.weighted(PHRASES.get(weathered) or PHRASES[name]))
        if f"{name}s" in WORDS:
            name += "s"
        if f"={name}s" in WORDS:
            name = f"={name}s"
        return self._word(name)

    def _word(self, name: str) -> str:
        """A word of a list that is not one of those the tale comes back to."""
        while True:
            entry = self.draw.even(WORDS[name]) if name.startswith("=") else self.draw.zipf(WORDS[name])
            if numbers_of(entry)[0] not in self.taken:
                return entry

    def _townsperson(self) -> str:
        name, self.who = self._word("=townsfolk").split("|")
        return self._mark(name, number="singular")

    def _dotted(self, owner: str, attribute: str) -> str:
        """ "{A.tool}", "{X.a}", "{one.birds}", "{who.his}"."""
        if owner in ("one", "many"):
            name = attribute if attribute in WORDS else f"={attribute}"
            return self._noun(self._word(name), "singular" if owner == "one" else "plural")
        if owner == "who":
            return FORMS[self.who][attribute]
        if owner in ("head", "head1", "head2"):
            number = {"head": "", "head1": "singular", "head2": "plural"}[owner]
            return self._noun(self.draw.zipf(self.people[attribute].domain["goods"]), number, head=True)
        if owner in self.people:
            return self._person(owner, attribute)
        if owner in self.things:
            return self._thing(owner, attribute)
        if owner in self.places:
            preposition, place = self.places[owner].split("|")
            marked = self._mark(place, what="place", key=owner, number="singular")
            return f"{preposition} {marked}" if attribute == "at" else marked
        if owner in self.errands:
            quantity, noun = self.errands[owner].split("/")
            marked = self._mark(noun, what="object", key=owner)
            return f"{quantity} {marked}" if attribute == "a" else marked
        number, entry = self.amounts[owner]
        measure, noun = entry.split("/")
        marked = self._mark(noun, what="object", key=owner)
        return f"{number} {measure} {marked}" if attribute == "some" else marked

    def _thing(self, owner: str, attribute: str) -> str:
        """ "{X}" lantern, "{X.a}" a green lantern, "{X.the}" the lantern or the green lantern, "{X.colour}" green."""
        singular, several = numbers_of(self.things[owner])
        if attribute == "a" and owner in self.mentioned:
            attribute = "the"
        self.mentioned.add(owner)
        colour = self._mark(self.colours[owner], what="colour", key=f"{owner}.colour")
        if attribute == "colour":
            return colour
        if attribute == "plural":
            return self._mark(several, what="object", key=f"{owner}.plural", number="plural")
        noun = self._mark(singular, what="object", key=owner, number="singular")
        if attribute == "a":
            return f"a {colour} {noun}"
        if attribute == "the":
            return f"the {colour} {noun}" if self.draw.chance(0.4) else f"the {noun}"
        return noun

    def _person(self, who: str, attribute: str) -> str:
        """What is said of a person; whoever has not been introduced yet is introduced instead of being named."""
        person = self.people[who]
        if attribute == "full":
            person.known = True
            first = self._mark(person.first, what="name", key=f"{who}.first", number="singular")
            return f"{first} {self._mark(person.last, what='name', key=f'{who}.last')}"
        if not person.known and attribute in ("name", "sur", "he", "him"):
            return self._person(who, "full") if who == "K" else self._phrase("intro", who)
        if attribute == "name":
            return self._mark(person.first, what="name", key=f"{who}.first", number="singular")
        if attribute in ("sur", "last"):
            last = self._mark(person.last, what="name", key=f"{who}.last", number="singular")
            return f"{person.title} {last}" if attribute == "sur" else last
        if attribute in FORMS["he"]:
            return FORMS[person.pronoun][attribute]
        if attribute in ("trade", "kin"):
            return self._mark(person.trade, what="trade", key=f"{who}.trade", number="singular")
        if attribute == "main":
            return self._mark(numbers_of(person.main)[0], what="object", key=f"{who}.main", number="singular")
        if attribute == "mains":
            return self._mark(numbers_of(person.main)[1], what="object", key=f"{who}.mains", number="plural")
        if attribute == "body":
            fits = [part for part in WORDS["bodyparts"] if part.partition("|")[2] in ("", person.pronoun)]
            return self.draw.zipf(fits).partition("|")[0]
        return self._of_trade(person, attribute)

    def _of_trade(self, person: Person, attribute: str) -> str:
        """A word from the circle of somebody's trade."""
        words = person.domain
        if attribute in ("good", "goods", "noun"):
            number = {"good": "singular", "goods": "plural", "noun": ""}[attribute]
            return self._noun(self.draw.zipf(words["goods"]), number)
        if attribute == "tool":
            return self._noun(self.draw.zipf(words["tools"]), "singular")
        if attribute == "trades":
            entry = self.draw.zipf(words["trades"])
            several = entry.partition("/")[2] or plural(_for_pronoun(entry, self.draw.even(["she", "he"])))
            return self._mark(several, number="plural")
        if attribute == "shop":
            return self._mark(self.draw.zipf(words["shops"]), number="singular")
        return self.draw.zipf(words[attribute if attribute in words else f"{attribute}s"])

    def _named(self, who: str) -> str:
        """A known person by first name, in the narrator's ways of saying it."""
        form = self.draw.weighted(PHRASES["named"]) if who != "K" else "{first}"
        form = form.replace("{first}", "{@.name}").replace("{last}", "{@.last}")
        return self.expand(form.replace("@", who))

    def _phrase(self, name: str, who: str) -> str:
        """A phrase about a person. Somebody still unknown is introduced when first mentioned."""
        if not self.people[who].known and name in ("ref", "sub", "says", "asks"):
            named = "{K.full}" if who == "K" else "{intro:" + who + "}"
            verb = {"says": "{said} ", "asks": "{asked} "}.get(name, "")
            return self.expand(verb + named)
        return self.expand(self.draw.weighted(PHRASES[name]).replace("@", who))

    # -- from marks to offsets -----------------------------------------------------------------------------------

    def _finish(self, marked: str) -> tuple[str, dict[str, Any]]:
        """Takes the marks out of the text and turns them into the ground truth."""
        text, spans, position = "", [], 0
        for match in MARK.finditer(marked):
            text += marked[position : match.start()]
            spans.append((len(text), match[2], self.marks[int(match[1])]))
            text += match[2]
            position = match.end()
        text += marked[position:]
        truth = {
            "plot": self.plot.name,
            "people": [
                {"name": f"{person.first} {person.last}", "trade": person.trade, "pronoun": person.pronoun}
                for person in self.people.values()
                if person.known
            ],
            "agreement": _agreement(text, spans),
            "recall": _recall(text, spans),
        }
        return text, truth


def _closing(template: str, start: int) -> int:
    """Where the bracket that opens at `start` is closed."""
    depth = 0
    for place in range(start, len(template)):
        depth += (template[place] in "[{") - (template[place] in "]}")
        if depth == 0:
            return place
    raise ValueError(f"a bracket is not closed: {template}")


def _alternatives(inner: str) -> list[str]:
    """Splits "a|b {c|d}" at the bars that stand in no bracket."""
    parts, depth = [""], 0
    for character in inner:
        depth += (character in "[{") - (character in "]}")
        if character == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _tidy(sentence: str) -> str:
    """Articles, commas, spaces and capitals of a sentence with marks."""
    mark = f"(?:{OPEN}\\d+{MIDDLE})?"
    sentence = re.sub(r" {2,}", " ", sentence).strip()
    sentence = re.sub(f"\\b([Aa]) (?={mark}(?!one\\b|uni|use|eu)[aeiouAEIOU])", r"\1n ", sentence)
    sentence = re.sub(r" ?,(?: ?,)*", ",", sentence)
    sentence = re.sub(r",(?=[.?!;:])", "", sentence)
    sentence = re.sub(f'([\\w{CLOSE}]) "(?=[a-z])', r'\1, "', sentence)
    capital = f'(^"?|[.?!]"? "|[.?!]"? |[,:] ")({mark})([a-z])'

    def raise_first(match: re.Match[str]) -> str:
        since = re.split(r'[.?!]"? ', sentence[: match.start() + 1])[-1]
        continues = re.search(r'[?!]" $', match[1]) or (match[1] == ', "' and ',"' in since)
        return match[0] if continues else match[1] + match[2] + match[3].upper()

    return re.sub(capital, raise_first, sentence)


def _word_index(text: str) -> dict[int, int]:
    """The number of the word that starts at an offset."""
    return {match.start(): number for number, match in enumerate(WORD.finditer(text))}


def _agreement(text: str, spans: list[tuple[int, str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Each verb that agrees with a drawn subject, the words in between, and whether another number stands between."""
    found = []
    heads: dict[int, tuple[int, str, int]] = {}
    for place, (start, word, mark) in enumerate(spans):
        if mark.get("head"):
            heads[mark["head"]] = (start + len(word), mark["number"], place)
        if "verb" not in mark:
            continue
        end, number, since = heads[mark["verb"]]
        between = spans[since + 1 : place]
        found.append(
            {
                "verb_start": start,
                "verb": word,
                "number": number,
                "distance": len(WORD.findall(text[end:start])),
                "attractor": any(other.get("number", number) != number for _, _, other in between),
            }
        )
    return found


def _recall(text: str, spans: list[tuple[int, str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Each word that names again what was named before, with the number of words since."""
    found = []
    numbered = _word_index(text)
    seen: dict[str, set[str]] = {}
    last: dict[str, int] = {}
    for start, phrase, mark in spans:
        if not mark.get("what"):
            continue
        word = WORD.findall(phrase)[-1]
        start += phrase.rindex(word)
        here = numbered[start]
        key = word.lower()
        if mark["key"] in seen.setdefault(key, set()):
            found.append({"start": start, "word": word, "distance": here - last[key], "what": mark["what"]})
        seen[key].add(mark["key"])
        last[key] = here
    return found
