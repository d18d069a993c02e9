"""Write blocks.bin, beside this script: random blocks of every element type and what gguf-py decodes them to.

Each type in turn: its number in ggml (u32), the count of its blocks (u32), the blocks, the float32 values.
"""
from pathlib import Path

import gguf
import numpy as np

# Byte offsets of the f16 fields, which random bytes would make infinite or NaN.
TYPES = {
    "F32": None, "F16": [0], "BF16": None, "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}  # fmt: skip

random = np.random.default_rng(7)
with open(Path(__file__).resolve().parent / "blocks.bin", "wb") as out:
    for name, halves in TYPES.items():
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        count = max(6, 96 // elements)
        if halves is None:
            bits = random.normal(size=count).astype(np.float32).view(np.uint32)
            blocks = bits.view(np.uint8).reshape(count, 4)[:, 4 - size :].copy()
        else:
            blocks = random.integers(0, 256, (count, size), np.uint8)
            for offset in halves:
                scales = random.normal(size=(count, 1)).astype(np.float16)
                # A zero, a subnormal and a large scale, besides the usual ones.
                scales[:3, 0] = 0, 3e-6, 1000
                blocks[:, offset : offset + 2] = scales.view(np.uint8)
        values = gguf.dequantize(blocks, kind).astype(np.float32)
        assert np.isfinite(values).all() and values.size == count * elements
        out.write(np.array([kind.value, count], np.uint32).tobytes() + blocks.tobytes() + values.tobytes())
