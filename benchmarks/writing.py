"""What ways of choosing tokens do to a text: SmolLM2 goes on from openings of the course's prose, beside their authors.

    python benchmarks/writing.py

All openings are written on in one batch. The runs whose band is shown are its thirds: other openings, other luck.
"""

import math
from functools import partial

import torch
from measure import band

import lmtutor as lm
from lmtutor import decoding, pretrained, results
from lmtutor.models import llama
from lmtutor.runtime import seed_everything

RUNS, TEXTS, OPENING, NEW = 3, 8, 24, 40  # texts of a run; tokens of an opening and of what is written
BEAMS = 4
WAYS = {
    "a person": None,
    "beam search, 4": None,
    "greedy": {},
    "greedy, penalty 1.1": {"repetition_penalty": 1.1},
    "greedy, penalty 1.3": {"repetition_penalty": 1.3},
    "temperature 0.7": {"temperature": 0.7},
    "temperature 1": {"temperature": 1.0},
    "temperature 1.3": {"temperature": 1.3},
    "top-k 50": {"temperature": 1.0, "top_k": 50},
    "top-p 0.9": {"temperature": 1.0, "top_p": 0.9},
    "min-p 0.1": {"temperature": 1.0, "min_p": 0.1},
    "min-p 0.1, temperature 1.3": {"temperature": 1.3, "min_p": 0.1},
}


def openings(tokenizer) -> torch.Tensor:
    """The first tokens of documents that are long enough, and what their authors wrote on: [texts, opening + new]."""
    corpus, found = lm.load("harbour"), []
    for document in [*corpus["test"]["text"], *corpus["validation"]["text"]]:
        ids = tokenizer(document.partition("\n")[2])["input_ids"]  # without its title
        if len(ids) >= OPENING + NEW:
            found.append(ids[: OPENING + NEW])
    return torch.tensor(found[: RUNS * TEXTS])


@torch.inference_mode()
def surprise(model, ids: torch.Tensor) -> torch.Tensor:
    """Nats of each token after the opening: [texts, new]."""
    rows = [model(row[None, :-1])[0, OPENING - 1 :].log_softmax(-1) for row in ids]  # one by one: logits are large
    return -torch.stack([p.gather(1, row[OPENING:, None])[:, 0] for p, row in zip(rows, ids, strict=True)])


def repetition(tokens: list[int], n: int) -> float:
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams)


def measured(nats: torch.Tensor, texts: list[list[int]], tokenizer) -> dict[str, float]:
    pairs = [pair for one in texts for pair in zip(one, one[1:], strict=False)]
    written = "".join(tokenizer.decode(one) for one in texts)
    return {
        "perplexity": math.exp(nats.mean().item()),
        "repetition": sum(repetition(one, 4) for one in texts) / len(texts),
        "distinct-2": len(set(pairs)) / len(pairs),
        "full stops in 100 tokens": 100 * written.count(".") / sum(map(len, texts)),
    }


def main() -> None:
    lm.setup("08")
    seed_everything(0)
    folder = pretrained.folder("smollm2")
    tokenizer, model = pretrained.tokenizer_of("smollm2"), llama.load(folder)
    step, whole, rows = partial(llama.step, model), openings(tokenizer), []
    first = whole[:, :OPENING]
    for name, options in WAYS.items():
        if name == "a person":
            new = whole[:, OPENING:]
        elif options is None:
            found = decoding.beam_search(step, model.cache(), first, beams=BEAMS, max_tokens=NEW, end=-1)
            new = torch.tensor([hypotheses[0].tokens for hypotheses in found])
        else:
            new = decoding.generate(step, model.cache(), first, max_tokens=NEW, seed=0, **options)
        nats = surprise(model, torch.cat([first, new], dim=1))
        runs = [measured(*part, tokenizer) for part in zip(nats.split(TEXTS), split(new), strict=True)]
        rows.append({"way": name} | {key: band([run[key] for run in runs], digits(key)) for key in runs[0]})
        print(rows[-1], flush=True)
    results.record(
        "generation_ways",
        rows,
        about=f"SmolLM2-135M-Instruct (float32) goes on from {RUNS} times {TEXTS} openings of the course's prose, "
        f"{OPENING} tokens each, with {NEW} tokens; lowest to highest of the {RUNS} runs. Perplexity is that under "
        f"SmolLM2 itself, without any cut or penalty.",
        command="python benchmarks/writing.py",
        packages=("torch", "transformers"),
        seed=0,
    )


def split(new: torch.Tensor) -> list[list[list[int]]]:
    return [part.tolist() for part in new.split(TEXTS)]


def digits(key: str) -> int:
    return 1 if key in ("perplexity", "full stops in 100 tokens") else 2


if __name__ == "__main__":
    main()
