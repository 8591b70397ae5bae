"""Trains the detector, and measures it: `python detector.py --help`.

Network and loss are YOLOv9's from libreyolo, from scratch or from a checkpoint at hand; the loop is ours because theirs
takes square pictures only. On a CPU with bfloat16 it runs in mixed precision.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from libreyolo.models.yolo9.nn import LibreYOLO9Model
from torch.utils.data import DataLoader
from torchvision.ops import batched_nms

from pictures import Batches, Pictures, fitted

WIDTH, HEIGHT = 320, 192


def network(size: str, classes: int) -> LibreYOLO9Model:
    model = LibreYOLO9Model(size, nb_classes=classes, img_size=WIDTH)
    for tower in model.head.cv3:
        # libreyolo begins with a prior of 5e-5 for schedules of millions of pictures; ours are shorter.
        tower[-1].bias.data.fill_(math.log(0.01 / 0.99))
    return model


def raw(model: LibreYOLO9Model, images: torch.Tensor) -> list[torch.Tensor]:
    """Head outputs of normalized pictures, before they are decoded."""
    features = model.neck(*model.backbone(images))
    head = model.head
    return [torch.cat((head.cv2[i](f), head.cv3[i](f)), 1) for i, f in enumerate(features)]


def has_bfloat16() -> bool:
    return "avx512_bf16" in Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else False


def normalized(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    images = images.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
    return images.contiguous(memory_format=torch.channels_last)


class Average:
    """A running mean of the weights: what is measured and exported."""

    def __init__(self, model: LibreYOLO9Model):
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.steps = 0

    def update(self, model: LibreYOLO9Model) -> None:
        self.steps += 1
        keep = min(0.9995, (1 + self.steps) / (20 + self.steps))
        for k, v in model.state_dict().items():
            if v.dtype.is_floating_point:
                self.state[k].lerp_(v.detach(), 1 - keep)
            else:
                self.state[k].copy_(v)


def learning_rate(done: float, warm: float, peak: float) -> float:
    """Up in a straight line, then down along a cosine to a hundredth; `done` and `warm` are shares of the whole."""
    if done < warm:
        return peak * (0.01 + 0.99 * done / warm)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm))))


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(args.threads)
    pictures = Pictures.read(args.data, "train")
    model = network(args.size, len(pictures.labels)).to(device, memory_format=torch.channels_last).train()
    before = {"steps": 0, "hours": 0.0}
    if args.weights:
        took, before = load_matching(model, args.weights)
        print(f"from {args.weights}: {took} of {len(model.state_dict())} tensors", flush=True)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=args.rate
    )
    average = Average(model)
    steps, step, hours = args.pictures // args.batch, 0, 0.0
    checkpoint = args.out / "checkpoint.pt"
    plan = [args.pictures, args.batch, args.rate]
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        if (had := saved.get("plan")) not in (None, plan):
            raise SystemExit(
                f"detector: {checkpoint} is of another training (pictures, batch, rate: {had}, asked: {plan}); "
                "give the same numbers, or another --out"
            )
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        average.state, average.steps = saved["average"], saved["average_steps"]
        step, hours = saved["step"], saved["hours"]
        print(f"goes on from step {step} of {steps}", flush=True)
    args.out.mkdir(parents=True, exist_ok=True)

    def save() -> None:
        beside = checkpoint.with_suffix(".part")
        torch.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average.state,
                "average_steps": average.steps,
                "step": step,
                "hours": hours + (time.time() - began) / 3600,
                "before": before,
                "plan": plan,
                "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
                "size": args.size,
                "labels": pictures.labels,
                "roles": pictures.roles,
                "ids": pictures.ids,
            },
            beside,
        )
        os.replace(beside, checkpoint)

    low = torch.bfloat16 if device.type == "cuda" or has_bfloat16() else None
    loss_of = model.head._get_loss_fn(device)
    loss_of.update_anchors([WIDTH, HEIGHT])
    batches = Batches(pictures, WIDTH, HEIGHT, args.batch, args.seed, step, steps)
    loader = DataLoader(batches, batch_size=None, num_workers=args.workers, prefetch_factor=4 if args.workers else None)
    began = kept = told = time.time()
    losses, first = [], step
    for images, targets in loader:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step / steps, min(0.05, 500 / steps), args.rate)
        with torch.autocast(device.type, dtype=low, enabled=low is not None):
            outputs = raw(model, normalized(images, device))
        loss = loss_of([o.float() for o in outputs], targets.to(device))
        optimizer.zero_grad()
        loss["total_loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        average.update(model)
        step += 1
        losses.append([float(loss[k]) for k in ("box", "dfl", "cls")])
        now = time.time()
        if now - told > 60 or step == steps:
            told = now
            pace = (step - first) * args.batch / (now - began)
            box, dfl, cls = np.mean(losses, 0)
            losses = []
            left = (steps - step) * args.batch / pace / 60
            print(
                f"step {step}/{steps}  box {box:.3f} dfl {dfl:.3f} cls {cls:.3f}  {pace:.1f} pictures/s  "
                f"{left:.0f} min left",
                flush=True,
            )
        if now - kept > args.keep_every or step == steps:
            kept = now
            save()
    save()
    print(f"trained: {checkpoint}", flush=True)


def load_matching(model: LibreYOLO9Model, path: Path) -> tuple[int, dict]:
    """Takes over the tensors that fit by name and shape (a head for other classes starts anew); says how many, and what
    training they have had."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    before = saved.get("before", {"steps": 0, "hours": 0.0})
    before = {"steps": before["steps"] + saved.get("step", 0), "hours": before["hours"] + saved.get("hours", 0.0)}
    saved = saved.get("average", saved.get("model", saved))
    own = model.state_dict()
    fitting = {k: v for k, v in saved.items() if k in own and own[k].shape == v.shape}
    model.load_state_dict(fitting, strict=False)
    return len(fitting), before


def trained(checkpoint: Path) -> tuple[LibreYOLO9Model, dict]:
    """The averaged network of a checkpoint, ready to be asked."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = network(saved["size"], len(saved["labels"]))
    model.load_state_dict(saved["average"])
    return model.eval(), saved


def detections(output: np.ndarray, score: float = 0.05, overlap: float = 0.6) -> np.ndarray:
    """Rows of left, top, right, bottom, score, class of one picture's decoded output, (4 + classes) × anchors, corners."""
    output = torch.from_numpy(output)
    best, classes = output[4:].max(0)
    kept = best > score
    boxes, best, classes = output[:4, kept].T, best[kept], classes[kept]
    chosen = batched_nms(boxes, best, classes, overlap)[:64]
    return torch.cat([boxes[chosen], best[chosen, None], classes[chosen, None].float()], 1).numpy()


def mean_precision(pictures: Pictures, answer, chosen: np.ndarray) -> dict:
    """COCO's mean average precision of `answer` (an input picture, bytes → its decoded output) on chosen pictures."""
    from contextlib import redirect_stdout
    from io import StringIO

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images, truths, found = [], [], []
    for number, index in enumerate(chosen):
        picture = pictures.load(index)
        images.append({"id": number, "width": picture.shape[1], "height": picture.shape[0]})
        for c, x0, y0, x1, y1 in pictures.boxes[index].tolist():
            box = [x0, y0, x1 - x0, y1 - y0]
            truth = {"id": len(truths) + 1, "image_id": number, "category_id": int(c), "bbox": box}
            truths.append(truth | {"area": box[2] * box[3], "iscrowd": 0})
        input_picture, scale = fitted(picture, WIDTH, HEIGHT)
        for x0, y0, x1, y1, score, c in detections(answer(input_picture)).tolist():
            box = [x0 / scale, y0 / scale, (x1 - x0) / scale, (y1 - y0) / scale]
            found.append({"image_id": number, "category_id": int(c), "bbox": box, "score": score})
    with redirect_stdout(StringIO()):
        coco = COCO()
        categories = [{"id": i, "name": name} for i, name in enumerate(pictures.labels)]
        coco.dataset = {"info": {}, "images": images, "annotations": truths, "categories": categories}
        coco.createIndex()
        if not found:
            return {"map": 0.0, "map50": 0.0, "classes": {}, "pictures": len(images)}
        scored = COCOeval(coco, coco.loadRes(found), "bbox")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    at_half = scored.eval["precision"][0, :, :, 0, 2]
    classes = {name: float(p[p > -1].mean()) for name, p in zip(pictures.labels, at_half.T) if (p > -1).any()}
    return {
        "map": float(scored.stats[0]),
        "map50": float(scored.stats[1]),
        "classes": classes,
        "pictures": len(images),
    }


def measure(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    model, saved = trained(args.checkpoint)
    pictures = Pictures.read(args.data, args.split)

    def answer(picture: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(normalized(torch.from_numpy(picture)[None], torch.device("cpu")))["predictions"][0].numpy()

    chosen = np.random.default_rng(0).choice(len(pictures), min(args.limit, len(pictures)), False, pictures.weights())
    figures = mean_precision(pictures, answer, chosen)
    print(json.dumps({"step": saved["step"], "hours": round(saved["hours"], 2)} | figures, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    cores = os.cpu_count() or 1
    t = commands.add_parser("train", help="train, or go on where a training stopped")
    t.add_argument("--data", type=Path, required=True, help="a data set in COCO's form")
    t.add_argument("--out", type=Path, required=True, help="where the checkpoint lies")
    t.add_argument("--size", default="t", choices=["t", "s", "m", "c"], help="of YOLOv9")
    t.add_argument("--pictures", type=int, default=240_000, help="how many pictures it sees")
    t.add_argument("--batch", type=int, default=16)
    t.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    t.add_argument("--seed", type=int, default=0)
    t.add_argument("--weights", type=Path, help="begin with this checkpoint's weights where they fit")
    t.add_argument("--threads", type=int, default=cores)
    t.add_argument("--workers", type=int, default=1, help="processes that load pictures")
    t.add_argument("--keep-every", type=float, default=120, help="seconds between checkpoints")
    t.set_defaults(run=train)
    m = commands.add_parser("measure", help="mean average precision of a checkpoint, as JSON")
    m.add_argument("--data", type=Path, required=True)
    m.add_argument("--checkpoint", type=Path, required=True)
    m.add_argument("--split", default="val")
    m.add_argument("--limit", type=int, default=1000, help="pictures")
    m.add_argument("--threads", type=int, default=cores)
    m.set_defaults(run=measure)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
