"""How unseen cases are drawn where other decimal numbers would not do: of whole numbers, of texts, of functions.

Each maker gets a `random.Random` and the chapter's own cases, and returns one case that keeps what the exercise
promises about its arguments. Where ties would allow two right answers it draws none.
"""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import numpy as np
import torch

from lmtutor.exercises import generate, tokens, translate

WORDS = [
    "the",
    "a",
    "lamp",
    "ferry",
    "keeper",
    "harbour",
    "sea",
    "light",
    "is",
    "was",
    "late",
    "lit",
    "out",
    "never",
    "again",
    "old",
]


def _text(draw: Random, least: int, most: int) -> list[str]:
    return draw.choices(WORDS[:8], k=draw.randint(least, most))


def _integers(*bounds: tuple[int, int]):
    """A maker of whole numbers, each between its bounds."""
    return lambda draw, shown: tuple(draw.randint(*each) for each in bounds)


def _shares(draw: Random, size: int) -> list[float]:
    """Positive numbers with the sum 1."""
    found = [draw.random() + 0.05 for _ in range(size)]
    return [x / sum(found) for x in found]


def _numbers(draw: Random, size: int, low: float = -2.0, high: float = 2.0) -> list[float]:
    return [draw.uniform(low, high) for _ in range(size)]


def _zeros_and_ones(draw: Random, size: int) -> list[int]:
    """Both of them, mixed."""
    found = [0, 1, *draw.choices([0, 1], k=size - 2)]
    draw.shuffle(found)
    return found


def _resamples(draw: Random, size: int) -> list[list[int]]:
    return [[draw.randrange(size) for _ in range(size)] for _ in range(draw.randint(3, 6))]


# --- chapters 00 and 01 -----------------------------------------------------------------------------------------------


def _count_words(draw, shown):
    gaps = [" ", " ", "  ", "\n", "\t", ", ", " - "]
    return ("".join(word + draw.choice(gaps) for word in _text(draw, 3, 9)),)


def _bigrams(draw: Random) -> Counter:
    words = WORDS[:5]
    return Counter({(draw.choice(words), draw.choice(words)): draw.randint(1, 5) for _ in range(8)})


def _mle(draw, shown):
    counts = _bigrams(draw)
    history, word = draw.choice(sorted(counts)) if draw.random() < 0.8 else draw.choices(WORDS[:5], k=2)
    return counts, history, word


def _kneser_ney(draw, shown):
    return *_mle(draw, shown), round(draw.uniform(0.3, 0.9), 2)


def _continuation(draw, shown):
    counts, _, word = _mle(draw, shown)
    return counts, word


def _add_k(draw, shown):
    of = draw.randint(1, 30)
    return draw.randint(0, of), of, round(draw.uniform(0.1, 2), 2), draw.randint(5, 50)


def _em_step(draw, shown):
    models, length = draw.randint(2, 3), draw.randint(2, 5)
    return _shares(draw, models), [[draw.uniform(0.05, 0.9) for _ in range(length)] for _ in range(models)]


def _witten_bell(draw, shown):
    train = [_text(draw, 2, 5) for _ in range(3)]
    known = sorted({word for sentence in train for word in sentence})
    return train, [draw.choices(known, k=draw.randint(1, 3)) for _ in range(2)], draw.randint(1, 2)


def _sample(draw, shown):
    model, words, _, _ = draw.choice(shown)
    return model, words, draw.randint(100, 10_000), draw.randint(3, 9)


def _learning_curve(draw, shown):
    train, test, n, _, vocabulary = draw.choice(shown)
    sizes = sorted(draw.sample(range(1, len(train) + 1), draw.randint(1, 3)))
    return draw.sample(train, len(train)), test, n, sizes, vocabulary


# --- chapter 02 -------------------------------------------------------------------------------------------------------


def _merge(draw, shown):
    pair = draw.choice([(1, 2), (2, 2), (3, 1)])
    return draw.choices([1, 2, 3], k=draw.randint(4, 12)), pair, draw.randint(9, 99)


def _merges(draw, shown) -> list:
    return max((case[1] for case in shown), key=len) if draw.random() < 0.7 else draw.choice(shown)[1]


def _encode(draw, shown):
    return " ".join(_text(draw, 2, 4)), _merges(draw, shown)


def _decode(draw, shown):
    merges = _merges(draw, shown)
    return tokens.encode(" ".join(_text(draw, 2, 4)), merges), merges


def _utf8(draw, shown):
    return (draw.randint(*draw.choice([(32, 126), (128, 2047), (2048, 55_000), (65_536, 1_114_111)])),)


def _characters_per_token(draw, shown):
    corpus, _, _ = shown[-1]
    texts = [" ".join(_text(draw, 2, 5)) for _ in range(3)]
    return corpus, texts, sorted(draw.sample(range(256, 280), 3))


def _lookup_gradient(draw, shown):
    size, width = draw.randint(3, 6), draw.randint(2, 3)
    ids = [draw.randrange(size) for _ in range(draw.randint(3, 6))]
    return ids, [_numbers(draw, width) for _ in ids], size


def _ppmi(draw, shown):
    size = draw.randint(3, 4)
    return ([[draw.randint(0, 5) + (row == column) for column in range(size)] for row in range(size)],)


def _spearman(draw, shown):
    size = draw.randint(4, 7)
    return _numbers(draw, size), _numbers(draw, size)


def _analogy(draw, shown):
    vectors = np.array([_numbers(draw, 3) for _ in range(draw.randint(5, 8))])
    return *draw.sample(range(len(vectors)), 3), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _words_to_ids(draw, shown):
    known = draw.sample(WORDS, 5)
    ids = draw.sample(range(20), 6)
    return draw.choices(WORDS, k=6), {"<unk>": ids[0], **dict(zip(known, ids[1:], strict=True))}


# --- chapter 03 -------------------------------------------------------------------------------------------------------


def _shares_case(draw, shown):
    return (torch.tensor([[float(draw.randint(1, 9)) for _ in range(3)] for _ in range(draw.randint(2, 4))]),)


def _softmax_gradient(draw, shown):
    size = draw.randint(2, 5)
    return _numbers(draw, size, -4, 4), draw.randrange(size)


def _inputs_and_labels(draw, shown):
    return ([draw.randrange(30) for _ in range(draw.randint(3, 9))],)


def _top_p(draw, shown):
    return _shares(draw, draw.randint(3, 8)), round(draw.uniform(0.3, 0.95), 3)


def _context_curve(draw, shown):
    ids = [draw.randrange(5) for _ in range(draw.randint(8, 12))]
    return shown[0][0], ids, draw.sample(range(1, 6), draw.randint(1, 3))


def _reads(draw, shown):
    predict = draw.choice([case[0] for case in shown if "above" not in (case[0].__doc__ or "")])
    ids = [[draw.randrange(9) for _ in range(3)] for _ in range(draw.randint(1, 3))]
    return predict, ids, draw.randrange(len(ids)), draw.randrange(3)


def _corpus_perplexity(draw, shown):
    size = draw.randint(2, 5)
    return _numbers(draw, size, 0.5, 3), [draw.randint(1, 9) for _ in range(size)]


# --- chapter 04 -------------------------------------------------------------------------------------------------------


def _labels_and_guesses(draw, shown):
    size = draw.randint(4, 9)
    return _zeros_and_ones(draw, size), _zeros_and_ones(draw, size)


def _auc(draw, shown):
    labels = _zeros_and_ones(draw, draw.randint(4, 9))
    return labels, [round(draw.random(), 1) for _ in labels]


def _calibration_error(draw, shown):
    size = draw.randint(4, 9)
    return [draw.uniform(0.01, 0.99) for _ in range(size)], draw.choices([0, 1], k=size), draw.randint(2, 5)


def _best_threshold(draw, shown):
    labels = _zeros_and_ones(draw, draw.randint(4, 8))
    return _numbers(draw, len(labels), 0.01, 0.99), labels, draw.uniform(1, 5), draw.uniform(1, 5)


def _sign_test(draw, shown):
    size = draw.randint(4, 10)
    return draw.choices([True, False], k=size), draw.choices([True, False], k=size)


def _leaked(draw, shown):
    train = [" ".join(draw.sample(WORDS, 4)) for _ in range(3)]
    test = [" ".join(draw.sample(WORDS, 4)) for _ in range(3)] + [draw.choice(train).upper()]
    draw.shuffle(test)
    return train, test, draw.choice([0.3, 0.55, 0.9])


def _called_too_often(draw, shown):
    size = draw.randint(2, 4)
    return _numbers(draw, size, 0.2, 1), _numbers(draw, size, 0.2, 1), [draw.randint(2, 30) for _ in range(size)]


# --- chapters 05 to 08 ------------------------------------------------------------------------------------------------


def _right_scale(draw, shown):
    return draw.randint(2, 128), round(draw.uniform(0.2, 3), 2), round(draw.uniform(0.2, 3), 2)


def _shift(draw, shown):
    return [draw.randint(3, 40) for _ in range(draw.randint(2, 6))], 1, 2


def _leaks(draw, shown):
    model, _, vocab = draw.choice(shown)
    return model, [draw.randrange(vocab) for _ in range(draw.randint(3, 6))], vocab


def _decoder_mask(draw, shown):
    rows = [[draw.randint(0, 1) for _ in range(4)] for _ in range(2)]
    return (torch.tensor(rows),)


def _break_even(draw, shown):
    d = 2 * draw.randint(2, 100)
    return d, d * draw.randint(2, 6)


def _look_at(draw, shown):
    return ([draw.randint(1, 6) for _ in range(draw.randint(2, 4))],)


def _greedy(draw, shown):
    following, _, start, end, _ = draw.choice(shown)
    return following, draw.randint(1, 5), start, end, draw.randint(3, 9)


def _fault(draw, shown):
    predict = draw.choice(shown[:4])[0]
    return predict, [draw.sample(range(4, 12), 3)], [draw.sample(range(4, 12), 2)]


def _least_loss(draw, shown):
    return round(draw.uniform(0.01, 0.9), 3), draw.randint(2, 500)


def _beam_search(draw, shown):
    vocab = draw.randint(3, 5)
    model = translate._drawn(draw.randint(10, 10_000), vocab)
    penalty = draw.choice([0.0, 0.6, 1.0])
    return model, draw.randint(1, 4), draw.randrange(vocab), draw.randint(2, 4), penalty


def _clipped_precision(draw, shown):
    return draw.choices("abcd", k=draw.randint(4, 7)), draw.choices("abcd", k=draw.randint(4, 7)), draw.randint(1, 3)


def _least_risk(draw, shown):
    utility = next(case[2] for case in shown if isinstance(case[0][0], int))
    numbers = [round(x, 3) for x in _numbers(draw, 10, 0, 50)]
    return numbers[:5], numbers[5:], utility


def _error_rate(draw, shown):
    places = [(i, j) for i in range(3) for j in range(3)]
    mixed = draw.sample(places, 9)
    sure, possible = set(mixed[:3]), set(mixed[3:5])
    return set(draw.sample(places, draw.randint(2, 5))), sure, possible


def _wins(draw, shown):
    score = next(case[0] for case in shown)
    size = draw.randint(3, 5)
    first, second, references = (draw.choices("xyz", k=size) for _ in range(3))
    return score, first, second, references, _resamples(draw, size)


def _generate_with_cache(draw, shown):
    vocab, ids, most = draw.randint(4, 9), [1, draw.randint(0, 3)], draw.randint(2, 8)
    return generate._Model(vocab, draw.randint(10, 10_000), 100), [], ids, most, draw.choice([-1, 0])


def _min_p(draw, shown):
    return _shares(draw, draw.randint(3, 7)), round(draw.uniform(0.1, 0.9), 3)


def _repetition(draw, shown):
    return draw.choices("abc", k=draw.randint(5, 9)), draw.randint(1, 3)


def _draw_case(draw, shown):
    return _shares(draw, draw.randint(2, 6)), draw.random()


def _matching_temperature(draw, shown):
    function, _, low, high = draw.choice(shown)
    wanted = function(low + (high - low) * draw.uniform(0.2, 0.8))
    return function, wanted, low, high


# --- chapters 09 to 12 ------------------------------------------------------------------------------------------------


def _hidden_loss(draw, shown):
    size = draw.randint(2, 5)
    rows = [[math.log(p) for p in _shares(draw, 3)] for _ in range(size)]
    labels = [draw.choice([None, 0, 1, 2]) for _ in range(size - 1)]
    return rows, [*labels, draw.randrange(3)]


def _trust(draw, shown):
    return tuple(round(draw.uniform(low, high), 3) for low, high in ((0.05, 0.6), (0.05, 0.3), (0.05, 0.3)))


def _fair_accuracy(draw, shown):
    predict, _, mask = draw.choice(shown)
    return predict, draw.choices("abc", k=draw.randint(3, 7)), mask


def _whole_words(draw, shown):
    pieces = ["[CLS]", *draw.choices(["sea", "light", "##house", "##s", "ferry"], k=draw.randint(3, 7)), "[SEP]"]
    if pieces[1].startswith("##"):
        pieces[1] = "lamp"
    return pieces, [draw.choice([0.05, 0.1, 0.3, 0.8]) for _ in pieces]


def _most_selective(draw, shown):
    size = draw.randint(3, 6)
    return [round(x, 2) for x in _numbers(draw, size, 50, 90)], [round(x, 2) for x in _numbers(draw, size, 50, 90)]


def _seeds_needed(draw, shown):
    return round(draw.uniform(0.8, 3), 3), round(draw.uniform(0.5, 2.5), 3)


def _rate(draw, shown):
    total = draw.randint(8, 60)
    return draw.randrange(total), total, draw.randint(1, total // 2), round(draw.uniform(0.1, 2), 3)


def _stop_early(draw, shown):
    return [round(x, 3) for x in _numbers(draw, draw.randint(4, 9), 0.2, 1)], draw.randint(1, 3)


def _importance(draw, shown):
    return draw.choice(shown)[0], draw.choices(["good", "dull", "not", "food"], k=draw.randint(2, 6))


def _windows(draw, shown):
    size = draw.randint(5, 20)
    return draw.randint(1, 70), size, draw.randint(1, size - 2)


def _numbered(draw, shown):
    train = draw.choices("abcd", k=draw.randint(3, 6))
    return train, draw.choices("abcdz", k=draw.randint(3, 6))


def _spans(draw: Random) -> tuple[list, int]:
    found, place = [], 0
    while place < 7:
        length = draw.randint(1, 3)
        if draw.random() < 0.6:
            found.append((place, place + length, draw.choice(["SHIP", "PERSON", "PORT"])))
        place += length
    return found, place + draw.randint(0, 2)


def _bio(draw, shown):
    return _spans(draw)


def _bioes(draw, shown):
    from lmtutor.exercises.extract import bio

    return (bio(*_spans(draw)),)


def _piece_labels(draw, shown):
    labels = [draw.randrange(7) for _ in range(draw.randint(2, 5))]
    words = [word for word in range(len(labels)) for _ in range(draw.randint(1, 3))]
    return [None, *words, None], labels


def _may_follow(draw, shown):
    tags = ["O", *(f"{part}-{kind}" for part in "BI" for kind in ("PORT", "CREW"))]
    return draw.choice(tags), draw.choice(tags)


def _best_span(draw, shown):
    size = draw.randint(3, 7)
    return _numbers(draw, size), _numbers(draw, size)


def _common(draw, shown):
    return draw.choices("abcd", k=draw.randint(3, 7)), draw.choices("abcd", k=draw.randint(3, 7))


def _not_better(draw, shown):
    size = draw.randint(3, 5)
    return _numbers(draw, size), _numbers(draw, size), _resamples(draw, size)


def _next_word(draw, shown):
    words = draw.sample(WORDS, 5)
    source = draw.choices(words, k=4)
    return words, _shares(draw, 5), source, _shares(draw, 4), round(draw.uniform(0.1, 0.9), 3)


def _tuned(draw, shown):
    measure, rates, seeds = draw.choice(shown)
    return measure, draw.sample(rates, draw.randint(2, len(rates))), draw.sample(seeds, draw.randint(1, len(seeds)))


def _kept_share(draw, shown):
    size = draw.randint(3, 6)
    return _numbers(draw, size, 0.1, 4), draw.randint(1, size - 1)


def _four_bits(draw, shown):
    return _numbers(draw, draw.randint(3, 6)), draw.choice(shown)[1]


def _after_calls(draw, shown):
    calls = draw.choices(["eval", "train"], k=draw.randint(2, 6))
    return *(round(x, 2) for x in _numbers(draw, 2, 0.1, 3)), calls


# --- chapter 13 -------------------------------------------------------------------------------------------------------


def _script(draw: Random, shown):
    """A dialogue in turns, perhaps after a system message."""
    said = [("system", " ".join(_text(draw, 1, 5)))] * draw.randint(0, 1)
    for _ in range(draw.randint(0, 3)):
        said += [("user", " ".join(_text(draw, 1, 6))), ("assistant", " ".join(_text(draw, 1, 6)))]
    return ([*said, ("user", "\n".join(_text(draw, 1, 3)))],)


def _likeliest(draw: Random, shown):
    """Answers of one to four tokens."""
    answers = [_numbers(draw, draw.randint(1, 4), -4.0, -0.05) for _ in range(draw.randint(2, 5))]
    return answers, draw.random() < 0.5


def _split_prompt(draw: Random, shown):
    template = f"{' '.join(_text(draw, 1, 3))} {{text}}\n{draw.choice(WORDS)}{draw.choice(['', ':'])}"
    text, word = (" ".join(_text(draw, 1, 5)) for _ in range(2))
    return template + " " * draw.randint(0, 2), text, " " * draw.randint(0, 2) + word


def _calibrate(draw: Random, shown):
    size = draw.randint(2, 6)
    return _numbers(draw, size, -9.0, -0.1), _numbers(draw, size, -9.0, -0.1)


def _allowed(draw: Random, shown):
    """An automaton of a few states, in which some moves lead nowhere, and tokens of one to four characters."""
    size, letters = draw.randint(3, 7), "abc"
    moves = {
        state: {letter: draw.randrange(size) for letter in letters if draw.random() < 0.55} for state in range(size)
    }
    tokens = sorted({"".join(draw.choices(letters, k=draw.randint(1, 4))) for _ in range(12)})
    return moves, sorted(draw.sample(range(size), draw.randint(1, 2))), draw.randrange(size), tokens


# --- chapter 14 -------------------------------------------------------------------------------------------------------


def _seen_accuracy(draw, shown):
    return draw.uniform(0.1, 1.0), draw.uniform(0.0, 0.5)


def _after_cleaning(draw, shown):
    _, _, suspicious, accuracy = draw.choice(shown)
    return *([draw.randint(0, 20) for _ in range(draw.randint(4, 8))] for _ in range(2)), suspicious, accuracy


def _caught(draw, shown):
    return draw.uniform(0.1, 0.95), draw.randint(2, 9), draw.randint(2, 6)


def _connected(draw, shown):
    count = draw.randint(6, 12)
    return [tuple(draw.sample(range(count), 2)) for _ in range(draw.randint(3, count - 2))], count


def _influence_1d(draw, shown):
    size = draw.randint(3, 6)
    xs, ys = _numbers(draw, size), _zeros_and_ones(draw, size)
    case = xs, ys, draw.randrange(size), draw.uniform(-2, 2), draw.randint(0, 1)
    return *case, draw.uniform(-1, 1), draw.uniform(0.3, 2)


def _tracin(draw, shown):
    steps, size = draw.randint(2, 4), draw.randint(1, 3)
    gradients = [[_numbers(draw, size) for _ in range(steps)] for _ in range(2)]
    return *gradients, [draw.uniform(0.05, 0.5) for _ in range(steps)]


def _votes(draw, shown):
    size = draw.randint(2, 5)
    votes = _zeros_and_ones(draw, size)
    return votes, _numbers(draw, size, 0.4, 0.95), _numbers(draw, size, 0.4, 0.95), draw.uniform(0.1, 0.9)


def _smote(draw, shown):
    size, k = draw.randint(4, 7), draw.randint(1, 3)
    picks = [draw.randrange(size * k) for _ in range(4)]
    return [_numbers(draw, 2, -3, 3) for _ in range(size)], k, picks, _numbers(draw, 4, 0.05, 0.95)


def _prepare(draw, shown):
    while True:
        every, labels = draw.randint(2, 5), [int(draw.random() < 0.25) for _ in range(draw.randint(8, 16))]
        rest = [label for i, label in enumerate(labels) if i % every]
        if 0 < sum(rest) < len(rest) / 2:
            return labels, every


def _next_to_label(draw, shown):
    rows = [_shares(draw, 3) for _ in range(draw.randint(4, 8))]
    return rows, draw.randint(1, 3)


def _rates(draw, shown):
    right = [True, *draw.choices([True, False], k=draw.randint(3, 8))]
    return right, draw.choices([True, False], k=len(right))


def _single_edits(draw, shown):
    return "".join(draw.choices("abcdef", k=draw.randint(2, 5))), "".join(draw.sample("abcxyz", 2))


def _hotflip(draw, shown):
    places, words, size = draw.randint(2, 4), draw.randint(3, 6), draw.randint(2, 3)
    rows = [[_numbers(draw, size) for _ in range(many)] for many in (places, words)]
    return *rows, [draw.randrange(words) for _ in range(places)]


def _greedy_attack(draw, shown):
    margin, words, choices, _ = draw.choice([case for case in shown if len(case[1]) > 1])
    order = draw.sample(range(len(words)), len(words))
    return margin, [words[i] for i in order], choices, draw.randint(2, 12)


def _let_in(draw, shown):
    inside = _numbers(draw, draw.choice([4, 5, 8, 10]))
    return inside, _numbers(draw, draw.randint(3, 8)), draw.choice([0.3, 0.55, 0.72, 0.93])


# --- chapter 16 -------------------------------------------------------------------------------------------------------


def _integrated(draw, shown):
    gradient, x, *_ = draw.choice(shown)
    return gradient, _numbers(draw, len(x)), _numbers(draw, len(x)), draw.randint(1, 6)


def _left_out(draw, shown):
    return draw.choice(shown)[0], draw.choices(["good", "not", "fine", "soup", "so"], k=draw.randint(2, 7))


def _shapley_values(draw, shown):
    players = draw.sample(["Ann", "Bob", "Cem", "Dia"], draw.randint(2, 4))
    return draw.choice(shown)[0], players


def _adjusted(draw, shown):
    topics = "abcd"[: draw.randint(2, 4)]
    rows = [(topic, word, draw.randint(0, 1)) for topic in topics for word in (0, 1)]
    rows += [(draw.choice(topics), draw.randint(0, 1), draw.randint(0, 1)) for _ in range(draw.randint(5, 20))]
    draw.shuffle(rows)
    return (rows,)


def _prefix_score(draw, shown):
    size = draw.randint(3, 8)
    weights = [[*_shares(draw, t + 1), *[0.0] * (size - t - 1)] for t in range(size)]
    return weights, draw.choices("abcd", k=size)


MAKERS = {
    "start.count_words": _count_words,
    "ngram.log_probability": lambda draw, shown: (_numbers(draw, draw.randint(2, 6), 0.05, 1),),
    "ngram.mle": _mle,
    "ngram.perplexity": lambda draw, shown: (_numbers(draw, draw.randint(2, 6), 0.05, 1),),
    "ngram.text_perplexity": lambda draw, shown: (
        [_numbers(draw, draw.randint(1, 4), 0.05, 1) for _ in range(draw.randint(2, 4))],
    ),
    "ngram.add_k": _add_k,
    "ngram.em_step": _em_step,
    "ngram.witten_bell": _witten_bell,
    "ngram.continuation_probability": _continuation,
    "ngram.kneser_ney": _kneser_ney,
    "ngram.sample_sentence": _sample,
    "ngram.guessing_bounds": lambda draw, shown: ([draw.randint(1, 5) for _ in range(draw.randint(4, 9))],),
    "ngram.learning_curve": _learning_curve,
    "tokens.merge": _merge,
    "tokens.encode": _encode,
    "tokens.decode": _decode,
    "tokens.utf8": _utf8,
    "tokens.characters_per_token": _characters_per_token,
    "tokens.lookup_gradient": _lookup_gradient,
    "tokens.ppmi": _ppmi,
    "tokens.spearman": _spearman,
    "tokens.analogy": _analogy,
    "tokens.words_to_ids": _words_to_ids,
    "recurrent.shares": _shares_case,
    "recurrent.softmax_gradient": _softmax_gradient,
    "recurrent.lstm_parameters": _integers((2, 90), (2, 90)),
    "recurrent.inputs_and_labels": _inputs_and_labels,
    "recurrent.top_p": _top_p,
    "recurrent.context_curve": _context_curve,
    "recurrent_bugs.double_softmax_floor": _integers((4, 9000)),
    "recurrent_bugs.reads": _reads,
    "recurrent_bugs.corpus_perplexity": _corpus_perplexity,
    "classify.precision_recall_f1": _labels_and_guesses,
    "classify.auc": _auc,
    "classify.calibration_error": _calibration_error,
    "classify.best_threshold": _best_threshold,
    "classify.sign_test": _sign_test,
    "classify_bugs.leaked": _leaked,
    "classify_bugs.expected_best": _integers((1, 12), (1, 6)),
    "classify_bugs.called_too_often": _called_too_often,
    "attention.right_scale": _right_scale,
    "attention.window_mask": _integers((2, 9), (1, 6)),
    "transformer.shift": _shift,
    "transformer.leaks": _leaks,
    "transformer.decoder_mask": _decoder_mask,
    "transformer.decoder_layer_parameters": _integers((3, 300), (3, 900)),
    "transformer.break_even": _break_even,
    "transformer_bugs.look_at": _look_at,
    "transformer_bugs.greedy": _greedy,
    "transformer_bugs.fault": _fault,
    "translate.least_loss": _least_loss,
    "translate.beam_search": _beam_search,
    "translate.clipped_precision": _clipped_precision,
    "translate.least_risk": _least_risk,
    "translate.error_rate": _error_rate,
    "translate.wins": _wins,
    "generate.parameters": _integers((20, 900), (8, 90), (4, 64), (1, 6)),
    "generate.cache_bytes": _integers((1, 4), (2, 90), (1, 12), (1, 8), (4, 64), (2, 4)),
    "generate.generate_with_cache": _generate_with_cache,
    "generate.min_p": _min_p,
    "generate.repetition": _repetition,
    "generate.draw": _draw_case,
    "generate.matching_temperature": _matching_temperature,
    "pretrain.hidden_loss": _hidden_loss,
    "pretrain.trust": _trust,
    "pretrain.parameters": _integers((20, 900), (8, 90), (4, 64), (1, 6)),
    "pretrain.fair_accuracy": _fair_accuracy,
    "pretrain.whole_words": _whole_words,
    "pretrain.most_selective": _most_selective,
    "finetune.new_parameters": _integers((4, 900), (2, 9)),
    "finetune.seeds_needed": _seeds_needed,
    "finetune.rate": _rate,
    "finetune.stop_early": _stop_early,
    "finetune.importance": _importance,
    "finetune.windows": _windows,
    "finetune_bugs.numbered": _numbered,
    "extract.bio": _bio,
    "extract.bioes": _bioes,
    "extract.piece_labels": _piece_labels,
    "extract.may_follow": _may_follow,
    "extract.best_span": _best_span,
    "extract.common": _common,
    "extract.not_better": _not_better,
    "extract.next_word": _next_word,
    "adapt.fleet": _integers((50, 9000), (2, 40), (2, 60)),
    "adapt.break_even_rank": _integers((4, 90), (4, 90)),
    "adapt.kept_share": _kept_share,
    "adapt.tuned": _tuned,
    "adapt.four_bits": _four_bits,
    "adapt_bugs.after_calls": _after_calls,
    "prompt.script": _script,
    "prompt.likeliest": _likeliest,
    "prompt.split_prompt": _split_prompt,
    "prompt.calibrate": _calibrate,
    "prompt.count_pairs": lambda draw, shown: ([draw.randint(0, 40) for _ in range(draw.randint(2, 6))],),
    "prompt.allowed": _allowed,
    "prompt.majority": lambda draw, shown: (draw.uniform(0.1, 0.9), 2 * draw.randint(0, 12) + 1),
    "prompt.needed": lambda draw, shown: (draw.uniform(0.01, 0.99), draw.randint(1, 60)),
    "influence.seen_accuracy": _seen_accuracy,
    "influence.after_cleaning": _after_cleaning,
    "influence.caught": _caught,
    "influence.groups": _connected,
    "influence.influence_1d": _influence_1d,
    "influence.tracin": _tracin,
    "influence.importance": lambda draw, shown: (
        _numbers(draw, draw.randint(2, 5), 0.02, 0.97),
        draw.randint(5, 90),
        draw.randint(100, 400),
    ),
    "influence.truth_from_votes": _votes,
    "influence.smote": _smote,
    "influence.prepare": _prepare,
    "influence.next_to_label": _next_to_label,
    "robust.rates": _rates,
    "robust.single_edits": _single_edits,
    "robust.hotflip": _hotflip,
    "robust.greedy": _greedy_attack,
    "robust.let_in": _let_in,
    "explain.integrated": _integrated,
    "explain.left_out": _left_out,
    "explain.shapley_values": _shapley_values,
    "explain.adjusted": _adjusted,
    "explain.prefix_score": _prefix_score,
}
