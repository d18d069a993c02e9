"""Write the model card, README.md beside the weights, from what was measured.

Usage: card.py RUN eval.json        RUN: make.py's folder; eval.json: of `npm run bench -- eval --json eval.json`
"""

import json
import math
import sys
from pathlib import Path

from goldens import load

FOLDER = Path(__file__).resolve().parents[1]
AIMS = {"facts": 0.95, "copying a name": 0.95, "memory over three turns": 0.95, "sums within 20": 0.9, "JSON that is valid": 1}
# In these rows less is better, or there is no share of anything.
FIGURES = ("repetition in a greedy reply", "repetition in a story at 0.8", "perplexity of replies")


def table(rows):
    head, *body = rows
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *body))


def shown(kind, score):
    return f"{score:.3f}" if kind in FIGURES else f"{100 * score:.1f} %"


def scores(rows):
    formats = list(dict.fromkeys(row["format"] for row in rows))
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    found = {(row["kind"], row["format"]): row["score"] for row in rows}
    aims = {kind: f"{100 * share:.0f} %" for kind, share in AIMS.items()}
    body = [[kind, *(shown(kind, found[kind, f]) for f in formats), aims.get(kind, "")] for kind in kinds]
    return table([["", *formats, "aim"], *body])


def curve(points):
    """Zeros against perplexity of replies on the validation dialogues, as measured while training (bf16)."""
    base = math.exp(points[0]["loss"])
    rows = [["asked for", "zeros by layer", "mean", "loss", "perplexity", "against none asked for"]]
    for point in points:
        perplexity = math.exp(point["loss"])
        rows.append(
            [
                f"{100 * point['asked']:.0f} %" if point["asked"] else "none",
                ", ".join(f"{100 * z:.1f}" for z in point["zeros"]),
                f"{100 * sum(point['zeros']) / len(point['zeros']):.1f} %",
                f"{point['loss']:.4f}",
                f"{perplexity:.4f}",
                f"{100 * (perplexity / base - 1):+.2f} %",
            ]
        )
    return table(rows)


def main(run, evaluation):
    evaluation = json.loads(Path(evaluation).read_text())
    points = json.loads((Path(run) / "curve.json").read_text())
    model = load(FOLDER)
    chosen = json.loads((Path(run) / "zeros-90/result.json").read_text())
    c = model.c
    fields = dict(
        parameters=f"{sum(p.numel() for p in model.parameters()):,}",
        c=c,
        scores=scores(evaluation["rows"]),
        curve=curve(points),
        tokens=f"{chosen['tokens'] / 1e6:.0f}",
        minutes=round(chosen["seconds"] / 60),
        zeros=", ".join(f"{100 * z:.1f}" for z in evaluation["zeros"]),
        perplexity=f"{evaluation['perplexity']:.3f}",
    )
    template = Path(__file__).with_name("card.md").read_text()
    (FOLDER / "README.md").write_text(template.format(**fields))


if __name__ == "__main__":
    main(*sys.argv[1:])
