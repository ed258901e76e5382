"""MurmurHash3_x86_128 of an 8-byte number, as the sharded precomputed format uses it."""

from __future__ import annotations

_C1, _C2, _C3 = 0x239B961B, 0xAB0E9789, 0x38B34AE5
_WORD = 0xFFFFFFFF


def murmurhash3_x86_128_low(number: int) -> int:
    """The lowest 64 bits of the hash, with seed 0, of a number in 8 little-endian bytes."""
    low, high = number & _WORD, number >> 32 & _WORD
    # 8 bytes are less than one block of 16: only the last step of the hash sees them
    h1 = _rotated(low * _C1, 15) * _C2 & _WORD
    h2 = _rotated(high * _C2, 16) * _C3 & _WORD
    h1, h2, h3, h4 = h1 ^ 8, h2 ^ 8, 8, 8
    h1 = h1 + h2 + h3 + h4 & _WORD
    h2, h3, h4 = (word + h1 & _WORD for word in (h2, h3, h4))
    h1, h2, h3, h4 = (_mixed(word) for word in (h1, h2, h3, h4))
    h1 = h1 + h2 + h3 + h4 & _WORD
    return h1 | (h2 + h1 & _WORD) << 32


def _rotated(word: int, bits: int) -> int:
    word &= _WORD
    return (word << bits | word >> 32 - bits) & _WORD


def _mixed(word: int) -> int:
    word = (word ^ word >> 16) * 0x85EBCA6B & _WORD
    word = (word ^ word >> 13) * 0xC2B2AE35 & _WORD
    return word ^ word >> 16
