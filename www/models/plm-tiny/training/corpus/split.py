"""What training never sees. Evaluation asks only what this says is held out."""

import zlib


def held_out(*key, one_in=12):
    """Whether a question with this key is kept from training: always the same answer for the same key."""
    return zlib.crc32("\n".join(map(str, key)).encode()) % one_in == 0
