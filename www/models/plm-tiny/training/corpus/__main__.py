"""python -m corpus COUNT SEED > dialogues.jsonl"""

import json
import random
import sys

from .dialogues import dialogue

if __name__ == "__main__":
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    r = random.Random(seed)
    for _ in range(count):
        print(json.dumps({"messages": dialogue(r)}, ensure_ascii=False))
