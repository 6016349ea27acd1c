"""Exercises of the bug hunt that goes with chapter 06."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from lmtutor.exercises.examine import Exercise, compare, same


def look_at(lengths: Sequence[int]) -> torch.Tensor:
    """True at the real keys of each sentence: [batch, 1, 1, longest]."""
    ends = torch.tensor(lengths)
    return (torch.arange(max(lengths)) < ends[:, None])[:, None, None, :]


def _remark_look_at(arguments, expected, got):
    if not hasattr(got, "shape"):
        return "A tensor is wanted."
    if got.dtype != torch.bool:
        return "Booleans are wanted: a mask of other numbers would be added to the scores."
    if got.shape != expected.shape:
        if got.shape == expected.mT.shape:
            return "That hides queries; padding must be hidden as a key, on the last axis."
        return f"The shape should be {list(expected.shape)}, not {list(got.shape)}."
    if torch.equal(got, ~expected):
        return "Exactly the other way round: here True means that a query may look."
    return ""


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[batch, time, hidden] -> [batch, heads, time, hidden / heads]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _remark_split_heads(arguments, expected, got):
    x, heads = arguments
    if same(x.reshape(expected.shape), got, 1e-6):
        return "Case 5's mistake: each head got some of the words, whole. Split the last axis, then move."
    if same(x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2), got, 1e-6):
        return "The first head should get the first numbers of each vector; yours takes numbers from all over it."
    if same(x.unflatten(-1, (heads, -1)), got, 1e-6):
        return "That is split as it should be; now bring the heads before the time."
    return ""


def greedy(following: Callable, count: int, start: int, end: int, longest: int) -> list[list[int]]:
    """Write all rows until all have ended, or for `longest` steps; without start, up to the first end."""
    rows = [[start] for _ in range(count)]
    for _ in range(longest):
        if all(end in row[1:] for row in rows):
            break
        rows = [[*row, new] for row, new in zip(rows, following([list(row) for row in rows]), strict=True)]
    written = [row[1:] for row in rows]
    return [row[: row.index(end)] if end in row else row for row in written]


def _remark_greedy(arguments, expected, got):
    following, count, start, end, longest = arguments
    if not (isinstance(got, list) and len(got) == len(expected) and all(isinstance(row, list) for row in got)):
        return ""
    if any(row[:1] == [start] and row[:1] != right[:1] for row, right in zip(got, expected, strict=True)):
        return "The start does not belong to what was written."
    if any(end in row for row in got):
        return "Cut each row at its first end; the end itself does not belong to it."
    shorter = [len(row) < len(right) for row, right in zip(got, expected, strict=True)]
    if any(shorter) and all(row == right[: len(row)] for row, right in zip(got, expected, strict=True)):
        return "Some rows are cut off: go on until every row has ended, or for all `longest` steps."
    return ""


# What the cases of `greedy` follow: each says the next id of all rows.


def _counts(rows):
    """one more than the last id of the row, and after 6 the end, 2"""
    return [row[-1] + 1 if row[-1] < 6 else 2 for row in rows]


def _ends_at_once(rows):
    """always the end, 2; asked again after that, it refuses"""
    if any(len(row) > 1 for row in rows):
        raise ValueError("all rows have ended")
    return [2 for _ in rows]


def _one_by_one(rows):
    """row r says 7 until it has r + 1 of them, then the end, 2, and then 9 for ever"""
    return [9 if 2 in row[1:] else 7 if row.count(7) <= r else 2 for r, row in enumerate(rows)]


def _last_first(rows):
    """the last row ends first: row r says 8 until there are as many as rows behind it, then the end, 2"""
    return [8 if row.count(8) < len(rows) - r - 1 else 2 for r, row in enumerate(rows)]


def _never(rows):
    """the length of the row plus 10: no end"""
    return [len(row) + 10 for row in rows]


def _until_all_have_ended(rows):
    """8, and then the end, 2; asked when all rows have ended, it refuses"""
    if rows and all(2 in row[1:] for row in rows):
        raise ValueError("all rows have ended")
    return [8 if len(row) == 1 else 2 for row in rows]


def _start_is_end(rows):
    """5, 6 and then the id that the row began with"""
    return [(5, 6, row[0])[min(len(row), 3) - 1] for row in rows]


def _says_the_start(rows):
    """3, then the id that the row began with, then the end, 2"""
    return [(3, row[0], 2)[min(len(row), 3) - 1] for row in rows]


def fault(predict: Callable, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> str:
    """The first of "peeks", "deaf", "orderless", "company" that is true of some sentence, or "none"."""
    pairs = [(list(source), list(target)) for source, target in zip(sources, targets, strict=True)]
    before = [_alone(predict, *pair) for pair in pairs]
    for check, name in ((_peeks, "peeks"), (_deaf, "deaf"), (_orderless, "orderless")):
        if any(check(predict, *pair, numbers) for pair, numbers in zip(pairs, before, strict=True)):
            return name
    together = predict(_padded(sources), _padded(targets))
    if any(several[: len(one)] != one for one, several in zip(before, together, strict=True)):
        return "company"
    return "none"


def _alone(predict, source, target):
    return predict([source], [target])[0]


def _padded(rows):
    longest = max(map(len, rows))
    return [[*row, *[0] * (longest - len(row))] for row in rows]


def _peeks(predict, source, target, before):
    return _alone(predict, source, [*target[:-1], target[-1] + 1])[:-1] != before[:-1]


def _deaf(predict, source, target, before):
    others = [[*source[:i], word + 1, *source[i + 1 :]] for i, word in enumerate(source)]
    return any(_alone(predict, other, target)[-1] == before[-1] for other in others)


def _orderless(predict, source, target, before):
    return _alone(predict, source[::-1], target) == before


def _remark_fault(arguments, expected, got):
    if not isinstance(got, str) or got not in ("peeks", "deaf", "orderless", "company", "none"):
        return 'One of the words "peeks", "deaf", "orderless", "company" and "none" is wanted.'
    if got == "none":
        return f"Your questions heard nothing; does the one for {expected!r} go through all sentences (and all words)?"
    order = ["peeks", "deaf", "orderless", "company", "none"]
    if order.index(got) > order.index(expected):
        return f"{got!r} may be true of it, too, but {expected!r} comes before it in the list."
    if got == "company":
        return "Compare the numbers at the sentence's own places only: what stands behind its end is of no importance."
    return f"The question for {got!r} rings where it should not: what else changed?"


# The models of `fault`: a number for each place of each target.


def _words(source):
    """What is no padding."""
    return [word for word in source if word]


def _weighted(words):
    """A number that knows of all words and of their order."""
    return sum((i + 1) * word for i, word in enumerate(words))


def _right(sources, targets):
    """the words of its source and of its target so far, with their order"""
    return [
        [1000 * _weighted(_words(source)) + _weighted(target[: t + 1]) for t in range(len(target))]
        for source, target in zip(sources, targets, strict=True)
    ]


def _sees_all(sources, targets):
    """the words of its source and of its whole target, with their order"""
    return [
        [1000 * _weighted(_words(source)) + _weighted(target) for _ in target]
        for source, target in zip(sources, targets, strict=True)
    ]


def _sees_one_ahead(sources, targets):
    """the words of its source, and of its target up to the next word but for the first three places"""
    return [
        [1000 * _weighted(_words(source)) + _weighted(target[: t + 1 + (t > 2)]) for t in range(len(target))]
        for source, target in zip(sources, targets, strict=True)
    ]


def _no_source(sources, targets):
    """the words of its target so far, with their order"""
    return [[_weighted(target[: t + 1]) for t in range(len(target))] for target in targets]


def _half_deaf(sources, targets):
    """the first two words of its source, and the words of its target so far, with their order"""
    return _right([source[:2] for source in sources], targets)


def _bag(sources, targets):
    """the words of its source without their order, and the words of its target so far"""
    return [
        [1000 * sum(source) + _weighted(target[: t + 1]) for t in range(len(target))]
        for source, target in zip(sources, targets, strict=True)
    ]


def _counts_padding(sources, targets):
    """as it should be, and the width of its source with the padding"""
    rows = zip(sources, _right(sources, targets), strict=True)
    return [[number + 10**6 * len(source) for number in row] for source, row in rows]


def _reads_the_first(sources, targets):
    """as it should be, and the first word of the first source of the batch"""
    return [[number + 10**6 * sources[0][0] for number in row] for row in _right(sources, targets)]


def _bag_in_a_queue(sources, targets):
    """the words of its source without their order, the words of its target so far, its place in the batch"""
    return [[number + 10**6 * place for number in row] for place, row in enumerate(_bag(sources, targets))]


def _deaf_to_the_second(sources, targets):
    """all words of its source but the second, how many they are, and the words of its target so far"""
    return _right([[*source[:1], *source[2:], 100 * len(_words(source))] for source in sources], targets)


def _rectangles(sources, targets):
    """as it should be, but it refuses rows of different lengths"""
    for rows in (sources, targets):
        if len({len(row) for row in rows}) > 1:
            raise ValueError("the rows of a batch are not equally long")
    return _right(sources, targets)


def _odd(sources, targets):
    """which words of its source are odd, and the words of its target so far"""
    return _right([[1 + word % 2 for word in _words(source)] for source in sources], targets)


def _steps(sources, targets):
    """which words of its source are above 5 and above 9, and the words of its target so far"""
    return _right([[1 + (word > 5) + (word > 9) for word in _words(source)] for source in sources], targets)


def _odd_end(sources, targets):
    """as it should be, and whether the last id of its target is odd"""
    rows = zip(targets, _right(sources, targets), strict=True)
    return [[number + 10**6 * (target[-1] % 2) for number in row] for target, row in rows]


def _high_end(sources, targets):
    """as it should be, and whether the last id of its target is above 5"""
    rows = zip(targets, _right(sources, targets), strict=True)
    return [[number + 10**6 * (target[-1] > 5) for number in row] for target, row in rows]


_SHORT, _LONG = ([[5, 6, 8]], [[4, 7]]), ([[5, 6, 9], [7, 3], [8, 4, 6, 9]], [[4, 7, 5], [6, 9, 4, 8, 5], [7, 3]])

EXERCISES = {
    "look_at": Exercise(
        hint="Compare torch.arange(longest), the places of the keys, with the lengths as a column, [batch, 1]; then "
        "give the result two axes more in the middle, for heads and queries: [:, None, None, :].",
        examine=compare(
            look_at,
            [([1],), ([1, 2],), ([3, 1],), ([2, 2],), ([1, 4, 2],)],
            remark=_remark_look_at,
        ),
    ),
    "split_heads": Exercise(
        hint="Two steps: split the last axis into [heads, size] (reshape or unflatten), then exchange the axes of time "
        "and heads (transpose).",
        examine=compare(
            split_heads,
            [
                (torch.arange(4.0).view(1, 2, 2), 2),
                (torch.arange(12.0).view(1, 3, 4), 2),
                (torch.arange(12.0).view(2, 1, 6), 3),
                (torch.arange(24.0).view(2, 3, 4), 1),
                (torch.arange(48.0).view(2, 3, 8), 2),
            ],
            remark=_remark_split_heads,
        ),
    ),
    "greedy": Exercise(
        hint="Keep a list of rows, each [start] at first. In each step ask following(rows) once and append to all "
        "rows, also to those that have ended. Leave the loop when all(end in row[1:] for row in rows). Cut at the end.",
        examine=compare(
            greedy,
            [
                (_counts, 1, 3, 2, 8),
                (_ends_at_once, 2, 1, 2, 3),
                (_one_by_one, 2, 1, 2, 8),
                (_last_first, 3, 1, 2, 8),
                (_never, 2, 1, 2, 3),
                (_one_by_one, 4, 1, 2, 3),
                (_until_all_have_ended, 3, 1, 2, 6),
                (_start_is_end, 2, 1, 1, 5),
                (_says_the_start, 1, 1, 2, 6),
                (_never, 0, 1, 2, 3),
            ],
            remark=_remark_greedy,
        ),
    ),
    "fault": Exercise(
        hint="Write a helper for predict([source], [target])[0] and one that pads rows with 0. First the numbers of "
        "each sentence alone; then one question after the other over all sentences, in the order of the list.",
        examine=compare(
            fault,
            [
                (_right, [[5, 8]], [[4, 7]]),
                (_sees_all, *_SHORT),
                (_no_source, *_SHORT),
                (_bag, *_SHORT),
                (_half_deaf, *_SHORT),
                (_half_deaf, [[5, 6, 8]], [[4, 7, 9]]),
                (_deaf_to_the_second, *_SHORT),
                (_odd, [[5, 8]], [[4, 7]]),
                (_steps, [[5, 9]], [[4, 7]]),
                (_odd_end, [[5, 8]], [[4, 8, 5]]),
                (_high_end, [[5, 8]], [[4, 8, 5]]),
                (_rectangles, *_LONG),
                (_right, *_LONG),
                (_counts_padding, *_LONG),
                (_reads_the_first, *_LONG),
                (_sees_one_ahead, *_LONG),
                (_half_deaf, *_LONG),
                (_bag_in_a_queue, *_LONG),
            ],
            remark=_remark_fault,
        ),
    ),
}
