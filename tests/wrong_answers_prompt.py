"""Plausible wrong answers to the exercises of chapter 13."""

import math

import numpy as np


def script_with(one="<|im_start|>{role}\n{content}<|im_end|>\n", end="<|im_start|>assistant\n"):
    def script(messages):
        return "".join(one.replace("{role}", role).replace("{content}", said) for role, said in messages) + end

    return script


def likeliest_with(total=None, choose=max):
    def likeliest(log_p, mean):
        found = [(total or (lambda one, mean: sum(one) / (len(one) if mean else 1)))(one, mean) for one in log_p]
        return found.index(choose(found))

    return likeliest


def split_with(prompt=lambda t: t.rstrip(" "), answer=lambda w: " " + w.strip(), text=lambda t: t):
    return lambda template, words, word: [prompt(template.replace("{text}", text(words))), answer(word)]


def calibrated_with(weight, normalise=lambda w: w / w.sum()):
    def calibrate(log_p, free):
        return normalise(weight(np.array(log_p), np.array(free))).tolist()

    return calibrate


def pairs_with(one=lambda n: n * (n - 1) // 2, other=None):
    def count_pairs(sizes):
        same = sum(map(one, sizes))
        total = sum(sizes) * (sum(sizes) - 1) // 2
        return same, (other(sizes, total, same) if other else total - same)

    return count_pairs


def walk(moves, state, token):
    for character in token:
        state = moves.get(state, {}).get(character)
        if state is None:
            return None
    return state


def reachable(moves, start, steps=None):
    seen, todo = {start}, [start]
    while todo and steps != 0:
        todo = [after for now in todo for after in moves.get(now, {}).values() if after not in seen]
        seen |= set(todo)
        steps = None if steps is None else steps - 1
    return seen


def allowed_with(keep, start=lambda state: state):
    def allowed(moves, ends, state, tokens):
        found = [(number, walk(moves, start(state), token)) for number, token in enumerate(tokens)]
        return [number for number, now in found if now is not None and keep(moves, ends, now)]

    return allowed


def majority_with(first=lambda n: n // 2 + 1, last=lambda n: n, ways=math.comb, right=lambda p, k: p**k):
    def majority(p, answers):
        return sum(
            ways(answers, k) * right(p, k) * (1 - p) ** (answers - k) for k in range(first(answers), last(answers) + 1)
        )

    return majority


WRONG = {
    "prompt.script": {
        "not opened": script_with(end=""),
        "closed at once": script_with(end="<|im_start|>assistant\n<|im_end|>\n"),
        "no line break at the end": script_with(end="<|im_start|>assistant"),
        "no line break between": script_with(one="<|im_start|>{role}\n{content}<|im_end|>"),
        "a colon": script_with(one="<|im_start|>{role}: {content}<|im_end|>\n"),
        "no end marks": script_with(one="<|im_start|>{role}\n{content}\n"),
        "the user's turn": script_with(end="<|im_start|>user\n"),
        "content stripped": lambda messages: script_with()([(role, said.strip()) for role, said in messages]),
        "the last one only": lambda messages: script_with()(messages[-1:]),
        "lines joined": lambda messages: script_with()([(role, said.replace("\n", " ")) for role, said in messages]),
    },
    "prompt.likeliest": {
        "always the sum": likeliest_with(lambda one, mean: sum(one)),
        "always the mean": likeliest_with(lambda one, mean: sum(one) / len(one)),
        "the wrong way round": likeliest_with(lambda one, mean: sum(one) / (1 if mean else len(one))),
        "the first token": likeliest_with(lambda one, mean: one[0]),
        "the least likely": likeliest_with(choose=min),
        "mean of probabilities": likeliest_with(
            lambda one, mean: sum(map(math.exp, one)) / len(one) if mean else sum(one)
        ),
        "the worst token": likeliest_with(lambda one, mean: min(one)),
        "the last token": likeliest_with(lambda one, mean: one[-1]),
        "the score": lambda log_p, mean: max(sum(one) / (len(one) if mean else 1) for one in log_p),
    },
    "prompt.split_prompt": {
        "the blank stays": split_with(prompt=lambda t: t),
        "no blank before": split_with(answer=lambda w: w.strip()),
        "the word as it came": split_with(answer=lambda w: w),
        "two blanks": split_with(answer=lambda w: " " + w),
        "strips both ends of the text": split_with(text=str.strip),
        "one blank only": split_with(prompt=lambda t: t.removesuffix(" ")),
        "all white space off": split_with(prompt=str.rstrip),
        "no text": lambda template, text, word: [template.rstrip(" "), " " + word.strip()],
        "joined": lambda template, text, word: template.replace("{text}", text).rstrip(" ") + " " + word.strip(),
    },
    "prompt.calibrate": {
        "not normalised": calibrated_with(lambda a, b: np.exp(a - b), lambda w: w),
        "not calibrated": calibrated_with(lambda a, b: np.exp(a)),
        "multiplied": calibrated_with(lambda a, b: np.exp(a + b)),
        "upside down": calibrated_with(lambda a, b: np.exp(b - a)),
        "logarithms divided": calibrated_with(lambda a, b: np.exp(a / b)),
        "differences": calibrated_with(lambda a, b: np.exp(a) - np.exp(b)),
        "logarithms": calibrated_with(lambda a, b: np.exp(a - b), lambda w: np.log(w / w.sum())),
        "by the largest": calibrated_with(lambda a, b: np.exp(a - b), lambda w: w / w.max()),
    },
    "prompt.count_pairs": {
        "each twice": pairs_with(lambda n: n * (n - 1), lambda sizes, total, same: 2 * total - same),
        "with itself": pairs_with(lambda n: n * (n + 1) // 2, lambda sizes, total, same: total - same + sum(sizes)),
        "all pairs": pairs_with(other=lambda sizes, total, same: total),
        "the wrong way round": lambda sizes: pairs_with()(sizes)[::-1],
        "product of the first two": pairs_with(other=lambda sizes, total, same: sizes[0] * sizes[1]),
        "squares": pairs_with(lambda n: n * n),
        "neighbours": pairs_with(
            other=lambda sizes, total, same: sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
        ),
    },
    "prompt.allowed": {
        "dead ends allowed": allowed_with(lambda moves, ends, now: True),
        "only whole answers": allowed_with(lambda moves, ends, now: now in ends),
        "one more step": allowed_with(lambda moves, ends, now: bool(reachable(moves, now, 1) & set(ends))),
        "always from the start": allowed_with(
            lambda moves, ends, now: bool(reachable(moves, now) & set(ends)), lambda state: 0
        ),
        "where a move is": allowed_with(lambda moves, ends, now: now in ends or bool(moves.get(now))),
        "the first character": lambda moves, ends, state, tokens: [
            number for number, token in enumerate(tokens) if token[0] in moves.get(state, {})
        ],
        "the tokens": lambda moves, ends, state, tokens: [
            token
            for token in tokens
            if (now := walk(moves, state, token)) is not None and reachable(moves, now) & set(ends)
        ],
        "no way from an end": allowed_with(
            lambda moves, ends, now: now not in ends and bool(reachable(moves, now) & set(ends))
        ),
    },
    "prompt.majority": {
        "half is enough": majority_with(first=lambda n: n // 2),
        "not all": majority_with(last=lambda n: n - 1),
        "the smallest only": majority_with(last=lambda n: n // 2 + 1),
        "all": lambda p, answers: p**answers,
        "one way each": majority_with(ways=lambda n, k: 1),
        "the wrong ones": lambda p, answers: 1 - majority_with()(p, answers),
        "in order": majority_with(ways=math.perm),
        "at least one": lambda p, answers: 1 - (1 - p) ** answers,
        "p itself": lambda p, answers: p,
    },
    "prompt.needed": {
        "the share of the whole": lambda share, tokens: share**tokens,
        "divided": lambda share, tokens: share / tokens,
        "how often wrong": lambda share, tokens: 1 - share ** (1 / tokens),
        "errors added up": lambda share, tokens: 1 - (1 - share) / tokens,
        "one token fewer": lambda share, tokens: share ** (1 / max(1, tokens - 1)),
        "the share": lambda share, tokens: share,
    },
}
