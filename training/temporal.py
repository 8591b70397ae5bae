"""Trains the temporal classifier, calibrates it and writes it as ONNX: `python temporal.py --help`.

A small causal convolution over a track's last 2.4 s, and a few values about the question. It sees no pixels; what it sees
is defined in the cart's core (`runtime/core/src/features.rs`), and comes from `cartlab dataset export --format windows`.
"""

import argparse
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

LABELS = ["none", "added", "removed"]
HAND_ROWS = ["under_hand", "hand_in_zone"]
HAND_ASKED = ["hand", "knows_hands"]
OTHER_ROWS = ["elsewhere"]
OTHER_ASKED = ["more_elsewhere", "before_elsewhere", "others", "agrees", "hands_elsewhere"]
REST_ROWS = ["still_s"]


@dataclass
class Windows:
    """Questions with what the truth says. Shapes: n × rows × columns, n × values, n."""

    rows: torch.Tensor
    asked: torch.Tensor
    labels: torch.Tensor
    analytic: torch.Tensor
    sessions: list[str]
    header: dict

    @classmethod
    def read(cls, directories: list[Path], split: str) -> "Windows":
        header, lines = None, []
        for directory in directories:
            with open(directory / "windows" / f"{split}.jsonl") as file:
                own = json.loads(next(file))
                if header not in (None, own):
                    raise SystemExit(f"temporal: {directory} has other features; export all with one version")
                header = own
                lines += [json.loads(line) for line in file]
        return cls(
            rows=torch.tensor([line["window"] for line in lines], dtype=torch.float32),
            asked=torch.tensor([line["asked"] for line in lines], dtype=torch.float32),
            labels=torch.tensor([LABELS.index(line["label"]) for line in lines]),
            analytic=torch.tensor([line["analytic"] for line in lines], dtype=torch.float32),
            sessions=[line["session"] for line in lines],
            header=header,
        )

    def columns(self, rows: list[str], asked: list[str]) -> tuple[list[int], list[int]]:
        return [self.header["rows"].index(n) for n in rows], [self.header["asked"].index(n) for n in asked]


class Temporal(nn.Module):
    """Three dilated causal convolutions, the newest step and the mean of all, and the question's values."""

    def __init__(self, columns: int, asked: int, width: int = 32):
        super().__init__()
        self.first = nn.Conv1d(columns, width, 1)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=d) for d in (1, 2, 4))
        self.head = nn.Sequential(nn.Linear(2 * width + asked, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 3))
        self.register_buffer("kept_rows", torch.ones(columns))
        self.register_buffer("kept_asked", torch.ones(asked))

    def logits(self, rows: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        asked = asked * self.kept_asked
        x = self.first((rows * self.kept_rows).transpose(1, 2))
        for layer in self.layers:
            y = layer(F.pad(x, (2 * layer.dilation[0], 0)))
            x = x + F.relu(y)
        return self.head(torch.cat([x[:, :, -1], x.mean(2), asked], 1))


class Panel(nn.Module):
    """Several of them, trained alike from different beginnings: their mean is surer than any one where data is little."""

    def __init__(self, members: list[Temporal]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperature", torch.ones(()))

    def logits(self, rows: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        return torch.stack([member.logits(rows, asked) for member in self.members]).mean(0)

    def forward(self, rows: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        return F.softmax(self.logits(rows, asked) / self.temperature, 1)


def varied(rows: torch.Tensor, asked: torch.Tensor, data: Windows, dice: torch.Generator):
    """What other carts would show: no hand class, one camera only, a zone that is the whole picture, a weaker detector, a
    mirrored basket, shoppers who take their time."""
    n, length = rows.shape[:2]
    (still, age, known, in_zone), _ = data.columns(["still_s", "age_s", "known", "in_zone"], [])
    # Some move at down to a third of the speed: the rows of a shorter time, spread over the window.
    pace = torch.where(torch.rand(n, generator=dice) < 0.5, 0.33 + 0.67 * torch.rand(n, generator=dice), torch.ones(n))
    ages = torch.arange(length - 1, -1, -1) * pace[:, None]
    slow = (length - 1 - ages.round().long())[:, :, None].expand_as(rows)
    rows, asked = rows.gather(1, slow), asked.clone()
    for seconds in (still, age):
        rows[:, :, seconds] = (rows[:, :, seconds] / pace[:, None]).clamp_max(3.0)

    def chosen(share: float) -> torch.Tensor:
        return torch.rand(n, generator=dice) < share

    for names, share in (((HAND_ROWS, HAND_ASKED), 0.3), ((OTHER_ROWS, OTHER_ASKED), 0.2)):
        r, a = data.columns(*names)
        who = chosen(share)
        for column in r:
            rows[who, :, column] = 0
        for column in a:
            asked[who, column] = 0
    whole = chosen(0.15)
    rows[whole, :, in_zone] = rows[whole, :, known]
    (dx, dy, score, seen), (mean,) = data.columns(["dx", "dy", "score", "seen"], ["mean_score"])
    rows[chosen(0.5), :, dx] *= -1
    weaker = 0.6 + 0.4 * torch.rand(n, generator=dice)
    rows[:, :, score] *= weaker[:, None]
    asked[:, mean] *= weaker
    noise = torch.randn(n, rows.shape[1], 2, generator=dice) * 0.03
    rows[:, :, dx] += noise[:, :, 0] * rows[:, :, seen]
    rows[:, :, dy] += noise[:, :, 1] * rows[:, :, seen]
    # Old rows are forgotten now and then: a track that was born late.
    forget = chosen(0.15)
    late = torch.rand(n, generator=dice) * 2.0 + 0.4
    old = forget[:, None] & (rows[:, :, age] > late[:, None])
    rows[old] = 0
    return rows, asked


def fit(train: Windows, args: argparse.Namespace, seed: int) -> Temporal:
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed)
    model = Temporal(train.rows.shape[2], train.asked.shape[1])
    r, a = train.columns(*without(args.without))
    model.kept_rows[r] = 0
    model.kept_asked[a] = 0
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    n = len(train.labels)
    counts = torch.bincount(train.labels, minlength=3).float()
    # Between all alike and each class alike: what is rare is neither drowned nor shouted.
    weight = (n / (3 * counts.clamp_min(1))).sqrt()
    steps = args.epochs * math.ceil(n / args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(args.epochs):
        order = torch.randperm(n, generator=dice)
        for chunk in order.split(args.batch):
            rows, asked = varied(train.rows[chunk], train.asked[chunk], train, dice)
            loss = F.cross_entropy(model.logits(rows, asked), train.labels[chunk], weight, label_smoothing=0.02)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def without(what: str | None) -> tuple[list[str], list[str]]:
    """Columns that are left out, for an ablation."""
    return {
        None: ([], []),
        "hands": (HAND_ROWS, HAND_ASKED),
        "rest": (REST_ROWS, []),
        "others": (OTHER_ROWS, OTHER_ASKED),
    }[what]


def temperature(model: Panel, val: Windows) -> float:
    """The one number that makes confidence mean what it says, on data that nothing was fitted to."""
    with torch.inference_mode():
        logits = model.logits(val.rows, val.asked)
    candidates = torch.linspace(0.5, 4.0, 71)
    losses = [F.cross_entropy(logits / t, val.labels).item() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def figures(p: torch.Tensor, data: Windows) -> dict:
    """`p`: of the change that was asked about."""
    right = data.labels != 0
    bins = torch.tensor_split(torch.argsort(p), 10)
    ece = sum(len(b) / len(p) * abs(float(p[b].mean()) - float(right[b].float().mean())) for b in bins if len(b))
    out = {"questions": len(p), "acts": int(right.sum()), "ece": round(ece, 4)}
    p = p.clamp(1e-4, 1 - 1e-4)
    out["log_loss"] = round(float(F.binary_cross_entropy(p, right.float())), 4)
    for name, threshold in (("at_0.5", 0.5), ("at_0.7", 0.7)):
        said = p >= threshold
        hits = int((said & right).sum())
        out[name] = {
            "precision": round(hits / max(1, int(said.sum())), 4),
            "recall": round(hits / max(1, int(right.sum())), 4),
        }
    return out


def of_the_change(model: Panel, data: Windows) -> torch.Tensor:
    with torch.inference_mode():
        p = model(data.rows, data.asked)
    (added,) = data.columns([], ["added"])[1]
    return torch.where(data.asked[:, added] > 0.5, p[:, 1], p[:, 2])


def run(args: argparse.Namespace) -> None:
    train, val = Windows.read(args.data, "train"), Windows.read(args.data, "val")
    # Each member a process with one thread: the network is too small for more.
    workers = min(args.members, os.cpu_count() or 1)
    with torch.multiprocessing.get_context("spawn").Pool(workers, torch.set_num_threads, (1,)) as pool:
        model = Panel(pool.starmap(fit, [(train, args, seed) for seed in range(args.members)])).eval()
    model.temperature.fill_(temperature(model, val))
    report = {
        "train": {"questions": len(train.labels), "sessions": len(set(train.sessions))},
        "val_sessions": len(set(val.sessions)),
        "parameters": sum(p.numel() for p in model.parameters()),
        "temperature": round(float(model.temperature), 3),
        "without": args.without,
        "learned": figures(of_the_change(model, val), val),
        "analytic": figures(val.analytic, val),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    probe = (val.rows[:1], val.asked[:1])
    torch.onnx.export(
        model,
        probe,
        str(args.out),
        input_names=["window", "asked"],
        output_names=["probabilities"],
        opset_version=17,
        dynamo=False,
    )

    import onnxruntime

    session = onnxruntime.InferenceSession(str(args.out), providers=["CPUExecutionProvider"])
    told = session.run(None, {"window": probe[0].numpy(), "asked": probe[1].numpy()})[0]
    with torch.inference_mode():
        far = float(np.abs(told - model(*probe).numpy()).max())
    if far > 1e-4:
        raise SystemExit(f"temporal: the graph gives other answers than the network, by {far}")
    report["bytes"] = args.out.stat().st_size
    args.out.with_suffix(".json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="data sets of windows")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--members", type=int, default=5, help="trainings with different seeds, whose mean answers")
    parser.add_argument("--without", choices=["hands", "rest", "others"], help="leave these columns out (ablation)")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
