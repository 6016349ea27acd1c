"""Plausible wrong answers to the exercises of chapter 06."""

from operator import ne


def rms_with(size=lambda x: (x.square().mean(-1, keepdim=True) + 1e-6).sqrt(), gained=True, centred=False):
    def rms_norm(x, gain, eps=1e-6):
        x = x - x.mean(-1, keepdim=True) if centred else x
        return x / size(x) * (gain if gained else 1)

    return rms_norm


def leaks_with(other=lambda ids, size: [*ids[:-1], (ids[-1] + 1) % size], places=lambda n: range(n - 1), same=False):
    def leaks(model, ids, vocab_size):
        before, after = model(ids), model(other(ids, vocab_size))
        return [place for place in places(len(ids)) if (before[place] == after[place]) == same]

    return leaks


WRONG = {
    "transformer.shift": {
        "copying": lambda target, start, end: ([start, *target], [start, *target]),
        "unshifted": lambda target, start, end: (target, target),
        "exchanged": lambda target, start, end: ([*target, end], [start, *target]),
        "reads the end": lambda target, start, end: ([start, *target, end], [*target, end]),
        "says the start": lambda target, start, end: ([start, *target], [start, *target, end]),
        "words are lost": lambda target, start, end: (target[:-1], target[1:]),
        "the last word is lost": lambda target, start, end: ([start, *target[:-1]], target),
    },
    "transformer.rms_norm": {
        "no gain": rms_with(gained=False),
        "centred": rms_with(centred=True),
        "length": rms_with(size=lambda x: x.norm(dim=-1, keepdim=True) + 1e-9),
        "no root": rms_with(size=lambda x: x.square().mean(-1, keepdim=True) + 1e-6),
        "over all": rms_with(size=lambda x: (x.square().mean() + 1e-6).sqrt()),
    },
    "transformer.around": {
        "always before": lambda h, part, norm, first: h + part(norm(h)),
        "always after": lambda h, part, norm, first: norm(h + part(h)),
        "exchanged": lambda h, part, norm, first: norm(h + part(h)) if first else h + part(norm(h)),
        "road normalised": lambda h, part, norm, first: norm(h) + part(norm(h)) if first else norm(h + part(h)),
        "no residual": lambda h, part, norm, first: part(norm(h)) if first else norm(part(h)),
        "norm of the part": lambda h, part, norm, first: h + part(norm(h)) if first else h + norm(part(h)),
    },
    "transformer.leaks": {
        "the last counts": leaks_with(places=range),
        "nothing changed": leaks_with(other=lambda ids, size: list(ids)),
        "the first changed": leaks_with(other=lambda ids, size: [(ids[0] + 1) % size, *ids[1:]]),
        "those that stay": leaks_with(same=True),
        "only the neighbour": leaks_with(places=lambda n: range(n - 2, n - 1)),
        "always changed to 0": leaks_with(other=lambda ids, size: [*ids[:-1], 0]),
        "beyond the vocabulary": leaks_with(other=lambda ids, size: [*ids[:-1], ids[-1] + 1]),
        "yes or no": lambda model, ids, size: list(map(ne, model(ids), model([*ids[:-1], 0])))[:-1],
    },
    "transformer.decoder_layer_parameters": {
        "the encoder's": lambda d, f: 4 * (d * d + d) + 2 * d * f + f + d + 4 * d,
        "one attention": lambda d, f: 4 * (d * d + d) + 2 * d * f + f + d + 6 * d,
        "no biases": lambda d, f: 8 * d * d + 2 * d * f + 6 * d,
        "matrices alone": lambda d, f: 8 * d * d + 2 * d * f,
        "norms without bias": lambda d, f: 8 * (d * d + d) + 2 * d * f + f + d + 3 * d,
        "two norms": lambda d, f: 8 * (d * d + d) + 2 * d * f + f + d + 4 * d,
        "three maps": lambda d, f: 6 * (d * d + d) + 2 * d * f + f + d + 6 * d,
    },
    "transformer.break_even": {
        "attention alone": lambda d, f: 2 * d,
        "feed-forward alone": lambda d, f: f,
        "no twos": lambda d, f: d + f,
        "not divided": lambda d, f: 8 * d + 4 * f,
        "of one word": lambda d, f: 8 * d * d + 4 * d * f,
        "a root": lambda d, f: (2 * d + f) ** 0.5,
    },
}
