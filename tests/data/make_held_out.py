"""Write held-out.txt, dialogues of a seed that plm-tiny was not trained on, and held-out.json, their perplexity in float32
(by the number of tokens read).

Usage: make_held_out.py     (needs torch, numpy, tokenizers, safetensors and gguf)

Perplexity is exp of the mean of -ln p over every token but the first of each window, where windows are the text's tokens cut
every WINDOW tokens, each read from an empty cache, and p is what the reference (training/plm.py) gives on the stored weights.
"""
import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "www/models/plm-tiny"
sys.path.insert(0, str(FOLDER / "training"))

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from corpus import dialogue
from goldens import load
from tokenise import render

SEED = 20_000  # training took 7, its validation 999
TOKENS = 4096
SHORT = 640  # tokens that a software GPU reads in a test
WINDOW = 320  # as in training; past it the model is lost


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


if __name__ == "__main__":
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    held_out = text(tokenizer)
    (HERE / "held-out.txt").write_text(held_out)
    ids = tokenizer.encode(held_out).ids
    model = load(FOLDER)
    result = {
        "window": WINDOW,
        "perplexity": {str(tokens): round(perplexity(model, ids[:tokens]), 6) for tokens in (SHORT, len(ids))},
    }
    (HERE / "held-out.json").write_text(json.dumps(result, indent=2) + "\n")
    print(result)
