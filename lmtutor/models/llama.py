"""Llama (Touvron et al., 2023): GPT-2 with four changes, the architecture of most open models. Built in chapter 08.

The four: RMSNorm, rotary positions, SwiGLU, and keys and values that several heads share. Besides, no bias anywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.models import positions
from lmtutor.models.attention import fast_attention, window_mask
from lmtutor.models.cache import Cache, Past
from lmtutor.runtime import CourseError

Rotation = tuple[torch.Tensor, torch.Tensor]  # cosine and sine, see `positions.rotation`


class RMSNorm(nn.Module):
    """Each vector divided by its root mean square, times a learned gain (Zhang and Sennrich, 2019): [..., size]."""

    def __init__(self, size: int, epsilon: float = 1e-5):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(size)), epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., size] -> the same shape."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class SwiGLU(nn.Module):
    """A feed-forward network in which one projection gates another (Shazeer, 2020): [..., hidden] -> [..., hidden]."""

    def __init__(self, hidden_size: int, inner_size: int):
        super().__init__()
        self.gate = nn.Linear(hidden_size, inner_size, bias=False)
        self.up = nn.Linear(hidden_size, inner_size, bias=False)
        self.down = nn.Linear(inner_size, hidden_size, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., hidden] -> [..., hidden]."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


class GroupedQueryAttention(nn.Module):
    """Attention of a text to itself in which groups of heads share a key and a value (Ainslie et al., 2023).

    Args:
        hidden_size: size of the vectors that come in and go out.
        num_heads: heads of the queries; must divide hidden_size.
        num_kv_heads: heads of keys and values; must divide num_heads. As many as there are are multi-head attention,
            one is multi-query attention.

    Raises:
        CourseError: num_heads does not divide hidden_size, or num_kv_heads does not divide num_heads.
    """

    def __init__(self, hidden_size: int, num_heads: int, num_kv_heads: int):
        super().__init__()
        self.size = shared_out(hidden_size, num_heads, num_kv_heads)  # of a head
        self.query = nn.Linear(hidden_size, num_heads * self.size, bias=False)
        self.key = nn.Linear(hidden_size, num_kv_heads * self.size, bias=False)
        self.value = nn.Linear(hidden_size, num_kv_heads * self.size, bias=False)
        self.output = nn.Linear(num_heads * self.size, hidden_size, bias=False)

    def forward(
        self, x: torch.Tensor, rotation: Rotation, past: Past | None = None, window: int | None = None
    ) -> torch.Tensor:
        """Each vector looks at itself and at those before it: [batch, queries, hidden] -> the same shape.

        Args:
            x: [batch, queries, hidden].
            rotation: by which queries and keys are turned, of these places.
            past: keys and values of what was read before; the new ones are added.
            window: how far each looks: at itself and at the window - 1 before it; None looks at all.
        """
        projections = (self.query, self.key, self.value)
        query, key, value = (project(x).unflatten(-1, (-1, self.size)).transpose(1, 2) for project in projections)
        query, key = positions.turn(query, rotation), positions.turn(key, rotation)
        if past is not None:
            key, value = past.extend((key, value))  # [batch, kv heads, keys, size]
        context = grouped_attention(query, key, value, window)  # [batch, heads, queries, size]
        return self.output(context.transpose(1, 2).flatten(2))


def grouped_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None = None
) -> torch.Tensor:
    """Causal attention in which heads 0, 1, ... of the queries share key head 0, the next ones key head 1, and so on.

    Args:
        query: [batch, heads, queries, size], the last at the place of the last key.
        key, value: [batch, kv heads, keys, size].
        window: see `GroupedQueryAttention`.

    Returns:
        [batch, heads, queries, size].
    """
    group, queries, keys = query.shape[1] // key.shape[1], query.shape[2], key.shape[2]
    mask = window_mask(queries, keys, window, query.device) if window is not None and keys > window else None
    if queries == 1:  # the heads of a group may stand where several queries would: so no key has to be copied
        several = query.view(len(query), -1, group, query.shape[3])
        return fast_attention(several, key, value, mask).view(query.shape)
    key, value = (part.repeat_interleave(group, dim=1) for part in (key, value))  # [batch, heads, keys, size]
    return fast_attention(query, key, value, mask, causal=mask is None)


class Layer(nn.Module):
    """Attention and a feed-forward network, each behind a norm, each added to what came: [batch, time, hidden]."""

    def __init__(self, hidden_size: int, num_heads: int, num_kv_heads: int, inner_size: int, epsilon: float = 1e-5):
        super().__init__()
        self.attention_norm = RMSNorm(hidden_size, epsilon)
        self.attention = GroupedQueryAttention(hidden_size, num_heads, num_kv_heads)
        self.feed_forward_norm = RMSNorm(hidden_size, epsilon)
        self.feed_forward = SwiGLU(hidden_size, inner_size)

    def forward(
        self, x: torch.Tensor, rotation: Rotation, past: Past | None = None, window: int | None = None
    ) -> torch.Tensor:
        """[batch, time, hidden] -> the same shape; the arguments are those of `GroupedQueryAttention`."""
        x = x + self.attention(self.attention_norm(x), rotation, past, window)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Llama(nn.Module):
    """A decoder-only language model of Llama's architecture: each token sees those before it, and predicts the next.

    Args:
        vocab_size: number of tokens.
        hidden_size: size of the vectors.
        num_heads, num_kv_heads: heads of the queries, and of keys and values; see `GroupedQueryAttention`.
        num_layers: how many layers.
        inner_size: size inside the feed-forward networks; if not given, 8/3 of hidden_size, as the paper has it, so
            that three matrices have as many weights as GPT-2's two.
        max_length: the most tokens that a text may have, unless there is a window.
        base: of the rotary positions' frequencies.
        epsilon: of the norms.
        tied: whether the logits are made with the matrix of the embeddings.
        window: how many tokens each looks at: itself and the window - 1 before it; None looks at all.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        hidden_size: int = 128,
        num_heads: int = 4,
        num_kv_heads: int = 2,
        num_layers: int = 4,
        inner_size: int | None = None,
        max_length: int = 256,
        base: float = 10_000.0,
        epsilon: float = 1e-5,
        tied: bool = True,
        window: int | None = None,
    ):
        super().__init__()
        sizes = (hidden_size, num_heads, num_kv_heads, inner_size or 8 * hidden_size // 3, epsilon)
        self.max_length, self.base, self.window = max_length, base, window
        self.embedding = nn.Embedding(vocab_size, hidden_size)
        self.layers = nn.ModuleList(Layer(*sizes) for _ in range(num_layers))
        self.norm = RMSNorm(hidden_size, epsilon)
        self.head = nn.Linear(hidden_size, vocab_size, bias=False)
        if tied:
            self.head.weight = self.embedding.weight
        initialise(self)

    def forward(self, input_ids: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """Ids [batch, time], after those of the cache -> at each place the logits of the next: [batch, time, vocab]."""
        return self.head(self.hidden(input_ids, cache))

    def hidden(self, input_ids: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """Ids [batch, time], after those of the cache -> what the logits are made of: [batch, time, hidden].

        Raises:
            CourseError: the text is longer than max_length, and there is no window.
        """
        start = cache.length if cache else 0
        self.allow(start + input_ids.shape[1])
        x = self.embedding(input_ids)
        rotation = positions.rotation(start, x.shape[1], self.layers[0].attention.size, self.base)
        rotation = tuple(part.to(x.dtype).to(x.device) for part in rotation)  # once for all layers
        for number, layer in enumerate(self.layers):
            x = layer(x, rotation, cache.layers[number] if cache else None, self.window)
        return self.norm(x)

    def cache(self) -> Cache:
        """For a text of which nothing was read yet."""
        return Cache.empty(len(self.layers), self.window)

    def allow(self, length: int) -> None:
        """Raise a CourseError if a text may not have so many tokens."""
        if self.window is None and length > self.max_length:
            raise CourseError(
                f"A text of {length} tokens is longer than the {self.max_length} positions of this model: cut it, or "
                f"let each token look at the last ones only (`model.window = {self.max_length}` and a new cache)."
            )


def shared_out(hidden_size: int, num_heads: int, num_kv_heads: int) -> int:
    """The size of a head.

    Raises:
        CourseError: the heads do not divide the vectors, or the heads of keys those of queries.
    """
    if num_heads < 1 or hidden_size % num_heads:
        raise CourseError(f"{num_heads} heads cannot share {hidden_size} numbers equally: choose a divisor of it.")
    if num_kv_heads < 1 or num_heads % num_kv_heads:
        raise CourseError(
            f"{num_heads} heads cannot share {num_kv_heads} heads of keys and values equally: choose a divisor of "
            f"{num_heads}."
        )
    return hidden_size // num_heads


def initialise(model: Llama, std: float = 0.02) -> None:
    """Start as `gpt.initialise` does: small random matrices, even smaller where a part adds on."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
    for layer in model.layers:
        for adds in (layer.attention.output, layer.feed_forward.down):
            nn.init.normal_(adds.weight, std=std / math.sqrt(2 * len(model.layers)))


def step(model: Llama, input_ids: torch.Tensor, cache: Cache) -> torch.Tensor:
    """Write on: the ids that came since the last step [batch, new] -> logits of the next token [batch, vocab]."""
    return model.head(model.hidden(input_ids, cache)[:, -1])


# --- weights of transformers ------------------------------------------------------------------------------------------

# What transformers calls the parts, and what we do.
NAMES = {
    "model.": "",
    "embed_tokens": "embedding",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "feed_forward_norm",
    "self_attn": "attention",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "o_proj": "output",
    "mlp": "feed_forward",
    "gate_proj": "gate",
    "up_proj": "up",
    "down_proj": "down",
    "lm_head": "head",
}


def load_llama(model: Llama, weights: Mapping[str, torch.Tensor]) -> None:
    """Copy the weights of a `transformers.LlamaForCausalLM` of the same sizes, named as in its state_dict.

    Into a model on the device "meta" nothing is copied: it takes the tensors themselves.

    Raises:
        CourseError: the weights are those of a model of other sizes, or not those of a Llama.
    """
    found, own, tied = {}, model.state_dict(), model.head.weight is model.embedding.weight
    for name, tensor in weights.items():
        for theirs, ours in NAMES.items():
            name = name.replace(theirs, ours)
        found[name] = tensor
    if tied and "embedding.weight" in found:
        found["head.weight"] = found["embedding.weight"]
    if found.keys() != own.keys():
        odd = sorted(found.keys() ^ own.keys())
        raise CourseError(
            f"The weights are not those of a Llama of so many layers: {odd[0]!r} stands in one of the two only."
        )
    for name, tensor in found.items():
        if tensor.shape != own[name].shape:
            raise CourseError(
                f"The weights are those of a Llama of other sizes: {name!r} has the shape {list(tensor.shape)} where "
                f"this model needs {list(own[name].shape)}; make the model with the sizes of the weights."
            )
    model.load_state_dict(found, assign=model.norm.weight.is_meta)
    if tied:  # also after their tensors were taken
        model.head.weight = model.embedding.weight


def load(folder: Path | str, *, dtype: torch.dtype = torch.float32, window: int | None = None) -> Llama:
    """A model of Llama's architecture in the folder of a `transformers` model, in evaluation mode.

    Matrices of float32 lie by columns in memory, in which order a processor multiplies a single vector faster: writing
    token by token takes some 15 % less time. `.contiguous()` of a matrix is its usual order.

    Args:
        folder: holds config.json and model.safetensors, or several of them.
        dtype: of the weights, and of what is computed with them.
        window: see `Llama`.

    Raises:
        CourseError: the folder holds no such model, or one with more than this class has.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        sizes = _sizes(config)
    except (OSError, ValueError, LookupError, AttributeError) as error:
        raise CourseError(f"{str(folder)!r} holds no Llama: its config.json cannot be used ({error!r}).") from None
    with torch.device("meta"):
        model = Llama(**sizes, window=window)
    load_llama(model, dict(_tensors(folder, dtype)))
    return model.eval()


def _sizes(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Llama` from a configuration of transformers."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    heads = config["num_attention_heads"]
    wanted = {
        "model_type": (config.get("model_type"), "llama"),
        "hidden_act": (config.get("hidden_act", "silu"), "silu"),
        "attention_bias": (config.get("attention_bias", False), False),
        "mlp_bias": (config.get("mlp_bias", False), False),
        "head_dim": (config.get("head_dim") or config["hidden_size"] // heads, config["hidden_size"] // heads),
        "rope_type": (rope.get("rope_type", rope.get("type", "default")), "default"),
    }
    for name, (is_there, needed) in wanted.items():
        if is_there != needed:
            raise CourseError(f"Only a plain Llama can be read: here {name} is {is_there!r}, and not {needed!r}.")
    return {
        "vocab_size": config["vocab_size"],
        "hidden_size": config["hidden_size"],
        "num_heads": heads,
        "num_kv_heads": config.get("num_key_value_heads") or heads,
        "num_layers": config["num_hidden_layers"],
        "inner_size": config["intermediate_size"],
        "max_length": config.get("max_position_embeddings", 2048),
        "base": rope.get("rope_theta", config.get("rope_theta", 10_000.0)),
        "epsilon": config.get("rms_norm_eps", 1e-6),
        "tied": config.get("tie_word_embeddings", False),
    }


def _tensors(folder: Path, dtype: torch.dtype) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a folder's safetensors, each with its name."""
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise CourseError(f"{str(folder)!r} holds no weights: there is no model.safetensors.")
    try:
        for file in files:
            with safe_open(file, framework="pt") as opened:
                names = list(opened.keys())
            for name in names:
                # Opened anew for each: so what was read and converted does not stay in memory.
                with safe_open(file, framework="pt") as opened:
                    tensor = opened.get_tensor(name).to(dtype)
                by_columns = dtype == torch.float32 and tensor.ndim == 2
                yield name, tensor.T.contiguous().T if by_columns else tensor
    except (OSError, SafetensorError) as error:
        raise CourseError(
            f"The weights in {str(folder)!r} are damaged ({error}): install or fetch them again."
        ) from None
