"""Answers that must parse: a format as a finite automaton, compiled to the tokens that may come next.

Built in chapter 13. The idea is Willard and Louf's (Efficient Guided Generation for Large Language Models, 2023).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from lmtutor.data.bpe import VISIBLE
from lmtutor.models.cache import Cache
from lmtutor.runtime import CourseError, several

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# --- patterns ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, init=False)
class OneOf:
    """Exactly one of these parts."""

    parts: tuple[Pattern, ...]

    def __init__(self, *parts: Pattern):
        object.__setattr__(self, "parts", parts)


@dataclass(frozen=True, init=False)
class InOrder:
    """All of these parts, one after the other."""

    parts: tuple[Pattern, ...]

    def __init__(self, *parts: Pattern):
        object.__setattr__(self, "parts", parts)


@dataclass(frozen=True)
class Times:
    """A part from `least` to `most` times; without `most` as often as one likes."""

    part: Pattern
    least: int = 0
    most: int | None = None


Pattern = str | OneOf | InOrder | Times  # a string stands for itself


def letters(which: str) -> OneOf:
    """One of the characters of a string."""
    return OneOf(*which)


class _Builder:
    """Thompson's construction (1968): each part becomes states with moves by a byte, and moves by nothing."""

    def __init__(self):
        self.by_byte: list[list[tuple[int, int]]] = []
        self.by_nothing: list[list[int]] = []

    def state(self) -> int:
        self.by_byte.append([])
        self.by_nothing.append([])
        return len(self.by_byte) - 1

    def add(self, pattern: Pattern, start: int) -> int:
        """The state in which the pattern, begun in `start`, is complete."""
        if isinstance(pattern, str):
            for byte in pattern.encode():
                after = self.state()
                self.by_byte[start].append((byte, after))
                start = after
        elif isinstance(pattern, InOrder):
            for part in pattern.parts:
                start = self.add(part, start)
        elif isinstance(pattern, OneOf):
            end = self.state()
            for part in pattern.parts:
                self.by_nothing[self.add(part, self._branch(start))].append(end)
            start = end
        elif isinstance(pattern, Times):
            start = self._times(pattern, start)
        else:
            raise CourseError(f"A format is made of strings, OneOf, InOrder and Times, not of {pattern!r}.")
        return start

    def _branch(self, start: int) -> int:
        self.by_nothing[start].append(self.state())
        return len(self.by_byte) - 1

    def _times(self, pattern: Times, start: int) -> int:
        most = math.inf if pattern.most is None else pattern.most
        if not 0 <= pattern.least <= most:
            raise CourseError(f"A part cannot come from {pattern.least} to {pattern.most} times.")
        for _ in range(pattern.least):
            start = self.add(pattern.part, start)
        end = self.state()
        if pattern.most is None:  # once more, as often as one likes
            again = self._branch(start)
            self.by_nothing[self.add(pattern.part, again)].append(again)
            self.by_nothing[again].append(end)
            return end
        self.by_nothing[start].append(end)
        for _ in range(pattern.most - pattern.least):
            start = self.add(pattern.part, start)
            self.by_nothing[start].append(end)
        return end

    def closed(self, states: set[int]) -> frozenset[int]:
        """These states and all that can be reached from them by nothing."""
        found, todo = set(states), list(states)
        while todo:
            for after in self.by_nothing[todo.pop()]:
                if after not in found:
                    found.add(after)
                    todo.append(after)
        return frozenset(found)


@dataclass(frozen=True)
class Automaton:
    """A deterministic finite automaton over bytes. It begins in state 0.

    Attributes:
        moves: for each state: byte -> the next state; where there is none, the text does not fit.
        ends: the states in which a text is complete.
    """

    moves: list[dict[int, int]]
    ends: frozenset[int]

    def walk(self, text: bytes, state: int = 0) -> int | None:
        """The state after these bytes; None if they do not fit."""
        for byte in text:
            if (state := self.moves[state].get(byte)) is None:
                return None
        return state

    def fits(self, text: str) -> bool:
        """Whether a whole text has the format."""
        return self.walk(text.encode()) in self.ends


def automaton(pattern: Pattern) -> Automaton:
    """The automaton of a pattern, by the subset construction. Every state of it can still be completed.

    Raises:
        CourseError: no text has this format, as a part of it offers no choice.
    """
    builder = _Builder()
    start = builder.state()
    end = builder.add(pattern, start)
    subsets = {builder.closed({start}): 0}
    moves, todo = [], deque(subsets)
    while todo:
        reached: dict[int, set[int]] = {}
        for state in todo.popleft():
            for byte, after in builder.by_byte[state]:
                reached.setdefault(byte, set()).add(after)
        row = {}
        for byte, states in reached.items():
            subset = builder.closed(states)
            if subset not in subsets:
                subsets[subset] = len(subsets)
                todo.append(subset)
            row[byte] = subsets[subset]
        moves.append(row)
    ends = {number for subset, number in subsets.items() if end in subset}
    alive = set(_distances([set(row.values()) for row in moves], ends))
    if 0 not in alive:
        raise CourseError("No text at all has this format: a part of it, such as an empty OneOf(), offers no choice.")
    moves = [{byte: after for byte, after in row.items() if after in alive} for row in moves]
    return Automaton(moves, frozenset(ends))


def _distances(after: Sequence[set[int]], ends: set[int] | frozenset[int]) -> dict[int, int]:
    """From each state that can reach an end: the fewest moves to one."""
    before: dict[int, list[int]] = {}
    for state, targets in enumerate(after):
        for target in targets:
            before.setdefault(target, []).append(state)
    found, todo = dict.fromkeys(ends, 0), deque(ends)
    while todo:
        state = todo.popleft()
        for earlier in before.get(state, ()):
            if earlier not in found:
                found[earlier] = found[state] + 1
                todo.append(earlier)
    return found


# --- tokens -----------------------------------------------------------------------------------------------------------


def token_bytes(tokenizer: PreTrainedTokenizerBase) -> list[bytes | None]:
    """What each token of a byte-level BPE writes; None for special tokens, which write nothing.

    Raises:
        CourseError: it is no byte-level tokenizer.
    """
    table = {character: byte for byte, character in VISIBLE.items()}
    special = set(tokenizer.all_special_ids)
    names = dict(enumerate(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))))
    written = {number: name for number, name in names.items() if number not in special}
    if VISIBLE[ord(" ")] not in written.values() or not all(table.keys() >= set(name) for name in written.values()):
        raise CourseError("Formats need a tokenizer that cuts bytes, as byte-level BPE does, and this is another one.")
    return [bytes(map(table.get, written[n])) if n in written else None for n in names]


@dataclass
class TokenFormat:
    """A format in the tokens of one tokenizer: which may come in which state, and how far it is to the end.

    Every state that a text can come to has a way to the end, and `allowed` takes only what leaves time for it.

    Args:
        shape: the format.
        tokens: what each token writes, None for those that may not come; see `token_bytes`.
        end: the id that ends a text.

    Raises:
        CourseError: no text of these tokens has the format.
    """

    shape: Automaton
    tokens: Sequence[bytes | None]
    end: int
    moves: dict[int, dict[int, int]] = field(init=False, repr=False)  # state -> token -> state
    steps: dict[int, int] = field(init=False, repr=False)  # state -> the fewest tokens to the end, which is one

    def __post_init__(self):
        trie: dict = {}
        for number, written in enumerate(several(self.tokens, "tokens")):
            if written and number != self.end:
                node = trie
                for byte in written:
                    node = node.setdefault(byte, {})
                node.setdefault(None, []).append(number)
        found, todo = {}, [0]
        while todo:
            state = todo.pop()
            if state not in found:
                found[state] = dict(self._moves(trie, state))
                todo += found[state].values()
        numbers = {state: number for number, state in enumerate(found)}
        after = [{numbers[target] for target in row.values()} for row in found.values()]
        ends = {numbers[state] for state in found if state in self.shape.ends}
        distances = _distances(after, ends)
        self.steps = {state: distances[n] + 1 for state, n in numbers.items() if n in distances}
        if 0 not in self.steps:
            raise CourseError("No text of these tokens has the format: after some beginning, none of them fits.")
        self.moves = {
            state: {token: target for token, target in found[state].items() if target in self.steps}
            for state in self.steps
        }

    def _moves(self, trie: dict, start: int) -> Iterator[tuple[int, int]]:
        """Tokens that fit in a state, each with the state after it: trie and automaton are walked together."""
        todo = [(trie, start)]
        while todo:
            node, state = todo.pop()
            for token in node.get(None, ()):
                yield token, state
            for byte, after in self.shape.moves[state].items():
                if byte in node:
                    todo.append((node[byte], after))

    def allowed(self, state: int | None, left: int) -> list[int]:
        """The tokens that may come in a state if `left` tokens can still be written, the end among them.

        Args:
            state: None once the text has ended.
        """
        if state is None:
            return [self.end]
        found = [token for token, after in self.moves[state].items() if self.steps[after] < left]
        return found + [self.end] * (state in self.shape.ends)

    def after(self, state: int | None, token: int) -> int | None:
        """The state after a token that was allowed."""
        return None if state is None or token == self.end else self.moves[state][token]


def token_format(pattern: Pattern, tokenizer: PreTrainedTokenizerBase) -> TokenFormat:
    """A pattern in the tokens of a byte-level tokenizer, whose `eos_token` ends a text.

    Raises:
        CourseError: as in `automaton`, `token_bytes` and `TokenFormat`.
    """
    return TokenFormat(automaton(pattern), token_bytes(tokenizer), tokenizer.eos_token_id)


def masked(
    step: Callable[[torch.Tensor, Cache], torch.Tensor], form: TokenFormat, max_tokens: int
) -> Callable[[torch.Tensor, Cache], torch.Tensor]:
    """A step for one call of `decoding.generate`, after which only what the format allows can come.

    Whatever the model says, each text has ended with the format complete after at most `max_tokens`: in a state from
    which the end is n <= left tokens away, the next token on a shortest way is allowed and leaves n - 1 <= left - 1.

    Args:
        step: as for `generate`.
        form: the format.
        max_tokens: the same as for `generate`, whose `end` must be that of the format.

    Raises:
        CourseError: the shortest text of the format has more tokens.
    """
    if form.steps[0] > max_tokens:
        raise CourseError(
            f"The shortest answer in this format has {form.steps[0]} tokens, the end among them, and only {max_tokens} "
            f"may be written: raise max_tokens."
        )
    states: list[int | None] = []
    left = max_tokens

    def masked_step(ids: torch.Tensor, cache: Cache) -> torch.Tensor:
        nonlocal left, states
        logits = step(ids, cache)  # [batch, vocab]
        if states:
            states = [form.after(state, token) for state, token in zip(states, ids[:, -1].tolist(), strict=True)]
            left -= 1
        else:  # the prompt was read
            states = [0] * len(ids)
        # Not -inf, of which a difference would be no number; its exponential is 0 all the same.
        kept = torch.full_like(logits, torch.finfo(logits.dtype).min)
        for row, state in enumerate(states):
            may_come = form.allowed(state, left)
            kept[row, may_come] = logits[row, may_come]
        return kept

    return masked_step
