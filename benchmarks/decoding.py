"""The decoder-only model against `transformers.GPT2LMHeadModel` of the same weights: training, greedy and beam search.

    make bench ONLY=decoding

Ours and theirs take turns, so that whatever else the machine does hits both. Where both write, the texts are compared:
the speeds are those of the same work.
"""

import os
import statistics
from collections.abc import Callable
from functools import partial

import torch
from measure import comparison, in_turns, middle, ratios
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from lmtutor import decoding, results
from lmtutor.models import gpt
from lmtutor.models.cache import Cache
from lmtutor.runtime import Stopwatch, seed_everything

VOCAB, LAYERS, HIDDEN, HEADS, POSITIONS = 65, 4, 128, 4, 320
PROMPT, NEW, BEAMS, NEW_IN_BEAMS = 8, 256, 4, 128
BATCH, TIME, STEPS = 12, 64, 150
TURNS = 11
LENGTHS = (64, 128, 256)


def pair(spread: float) -> tuple[gpt.GPT, GPT2LMHeadModel]:
    """Our model and theirs, of one size, with the same weights; the spread of GPT-2's is 0.02."""
    seed_everything(0)
    config = GPT2Config(
        vocab_size=VOCAB,
        n_positions=POSITIONS,
        n_embd=HIDDEN,
        n_layer=LAYERS,
        n_head=HEADS,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        initializer_range=spread,
        bos_token_id=None,
        eos_token_id=None,
    )
    theirs = GPT2LMHeadModel(config)
    ours = gpt.GPT(VOCAB, hidden_size=HIDDEN, num_heads=HEADS, num_layers=LAYERS, max_length=POSITIONS)
    gpt.load_gpt2(ours, theirs.state_dict())
    return ours, theirs


def compare(what: str, works: dict[str, Callable], *, amount: int, turns: int) -> tuple[dict, list[float]]:
    """A row of the table: tokens a second of two kinds of work on `amount` tokens; and the ratio of each turn."""
    written = [work() for work in works.values()]
    if written[0] is not None and not torch.equal(*written):
        raise SystemExit(f"{what}: the two wrote different texts.")
    taken = in_turns(works, turns)
    ours, theirs = taken.values()
    faster = ratios(theirs, ours)
    row = {
        "what": what,
        **{name: round(amount / statistics.median(seconds)) for name, seconds in taken.items()},
        "unit": "tokens/s",
        "ratio": round(statistics.median(faster), 2),
        "middle half of the ratios": middle(faster),
    }
    print(row, flush=True)
    return row, faster


def training() -> tuple[dict, list[float]]:
    """Steps of a plain loop: forward, backward, AdamW (ours fused, as in chapter 08), the loss read for display."""
    ours, theirs = pair(spread=0.02)
    ids = torch.randint(VOCAB, (BATCH, TIME + 1))

    def step_of(model, logits_of, fused=None):
        optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-3, fused=fused)

        def step() -> None:
            loss = F.cross_entropy(logits_of(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

        return step

    works = {
        "ours": step_of(ours, ours, fused=True),
        "theirs": step_of(theirs, lambda ids: theirs(input_ids=ids).logits),
    }
    what = f"training, {BATCH} texts of {TIME} characters a step"
    return compare(what, works, amount=BATCH * TIME, turns=STEPS)


def prompts(batch: int) -> torch.Tensor:
    return torch.randint(VOCAB, (batch, PROMPT), generator=torch.Generator().manual_seed(batch))


def greedy(model: gpt.GPT, ids: torch.Tensor, new: int = NEW) -> torch.Tensor:
    return decoding.generate(partial(gpt.step, model), Cache.empty(LAYERS), ids, max_tokens=new)


@torch.no_grad()
def greedy_without_cache(model: gpt.GPT, ids: torch.Tensor, new: int) -> torch.Tensor:
    """The same text, but for each token all that stands so far is read again."""
    for _ in range(new):
        ids = torch.cat([ids, model(ids)[:, -1:].argmax(dim=-1)], dim=1)
    return ids[:, -new:]


def beams(model: gpt.GPT, ids: torch.Tensor) -> torch.Tensor:
    """The best text of each beam; no token ends it, so that both searches take all steps."""
    step, cache = partial(gpt.step, model), Cache.empty(LAYERS)
    found = decoding.beam_search(step, cache, ids, beams=BEAMS, max_tokens=NEW_IN_BEAMS, end=-1, length_penalty=0.0)
    return torch.tensor([texts[0].tokens for texts in found])


def generate(model: GPT2LMHeadModel, ids: torch.Tensor, new: int, **options) -> torch.Tensor:
    mask = torch.ones_like(ids)
    written = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=new, do_sample=False, **options)
    return written[:, ids.shape[1] :]


def main() -> None:
    load = os.getloadavg()[0]  # what else the machine does
    with Stopwatch() as watch:
        speeds, cached = [training()], []
        ours, theirs = (model.eval() for model in pair(spread=0.2))  # wide, so that the texts do not repeat one token
        for batch in (1, 16):
            ids = prompts(batch)
            works = {"ours": partial(greedy, ours, ids), "theirs": partial(generate, theirs, ids, NEW)}
            what = f"greedy, {NEW} new tokens, batch of {batch}"
            speeds.append(compare(what, works, amount=batch * NEW, turns=TURNS))
        for batch in (1, 16):
            ids = prompts(batch)
            theirs_beams = partial(generate, theirs, ids, NEW_IN_BEAMS, num_beams=BEAMS)
            works = {"ours": partial(beams, ours, ids), "theirs": theirs_beams}
            what = f"{BEAMS} beams, {NEW_IN_BEAMS} new tokens, batch of {batch}"
            speeds.append(compare(what, works, amount=batch * NEW_IN_BEAMS, turns=TURNS))
        for new in LENGTHS:
            with_cache, without = (partial(write, ours, prompts(1), new) for write in (greedy, greedy_without_cache))
            works = {"with a cache": with_cache, "without one": without}
            cached.append(compare(f"greedy, {new} new tokens", works, amount=new, turns=TURNS))
    model = f"Decoder-only model with {LAYERS} layers of {HIDDEN} and {VOCAB} tokens, random weights, float32"
    turns = f"medians of {TURNS} runs taking turns"
    threads = f"{torch.get_num_threads()} thread(s), load {load:.1f} at the start."
    common = {
        "command": "make bench ONLY=decoding",
        "packages": ("torch", "transformers"),
        "seconds": round(watch.seconds),
        "seed": 0,
    }
    asked = (1.1, 1.5, 1.5, 1.5, 1.5)
    results.record(
        "generation_speed",
        [row for row, _ in speeds],
        about=f"{model}, against transformers' GPT2LMHeadModel (its default activation function, no dropout); both "
        f"write the same text, in training ours has the fused AdamW of chapter 08; {turns} "
        f"({STEPS} steps of training); {threads}",
        comparisons=[
            comparison("08", row["what"], "GPT2LMHeadModel", faster, "times as fast", at_least=least)
            for (row, faster), least in zip(speeds, asked, strict=True)
        ],
        **common,
    )
    results.record(
        "generation_cache",
        [row for row, _ in cached],
        about=f"{model}, one text, the same each way; {turns}; {threads}",
        comparisons=[
            comparison("08", f"{row['what']} with a cache", "without one", faster, "times as fast")
            for row, faster in cached
        ],
        **common,
    )
    for name in ("generation_speed", "generation_cache"):
        print(results.markdown(name))


if __name__ == "__main__":
    main()
