"""A small training of each kind of model that the course trains, on made-up data that can be learned in a few steps.

The tests run them on a pretended device and in each precision, `gpu.py` on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor import pretrained, training
from lmtutor.data import batches
from lmtutor.models import adapters, bert, classifier, fourbit, gpt, llama, tagger
from lmtutor.models.attention import MultiHeadAttention
from lmtutor.models.copying import CopyingTransformer
from lmtutor.models.recurrent import CELLS, RecurrentLanguageModel, WindowLanguageModel, carried_loss
from lmtutor.models.seq2seq import RecurrentTranslator
from lmtutor.models.transformer import Transformer
from lmtutor.tasks import extraction, finetuning, pretraining

VOCABULARY = 24
LENGTH = 12
# A model, and a function that trains it: options of `training.fit`, such as steps=8 -> the history.
Training = tuple[nn.Module, Callable[..., Any]]


def texts(count: int = 64, shortest: int = 4) -> list[list[int]]:
    """Made-up texts in which each token follows from the one before, of several lengths: lists of ids above 3."""
    generator = torch.Generator().manual_seed(0)
    starts, steps = torch.randint(VOCABULARY, (count,), generator=generator), torch.arange(count) % 3 + 1
    lengths = torch.arange(count) % (LENGTH - shortest + 1) + shortest
    return [
        [int((start + step * i) % (VOCABULARY - 4) + 4) for i in range(length)]
        for start, step, length in zip(starts.tolist(), steps.tolist(), lengths.tolist(), strict=True)
    ]


def fitted(model: nn.Module, train: Any, loss: Callable, **settings: Any) -> Training:
    """A model that `training.fit` trains."""

    def fit(**options: Any):
        optimizer = partial(torch.optim.AdamW, lr=options.pop("learning_rate", 3e-3))
        defaults = {"batch_size": 16, "log_every": 1, "progress": False, "seed": 0, "optimizer": optimizer}
        return training.fit(model, train, loss=loss, **{**defaults, **settings, **options})

    return model, fit


def fitted_by_length(model: nn.Module, sequences: list, collate: Callable, loss: Callable) -> Training:
    """A model that `training.fit_by_length` trains."""

    def fit(**options: Any):
        defaults = {"batch_size": 16, "log_every": 1, "progress": False, "learning_rate": 3e-3}
        return training.fit_by_length(model, [len(s) for s in sequences], collate, loss, **{**defaults, **options})

    return model, fit


def recurrent(cell: str, width: int) -> Training:
    sizes = {"embedding_size": width, "hidden_size": width}
    if cell == "window":
        model = WindowLanguageModel(VOCABULARY, window=3, **sizes)
    else:
        model = RecurrentLanguageModel(VOCABULARY, cell=cell, dropout=0.1, **sizes)
    blocks = batches.streams([token for text in texts(256) for token in text], 8, LENGTH)
    return fitted(model, blocks, carried_loss(), batch_size=1, shuffle=False, collate=lambda chosen: chosen[0])


def labelled() -> tuple[list[list[int]], list[int]]:
    """Texts, and whether the first token is one of the upper half."""
    sequences = texts()
    return sequences, [int(ids[0] > VOCABULARY // 2) for ids in sequences]


def text_classifier(width: int) -> Training:
    model = classifier.LSTMClassifier(VOCABULARY, embedding_size=width, hidden_size=width, word_dropout=0.05)
    sequences, labels = labelled()
    return fitted_by_length(model, sequences, classifier.collator(sequences, labels), classifier.loss)


class Reader(nn.Module):
    """Attention alone, with rotary positions and learned biases of distances: what chapter 05 trains."""

    def __init__(self, width: int):
        super().__init__()
        self.tokens, self.out = nn.Embedding(VOCABULARY, width), nn.Linear(width, VOCABULARY)
        self.attention = MultiHeadAttention(width, 4, rotary=True, dropout=0.1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = self.tokens(ids)  # [batch, time, width]
        return self.out(hidden + self.attention(hidden, causal=True)[0])


def windows() -> torch.Tensor:
    """Stretches of one text: [examples, LENGTH + 1]."""
    return torch.tensor([token for text in texts(256) for token in text]).unfold(0, LENGTH + 1, 3)


def attention(width: int) -> Training:
    return fitted(Reader(width), windows(), gpt.next_token_loss)


def decoder(width: int) -> Training:
    model = gpt.GPT(VOCABULARY, hidden_size=width, num_heads=4, num_layers=2, max_length=LENGTH, dropout=0.1)
    gpt.initialise(model, 0.1)
    return fitted(model, windows(), gpt.next_token_loss)


def modern_decoder(width: int) -> Training:
    sizes = {"hidden_size": width, "num_heads": 4, "num_kv_heads": 2, "num_layers": 2, "max_length": LENGTH}
    model = llama.Llama(VOCABULARY, **sizes)
    llama.initialise(model, 0.1)
    return fitted(model, windows(), gpt.next_token_loss)


def translation_loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy with smoothed labels, as in chapter 07."""
    labels = batch["labels"]
    logits = model(batch["input_ids"], batch["attention_mask"], batch["decoder_input_ids"])
    mean = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), label_smoothing=0.1)
    return mean, (labels != batches.IGNORED).sum()


def translator(kind: str, width: int) -> Training:
    if kind != "recurrent":
        model = {"transformer": Transformer, "copying": CopyingTransformer}[kind](
            VOCABULARY, hidden_size=width, num_heads=4, num_layers=1, max_length=LENGTH + 1
        )
    else:
        model = RecurrentTranslator(VOCABULARY, hidden_size=width)
    pairs = [(ids, ids[::-1]) for ids in texts()]
    return fitted(model, pairs, translation_loss, collate=partial(batches.source_and_target, start=1, end=2))


def encoder(width: int) -> bert.Bert:
    return bert.Bert(VOCABULARY, hidden_size=width, num_heads=4, num_layers=2, max_length=2 * LENGTH + 4)


def masked(width: int) -> Training:
    halves = [(ids[: len(ids) // 2], ids[len(ids) // 2 :]) for ids in texts()]
    stretches = [pretraining.Stretch(i % 4, *both) for i, both in enumerate(halves)]
    collate = pretraining.Collate(stretches, VOCABULARY, pad=0, cls=1, sep=2, mask=3)
    return fitted(bert.PretrainingBert(encoder(width)), stretches, pretraining.pretraining_loss, collate=collate)


def finetuned(model: nn.Module, learning_rate: float) -> Training:
    sequences, labels = labelled()

    def fit(**options: Any):
        defaults = {"batch_size": 16, "log_every": 1, "progress": False, "learning_rate": learning_rate}
        return finetuning.finetune(model, sequences, labels, **{**defaults, **options})

    return model, fit


def bert_classifier(width: int) -> Training:
    return finetuned(bert.BertClassifier(encoder(width), ["low", "high"]), 3e-3)


def adapted(method: str, four_bits: bool, width: int) -> Training:
    model = bert.BertClassifier(encoder(width), ["low", "high"])
    if four_bits:
        fourbit.quantise_model(model.bert.encoder)
    adapters.add(model, "change", method)
    return finetuned(model, 3e-2)  # few parameters take large steps


def tags(kind: str, width: int) -> Training:
    sequences, names = texts(), ["even", "odd"]
    labels = [[token % 2 for token in ids] for ids in sequences]
    model = tagger.BertTagger(encoder(width), names) if kind == "bert" else tagger.LSTMTagger(VOCABULARY, names)
    return fitted_by_length(model, sequences, tagger.collator(sequences, labels), tagger.loss)


def answers(width: int) -> Training:
    """Two pointers: the answer lies around the largest token."""
    sequences = texts(shortest=LENGTH)
    largest = [ids.index(max(ids)) for ids in sequences]

    def collate(chosen: list[list[int]]) -> dict[str, torch.Tensor]:
        batch = batches.pad([sequences[i] for i in chosen[0]])
        return {**batch, "spans": torch.tensor([[max(largest[i] - 1, 0), largest[i]] for i in chosen[0]])}

    def loss(model: nn.Module, batch: dict) -> tuple[torch.Tensor, int]:
        logits = model(batch["input_ids"], batch["attention_mask"])
        return tagger.pointer_loss(logits, batch["attention_mask"], batch["spans"]), 2 * len(batch["spans"])

    return fitted_by_length(tagger.BertTagger(encoder(width), ["start", "end"]), sequences, collate, loss)


def relations(width: int) -> Training:
    sequences = texts()
    places = [[(0, 1, 2, 3), (1, 3, 0, 1)] for _ in sequences]
    labels = [[ids[0] % 2, ids[1] % 2] for ids in sequences]
    model = tagger.RelationClassifier(encoder(width), ["none", "some"])
    collate = extraction.pair_collator(sequences, places, labels)
    return fitted_by_length(model, sequences, collate, extraction.pair_loss)


class Theirs(nn.Module):
    """The pretrained MiniLM as `transformers` has it, of its own width, with a new head."""

    def __init__(self):
        from transformers import BertForSequenceClassification

        super().__init__()
        self.inner = BertForSequenceClassification.from_pretrained(pretrained.folder("minilm"))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.inner(input_ids=input_ids, attention_mask=attention_mask).logits


# By name: the width of the vectors -> a model and its training.
KINDS: dict[str, Callable[[int], Training]] = {
    **{cell: partial(recurrent, cell) for cell in ("window", *CELLS)},
    "classifier": text_classifier,
    "attention": attention,
    "translator, recurrent": partial(translator, "recurrent"),
    "translator, transformer": partial(translator, "transformer"),
    "translator, copying": partial(translator, "copying"),
    "gpt": decoder,
    "llama": modern_decoder,
    "bert, pretraining": masked,
    "bert, classifier": bert_classifier,
    "tagger, lstm": partial(tags, "lstm"),
    "tagger, bert": partial(tags, "bert"),
    "reader": answers,
    "relations": relations,
    "transformers' MiniLM": lambda width: finetuned(Theirs(), 1e-4),
    **{f"{method}": partial(adapted, method, False) for method in adapters.METHODS},
    **{f"{method}, four bits": partial(adapted, method, True) for method in adapters.METHODS},
}


def make(kind: str, width: int = 32) -> Training:
    """A model of that kind with its first weights (seed 0), and the function that trains it."""
    torch.manual_seed(0)
    return KINDS[kind](width)
