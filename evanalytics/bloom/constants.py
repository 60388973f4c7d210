"""The numbers that make two implementations agree bit for bit."""

from __future__ import annotations

import numpy as np

# xxHash64, as in github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
PRIME_1 = np.uint64(0x9E3779B185EBCA87)
PRIME_2 = np.uint64(0xC2B2AE3D27D4EB4F)
PRIME_3 = np.uint64(0x165667B19E3779F9)
PRIME_4 = np.uint64(0x85EBCA77C2B2AE63)
PRIME_5 = np.uint64(0x27D4EB2F165667C5)

# Parquet's split-block filter, as in github.com/apache/parquet-format/blob/master/BloomFilter.md
SALTS = np.array(
    [0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31],
    dtype=np.uint32,
)
BLOCK_BYTES = 32
WORDS_PER_BLOCK = 8

# splitmix64, from which the classic layout draws its positions (Steele, Lea, Flood 2014)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
