"""BERT (Devlin et al., 2019): an encoder that sees both sides of each token, its pretraining tasks, and a classifier.

Built in chapters 09 and 10. Folders hold a model as `transformers` writes it: config.json and model.safetensors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.data.batches import IGNORED
from lmtutor.models.attention import padding_mask
from lmtutor.models.transformer import Stack
from lmtutor.runtime import CourseError


class BertEmbedding(nn.Module):
    """Ids to vectors: the sum of a token's, its position's and its segment's vector, normalised; and back to logits.

    Args:
        vocab_size: number of tokens.
        hidden_size: size of the vectors.
        max_length: number of positions.
        num_segments: how many texts may stand behind one another.
        dropout: share of the result that is set to 0 in training.
    """

    def __init__(
        self, vocab_size: int, hidden_size: int, max_length: int = 512, num_segments: int = 2, dropout: float = 0.0
    ):
        super().__init__()
        sizes = (vocab_size, max_length, num_segments)
        self.tokens, self.positions, self.segments = (nn.Embedding(size, hidden_size) for size in sizes)
        self.norm, self.dropout = nn.LayerNorm(hidden_size), nn.Dropout(dropout)

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Ids [batch, time], and the segment of each (0 if not given) -> [batch, time, hidden].

        Raises:
            CourseError: the text has more tokens than there are positions.
        """
        time, positions = input_ids.shape[1], self.positions.num_embeddings
        if time > positions:
            raise CourseError(
                f"A text of {time} tokens is longer than the {positions} positions of this model: "
                f"cut it, or read it in several windows."
            )
        segments = self.segments.weight[0] if token_type_ids is None else self.segments(token_type_ids)
        return self.dropout(self.norm(self.tokens(input_ids) + self.positions.weight[:time] + segments))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., hidden] -> [..., vocab]."""
        return F.linear(hidden, self.tokens.weight)


class Bert(nn.Module):
    """An encoder of BERT's architecture: each token sees all others, and gets a vector that depends on all of them.

    Args:
        vocab_size: number of tokens.
        hidden_size: size of the vectors.
        num_heads: heads of each attention; must divide hidden_size.
        num_layers: how many layers.
        inner_size: size inside the feed-forward networks; four times hidden_size if not given.
        dropout: share that is set to 0 in training: of the embeddings, of the weights of attention, and of what each
            part adds.
        max_length: the most tokens that a text may have.
        num_segments: how many texts may stand behind one another.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        hidden_size: int = 128,
        num_heads: int = 4,
        num_layers: int = 4,
        inner_size: int | None = None,
        dropout: float = 0.1,
        max_length: int = 512,
        num_segments: int = 2,
    ):
        super().__init__()
        sizes = (num_layers, hidden_size, num_heads, inner_size or 4 * hidden_size)
        self.embedding = BertEmbedding(vocab_size, hidden_size, max_length, num_segments, dropout)
        self.encoder = Stack(*sizes, norm_first=False, dropout=dropout, activation=F.gelu)
        self.pooler = nn.Linear(hidden_size, hidden_size)
        for layer in self.encoder.layers:
            layer.feed_forward.dropout = nn.Identity()  # BERT has no dropout there
        initialise(self)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Read texts.

        Args:
            input_ids: [batch, time].
            attention_mask: [batch, time], 1 for a token and 0 for padding; all are tokens if it is not given.
            token_type_ids: [batch, time], the segment of each token; all are in segment 0 if it is not given.

        Returns:
            [batch, time, hidden]; what stands at padding means nothing.
        """
        # Without padding there is nothing to hide, and attention without a mask is faster.
        hide = attention_mask is not None and not attention_mask.all()
        mask = padding_mask(attention_mask) if hide else None
        return self.encoder(self.embedding(input_ids, token_type_ids), mask=mask)[0]

    def pool(self, hidden: torch.Tensor) -> torch.Tensor:
        """The vector of the first token, through one more map: [batch, time, hidden] -> [batch, hidden]."""
        return torch.tanh(self.pooler(hidden[:, 0]))


class PretrainingBert(nn.Module):
    """BERT with the heads of its two tasks: which token was here, and does the second text follow the first?

    Args:
        bert: the encoder.
    """

    def __init__(self, bert: Bert):
        super().__init__()
        vocab_size, hidden_size = bert.embedding.tokens.weight.shape
        self.bert = bert
        self.transform, self.norm = nn.Linear(hidden_size, hidden_size), nn.LayerNorm(hidden_size)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.next_sentence = nn.Linear(hidden_size, 2)
        for added in (self.transform, self.norm, self.next_sentence):
            initialise(added)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Which token stands where this vector does: [..., hidden] -> [..., vocab]."""
        return self.bert.embedding.logits(self.norm(F.gelu(self.transform(hidden)))) + self.bias

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Texts as in `Bert` -> logits of each token [batch, time, vocab], and of "follows", "does not" [batch, 2]."""
        hidden = self.bert(input_ids, attention_mask, token_type_ids)
        return self.logits(hidden), self.next_sentence(self.bert.pool(hidden))


class BertClassifier(nn.Module):
    """BERT with one linear layer on the pooled vector: which class is the text in?

    Args:
        bert: the encoder.
        labels: the names of the classes.
        dropout: share of the pooled vector that is set to 0 in training.
    """

    def __init__(self, bert: Bert, labels: Sequence[str], dropout: float = 0.1):
        super().__init__()
        self.bert, self.labels = bert, tuple(labels)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(bert.pooler.out_features, len(self.labels))
        initialise(self.classifier)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Texts as in `Bert` -> logits [batch, labels]."""
        pooled = self.bert.pool(self.bert(input_ids, attention_mask, token_type_ids))  # [batch, hidden]
        return self.classifier(self.dropout(pooled))


def initialise(model: nn.Module, std: float = 0.02) -> None:
    """Start as BERT does: small random matrices, biases 0; its norms add 1e-12 to the variance, not 1e-5."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-12


def mask_tokens(
    input_ids: torch.Tensor,
    may_change: torch.Tensor,
    vocab_size: int,
    mask_id: int,
    share: float = 0.15,
    words: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hide some tokens, to be guessed (Devlin et al., 2019, section 3.1 and appendix A.1).

    Of the chosen tokens 80 % become the mask, 10 % any token at random, and 10 % stay as they are. Draws from torch's
    own random numbers.

    Args:
        input_ids: [batch, time].
        may_change: [batch, time], bool: false for special tokens and padding.
        vocab_size: number of tokens.
        mask_id: id of the mask.
        share: probability that a token is chosen.
        words: [batch, time], for each token the place of its word's first token, as `first_pieces` gives it: then the
            tokens of a word are chosen together or not at all (whole-word masking).

    Returns:
        What the model reads, and labels: the token where one was chosen, IGNORED elsewhere; both [batch, time].
    """
    draws = torch.rand(input_ids.shape)
    if words is not None:
        draws = draws.gather(1, words)  # the tokens of a word share one draw
    chosen = (draws < share) & may_change
    fate = torch.rand(input_ids.shape)
    at_random = torch.randint(vocab_size, input_ids.shape)
    read = torch.where(chosen & (fate < 0.8), mask_id, torch.where(chosen & (fate >= 0.9), at_random, input_ids))
    return read, input_ids.masked_fill(~chosen, IGNORED)


def first_pieces(input_ids: torch.Tensor, continues: torch.Tensor) -> torch.Tensor:
    """For each token the place of its word's first token.

    Args:
        input_ids: [batch, time].
        continues: [vocab], bool: whether a token goes on with the word before it, as `##` says in WordPiece.

    Returns:
        [batch, time]; what stands at the first place begins a word in any case.
    """
    places = torch.arange(input_ids.shape[1]).expand_as(input_ids)
    return places.masked_fill(continues[input_ids], 0).cummax(dim=1).values


def masked_loss(
    model: PretrainingBert, hidden: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of -ln P of the hidden tokens: vectors [batch, time, hidden], labels [batch, time] -> nats, how many.

    Logits are worked out only where there is something to guess.
    """
    chosen = labels != IGNORED  # [batch, time]
    count = chosen.sum()
    total = F.cross_entropy(model.logits(hidden[chosen]), labels[chosen], reduction="sum")
    return total / count.clamp(min=1), count


# Our names of the parts, as patterns, and those of `transformers`.
_NAMES = {
    r"\bembedding\.tokens": "embeddings.word_embeddings",
    r"\bembedding\.positions": "embeddings.position_embeddings",
    r"\bembedding\.segments": "embeddings.token_type_embeddings",
    r"\bembedding\.norm": "embeddings.LayerNorm",
    r"\.attention\.(query|key|value)": r".attention.self.\1",
    r"\.attention\.output": ".attention.output.dense",
    r"\.residuals\.0\.norm": ".attention.output.LayerNorm",
    r"\.feed_forward\.inner": ".intermediate.dense",
    r"\.feed_forward\.outer": ".output.dense",
    r"\.residuals\.1\.norm": ".output.LayerNorm",
    r"\bencoder\.layers": "encoder.layer",
    r"\bpooler": "pooler.dense",
    r"^transform": "cls.predictions.transform.dense",
    r"^norm": "cls.predictions.transform.LayerNorm",
    r"^bias": "cls.predictions.bias",
    r"^next_sentence": "cls.seq_relationship",
}


def their_name(name: str) -> str:
    """What `transformers` calls one of our parameters: "pooler.weight" is "pooler.dense.weight" there."""
    for ours, theirs in _NAMES.items():
        name = re.sub(ours, theirs, name)
    return name


def load(folder: str | Path, *, heads: bool = False) -> Bert | PretrainingBert:
    """The model that a folder holds, as `transformers` or `save` wrote it.

    Args:
        folder: holds config.json and model.safetensors.
        heads: whether to load the heads of pretraining, too; else the encoder alone, and heads there are left out.

    Raises:
        CourseError: a file is missing or damaged, the model is no BERT, or it lacks weights or has some too many.
    """
    config, weights = _read(folder)
    model = PretrainingBert(_encoder(config)) if heads else _encoder(config)
    if heads and not any(name.startswith("bert.") for name in weights):  # an encoder alone
        weights = {f"bert.{name}": weight for name, weight in weights.items()}
    if not heads:
        added = ("cls.", "classifier.")
        weights = {name.removeprefix("bert."): w for name, w in weights.items() if not name.startswith(added)}
    _take_over(model, weights, folder)
    return model


def load_classifier(folder: str | Path) -> BertClassifier:
    """The classifier that a folder holds, as `transformers` or `save` wrote it, with the names of its classes.

    Raises:
        CourseError: as in `load`; a model without a classifier lacks its weights.
    """
    config, weights = _read(folder)
    if not any(name.startswith("bert.") for name in weights):  # an encoder alone
        weights = {f"bert.{name}": weight for name, weight in weights.items()}
    names = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # what `transformers` takes for granted
    dropout = config.get("classifier_dropout")
    model = BertClassifier(
        _encoder(config),
        [names[str(i)] for i in range(len(names))],
        dropout=config["hidden_dropout_prob"] if dropout is None else dropout,
    )
    _take_over(model, weights, folder)
    return model


def _read(folder: str | Path) -> tuple[dict, dict[str, torch.Tensor]]:
    """The configuration and the weights in a folder."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise CourseError(f"The model in {str(folder)!r} cannot be read ({type(error).__name__}): {error}") from None
    if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
        raise CourseError(f"The model in {str(folder)!r} is no BERT with GELU, so this class cannot hold it.")
    old = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # as the first BERTs were saved
    return config, {re.sub(r"LayerNorm\.\w+$", lambda m: old.get(m[0], m[0]), name): w for name, w in weights.items()}


def _encoder(config: dict) -> Bert:
    return Bert(
        config["vocab_size"],
        hidden_size=config["hidden_size"],
        num_heads=config["num_attention_heads"],
        num_layers=config["num_hidden_layers"],
        inner_size=config["intermediate_size"],
        dropout=config["hidden_dropout_prob"],
        max_length=config["max_position_embeddings"],
        num_segments=config["type_vocab_size"],
    )


def _take_over(model: nn.Module, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Copy weights by their names into a model, or say which do not fit."""
    # Old versions saved the positions 0, 1, 2 ..., too; and what makes the logits may stand there twice.
    double = ("position_ids", "predictions.decoder.weight", "predictions.decoder.bias")
    known = {name: weight for name, weight in weights.items() if not name.endswith(double)}
    own = {their_name(name): parameter for name, parameter in model.named_parameters()}
    faults = {
        "it lacks": sorted(own.keys() - known.keys()),
        "unknown to this model are": sorted(known.keys() - own.keys()),
        "of another shape are": sorted(n for n in own.keys() & known.keys() if own[n].shape != known[n].shape),
    }
    told = [f"{what} {', '.join(names[:3])}{' …' * (len(names) > 3)}" for what, names in faults.items() if names]
    if told:
        raise CourseError(f"The weights in {str(folder)!r} do not fit: {'; '.join(told)}.")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(known[name])


def save(model: Bert | PretrainingBert | BertClassifier, folder: str | Path) -> None:
    """Write a model into a folder so that `load` and `transformers` read it; the folder is made if need be.

    Raises:
        CourseError: the encoder is not as it was made: there are changes in it, or its matrices are in four bits.
    """
    from safetensors.torch import save_file

    # By their parts and not by their classes: a notebook builds the same classes anew.
    bert = getattr(model, "bert", model)
    first = bert.encoder.layers[0]
    heads = {"classifier": "BertForSequenceClassification", "next_sentence": "BertForPreTraining"}
    config = {
        "model_type": "bert",
        "architectures": [next((theirs for head, theirs in heads.items() if hasattr(model, head)), "BertModel")],
        "vocab_size": bert.embedding.tokens.num_embeddings,
        "hidden_size": bert.embedding.tokens.embedding_dim,
        "num_hidden_layers": len(bert.encoder.layers),
        "num_attention_heads": first.attention.num_heads,
        "intermediate_size": first.feed_forward.inner.out_features,
        "hidden_act": "gelu",
        "hidden_dropout_prob": bert.embedding.dropout.p,
        "attention_probs_dropout_prob": first.attention.dropout,
        "max_position_embeddings": bert.embedding.positions.num_embeddings,
        "type_vocab_size": bert.embedding.segments.num_embeddings,
        "layer_norm_eps": bert.embedding.norm.eps,
        "pad_token_id": 0,
    }
    with torch.device("meta"):  # sizes alone
        plain = {name for name, _ in _encoder(config).named_parameters()}
    if plain != {name for name, _ in bert.named_parameters()}:
        raise CourseError(
            "A folder holds a plain BERT, and the parts of this one were exchanged: `adapters.merge` or "
            "`adapters.remove` its changes first (`adapters.save` keeps one alone); four bits cannot be saved."
        )
    if hasattr(model, "classifier"):
        config["classifier_dropout"] = model.dropout.p
        config["id2label"] = {str(i): name for i, name in enumerate(model.labels)}
        config["label2id"] = {name: i for i, name in enumerate(model.labels)}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    weights = {their_name(name): p.detach().cpu().contiguous() for name, p in model.named_parameters()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
