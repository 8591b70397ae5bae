"""Mean average precision of ONNX detectors on the pictures of a split, and what each loses against the first:
`python precision.py --help`."""

import argparse
import json
from pathlib import Path

import numpy as np

from detector import mean_precision
from pictures import Pictures
from quantize import answers, short


def measured(models: list[Path], data: Path, split: str) -> dict:
    pictures = Pictures.read(data, split)
    every = np.arange(len(pictures))
    report = {"pictures": len(pictures)}
    for model in models:
        figures = mean_precision(pictures, answers(model), every)
        first = report.get(models[0].stem, figures)
        report[model.stem] = short(figures) | {"loss": round(first["map"] - figures["map"], 4)}
        print(model.stem, json.dumps(report[model.stem]), flush=True)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help="ONNX files that export.py and quantize.py wrote")
    parser.add_argument("--data", type=Path, required=True, help="a data set in COCO's form")
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.write_text(json.dumps(measured(args.models, args.data, args.split), indent=1))


if __name__ == "__main__":
    main()
