"""Makes a detector's two INT8 variants from one calibration: `python quantize.py --help`.

- `int8-qdq`: signed and symmetric activations, as TensorRT wants explicit Q/DQ, and nothing else that it refuses.
- `int8-u8`: unsigned activations from the same ranges, which CPUs with VNNI multiply fastest.

Weights are INT8 per channel in both. What decodes boxes (softmax over bins, corners) stays in float: its ranges are
pixels. A sensitivity pass tries each part of the network alone and keeps in float what costs more than it may.
"""

import argparse
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx.numpy_helper import from_array, to_array
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import create_calibrator
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process

from detector import HEIGHT, WIDTH, mean_precision
from export import with_padding_byte
from pictures import Pictures, fitted

QUANTIZED = ["Conv", "Sigmoid", "Mul", "Add", "Concat", "MaxPool", "AveragePool", "Resize", "Slice", "Split"]
VARIANTS = {
    "int8-qdq": (QuantType.QInt8, True),
    "int8-u8": (QuantType.QUInt8, False),
}


class Reader(CalibrationDataReader):
    """Pictures for the calibration, as the cart would give them."""

    def __init__(self, pictures: Pictures, chosen: np.ndarray):
        self.pictures, self.chosen = pictures, iter(chosen)

    def get_next(self):
        index = next(self.chosen, None)
        if index is None:
            return None
        picture, _ = fitted(self.pictures.load(index), WIDTH, HEIGHT)
        return {"images": with_padding_byte(picture)[None]}


def parts(graph: onnx.GraphProto) -> tuple[dict[str, list[str]], list[str]]:
    """The nodes by part of the network, and those that decode and stay in float."""
    decoding, network = [], {}
    for node in graph.node:
        if node.op_type not in QUANTIZED:
            continue
        part = re.match(r"/model/(backbone|neck|head)/([^/]+)(/[^/]+)?", node.name)
        tower = part is not None and part[1] == "head" and part[2].startswith("cv")
        if part is None or (part[1] == "head" and not tower):
            decoding.append(node.name)
        else:
            # Of the head each layer is a part: what reads classes off has far wider ranges than what leads up to it.
            name = part[3].strip("/") if tower and part[3] else part[2]
            network.setdefault(f"{part[1]}/{name}", []).append(node.name)
    return network, decoding


def quantized(model: onnx.ModelProto, ranges, variant: str, excluded: list[str]) -> onnx.ModelProto:
    activation, symmetric = VARIANTS[variant]
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    quantizer = QDQQuantizer(
        copy,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=activation,
        tensors_range=ranges,
        nodes_to_quantize=[],
        nodes_to_exclude=excluded,
        op_types_to_quantize=QUANTIZED,
        extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": True, "DedicatedQDQPair": symmetric},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    made = quantizer.model.model
    return for_tensorrt(made) if variant == "int8-qdq" else made


def for_tensorrt(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same numbers without what TensorRT's parser refuses (met with TensorRT-RTX 1.4 and 1.7): biases in 32-bit
    integers become the floats that they stand for, and the picture's bytes are cast before they are sliced, since bytes
    may only be cast. (A CPU wants both as they were.)"""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        tensor = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if tensor is not None and tensor.data_type == onnx.TensorProto.INT32:
            value = to_array(tensor) * to_array(constants[node.input[1]])
            graph.initializer.append(from_array(value.astype(np.float32), node.output[0]))
            graph.node.remove(node)
    picture = graph.input[0].name
    cast = next(node for node in graph.node if node.op_type == "Cast")
    before, name = [], cast.input[0]
    while name != picture:
        before.append(next(node for node in graph.node if name in node.output))
        name = before[-1].input[0]
    if not {node.op_type for node in before} <= {"Slice", "Transpose"}:
        raise SystemExit("quantize: the picture is changed before it is cast; export the detector with export.py")
    if before:
        last = before[0]
        rename(graph, cast.output[0], last.output[0], but=last)
        before[-1].input[0] = cast.output[0]
        cast.input[0] = picture
    used = {name for node in graph.node for name in node.input}
    constants = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(constants)
    # What lay between was bytes and is floats now.
    del graph.value_info[:]
    sorted_model = ONNXModel(model)
    sorted_model.topological_sort()
    return sorted_model.model


def rename(graph: onnx.GraphProto, old: str, new: str, but: onnx.NodeProto) -> None:
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == old and node is not but:
                node.input[i] = new


def answers(model: onnx.ModelProto | Path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def answer(picture: np.ndarray) -> np.ndarray:
        out = session.run(None, {"images": with_padding_byte(picture)[None]})[0][0]
        centre, size = out[:2], out[2:4]
        return np.concatenate([centre - size / 2, centre + size / 2, out[4:]])

    return answer


def drawn(pictures: Pictures, count: int, seed: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    return dice.choice(len(pictures), min(count, len(pictures)), False, pictures.weights())


def run(args: argparse.Namespace) -> dict:
    train, val = Pictures.read(args.data, "train"), Pictures.read(args.data, args.split)
    chosen = drawn(val, args.measure, 0)
    folder = Path(tempfile.mkdtemp())
    prepared = folder / "prepared.onnx"
    # skip_optimization: the optimizer would insert a SpaceToDepth.
    quant_pre_process(str(args.model), str(prepared), skip_optimization=True)
    model = onnx.load(str(prepared))
    network, decoding = parts(model.graph)
    if not network:
        raise SystemExit(f"quantize: {args.model} has no part that is known by name; export it with export.py")
    calibrator = create_calibrator(
        prepared,
        QUANTIZED,
        augmented_model_path=str(folder / "augmented.onnx"),
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={"moving_average": True, "averaging_constant": 0.05},
    )
    calibrator.collect_data(Reader(train, drawn(train, args.calibrate, 1)))
    ranges = calibrator.compute_data()

    float_figures = mean_precision(val, answers(args.model), chosen)
    report = {"pictures": len(chosen), "calibration": args.calibrate, "fp32": short(float_figures), "parts": {}}

    def loss(variant: str, excluded: list[str]) -> tuple[float, dict, onnx.ModelProto]:
        made = quantized(model, ranges, variant, decoding + excluded)
        figures = mean_precision(val, answers(made), chosen)
        return float_figures["map"] - figures["map"], figures, made

    kept: list[str] = []
    whole, figures, made = loss("int8-u8", [])
    report["whole"] = {"loss": round(whole, 4)} | short(figures)
    if whole > args.may_lose:
        few = chosen[: max(100, len(chosen) // 4)]
        base = mean_precision(val, answers(args.model), few)["map"]
        for part, nodes in network.items():
            others = [n for name, names in network.items() if name != part for n in names]
            alone = quantized(model, ranges, "int8-u8", decoding + others)
            report["parts"][part] = round(base - mean_precision(val, answers(alone), few)["map"], 4)
            print(f"{part}: alone it costs {report['parts'][part]}", flush=True)
        for part in sorted(report["parts"], key=report["parts"].get, reverse=True):
            if whole <= args.may_lose:
                break
            kept.append(part)
            whole, figures, made = loss("int8-u8", [n for p in kept for n in network[p]])
            print(f"with {kept} in float it costs {whole:.4f}", flush=True)
    report["float"] = kept
    args.out.mkdir(parents=True, exist_ok=True)
    for variant in VARIANTS:
        lost, figures, made = loss(variant, [n for p in kept for n in network[p]])
        onnx.checker.check_model(made)
        file = args.out / f"detector-{variant}.onnx"
        onnx.save(made, str(file))
        report[variant] = {"loss": round(lost, 4), "bytes": file.stat().st_size} | short(figures)
    (args.out / "quantization.json").write_text(json.dumps(report, indent=1))
    return report


def short(figures: dict) -> dict:
    return {name: round(figures[name], 4) for name in ("map", "map50")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the float ONNX file that export.py wrote")
    parser.add_argument("--data", type=Path, required=True, help="a data set in COCO's form: train calibrates")
    parser.add_argument("--split", default="val", help="what is measured on")
    parser.add_argument("--out", type=Path, required=True, help="where detector-int8-*.onnx and quantization.json go")
    parser.add_argument("--calibrate", type=int, default=200, help="pictures that calibrate")
    parser.add_argument("--measure", type=int, default=400, help="pictures that are measured on")
    parser.add_argument("--may-lose", type=float, default=0.01, help="mean average precision that may be lost")
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
