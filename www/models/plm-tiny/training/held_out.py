"""Write held-out.txt, dialogues of a seed that plm-tiny was not trained on, and held-out.json, their perplexity in float32
(by the number of tokens read).

Usage: held_out.py HF_FOLDER OUT

Perplexity is exp of the mean of -ln p over every token but the first of each window, where windows are the text's tokens cut
every WINDOW tokens, each read from an empty cache, and p is what the reference (plm.py) gives on the stored weights.
"""

import json
import random
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from corpus.dialogues import dialogue
from goldens import load
from tokenise import render

SEED = 20_000  # training took 7, its validation 999
TOKENS = 4096
SHORT = 640  # tokens that a software GPU reads in a test
WINDOW = 320  # it does not divide TOKENS, and a software GPU reads it quickly


def text(tokenizer):
    """Whole dialogues, each ended as in training, until there are enough tokens."""
    r, parts, tokens = random.Random(SEED), [], 0
    while tokens < TOKENS:
        parts.append(render(dialogue(r)) + "<|endoftext|>")
        tokens += len(tokenizer.encode(parts[-1]).ids)
    return "".join(parts)


@torch.no_grad()
def perplexity(model, ids):
    losses = []
    for start in range(0, len(ids), WINDOW):
        window = torch.tensor(ids[start : start + WINDOW])
        losses.append(F.cross_entropy(model(window[None])[0, :-1], window[1:], reduction="none").double())
    return torch.cat(losses).mean().exp().item()


def write(folder, out):
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    held_out = text(tokenizer)
    (Path(out) / "held-out.txt").write_text(held_out)
    ids = tokenizer.encode(held_out).ids
    model = load(folder)
    perplexities = {str(tokens): round(perplexity(model, ids[:tokens]), 6) for tokens in (SHORT, len(ids))}
    (Path(out) / "held-out.json").write_text(json.dumps({"window": WINDOW, "perplexity": perplexities}, indent=2) + "\n")
    print(perplexities)


if __name__ == "__main__":
    write(*sys.argv[1:])
