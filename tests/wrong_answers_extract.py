"""Plausible wrong answers to the exercises of chapter 11."""

import difflib


def bio_with(first="B", others="I", further=0):
    def bio(spans, length):
        tags = ["O"] * length
        for start, end, kind in spans:
            for place in range(start, min(end + further, length)):
                tags[place] = f"{first if place == start else others}-{kind}"
        return tags

    return bio


def labels_with(ignored=-100, first=lambda word_of, i: i == 0 or word_of[i - 1] != word_of[i]):
    def piece_labels(word_of, labels):
        return [labels[word] if word is not None and first(word_of, i) else ignored for i, word in enumerate(word_of)]

    return piece_labels


def one_by_one(start, end):
    return (max(range(len(start)), key=start.__getitem__), max(range(len(end)), key=end.__getitem__))


def from_best_start(start, end):
    i = max(range(len(start)), key=start.__getitem__)
    return i, max(range(i, len(end)), key=end.__getitem__)


def to_best_end(start, end):
    j = max(range(len(end)), key=end.__getitem__)
    return max(range(j + 1), key=start.__getitem__), j


def best_span_with(begin=float("-inf"), late=False, behind=0):
    def best_span(start, end):
        best, pair, first = begin, (0, 0), 0
        for j, score in enumerate(end):
            if start[j] > start[first] and not late:
                first = j
            if start[first] + score > best:
                best, pair = start[first] + score, (first, j + behind)
            if start[j] > start[first]:
                first = j
        return pair

    return best_span


def single_place(start, end):
    i = max(range(len(start)), key=lambda i: start[i] + end[i])
    return i, i


def common_with(diagonal):
    """The table's row, where a match adds 1 to what `diagonal` takes from the row before and this one."""

    def common(first, second):
        row = [0] * (len(second) + 1)
        for item in first:
            before, row = row, [0] * (len(second) + 1)
            for j, other in enumerate(second, start=1):
                row[j] = diagonal(before, row, j) + 1 if item == other else max(before[j], row[j - 1])
        return row[-1]

    return common


def greedy_common(first, second):
    at = count = 0
    for word in first:
        if word in second[at:]:
            at = second.index(word, at) + 1
            count += 1
    return count


def longest_run(first, second):
    return difflib.SequenceMatcher(None, first, second, autojunk=False).find_longest_match().size


def share_with(counts=lambda total: total <= 0, of=len):
    def not_better(first, second, draws):
        differences = [a - b for a, b in zip(first, second, strict=True)]
        return sum(counts(sum(differences[i] for i in draw)) for draw in draws) / of(draws)

    return not_better


WRONG = {
    "extract.bio": {
        "I alone": bio_with(first="I"),
        "B alone": bio_with(others="B"),
        "one too far": bio_with(further=1),
        "one too short": bio_with(further=-1),
    },
    "extract.piece_labels": {
        "all pieces": labels_with(first=lambda word_of, i: True),
        "zero": labels_with(ignored=0),
        "word 0 left out": lambda word_of, labels: [
            labels[word] if word and word not in word_of[:i] else -100 for i, word in enumerate(word_of)
        ],
        "the last piece": labels_with(first=lambda word_of, i: word_of[i + 1 : i + 2] != [word_of[i]]),
        "no special tokens": lambda word_of, labels: [
            labels[word] for word in dict.fromkeys(word_of) if word is not None
        ],
    },
    "extract.may_follow": {
        "any name": lambda tag, before: not tag.startswith("I-") or before != "O",
        "behind B only": lambda tag, before: not tag.startswith("I-") or before == f"B-{tag[2:]}",
        "always": lambda tag, before: True,
        "the same type": lambda tag, before: tag[2:] == before[2:],
    },
    "extract.best_span": {
        "one by one": one_by_one,
        "from the best start": from_best_start,
        "to the best end": to_best_end,
        "a single place": single_place,
        "from 0 up": best_span_with(begin=0.0),
        "its own start too late": best_span_with(late=True),
        "the place behind": best_span_with(behind=1),
    },
    "extract.common": {
        "words in common": lambda first, second: sum(min(first.count(w), second.count(w)) for w in set(first)),
        "the longest run": longest_run,
        "greedy": greedy_common,
        "a word of the first twice": common_with(lambda before, row, j: row[j - 1]),
        "a word of the second twice": common_with(lambda before, row, j: before[j]),
    },
    "extract.not_better": {
        "better": share_with(lambda total: total > 0),
        "zero is better": share_with(lambda total: total < 0),
        "a number": share_with(of=lambda draws: 1),
        "per cent": share_with(of=lambda draws: len(draws) / 100),
        "each text once": lambda first, second, draws: share_with()(first, second, [sorted(set(d)) for d in draws]),
        "no resamples": lambda first, second, draws: (
            sum(a <= b for a, b in zip(first, second, strict=True)) / len(first)
        ),
    },
}
