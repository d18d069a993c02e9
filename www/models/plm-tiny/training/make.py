"""Make plm-tiny from nothing: corpus, tokenizer, training, the curve of zeros against loss, and all files that hang on the weights.

Usage: make.py [--run FOLDER] [--until data|long|curve|model]

Each step is left out if what it makes is there, and training goes on where it was cut off; so after an interruption, call it again.
About three hours on two CPU cores, minutes on a GPU. Needs `pip install torch numpy tokenizers safetensors gguf`, and npm for Q4_K_M.
Then `npm run bench -- eval --json FILE` and card.py write the model card.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent
ROOT = HERE.parents[3]
DIALOGUES = 300_000
SEED, VALIDATION_SEED = 7, 999
LONG_TOKENS, SECOND_TOKENS = 40e6, 9e6
ZEROS = (0, 0.8, 0.85, 0.9, 0.93, 0.95)  # the curve's
CHOSEN = 0.9
FILES = ("F16", "Q8_0", "Q4_0", "Q4_K_M")


def step(*command, out=None):
    print("+", *command, flush=True)
    if out is None:
        return subprocess.run([sys.executable, *map(str, command)], cwd=HERE, check=True)
    part = Path(f"{out}.part")
    with open(part, "w") as file:
        subprocess.run([sys.executable, *map(str, command)], cwd=HERE, check=True, stdout=file)
    os.replace(part, out)


def data(run):
    if not (run / "tokenizer.json").exists():
        step("-m", "corpus", 60_000, SEED, out=run / "corpus.jsonl")
        step("train_tokenizer.py", run / "corpus.jsonl", run / "tokenizer.json")
    for name, count, seed in (("train", DIALOGUES, SEED), ("val", 500, VALIDATION_SEED)):
        if not (run / f"{name}.bin").exists():
            step("tokenise.py", run / "tokenizer.json", count, seed, run / f"{name}.bin")


def long_stage(run):
    if not (run / "long/result.json").exists():
        step("train.py", run, run / "long", "--tokens", LONG_TOKENS)


def second_stage(run, zeros):
    out = run / f"zeros-{round(zeros * 100)}"
    if not (out / "result.json").exists():
        step("train.py", run, out, "--tokens", SECOND_TOKENS, "--from", run / "long/checkpoint.pt", "--zeros", zeros)
    return json.loads((out / "result.json").read_text())


def curve(run):
    (run / "curve.json").write_text(json.dumps([second_stage(run, zeros) for zeros in ZEROS], indent=1) + "\n")


def model(run):
    second_stage(run, CHOSEN)
    step("export.py", run / f"zeros-{round(CHOSEN * 100)}/checkpoint.pt", run / "tokenizer.json", FOLDER)
    step("export.py", "--gguf", FOLDER, ROOT / "tests/data", *FILES)
    step("held_out.py", FOLDER, ROOT / "tests/data")
    step("-m", "corpus.questions", out=ROOT / "benches/eval/questions.json")
    step("goldens.py", FOLDER)
    step("goldens.py", FOLDER, ROOT / "tests/data/plm-tiny-Q4_K_M.gguf")


STEPS = {"data": data, "long": long_stage, "curve": curve, "model": model}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, default=HERE / "run")
    parser.add_argument("--until", choices=STEPS, default="model")
    arguments = parser.parse_args()
    run = arguments.run.resolve()
    run.mkdir(parents=True, exist_ok=True)
    for name, make in STEPS.items():
        make(run)
        if name == arguments.until:
            break
