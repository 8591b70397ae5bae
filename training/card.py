"""Writes a bundle's card from what its making left behind: `python card.py --help`. Figures are copied, never typed."""

import argparse
import json
import platform
import subprocess
import tomllib
from pathlib import Path

NAMES = {
    "event_f1": "event F1",
    "action_f1": "action F1",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "false_per_hour": "false events an hour",
    "coverage": "coverage",
    "unresolved_rate": "unresolved",
    "identity_accuracy": "identity",
    "usual_basket_accuracy": "cAcc, 3 to 15 changes",
    "overcharged_per_100": "overcharged of 100",
    "undercharged_per_100": "undercharged of 100",
    "moment_error": "moment error, s",
    "decision_delay": "decision delay, s",
    "decision_delay_p99": "decision delay p99, s",
    "calibration_error": "calibration error",
}


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip()


def cell(figure: dict | None) -> str:
    if figure is None or figure["value"] is None:
        return "–"
    interval = figure.get("interval")
    text = f"{figure['value']:.3f}"
    return f"{text} ({interval['low']:.3f} to {interval['high']:.3f})" if interval else text


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines) + "\n"


def by_name(figures: list[dict]) -> dict[str, dict]:
    return {figure["figure"]: figure for figure in figures}


def reports_table(reports: dict[str, dict]) -> str:
    columns = {name: by_name(report["figures"]) for name, report in reports.items()}
    rows = [[label, *(cell(c.get(key)) for c in columns.values())] for key, label in NAMES.items()]
    counts = ["sessions / changes / null episodes"]
    for report in reports.values():
        data = report["data"]
        counts.append(f"{data['sessions']} / {data['changes']} / {data['null_episodes']}")
    return table(["", *reports], [counts, *rows])


def dissects(name: str) -> bool:
    return name.startswith(("perfect", "without"))


def acts_table(report: dict) -> str:
    groups = next((b["groups"] for b in report["breakdowns"] if b["by"] == "act"), [])
    rows = []
    for group in groups:
        figures = by_name(group["figures"])
        rows.append(
            [
                group["label"] or group["name"],
                str(group["changes"]),
                str(group["null_episodes"]),
                cell(figures.get("event_f1")),
                cell(figures.get("specificity")),
            ]
        )
    return table(["act", "changes", "null episodes", "event F1", "specificity"], rows)


def measured(reports: dict[str, dict]) -> list[str]:
    if not reports:
        return []
    return [
        reports_table({name: report for name, report in reports.items() if not dissects(name)}),
        "## Where the error is\n",
        "Perfect boxes: the truth's own ones, with the same temporal classifier. Without: temporal classifiers that were\n"
        "trained without what hands, or rest, tell.\n",
        reports_table({name: r for place, (name, r) in enumerate(reports.items()) if place == 0 or dissects(name)}),
        "## By act (INT8, two cameras, difficulty normal)\n",
        acts_table(next(iter(reports.values()))),
    ]


def card(place: Path, reports: dict[str, dict]) -> str:
    quantization = json.loads((place / "onnx/quantization.json").read_text())
    temporal = json.loads((place / "onnx/temporal.json").read_text())
    export = json.loads((place / "onnx/detector-fp32.json").read_text())
    manifest = tomllib.loads((place / "bundle/bundle.toml").read_text())
    speed = json.loads((place / "onnx/speed.json").read_text())
    precision = json.loads((place / "onnx/precision.json").read_text())
    seconds = [line.split("\t") for line in (place / "seconds.tsv").read_text().splitlines()]
    cpu = next((line.split(":")[1].strip() for line in said("lscpu").splitlines() if line.startswith("Model name")), "?")
    parts = [
        f"# {manifest['name']} {manifest['version']}\n",
        "A detector (YOLOv9-t, 320×192) and a temporal classifier for the dummy cart's 24 products, hands, and things that\n"
        "are not for sale. **Trained and measured on simulation alone: these figures certify nothing about a store.**\n",
        "Made by `make model`; every figure below is copied from what it left behind.\n",
        f"- code: {said('git', 'describe', '--always', '--dirty')}; {platform.machine()}, {cpu}\n"
        f"- detector: {export['step']} steps, {export['hours']:.1f} h on {export['device']}; its ONNX is off PyTorch by {export['farthest_pixels']:.4f} px\n"
        f"- seeds: {(place / 'seeds.txt').read_text().strip()}\n",
        "## On the locked test split\n",
        *(measured(reports) or ["**Not measured yet.**\n"]),
        "## INT8\n",
        table(
            ["", "mAP", "mAP at 0.5", "loss of mAP", "mAP on the test split", "loss", "bytes", "CPU time, ms", "of float's"],
            [
                [
                    v,
                    str(q["map"]),
                    str(q["map50"]),
                    str(q.get("loss", "–")),
                    str(precision[f"detector-{v}"]["map"]),
                    str(precision[f"detector-{v}"]["loss"]) if "loss" in q else "–",
                    str(q.get("bytes", export["bytes"])),
                    str(speed[f"detector-{v}"]["ms"]),
                    str(speed[f"detector-{v}"]["ratio"]),
                ]
                for v, q in quantization.items()
                if v in ("fp32", "int8-u8", "int8-qdq")
            ],
        ),
        f"Measured on {quantization['pictures']} pictures of the validation split, calibrated on "
        f"{quantization['calibration']} of the training split; kept in float: "
        f"{', '.join(quantization['float']) or 'nothing but the decoding'}. On the test split: "
        f"{precision['pictures']} pictures. CPU time of one picture on ONNX Runtime, one "
        "thread, the three taking turns: medians.\n",
        "## Temporal classifier\n",
        f"{temporal['parameters']} parameters, {temporal['bytes']} bytes, temperature {temporal['temperature']}; "
        f"{temporal['train']['questions']} questions of {temporal['train']['sessions']} sessions.\n",
        table(
            ["on the validation split", "log loss", "calibration error", "precision / recall at 0.7"],
            [
                [
                    name,
                    str(f["log_loss"]),
                    str(f["ece"]),
                    f"{f['at_0.7']['precision']} / {f['at_0.7']['recall']}",
                ]
                for name, f in ((n, temporal[n]) for n in ("learned", "analytic"))
            ],
        ),
        "## Time\n",
        table(["step", "minutes"], [[what, f"{int(s) / 60:.1f}"] for what, s in seconds]),
    ]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--place", type=Path, required=True, help="the folder that `make model` works in")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("reports", nargs="*", metavar="NAME=REPORT", help="report.json of an evaluation; the main one first")
    args = parser.parse_args()
    reports = {}
    for named in args.reports:
        name, path = named.split("=", 1)
        reports[name] = json.loads(Path(path).read_text())
    args.out.write_text(card(args.place, reports))
    print(f"card: {args.out}")


if __name__ == "__main__":
    main()
