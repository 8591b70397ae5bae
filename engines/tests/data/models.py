"""Writes the tiny ONNX models of this directory: `python models.py` (needs `onnx`, tried with 1.23).

Each of the detectors reports fixed boxes. The first box's score is the mean of the input's first channel, so that a
test sees how a picture was scaled, padded and in which order its colours came.
"""
import numpy as np
from onnx import TensorProto as T, checker, helper as h, numpy_helper as n


def save(name, nodes, inputs, outputs, constants):
    graph = h.make_graph(nodes, "g", inputs, outputs, [n.from_array(v, k) for k, v in constants.items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    with open(name, "wb") as file:
        file.write(model.SerializeToString())


def port(name, shape, dtype=T.FLOAT):
    return h.make_tensor_value_info(name, dtype, shape)


def mean_of_channel(axis, of="images"):
    """The mean of the first channel, as a scalar `mean`."""
    return [
        h.make_node("Gather", [of, "zero"], ["channel"], axis=axis),
        h.make_node("ReduceMean", ["channel"], ["mean"], keepdims=0),
    ]


# 4 + 2 classes by 8 boxes: centre and size in input pixels (64×64), then a score per class.
yolo = np.zeros((1, 6, 8), np.float32)
yolo[0, :, 0] = [16, 32, 16, 32, 0, 0]  # class 0, score: the mean
yolo[0, :, 1] = [48, 32, 16, 32, 0.1, 0.9]
yolo[0, :, 2] = [49, 32, 16, 32, 0, 0.6]  # shows what box 1 shows
yolo_gain = np.zeros_like(yolo)
yolo_gain[0, 4, 0] = 1
scored = [h.make_node("Mul", ["mean", "gain"], ["part"]), h.make_node("Add", ["part", "base"], ["output0"])]
for name, shape in [("yolo.onnx", [1, 3, 64, 64]), ("yolo_open_size.onnx", ["batch", 3, "height", "width"])]:
    save(name, mean_of_channel(1) + scored, [port("images", shape)], [port("output0", [1, 6, 8])],
         {"zero": np.int64(0), "gain": yolo_gain, "base": yolo})

# Pictures as they are captured: bytes, four a pixel, of which the model takes three and scales them.
save("yolo_rgbx.onnx",
     [h.make_node("Slice", ["images", "start", "stop", "axis"], ["three"]),
      h.make_node("Cast", ["three"], ["floats"], to=T.FLOAT), h.make_node("Mul", ["floats", "scale"], ["scaled"])]
     + mean_of_channel(3, "scaled") + scored,
     [port("images", [1, 64, 64, 4], T.UINT8)], [port("output0", [1, 6, 8])],
     {"zero": np.int64(0), "start": np.array([0]), "stop": np.array([3]), "axis": np.array([3]),
      "scale": np.float32(1 / 255), "gain": yolo_gain, "base": yolo})

# Rows of x0, y0, x1, y1, score, class.
rows = np.array([[8, 16, 24, 48, 0, 0], [40, 16, 56, 48, 0.9, 1], [41, 16, 57, 48, 0.6, 1], [0, 0, 0, 0, 0, 0]],
                np.float32)
gain = np.zeros_like(rows)
gain[0, 4] = 1
save("end2end.onnx", mean_of_channel(1) + scored, [port("images", [1, 3, 64, 64])], [port("output0", [1, 4, 6])],
     {"zero": np.int64(0), "gain": gain[None], "base": rows[None]})

# As many rows as have a score above 0.5; bytes in, scaled by the model.
save("end2end_bytes_varying.onnx",
     [h.make_node("Cast", ["images"], ["floats"], to=T.FLOAT), h.make_node("Mul", ["floats", "scale"], ["scaled"])]
     + mean_of_channel(3, "scaled") + [
        h.make_node("Mul", ["mean", "gain"], ["part"]),
        h.make_node("Add", ["part", "base"], ["rows"]),
        h.make_node("Gather", ["rows", "four"], ["scores"], axis=1),
        h.make_node("Greater", ["scores", "half"], ["sure"]),
        h.make_node("Compress", ["rows", "sure"], ["output0"], axis=0)],
     [port("images", [1, 64, 64, 3], T.UINT8)], [port("output0", ["n", 6])],
     {"zero": np.int64(0), "four": np.int64(4), "half": np.float32(0.5), "scale": np.float32(1 / 255), "gain": gain,
      "base": rows})

# No detectors: a classifier of ten numbers, and one of pictures.
save("ten_numbers.onnx", [h.make_node("Softmax", ["x"], ["y"])], [port("x", [1, 10])], [port("y", [1, 10])], {})
save("picture_classifier.onnx", [h.make_node("GlobalAveragePool", ["images"], ["y"])],
     [port("images", [1, 3, 64, 64])], [port("y", [1, 3, 1, 1])], {})

# Temporal classifiers. The logits are 0, the window's last value and the last one that was asked; a softmax follows. One
# lacks it; one takes the root of minus the window's first value and adds it, which is no number where that is above 0.
# The shapes of others are not those of one.
def temporal(name, rows=24, softmax=True, root=False, outputs=3, asked="asked"):
    last = [h.make_node("Reshape", ["window", "flat"], ["values"]), h.make_node("Gather", ["values", "end"], ["w"], axis=1),
            h.make_node("Gather", [asked, "end"], ["a"], axis=1)]
    logits = [h.make_node("Concat", ["zero", "w", "a"][:outputs], ["logits"], axis=1)]
    result = [h.make_node("Softmax", ["logits"], ["soft"], axis=1)] if softmax else [h.make_node("Identity", ["logits"], ["soft"])]
    if root:
        result += [h.make_node("Gather", ["values", "first"], ["v"], axis=1), h.make_node("Neg", ["v"], ["minus"]),
                   h.make_node("Sqrt", ["minus"], ["bad"]), h.make_node("Add", ["soft", "bad"], ["probabilities"])]
    else:
        result += [h.make_node("Identity", ["soft"], ["probabilities"])]
    save(name, last + logits + result, [port("window", [1, rows, 15]), port(asked, [1, 26])],
         [port("probabilities", [1, outputs])],
         {"flat": np.array([1, -1]), "end": np.array([-1]), "first": np.array([0]), "zero": np.zeros((1, 1), np.float32)})


temporal("temporal.onnx")
temporal("temporal_twelve_rows.onnx", rows=12)
temporal("temporal_two_outputs.onnx", outputs=2)
temporal("temporal_other_name.onnx", asked="question")
temporal("temporal_without_softmax.onnx", softmax=False)
temporal("temporal_failing.onnx", root=True)
