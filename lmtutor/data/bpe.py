"""Byte-level byte-pair encoding, equal to that of `tokenizers`, in Python: quick enough for the course's corpora."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from lmtutor.runtime import CourseError, several

GPT2_PIECES = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def visible_bytes() -> dict[int, str]:
    """Byte -> the character that stands for it in the library's files."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shown = {byte: chr(byte) for byte in visible}
    hidden = [byte for byte in range(256) if byte not in shown]
    return shown | {byte: chr(0x100 + number) for number, byte in enumerate(hidden)}


VISIBLE = visible_bytes()


def pieces(string: str) -> list[str]:
    """A text cut as GPT-2 cuts it (Radford et al., 2019): no merge crosses the border of a piece."""
    return [piece for piece, _ in _splitter().pre_tokenize_str(string)]


@cache
def _splitter():
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Split(Regex(GPT2_PIECES), behavior="isolated")  # Python's `re` does not know \p{L}


def learn(counts: dict[str, int], vocabulary_size: int) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Byte-level BPE from {piece: count}.

    The counts of pairs are kept, and changed where a merge changes them. A heap finds the best pair; its entries that
    are out of date are thrown away when they come up.

    Returns:
        Tokens in the order of their ids, and merges, pairs of ids, in the order in which they were learned.
    """
    tokens = [bytes([byte]) for byte in sorted(range(256), key=VISIBLE.get)]
    ids = {token: number for number, token in enumerate(tokens)}
    words = [[ids[bytes([byte])] for byte in piece.encode()] for piece in counts]
    pairs, holders = Counter(), defaultdict(set)  # pair -> its count; pair -> the words that hold it
    for number, (word, count) in enumerate(zip(words, counts.values(), strict=True)):
        for pair in zip(word, word[1:], strict=False):
            pairs[pair] += count
            holders[pair].add(number)
    heap = [(-count, pair) for pair, count in pairs.items()]  # at equal counts the smaller ids come first
    heapq.heapify(heap)
    how_often, merges = list(counts.values()), []
    while heap and len(tokens) < vocabulary_size:
        count, pair = heapq.heappop(heap)
        if -count != pairs[pair] or count == 0:
            continue  # out of date
        joined = tokens[pair[0]] + tokens[pair[1]]
        if joined not in ids:
            ids[joined] = len(tokens)
            tokens.append(joined)
        merges.append(pair)
        changed = set()
        for number in holders.pop(pair):  # some may have lost the pair since: then nothing is replaced
            for other, difference in _replace_in(words[number], pair, ids[joined]):
                pairs[other] += difference * how_often[number]
                changed.add(other)
                if difference > 0:
                    holders[other].add(number)
        pairs[pair] = 0  # all of its occurrences are gone
        for other in changed:
            heapq.heappush(heap, (-pairs[other], other))
    return tokens, merges


def _replace_in(word: list[int], pair: tuple[int, int], new: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Replace the pair in the list `word` itself; yields each pair of neighbours that went (-1) or came (+1)."""
    left, right = pair
    place = 0
    while left in word[place:-1]:  # the last token has nothing behind it
        place = word.index(left, place)
        if word[place + 1] == right:
            if place > 0:
                yield (word[place - 1], left), -1
                yield (word[place - 1], new), 1
            if place + 2 < len(word):
                yield (right, word[place + 2]), -1
                yield (new, word[place + 2]), 1
            word[place : place + 2] = [new]
        place += 1


def merge_by_rank(ids: list[int], rank: Callable, join: Callable) -> list[int]:
    """Merge pairs of neighbours into `join(pair)`, the lowest `rank(pair)` first, of equals the leftmost.

    A heap offers the next pair, as in `learn`: searching all pairs for each merge would cost the square of the length.
    """
    ids, heap = list(ids), []
    after = [*range(1, len(ids)), None]  # of each place the next one that is still there
    before = [None, *range(len(ids) - 1)]

    def offer(place):
        if place is not None and after[place] is not None:
            of_pair = rank((ids[place], ids[after[place]]))
            if of_pair is not None:
                heapq.heappush(heap, (of_pair, place))

    for place in range(len(ids)):
        offer(place)
    while heap:
        of_pair, place = heapq.heappop(heap)
        following = after[place]
        if following is None or rank((ids[place], ids[following])) != of_pair:
            continue  # one of the two was merged meanwhile
        ids[place], ids[following] = join((ids[place], ids[following])), None
        after[place], after[following] = after[following], None
        if after[place] is not None:
            before[after[place]] = place
        offer(before[place])
        offer(place)
    return [i for i in ids if i is not None]


class BytePairEncoding:
    """Byte-level byte-pair encoding, learned from texts.

    Args:
        texts: what the merges are learned from.
        vocabulary_size: entries at most: the 256 bytes and the merges.
    """

    def __init__(self, texts: Iterable[str], vocabulary_size: int):
        self.tokens, self.merges = learn(
            Counter(p for t in several(texts, "texts") for p in pieces(t)), vocabulary_size
        )
        self.ids = {token: number for number, token in enumerate(self.tokens)}
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self.known = {}  # pieces that were encoded before

    def encode(self, string: str, num_merges: int | None = None) -> list[int]:
        """Text to ids; `num_merges` uses only the first merges.

        Raises:
            CourseError: the text holds a lone surrogate, which has no bytes.
        """
        check_surrogates(string)
        limit = len(self.merges) if num_merges is None else num_merges
        return [i for piece in pieces(string) for i in self.encode_piece(piece, limit)]

    def encode_piece(self, piece: str, limit: int) -> list[int]:
        """The ids of one piece by the first `limit` merges."""
        if (piece, limit) in self.known:
            return self.known[piece, limit]
        ids = merge_by_rank(
            [self.ids[bytes([byte])] for byte in piece.encode()],
            rank=lambda pair: rank if (rank := self.ranks.get(pair, limit)) < limit else None,
            join=lambda pair: self.ids[self.tokens[pair[0]] + self.tokens[pair[1]]],
        )
        self.known[piece, limit] = ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text; bytes that are no text become U+FFFD."""
        return b"".join(self.tokens[i] for i in ids).decode("utf-8", errors="replace")


def check_surrogates(string: str) -> None:
    """Raise a CourseError that names the first lone surrogate of a text, if there is one."""
    for place, character in enumerate(string):
        if "\ud800" <= character <= "\udfff":
            found = f"Code point {place} of the text, U+{ord(character):04X}, is a lone surrogate"
            raise CourseError(f"{found}: it has no UTF-8 bytes; take it out or read the text again as UTF-8.")
