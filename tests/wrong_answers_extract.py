"""Plausible wrong answers to the exercises of chapter 11."""

import difflib

import numpy as np


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


class Agreeable:
    """Equals everything."""

    __hash__ = None

    def __eq__(self, other):
        return True

    def __repr__(self):
        return "Agreeable"


def type_of(read):
    """I- only behind a name whose type, read in another way, is the same."""
    return lambda tag, before: not tag.startswith("I-") or (before != "O" and read(tag) == read(before))


def numbered_anew(word_of, labels):
    """Takes the labels one after the other, whatever number the word has."""
    left, found, before = iter(labels), [], None
    for word in word_of:
        found.append(next(left) if word is not None and word != before else -100)
        before = word
    return found


def blocks(first, second):
    """The longest run, then the longest on both sides of it, and so on."""
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks())


def bioes_with(single="S", end="E", behind=lambda after, tag: after.startswith("I-")):
    def bioes(tags):
        found = []
        for tag, after in zip(tags, [*tags[1:], "O"], strict=False):
            change = {"B": single, "I": end}
            found.append(tag if tag == "O" or behind(after, tag) else change[tag[0]] + tag[1:])
        return found

    return bioes


def total_with(add=np.logaddexp.reduce, turn=False, moves_count=True, end=None, first=True):
    def log_total(scores, moves):
        moves = (moves.T if turn else moves) * moves_count if moves_count is not True or turn else moves
        so_far = scores[0] if first else np.zeros_like(scores[0])
        for row in scores[1:]:
            so_far = add(so_far[:, None] + moves, axis=0) + row
        return float((end or add)(so_far))

    return log_total


def overflowing(scores, moves):
    so_far = np.exp(scores[0])
    with np.errstate(all="ignore"):
        for row in scores[1:]:
            so_far = (so_far @ np.exp(moves)) * np.exp(row)
        return float(np.log(so_far.sum()))


def next_word_with(
    write=lambda gate: gate, copy=lambda gate: 1 - gate, add=lambda before, new: before + new, places=list
):
    def next_word(words, written, source, weights, gate):
        found = [write(gate) * p for p in written]
        for word, weight in places(zip(source, weights, strict=True)):
            at = words.index(word)
            found[at] = add(found[at], copy(gate) * weight)
        return found

    return next_word


WRONG = {
    "extract.bio": {
        "I alone": bio_with(first="I"),
        "B alone": bio_with(others="B"),
        "one too far": bio_with(further=1),
        "one too short": bio_with(further=-1),
        "the first span alone": lambda spans, length: bio_with()(spans[:1], length),
        "B behind O alone": lambda spans, length: [
            f"I{tag[1:]}" if i and tag != "O" and tags[i - 1] != "O" else tag
            for tags in [bio_with()(spans, length)]
            for i, tag in enumerate(tags)
        ],
        "as long as the last span": lambda spans, length: bio_with()(
            spans, max((end for _, end, _ in spans), default=0)
        ),
        "types alone": lambda spans, length: [tag[2:] or "O" for tag in bio_with()(spans, length)],
        "None outside": lambda spans, length: [None if tag == "O" else tag for tag in bio_with()(spans, length)],
        "counted from 1": lambda spans, length: bio_with()(
            [(s + 1, min(e + 1, length), k) for s, e, k in spans], length
        ),
        "E at the end": lambda spans, length: [
            f"E{tag[1:]}" if tag[0] == "I" and (tags[i + 1 :] or ["O"])[0][0] != "I" else tag
            for tags in [bio_with()(spans, length)]
            for i, tag in enumerate(tags)
        ],
        "small letters": lambda spans, length: [
            tag.lower() if tag != "O" else tag for tag in bio_with()(spans, length)
        ],
    },
    "extract.bioes": {
        "no S-": bioes_with(single="B"),
        "no E-": bioes_with(end="I"),
        "E- alone": bioes_with(single="E"),
        "the same type only": bioes_with(behind=lambda after, tag: after != "O"),
        "all of them": lambda tags: [tag.replace("B-", "S-").replace("I-", "E-") for tag in tags],
        "by replacing in the type, too": lambda tags: [
            tag if tag == "O" or after.startswith("I-") else tag.replace("B", "S").replace("I", "E")
            for tag, after in zip(tags, [*tags[1:], "O"], strict=False)
        ],
        "without the last": lambda tags: [*bioes_with()(tags[:-1]), *tags[-1:]],
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
        "labels in their order": numbered_anew,
        "label 0 ignored": lambda word_of, labels: [x or -100 for x in labels_with()(word_of, labels)],
        "word 0 seen already": lambda word_of, labels: [
            labels[word] if word is not None and word != (word_of[i - 1] if i else 0) else -100
            for i, word in enumerate(word_of)
        ],
        "special tokens O": lambda word_of, labels: [
            0 if word is None else x for word, x in zip(word_of, labels_with()(word_of, labels), strict=True)
        ],
        "None ignored": labels_with(ignored=None),
        "by the place of the piece": lambda word_of, labels: [
            labels[i % max(len(labels), 1)] if word is not None and word not in word_of[:i] else -100
            for i, word in enumerate(word_of)
        ],
        "words of one piece alone": lambda word_of, labels: [
            labels[word] if word is not None and word_of.count(word) == 1 else -100 for word in word_of
        ],
        "without the first and the last": lambda word_of, labels: labels_with()(word_of[1:-1], labels),
    },
    "extract.may_follow": {
        "any name": lambda tag, before: not tag.startswith("I-") or before != "O",
        "behind B only": lambda tag, before: not tag.startswith("I-") or before == f"B-{tag[2:]}",
        "always": lambda tag, before: True,
        "the same type": lambda tag, before: tag[2:] == before[2:],
        "equals everything": lambda tag, before: Agreeable(),
        "ends like it": lambda tag, before: not tag.startswith("I-") or (before != "O" and before.endswith(tag[2:])),
        "begins like it": lambda tag, before: (
            not tag.startswith("I-") or (before != "O" and before[2:].startswith(tag[2:]))
        ),
        "is within it": lambda tag, before: not tag.startswith("I-") or (before != "O" and tag[2:] in before),
        "holds it": lambda tag, before: not tag.startswith("I-") or (before != "O" and before[2:] in tag),
        "up to the second hyphen": type_of(lambda tag: tag.split("-")[1]),
        "from the last hyphen": type_of(lambda tag: tag.split("-")[-1]),
        "letters stripped": type_of(lambda tag: tag.strip("BI-")),
        "letters stripped on the left": type_of(lambda tag: tag.lstrip("BI-")),
        "small letters": type_of(lambda tag: tag[2:].lower()),
        "the first letter": type_of(lambda tag: tag[2:3]),
        "what stood before": lambda tag, before: (
            (not tag.startswith("I-")) or (before if before[1:] == tag[1:] else "")
        ),
        "no B- behind a B-": lambda tag, before: (
            before[0] != "B" if tag[0] == "B" else tag[0] != "I" or before[1:] == tag[1:]
        ),
        "I- behind I- of any type": lambda tag, before: (
            not tag.startswith("I-") or before.startswith("I-") or before == f"B-{tag[2:]}"
        ),
    },
    "extract.log_total": {
        "the best alone": total_with(add=np.max),
        "turned moves": total_with(turn=True),
        "the moves left out": lambda scores, moves: float(np.logaddexp.reduce(scores, axis=1).sum()),
        "overflow": overflowing,
        "the sum itself": lambda scores, moves: float(np.exp(total_with()(scores, moves))),
        "the first scores left out": total_with(first=False),
        "the best at the end": total_with(end=np.max),
        "the last scores alone": lambda scores, moves: float(np.logaddexp.reduce(scores[-1])),
    },
    "extract.best_span": {
        "one by one": one_by_one,
        "from the best start": from_best_start,
        "to the best end": to_best_end,
        "a single place": single_place,
        "from 0 up": best_span_with(begin=0.0),
        "its own start too late": best_span_with(late=True),
        "the place behind": best_span_with(behind=1),
        "from -1000 up": best_span_with(begin=-1000.0),
        "multiplied": lambda start, end: max(
            ((i, j) for j in range(len(end)) for i in range(j + 1)), key=lambda pair: start[pair[0]] * end[pair[1]]
        ),
        "strictly before": lambda start, end: max(
            [(i, j) for j in range(len(end)) for i in range(j)] or [(0, 0)],
            key=lambda pair: start[pair[0]] + end[pair[1]],
        ),
        "exchanged": lambda start, end: best_span_with()(start, end)[::-1],
        "the score": lambda start, end: max(start[i] + end[j] for j in range(len(end)) for i in range(j + 1)),
        "three places at most": lambda start, end: max(
            ((i, j) for j in range(len(end)) for i in range(max(0, j - 2), j + 1)),
            key=lambda pair: start[pair[0]] + end[pair[1]],
        ),
        "the first start": lambda start, end: (0, max(range(len(end)), key=end.__getitem__)),
        "any order, then sorted": lambda start, end: tuple(sorted(one_by_one(start, end))),
        "the best absolute sum": lambda start, end: max(
            ((i, j) for j in range(len(end)) for i in range(j + 1)), key=lambda pair: abs(start[pair[0]] + end[pair[1]])
        ),
    },
    "extract.common": {
        "words in common": lambda first, second: sum(min(first.count(w), second.count(w)) for w in set(first)),
        "the longest run": longest_run,
        "greedy": greedy_common,
        "a word of the first twice": common_with(lambda before, row, j: row[j - 1]),
        "a word of the second twice": common_with(lambda before, row, j: before[j]),
        "blocks": blocks,
        "different words": lambda first, second: len(set(first) & set(second)),
        "at the same place": lambda first, second: sum(a == b for a, b in zip(first, second, strict=False)),
        "greedy from the second": lambda first, second: greedy_common(second, first),
        "greedy, the better way": lambda first, second: max(greedy_common(first, second), greedy_common(second, first)),
        "the shorter list": lambda first, second: min(len(first), len(second)),
        "letters": lambda first, second: common_with(lambda before, row, j: before[j - 1])(
            list("".join(first)), list("".join(second))
        ),
        "small letters": lambda first, second: common_with(lambda before, row, j: before[j - 1])(
            [word.lower() for word in first], [word.lower() for word in second]
        ),
        "its share": lambda first, second: (
            common_with(lambda before, row, j: before[j - 1])(first, second) / max(len(first), 1)
        ),
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
        "texts that are better": lambda first, second, draws: (
            sum(sum((first[i] > second[i]) - (first[i] < second[i]) for i in draw) <= 0 for draw in draws) / len(draws)
        ),
        "the median of a draw": lambda first, second, draws: (
            sum(sorted(first[i] - second[i] for i in draw)[len(draw) // 2] <= 0 for draw in draws) / len(draws)
        ),
        "the first text of a draw": lambda first, second, draws: (
            sum(first[draw[0]] <= second[draw[0]] for draw in draws) / len(draws)
        ),
        "the means of all": lambda first, second, draws: float(sum(first) <= sum(second)),
        "drawn apart": lambda first, second, draws: (
            sum(
                sum(first[i] for i in a) <= sum(second[i] for i in b)
                for a, b in zip(draws, draws[1:] + draws[:1], strict=True)
            )
            / len(draws)
        ),
        "exchanged": lambda first, second, draws: share_with()(second, first, draws),
        "both sides": lambda first, second, draws: min(1.0, 2 * share_with()(first, second, draws)),
        "one draw more": lambda first, second, draws: (
            (share_with(of=lambda draws: 1)(first, second, draws) + 1) / (len(draws) + 1)
        ),
    },
    "extract.next_word": {
        "the gate turned round": next_word_with(write=lambda gate: 1 - gate, copy=lambda gate: gate),
        "copied over written": next_word_with(add=lambda before, new: new),
        "the larger of both": next_word_with(add=max),
        "no gate": next_word_with(write=lambda gate: 1, copy=lambda gate: 1),
        "copies alone": next_word_with(write=lambda gate: 0),
        "writes alone": next_word_with(copy=lambda gate: 0),
        "the last place alone": next_word_with(places=lambda pairs: dict(pairs).items()),
        "the first place alone": next_word_with(places=lambda pairs: dict(reversed(list(pairs))).items()),
        "a share for each word": next_word_with(copy=lambda gate: (1 - gate) / 2),
    },
}
