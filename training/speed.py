"""CPU time of a picture on ONNX Runtime, one thread, the models taking turns: `python speed.py --help`.

Taking turns, a machine that is busy is busy for all of them alike; medians and ratios are what may be told.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime


def session(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def measured(models: list[Path], rounds: int) -> dict:
    sessions = [session(model) for model in models]
    entry = sessions[0].get_inputs()[0]
    picture = np.random.default_rng(0).integers(0, 256, [int(n) for n in entry.shape], np.uint8)
    times = [[] for _ in models]
    for turn in range(rounds + 5):
        for own, asked in zip(times, sessions):
            began = time.process_time()
            asked.run(None, {entry.name: picture})
            if turn >= 5:
                own.append(time.process_time() - began)
    first = times[0]
    return {
        model.stem: {
            "ms": round(median(own) * 1e3, 3),
            "ratio": round(median(a / b for a, b in zip(own, first)), 3),
        }
        for model, own in zip(models, times)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help="ONNX files with the same input; ratios are to the first")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    figures = measured(args.models, args.rounds)
    args.out.write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
