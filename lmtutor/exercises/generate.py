"""Exercises of chapter 08."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from lmtutor.exercises.examine import Exercise, compare, same
from lmtutor.models import positions
from lmtutor.models.attention import fast_attention


def _told(known: dict[float, str], got) -> str:
    """The remark on the first known wrong value that came."""
    return next((remark for value, remark in known.items() if same(value, got, 1e-9)), "")


def parameters(vocab_size: int, max_length: int, d: int, num_layers: int) -> int:
    """Embeddings, layers, the last norm."""
    return (vocab_size + max_length) * d + num_layers * (12 * d**2 + 13 * d) + 2 * d


def _remark_parameters(arguments, expected, got):
    size, length, d, layers = arguments
    return _told(
        {
            expected + size * d: "The matrix of the embeddings makes the logits, too: it counts once.",
            expected - length * d: "The vectors of the positions are missing.",
            expected - 2 * d: "The last norm is missing.",
            expected - layers * 4 * d: "The two norms of each layer are missing.",
            (size + length) * d + 12 * d**2 + 13 * d + 2 * d: "There is more than one layer.",
            (size + length) * d + layers * 12 * d**2: "Biases and norms are missing.",
        },
        got,
    )


def cached_attention(query, keys, values) -> torch.Tensor:
    """Causal attention of the last tokens of a text to all of it: [batch, heads, new, size]."""
    return _under_a_diagonal(query, keys, values, keys.shape[2] - query.shape[2])


def _under_a_diagonal(query, keys, values, diagonal: int) -> torch.Tensor:
    """Attention in which new token i sees the tokens up to i + diagonal."""
    mask = torch.ones(query.shape[2], keys.shape[2], dtype=torch.bool).tril(diagonal)
    return fast_attention(query, keys, values, mask)


def _remark_cached_attention(arguments, expected, got):
    query, keys, values = arguments
    new, total = query.shape[2], keys.shape[2]
    if same(_under_a_diagonal(*arguments, 0), got, 1e-6):
        return "The triangle lies in the upper left corner still: there the first new token sees the first token alone."
    if same(fast_attention(*arguments), got, 1e-6):
        return "Now each new token sees the new ones after it, too: a mask is needed where several are read at once."
    for shift in (-1, 1):
        if total - new + shift >= 0 and same(_under_a_diagonal(*arguments, total - new + shift), got, 1e-6):
            return "Nearly: the last new token sees all tokens, the one before it all but one. Move the diagonal."
    if new > 1 and same(expected[:, :, -1:], got, 1e-6):
        return "A row for each new token is wanted, not for the last one only."
    return ""


class _Model:
    """A pretended model: logits that depend on the whole text, and an error when it reads more than it needs to."""

    def __init__(self, vocab: int, seed: int, needed: int):
        self.vocab, self.seed, self.needed, self.read = vocab, seed, needed, 0

    def __repr__(self):
        return f"<step of a model with {self.vocab} tokens>"

    def __call__(self, ids, cache):
        if getattr(ids, "ndim", 0) != 2 or len(ids) != 1 or not ids.shape[1]:
            raise ValueError("the model reads a tensor of ids [1, new] with at least one new token")
        self.read += ids.shape[1]
        if self.read > self.needed:
            raise ValueError(f"the model has been given {self.read} tokens to read, and {self.needed} are enough")
        cache += ids[0].tolist()
        generator = torch.Generator().manual_seed(self.seed + sum((i + 1) * (t + 1) ** 3 for i, t in enumerate(cache)))
        return torch.randn(1, self.vocab, generator=generator)


def generate_with_cache(step, cache, ids, max_tokens, end) -> list[int]:
    """Greedy: each token is read once, and the last one not at all."""
    written, new = [], ids
    while len(written) < max_tokens and end not in written[-1:]:
        logits = step(torch.tensor([new]), cache)
        new = [int(logits[0].argmax())]
        written += new
    return written


def _remark_generate_with_cache(arguments, expected, got):
    _, _, ids, max_tokens, end = arguments
    got = [int(i) for i in got]
    if got == [*ids, *expected]:
        return "The new tokens only: what it read first is known."
    if end in expected and got == expected[:-1]:
        return f"The token that ends the text, {end}, belongs to the result."
    if end in got[:-1]:
        return f"After {end}, which ends the text, nothing more is written."
    if len(got) == max_tokens + 1:
        return "That is one token more than max_tokens."
    if len(got) < len(expected):
        return "It stops too early."
    first = next((i for i, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b), None)
    if first == 0:
        return "The first one differs already: the model has to read all of ids before it says anything."
    if first == 1:
        return "From the second one on it differs: the cache holds what was read, so give the model the newest token."
    return ""


def _failure_generate_with_cache(arguments, error):
    if "are enough" in str(error):
        return "Each token should be read once: first the whole of ids, then the newest token; the last one never."
    return "Give the step a tensor of two dimensions: torch.tensor([[...]])." if "[1, new]" in str(error) else ""


def cache_bytes(batch: int, tokens: int, num_layers: int, kv_heads: int, head_size: int, bytes_per_number: int) -> int:
    """A key and a value for each token, in each layer, of each key head."""
    return 2 * batch * tokens * num_layers * kv_heads * head_size * bytes_per_number


def _remark_cache_bytes(arguments, expected, got):
    batch, tokens, layers, heads, _, size = arguments
    return _told(
        {
            expected / 2: "Keys *and* values are kept.",
            expected * 3 / 2: "Queries are not needed any more: only keys and values are kept.",
            expected / size: "These are numbers; each takes some bytes.",
            expected / layers: "Each layer has keys and values of its own.",
            expected / heads: "Each of the kv_heads has a key and a value of its own.",
            expected / batch: "Each text of the batch has keys and values of its own.",
            expected * tokens: "The scores, one for each pair of tokens, are not kept.",
        },
        got,
    )


def llama_block(x, w, num_heads, num_kv_heads, epsilon=1e-5) -> torch.Tensor:
    """A layer of Llama: [batch, time, hidden] -> the same shape."""
    return _block(x, w, num_heads, num_kv_heads, epsilon)


def _norm(x, gain, epsilon):
    return gain * x / (x.square().mean(-1, keepdim=True) + epsilon).sqrt()


def _block(
    x, w, num_heads, num_kv_heads, epsilon, *,
    norm=_norm, turn=("query", "key"), causal=True, share=torch.repeat_interleave, first=True, second=True,
    gated=lambda gate, up: F.silu(gate) * up, again=lambda before, after: after, join=lambda c: c.transpose(1, 2),
):  # fmt: skip
    """A layer with one thing changed, so that a wrong answer can be told by its result."""
    y = norm(x, w["attention_norm"], epsilon)
    heads = {"query": num_heads, "key": num_kv_heads, "value": num_kv_heads}
    parts = {name: (y @ w[name].T).unflatten(-1, (count, -1)).transpose(1, 2) for name, count in heads.items()}
    parts |= {name: positions.rotate(parts[name]) for name in turn}
    key, value = (share(parts[name], num_heads // num_kv_heads, dim=1) for name in ("key", "value"))
    context = fast_attention(parts["query"], key, value, causal=causal)
    attended = join(context).reshape(x.shape) @ w["output"].T
    after = x + attended if first else attended
    y = norm(again(x, after), w["feed_forward_norm"], epsilon)
    change = gated(y @ w["gate"].T, y @ w["up"].T) @ w["down"].T
    return after + change if second else change


def _cyclic(x, group, dim):
    return torch.cat([x] * group, dim=dim)


def _layer_norm(x, gain, epsilon):
    return gain * F.layer_norm(x, x.shape[-1:], eps=epsilon)


BLOCK_MISTAKES = {
    "The values are turned, too: only queries and keys have positions.": {"turn": ("query", "key", "value")},
    "Without positions: turn queries and keys with `positions.rotate`.": {"turn": ()},
    "The keys have to be turned, too.": {"turn": ("query",)},
    "The queries have to be turned, too.": {"turn": ("key",)},
    "Each token sees the later ones, too: is_causal=True.": {"causal": False},
    "The wrong heads share: heads 0, 1, ... share key head 0, as `repeat_interleave` has it.": {"share": _cyclic},
    "Around the attention the residual is missing.": {"first": False},
    "Around the feed-forward network the residual is missing.": {"second": False},
    "The activation is on the wrong projection: silu(gate) * up.": {"gated": lambda gate, up: gate * F.silu(up)},
    "The gate goes through silu.": {"gated": lambda gate, up: gate * up},
    "silu is x * sigmoid(x); yours is the sigmoid alone.": {"gated": lambda gate, up: gate.sigmoid() * up},
    "The feed-forward network reads what comes after the attention, not x.": {"again": lambda before, after: before},
    "RMSNorm does not subtract the mean.": {"norm": _layer_norm},
    "The gains of the norms are missing.": {"norm": lambda x, gain, epsilon: _norm(x, 1.0, epsilon)},
    "The heads are mixed up: bring them back behind the time (transpose) before you join them.": {"join": lambda c: c},
}


def _remark_llama_block(arguments, expected, got):
    x, w, num_heads, num_kv_heads, epsilon = (*arguments, 1e-5)[:5]
    if epsilon != 1e-5 and same(_block(x, w, num_heads, num_kv_heads, 1e-5), got, 1e-9):
        return "epsilon has another value here: use the argument."
    for remark, change in BLOCK_MISTAKES.items():
        if same(_block(x, w, num_heads, num_kv_heads, epsilon, **change), got, 1e-9):
            return remark
    return ""


def _failure_llama_block(arguments, error):
    if "size of tensor" in str(error) and arguments[2] != arguments[3]:
        return "There are fewer key heads than query heads: each has to be repeated before they meet."
    return ""


def _layer_weights(hidden: int, inner: int, num_heads: int, num_kv_heads: int, seed: int) -> dict[str, torch.Tensor]:
    """Random weights of a layer, as `nn.Linear` keeps them: [out, in]."""
    kv = hidden // num_heads * num_kv_heads
    sizes = {"query": (hidden, hidden), "key": (kv, hidden), "value": (kv, hidden), "output": (hidden, hidden)}
    sizes |= {"gate": (inner, hidden), "up": (inner, hidden), "down": (hidden, inner)}
    sizes |= {"attention_norm": (hidden,), "feed_forward_norm": (hidden,)}
    return {name: _random(*size, seed=seed + number) for number, (name, size) in enumerate(sizes.items())}


def _block_case(batch: int, time: int, hidden: int, num_heads: int, num_kv_heads: int, *epsilon: float) -> tuple:
    x = _random(batch, time, hidden, seed=time)
    return x, _layer_weights(hidden, hidden + 1, num_heads, num_kv_heads, 10 * time), num_heads, num_kv_heads, *epsilon


def min_p(p: list[float], share: float) -> list[float]:
    """What is at least a share of the largest, scaled to sum 1."""
    kept = [x if x >= share * max(p) else 0.0 for x in p]
    return [x / sum(kept) for x in kept]


def _remark_min_p(arguments, expected, got):
    p, share = arguments
    kept = [x if x >= share * max(p) else 0.0 for x in p]
    if same(kept, got, 1e-9):
        return "What is left should sum to 1."
    absolute = [x if x >= share else 0.0 for x in p]
    if sum(absolute) and same([x / sum(absolute) for x in absolute], got, 1e-9):
        return "The threshold is a share of the largest probability, not a probability itself."
    if same([x / sum(kept) for x in kept if x], got, 1e-9):
        return "Keep the places: what is cut gets 0."
    above = [x if x > share * max(p) else 0.0 for x in p]
    if sum(above) and same([x / sum(above) for x in above], got, 1e-9):
        return "*At least* that share: what has exactly so much stays."
    return ""


def draw(p: list[float], u: float) -> int:
    """The first index at which the running sum exceeds u."""
    total = 0.0
    for i, x in enumerate(p):
        total += x
        if u < total:
            return i
    return max(i for i, x in enumerate(p) if x > 0)


def _remark_draw(arguments, expected, got):
    p, u = arguments
    if u > 1 - 1e-9:
        return (
            "Here u is a hair below 1, and rounding ends the sum at the same number, so that no sum exceeds u: "
            "then the last token with a probability above 0 is drawn."
        )
    if p[int(got)] == 0:
        return "A token of probability 0 must never be drawn: the sum must *exceed* u."
    if got == next((i for i, x in enumerate(p) if u < x), None):
        return "Compare u with the running sum, not with each probability."
    if got == max(range(len(p)), key=p.__getitem__):
        return "That is the likeliest token: greedy, whatever u is."
    return ""


def repetition(tokens: list[str], n: int) -> float:
    """The share of n-grams that have occurred before."""
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _remark_repetition(arguments, expected, got):
    tokens, n = arguments
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    distinct = "That is the share of different ones (diversity). Repetition is the rest: each time but the first."
    known = {1 - expected: distinct}
    if grams:
        known[sum(grams.count(gram) > 1 for gram in grams) / len(grams)] = (
            "The first time is no repetition: only what has occurred *before* counts."
        )
        known[1 - len(set(grams)) / len(tokens)] = "Divide by the number of n-grams: m tokens have m - n + 1 of them."
        known[float(len(grams) - len(set(grams)))] = "A share was asked for."
    return _told(known, got)


def matching_temperature(surprise, target: float, low: float, high: float, steps: int = 20) -> float:
    """Bisection of a function that rises."""
    if target <= surprise(low):
        return low
    if target >= surprise(high):
        return high
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if surprise(middle) < target else (low, middle)
    return (low + high) / 2


def _line(temperature):
    """Twice the temperature."""
    return 2 * temperature


def _half(temperature):
    """Half the temperature."""
    return temperature / 2


def _steep(temperature):
    """100 times the temperature."""
    return 100 * temperature


def _bent(temperature):
    """8 times the square root of the temperature."""
    return 8 * math.sqrt(temperature)


def _remark_matching_temperature(arguments, expected, got):
    surprise, target, low, high, steps = (*arguments, 20)[:5]
    if steps > 20 and abs(surprise(got) - target) < 100:
        return f"Not near enough: to within (high - low) / 2**steps, and here steps is {steps}."
    if expected in (low, high) and not low <= got <= high:
        return "The answer lies between low and high; a target beyond them gives the nearer one."
    if same((low + high) / 2, got, 1e-3):
        return "That is the middle: halve the interval again and again, and keep the half that holds the target."
    if (
        not same(expected, low, 1e-3)
        and not same(expected, high, 1e-3)
        and (same(low, got, 1e-3) or same(high, got, 1e-3))
    ):
        return "You end at a border: if the middle surprises too little, the answer lies above it."
    between = low + (target - surprise(low)) / (surprise(high) - surprise(low)) * (high - low)
    if same(between, got, 1e-3):
        return "The function need not be a straight line; halve the interval instead."
    return ""


def _random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


EXERCISES = {
    "parameters": Exercise(
        "Add up the rows of the table; the rows of a layer count num_layers times.",
        compare(parameters, [(10, 5, 2, 1), (300, 32, 64, 3), (50257, 1024, 768, 12)], remark=_remark_parameters),
    ),
    "cached_attention": Exercise(
        "Make a boolean mask [new, all], True where a new token may look. The last row is True everywhere, the row "
        "above it everywhere but in the last column: `torch.ones(...).tril(diagonal)` with the right diagonal.",
        compare(
            cached_attention,
            [
                tuple(_random(1, 1, count, 2, seed=seed) for seed, count in enumerate((1, 3, 3))),
                tuple(_random(1, 1, count, 4, seed=seed) for seed, count in enumerate((3, 3, 3))),
                tuple(_random(2, 2, count, 4, seed=seed) for seed, count in enumerate((2, 5, 5))),
            ],
            remark=_remark_cached_attention,
        ),
    ),
    "generate_with_cache": Exercise(
        "Read all of ids first. From then on give the step the newest token alone: the rest stands in the cache. Look "
        "whether the text has ended before you ask the model again.",
        compare(
            generate_with_cache,
            [
                (_Model(5, 0, 1), [], [1], 1, -1),
                (_Model(5, 0, 2), [], [1], 2, -1),
                (_Model(9, 1, 6), [], [1, 2, 3], 4, -1),
                (_Model(4, 3, 4), [], [1, 3], 12, 0),  # the third new token ends it
                (_Model(5, 3, 2), [], [2, 0], 5, 0),  # the first one does; the end that was read first ends nothing
                (_Model(5, 4, 0), [], [2, 0], 0, -1),
            ],
            remark=_remark_generate_with_cache,
            failure=_failure_generate_with_cache,
        ),
    ),
    "cache_bytes": Exercise(
        "In each layer, each token of each text leaves one key and one value of head_size numbers for each key head.",
        compare(
            cache_bytes,
            [(1, 3, 1, 1, 4, 4), (2, 12, 5, 4, 8, 4), (3, 7, 11, 3, 64, 2), (1, 2048, 96, 96, 128, 2)],
            remark=_remark_cache_bytes,
        ),
    ),
    "llama_block": Exercise(
        "In this order: norm, three projections, split into heads, turn queries and keys, repeat keys and values, "
        "causal attention, join the heads, output, add x. Then: norm, gate and up, silu, down, add.",
        compare(
            llama_block,
            [
                _block_case(1, 1, 2, 1, 1),
                _block_case(1, 1, 2, 1, 1, 0.1),
                _block_case(1, 3, 4, 2, 2),
                _block_case(1, 3, 8, 4, 2),
                _block_case(2, 5, 16, 4, 1),
                _block_case(2, 6, 24, 6, 3),
            ],
            remark=_remark_llama_block,
            failure=_failure_llama_block,
        ),
    ),
    "min_p": Exercise(
        "Two steps: 0 for what is below share * max(p), then divide by the sum of the rest.",
        compare(
            min_p,
            [
                ([0.8, 0.2], 0.5),
                ([0.5, 0.3, 0.2], 0.5),
                ([0.4, 0.2, 0.4], 0.5),  # one has exactly the share
                ([0.1, 0.4, 0.2, 0.3], 0.3),
                ([0.25, 0.25, 0.25, 0.25], 1.0),
                ([0.0, 0.75, 0.25], 0.0),
            ],
            remark=_remark_min_p,
        ),
    ),
    "repetition": Exercise(
        "Make the list of all n-grams. How many would be left if each were kept once? The others are repetitions.",
        compare(
            repetition,
            [
                ([], 1),
                (["a", "a", "a"], 1),
                (["a", "b", "a", "b"], 2),
                (["a", "b", "c"], 4),
                (["x", "y", "x", "y", "x", "z"], 2),
                (list("abcabcabd"), 3),
                (["a", "b"], 2),
                (["a", "bc", "ab", "c"], 2),
                (["a", "b", "c", "b"], 2),
            ],
            remark=_remark_repetition,
        ),
    ),
    "draw": Exercise(
        "Add the probabilities up from the front; stop at the first sum that is larger than u.",
        compare(
            draw,
            [
                ([1.0], 0.5),
                ([0.5, 0.5], 0.7),
                ([0.0, 1.0], 0.0),
                ([0.2, 0.3, 0.5], 0.2),
                ([0.3, 0.3, 0.4], 0.35),
                ([0.5, 0.0, 0.5], 0.5),
                ([0.1] * 10 + [0.0], 1 - 2**-53),  # the ten sum to 1 - 2**-53
            ],
            remark=_remark_draw,
            failure=lambda arguments, error: _remark_draw(arguments, None, 0) if arguments[1] > 1 - 1e-9 else "",
        ),
    ),
    "matching_temperature": Exercise(
        "Look at the middle: is it too surprising or too dull? Go on with the half that holds the target.",
        compare(
            matching_temperature,
            [
                (_line, 3.0, 0.0, 4.0),
                (_line, 9.0, 0.5, 2.0),
                (_line, 0.1, 0.5, 2.0),
                (_bent, 2.0, 0.0, 1.0),
                (_line, 3.0, 1.0, 2.0**24, 60),
                (_half, 15.0, 20.0, 40.0),
                (_steep, 60.0, 0.5, 1.0),
            ],
            tolerance=1e-3,
            remark=_remark_matching_temperature,
        ),
    ),
}
