"""Where a token stands: sinusoids, rotations and ALiBi. Built in chapter 05.

Learned positions are an nn.Embedding and need no code here.
"""

from __future__ import annotations

import torch

from lmtutor.runtime import CourseError


def frequencies(size: int, base: float = 10_000.0) -> torch.Tensor:
    """Angles a position, [size / 2]: from 1 radian down to nearly 1 / base, evenly spaced in the logarithm.

    Raises:
        CourseError: the size is odd.
    """
    if size % 2:
        raise CourseError(f"Positions turn pairs of numbers, so the size must be even, and it is {size}.")
    return base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)


def sinusoids(length: int, size: int) -> torch.Tensor:
    """Positions [length, size], sine and cosine of a frequency side by side (Vaswani et al., 2017, section 3.5)."""
    angles = torch.arange(length)[:, None] * frequencies(size)  # [length, size / 2]
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).to(torch.get_default_dtype())


def rotate(x: torch.Tensor, start: int = 0) -> torch.Tensor:
    """Rotary positions (Su et al., 2021): the vector at position m is turned by m times the frequencies.

    Args:
        x: queries or keys [..., time, size]; numbers i and i + size / 2 are a pair, as in Hugging Face's models.
        start: position of the first vector.
    """
    angles = rotation(start, x.shape[-2], x.shape[-1])
    return turn(x, tuple(part.to(x.dtype).to(x.device) for part in angles))  # Apple's GPUs know no float64


def rotation(start: int, length: int, size: int, base: float = 10_000.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine of the angles by which `turn` turns vectors at positions from `start` on: [length, size / 2]."""
    angles = torch.arange(start, start + length)[:, None] * frequencies(size, base)
    return angles.cos(), angles.sin()


def turn(x: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """`rotate` with angles that many layers share: vectors [..., time, size] by a `rotation` of their type."""
    (cos, sin), (first, second) = rotation, x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def alibi(num_heads: int, length: int) -> torch.Tensor:
    """Bias [heads, length, length], minus the distance times 2^(-8h / heads) in head h (Press et al., 2022)."""
    slopes = 2.0 ** (-8.0 * torch.arange(1, num_heads + 1) / num_heads)
    place = torch.arange(length)
    return -slopes[:, None, None] * (place[:, None] - place[None, :]).abs()
