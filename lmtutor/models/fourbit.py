"""Four bits a weight (QLoRA, Dettmers et al., 2023): frozen matrices as numbers of sixteen levels, block by block.

Plain torch, so it saves memory and no time; on a GPU the package bitsandbytes does the same fast. Built in chapter 12.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.runtime import CourseError


def normal_levels() -> torch.Tensor:
    """NF4: sixteen levels from -1 to 1, as dense as normally distributed numbers are, and one of them 0 (section 3)."""
    outermost = 0.9677083  # the share of a normal distribution below the largest level, as the authors' code has it
    above, below = (torch.linspace(outermost, 0.5, n, dtype=torch.float64)[:-1] for n in (9, 8))
    levels = torch.cat([-torch.special.ndtri(below), torch.zeros(1), torch.special.ndtri(above).flip(0)])  # [16]
    return (levels / levels.max()).float()


NF4 = normal_levels()
INT4 = torch.linspace(-1, 1, 15)  # evenly spaced, for comparison; one of sixteen is left over, so that 0 is a level


@dataclass(frozen=True)
class Quantised:
    """A tensor in four bits: two codes a byte, and of each block the largest absolute value."""

    codes: torch.Tensor  # uint8 [numbers / 2]
    largest: torch.Tensor  # [blocks]
    shape: torch.Size
    levels: torch.Tensor  # [at most 16], rising

    @property
    def num_bytes(self) -> int:
        """What it takes to keep."""
        return self.codes.numel() + self.largest.numel() * self.largest.element_size()


def quantise(weight: torch.Tensor, block: int = 64, levels: torch.Tensor = NF4) -> Quantised:
    """Of each number the nearest level, times the largest absolute value of its block.

    Args:
        weight: any shape; cut into blocks in the order in which it lies in memory.
        block: numbers that share a scale; even.
        levels: at most 16, rising, from -1 to 1.

    Raises:
        CourseError: the block is odd, there are more levels than four bits can tell apart, or no numbers.
    """
    if not weight.numel():
        raise CourseError(f"There is nothing to quantise: the tensor has the shape {list(weight.shape)}.")
    if block < 2 or block % 2 or len(levels) > 16:
        raise CourseError(
            f"Four bits take even blocks and at most 16 levels, not {block} numbers, {len(levels)} levels."
        )
    flat = weight.detach().flatten()
    blocks = F.pad(flat, (0, -len(flat) % block)).view(-1, block)  # [blocks, block]
    blocks = blocks.to(torch.promote_types(weight.dtype, torch.float32))  # half precision rounds to other levels
    largest = blocks.abs().amax(dim=1)
    between = ((levels[1:] + levels[:-1]) / 2).to(blocks)
    codes = torch.bucketize(blocks / largest.clamp(min=1e-30)[:, None], between).to(torch.uint8).flatten()
    return Quantised(codes[::2] << 4 | codes[1::2], largest.to(weight.dtype), weight.shape, levels)


def dequantise(kept: Quantised) -> torch.Tensor:
    """The numbers that the codes stand for, in the shape of before."""
    codes = torch.stack([kept.codes >> 4, kept.codes & 15], dim=1)  # [numbers / 2, 2]
    blocks = kept.levels.to(kept.largest)[codes.int()].view(len(kept.largest), -1) * kept.largest[:, None]
    return blocks.flatten()[: kept.shape.numel()].view(kept.shape)


class _Product(torch.autograd.Function):
    """x W^T with W made anew from its codes when it is needed, forwards and backwards, so that it is never kept."""

    @staticmethod
    def forward(ctx, x, kept):
        ctx.kept = kept
        return x @ dequantise(kept).T

    @staticmethod
    def backward(ctx, upstream):
        # What comes back may be in half precision, as autocast left the product, and no autocast is on any more.
        return upstream @ dequantise(ctx.kept).to(upstream.dtype), None


class FourBitLinear(nn.Module):
    """A linear map whose matrix is kept in four bits and frozen.

    Args:
        linear: the map that it takes the place of.
        block, levels: see `quantise`.
    """

    def __init__(self, linear: nn.Linear, block: int = 64, levels: torch.Tensor = NF4):
        super().__init__()
        self.in_features, self.out_features, self.bias = linear.in_features, linear.out_features, linear.bias
        kept = quantise(linear.weight, block, levels)
        self.register_buffer("codes", kept.codes)
        self.register_buffer("largest", kept.largest)
        self.levels = levels

    @property
    def kept(self) -> Quantised:
        """The matrix, in four bits."""
        return Quantised(self.codes, self.largest, torch.Size((self.out_features, self.in_features)), self.levels)

    @property
    def weight(self) -> torch.Tensor:
        """The numbers that the codes stand for, made anew."""
        return dequantise(self.kept)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., in_features] -> [..., out_features]."""
        product = _Product.apply(x, self.kept)
        return product if self.bias is None else product + self.bias.to(product.dtype)


def quantise_model(model: nn.Module, block: int = 64, levels: torch.Tensor = NF4) -> None:
    """Put `FourBitLinear` in the place of each linear map of a model."""
    for part in list(model.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.Linear):
                setattr(part, name, FourBitLinear(child, block, levels))
