"""Writes a trained detector as ONNX: `python export.py --help`.

The graph takes the cart's picture as it is (height × width × RGBx, bytes) and does slicing, scaling and transposing
itself; it gives 1 × (4 + classes) × anchors: centre, size in input pixels, class scores.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from detector import HEIGHT, WIDTH, trained

OPSET = 17
CHANNELS = 4
"""Red, green, blue, and a byte that nobody looks at: what the cart's pipelines give without a pass of their own."""


class Cart(nn.Module):
    """The network between the cart's bytes and the cart's boxes."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = images[..., :3].permute(0, 3, 1, 2).float() / 255
        out = self.model(x)
        corners, scores = out[:, :4], out[:, 4:]
        left_top, right_bottom = corners.chunk(2, 1)
        return torch.cat([(left_top + right_bottom) / 2, right_bottom - left_top, scores], 1)


def fused(model: nn.Module) -> nn.Module:
    """Batch norms and the double branches folded into convolutions."""
    with torch.no_grad():
        model = model.fuse()
    model.head.export = True
    return model.eval()


def with_padding_byte(pictures: np.ndarray) -> np.ndarray:
    """RGB pictures, as the graph takes them."""
    return np.concatenate([pictures, np.zeros_like(pictures[..., :1])], -1)


def export(checkpoint: Path, out: Path) -> dict:
    """Writes the graph and, beside it, its classes; returns how far it is from PyTorch's answer."""
    model, saved = trained(checkpoint)
    plain = Cart(model)
    probe = torch.randint(0, 256, (1, HEIGHT, WIDTH, CHANNELS), dtype=torch.uint8)
    model.head.export = True
    with torch.inference_mode():
        before = plain(probe).numpy()
    whole = Cart(fused(model))
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        whole, (probe,), str(out), input_names=["images"], output_names=["boxes"], opset_version=OPSET, dynamo=False
    )
    graph = onnx.load(str(out))
    onnx.checker.check_model(graph)

    import onnxruntime

    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    after = session.run(None, {"images": probe.numpy()})[0]
    # As `cartlab bundle` takes them.
    roles = list(zip(saved["labels"], saved["ids"], saved["roles"]))
    items = [f"{label}={id}" for label, id, role in roles if role == "item"]
    out.with_suffix(".classes.txt").write_text("".join(f"{label}\n" for label, _, _ in roles))
    out.with_suffix(".items.txt").write_text(",".join(items))
    return {
        "farthest_pixels": float(np.abs(after[:, :4] - before[:, :4]).max()),
        "farthest_score": float(np.abs(after[:, 4:] - before[:, 4:]).max()),
        "bytes": out.stat().st_size,
        "step": saved["step"] + saved["before"]["steps"],
        "hours": saved["hours"] + saved["before"]["hours"],
        "device": saved.get("device", "CPU"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    figures = export(args.checkpoint, args.out)
    args.out.with_suffix(".json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures))
    if figures["farthest_pixels"] > 0.5 or figures["farthest_score"] > 0.01:
        raise SystemExit("export: the graph does not give what the network gives; try another PyTorch version")


if __name__ == "__main__":
    main()
