"""A Transformer that may copy (See, Liu and Manning, 2017): each token is written, or pointed at in the source.

Built in chapter 11. What it returns are logarithms of probabilities; they serve wherever logits are asked for, as
softmax leaves them as they are. A word that the vocabulary lacks has an id behind it, lent for the length of one text:
it can be read and copied, but not written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.data import batches
from lmtutor.models.attention import padding_mask
from lmtutor.models.cache import Cache
from lmtutor.models.transformer import Transformer
from lmtutor.models.transformer import start as read
from lmtutor.runtime import CourseError

TINY = 1e-30  # what stands for a probability of 0, so that its logarithm and their gradients are finite


def copied(weights: torch.Tensor, input_ids: torch.Tensor, vocab_size: int) -> torch.Tensor:
    """What attention looks at, as a distribution over the vocabulary: a token gets the weights of all its places.

    Args:
        weights: [batch, time, keys], each row sums to 1; 0 in the padding.
        input_ids: [batch, keys] the source.
        vocab_size: the number of ids, lent ones included.

    Returns:
        Probabilities [batch, time, vocab].
    """
    places = input_ids[:, None, :].expand_as(weights)  # [batch, time, keys]
    return weights.new_zeros(*weights.shape[:2], vocab_size).scatter_add(-1, places, weights)


def mixture(
    logits: torch.Tensor, weights: torch.Tensor, input_ids: torch.Tensor, gate: torch.Tensor, extra: int = 0
) -> torch.Tensor:
    """log(p_gen P_vocab + (1 - p_gen) P_copy): equation 9 of the paper, for each place of the summary.

    Args:
        logits: [batch, time, vocab] of the tokens that could be written.
        weights: [batch, time, keys] of the attention to the source.
        input_ids: [batch, keys] the source.
        gate: [batch, time] p_gen is its sigmoid.
        extra: lent ids behind the vocabulary, which can only be copied.

    Returns:
        Log-probabilities [batch, time, vocab + extra]; of what can be copied alone, at least log 1e-30.
    """
    exact = torch.promote_types(logits.dtype, torch.float32)  # half precision is too coarse here
    logits, weights, gate = logits.to(exact), weights.to(exact), gate.to(exact)
    written = F.logsigmoid(gate)[..., None] + logits.log_softmax(dim=-1)
    written = F.pad(written, (0, extra), value=-torch.inf)  # [batch, time, vocab + extra]
    pointed = F.logsigmoid(-gate)[..., None] + copied(weights, input_ids, written.shape[-1]).clamp(min=TINY).log()
    return torch.logaddexp(written, pointed)


class CopyingTransformer(Transformer):
    """Chapter 07's Transformer with a gate between its vocabulary and the tokens of the source.

    The weights that copy are those of one head of the last layer's cross-attention; the other heads stay free to look
    elsewhere. The gate sees the decoder's last vector, which holds, through the residual stream, what was written last
    and what was looked at.
    All else begins as in a `Transformer` made with the same seed.

    Args:
        vocab_size: tokens of the vocabulary that both texts share.
        extra: ids behind them, lent to words that the vocabulary lacks.
        hidden_size: size of the vectors.
        options: see `Transformer`.
    """

    def __init__(self, vocab_size: int, *, extra: int = 0, hidden_size: int = 128, **options):
        super().__init__(vocab_size + extra, hidden_size=hidden_size, **options)
        self.vocab_size, self.extra = vocab_size, extra
        self.gate = nn.Linear(hidden_size, 1)

    def look(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, decoder_input_ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The decoder's vectors [batch, time, hidden], and where the first head looks [batch, time, keys]."""
        memory, mask = self.encode(input_ids, attention_mask), padding_mask(attention_mask)
        vectors = self.embedding(decoder_input_ids)
        hidden, weights = self.decoder(vectors, memory, memory_mask=mask, causal=True, need_weights=True)
        return hidden, weights[-1][:, 0]

    def mix(self, hidden: torch.Tensor, weights: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
        """What `look` returns, and the source [batch, keys] -> log-probabilities [batch, time, vocab + extra]."""
        logits = self.embedding.logits(hidden)[..., : self.vocab_size]
        return mixture(logits, weights, input_ids, self.gate(hidden)[..., 0], self.extra)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, decoder_input_ids: torch.Tensor
    ) -> torch.Tensor:
        """Source and mask [batch, keys], ids so far [batch, time] -> log-probabilities [batch, time, vocab + extra]."""
        return self.mix(*self.look(input_ids, attention_mask, decoder_input_ids), input_ids)


def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of -log p of the right tokens, and their number: for `training.fit`, with or without copying.

    Args:
        model: gives log-probabilities, or logits.
        batch: as `batches.source_and_target` makes it.
    """
    labels = batch["labels"]
    said = model(batch["input_ids"], batch["attention_mask"], batch["decoder_input_ids"])  # [batch, time, vocab]
    return F.cross_entropy(said.float().flatten(0, 1), labels.flatten()), (labels != batches.IGNORED).sum()


@dataclass
class Reading(Cache):
    """What the decoder has read, and the source, whose ids it may copy."""

    source_ids: torch.Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.long))  # [batch, keys]

    def select(self, rows: torch.Tensor) -> None:
        """Go on with these rows of the batch, in this order."""
        super().select(rows)
        self.source_ids = self.source_ids.index_select(0, rows)


def start(model: CopyingTransformer, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Reading:
    """Read a source once, for `step`: ids and mask [batch, keys]."""
    return Reading(**vars(read(model, input_ids, attention_mask)), source_ids=input_ids)


def step(model: CopyingTransformer, decoder_input_ids: torch.Tensor, reading: Reading) -> torch.Tensor:
    """Write on: ids since the last step [batch, new] -> log-probabilities of the next one [batch, vocab + extra]."""
    masks = {"memory_mask": reading.memory_mask, "causal": decoder_input_ids.shape[1] > 1}
    vectors = model.embedding(decoder_input_ids, reading.length)
    hidden, weights = model.decoder(vectors, cache=reading, need_weights=True, **masks)
    return model.mix(hidden[:, -1:], weights[-1][:, 0, -1:], reading.source_ids)[:, 0]


def save(model: CopyingTransformer, folder: str | Path) -> None:
    """Write a model into a folder for `load`, its weights in half precision; the folder is made if need be."""
    from safetensors.torch import save_file

    first = model.decoder.layers[0]
    sizes = {
        "vocab_size": model.vocab_size,
        "extra": model.extra,
        "hidden_size": model.embedding.tokens.embedding_dim,
        "num_heads": first.attention.num_heads,
        "num_layers": len(model.decoder.layers),
        "inner_size": first.feed_forward.inner.out_features,
        "max_length": len(model.embedding.positions),
        "norm_first": first.residuals[0].norm_first,
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(sizes, indent=1) + "\n", encoding="utf-8")
    weights = {name: part.detach().cpu().half().contiguous() for name, part in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")


def load(folder: str | Path) -> CopyingTransformer:
    """The model that `save` wrote into a folder, in float32 and in evaluation mode.

    Raises:
        CourseError: the folder has no such model.
    """
    from safetensors.torch import load_file

    try:
        sizes = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        model = CopyingTransformer(**sizes)
        model.load_state_dict(load_file(Path(folder) / "model.safetensors"))
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise CourseError(f"{str(folder)!r} holds no model that copies: `copying.save` writes one.") from error
    return model.eval()
