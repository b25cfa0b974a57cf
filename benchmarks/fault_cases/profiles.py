"""Profiles and look-up tables of other tools, one sample a format, and what may be wrong with each.

All numbers are made up; the forms are those that the tools write.
"""

from __future__ import annotations

import json
from typing import Any

from nagjax.operators import Operator

STEM = Operator("conv", 224, 112, 3, 16, 3, 2, activation="relu")
BLOCK = Operator("mbconv", 112, 56, 16, 24, 3, 2, 48, activation="relu")
HEAD = Operator("linear", 1, 1, 24, 10, norm=False)
OPERATORS = (STEM, BLOCK, HEAD)
"""Of a made-up space; the samples time the first two."""


def _event(name: str, dur: float, cat: str = "Node", **arguments: str) -> dict[str, Any]:
    return {"cat": cat, "name": name, "dur": dur, "args": arguments}


def _node(name: str, dur: float) -> dict[str, Any]:
    return _event(f"{name}_kernel_time", dur, op_name="Conv")


# Two parts of one block and a stem, three runs; the first run is slow, and left out.
ORT: list[Any] = [
    _event("model_loading", 9000, "Session"),
    *(_event("model_run", time, "Session") for time in (5000, 1000, 1100)),
    _event(f"0/{STEM.key}/Conv_fence_before", 1),
    *(_node(f"0/{STEM.key}/Conv", time) for time in (900, 400, 420)),
    *(_node("ReorderOutput_token_4", time) for time in (9, 5, 5)),
    *(_node("network/div1", time) for time in (9, 5, 5)),
    *(_node(f"1/{BLOCK.key}/expand", time) for time in (900, 100, 100)),
    *(_node(f"1/{BLOCK.key}/project", time) for time in (900, 200, 200)),
]
TRT: list[Any] = [
    {"count": 200},
    {"name": f"a/{STEM.key}/Conv + a/{STEM.key}/Relu", "timeMs": 80.0, "averageMs": 0.41, "medianMs": 0.4},
    {"name": "Reformatting CopyNode for Input Tensor 0", "timeMs": 2.0, "averageMs": 0.01, "medianMs": 0.01},
    {"name": f"b/{BLOCK.key}/dw || b/{BLOCK.key}/skip", "timeMs": 60.0, "averageMs": 0.3, "medianMs": 0.3},
]
HOSTED: dict[str, Any] = {
    "execution_summary": {"estimated_inference_time": 900},
    "execution_detail": [
        {"name": f"a/{STEM.key}", "type": "CONV_2D", "execution_time": 400},
        {"name": f"b/{BLOCK.key}", "type": "CONV_2D", "execution_time": 300},
    ],
}
OPENVINO: dict[str, Any] = {
    "avg_performance": {
        "nodes": [
            {"name": f"a/{STEM.key}", "status": "EXECUTED", "real_time": 0.4},
            {"name": f"a/{STEM.key}/Relu", "status": "OPTIMIZED_OUT", "real_time": 0.0},
            {"name": f"b/{BLOCK.key}", "status": "EXECUTED", "real_time": 0.3},
        ],
        "total_real_time": 0.75,
    }
}
OPENVINO_CSV = f"""\
layerName;execStatus;layerType;execType;realTime (ms);cpuTime (ms);
a/{STEM.key};EXECUTED;Convolution;jit;0.4;0.4;
a/{STEM.key}/Relu;OPTIMIZED_OUT;Relu;undef;0.0;0.0;
b/{BLOCK.key};EXECUTED;Convolution;jit;0.3;0.3;
Total;;;;0.75;0.75;
"""
TFLITE = f"""\
Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
node type, start, first, avg_ms, %, cdf%, mem KB, times called, name
AllocateTensors, 0, 0.21, 0.21, 100%, 100%, 96, 1, AllocateTensors/0

Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
node type, start, first, avg_ms, %, cdf%, mem KB, times called, name
CONV_2D, 0.003, 0.9, 0.4, 57%, 57%, 0, 1, [a/{STEM.key}/Relu;a/{STEM.key}/BiasAdd]:0
CONV_2D, 0.401, 0.9, 0.3, 43%, 100%, 0, 1, [b/{BLOCK.key}/Relu]:1

Timings (microseconds): count=50 first=1301 curr=750 min=740 max=1301 avg=750 std=4
"""
FBNET = "{'op_name': 'mb_k3_e3', 'op_data_shape': (112, 112, 16, 24, 2), 'op_latency': 0.3}\n"
PROXYLESS = """\
expanded_conv-input:112x112x16-output:56x56x24-expand:3-kernel:3-stride:2-idskip:0:
  count: 154
  mean: 0.3
  var: 0.04
Conv-input:224x224x3-output:112x112x16:
  mean: 0.4
"""
CSV = f"operator,value,unit,std\n{STEM.key},400,us,8\n{BLOCK.key},0.3,ms,\n"
SPREADSHEET = f"\ufeffoperator;value;unit\n{STEM.key};0,4;ms\n{BLOCK.key};0,3;ms\n"

SAMPLES = {
    "onnxruntime": ("ort.json", json.dumps(ORT)),
    "tensorrt": ("trt.json", json.dumps(TRT)),
    "hosted_job": ("job.json", json.dumps(HOSTED)),
    "openvino": ("counters.csv", OPENVINO_CSV),
    "tflite": ("profile.csv", TFLITE),
    "fbnet": ("lut.txt", FBNET),
    "proxyless": ("mobile.yaml", PROXYLESS),
    "csv": ("plain.csv", CSV),
}
"""Name and text of a file a format; FBNet's says no unit."""


def _changed(entries: list[Any], index: int, **changes: Any) -> str:
    return json.dumps([{**entry, **changes} if i == index else entry for i, entry in enumerate(entries)])


def _layer(**changes: Any) -> str:
    return json.dumps({**HOSTED, "execution_detail": [{**HOSTED["execution_detail"][0], **changes}]})


FAULTS: list[tuple[str, str, str]] = [
    ("onnxruntime", "[]", "is not a profile of ONNX Runtime"),
    ("onnxruntime", json.dumps(ORT[:4]), "holds no run of the network"),
    ("onnxruntime", _changed(ORT, 5, dur="400"), "event 6: dur is '400'; it must be a number"),
    ("onnxruntime", _changed(ORT, 5, dur=-4), "event 6: dur is -4; it must be 0 or above"),
    ("onnxruntime", json.dumps([*ORT, _node("softmax", 1)]), "belong to no operator: 'softmax' (event 21)"),
    ("onnxruntime", json.dumps(ORT)[:-1], ":1: is not JSON"),
    ("tensorrt", json.dumps(TRT[1:]), "is not a profile of trtexec"),
    ("tensorrt", json.dumps(TRT[:1]), "holds no layers"),
    ("tensorrt", _changed(TRT, 0, count=0), "entry 1: count"),
    ("tensorrt", json.dumps([TRT[0], {"name": "a", "timeMs": 3.0}]), "entry 2: lacks averageMs"),
    ("tensorrt", _changed(TRT, 1, medianMs=0), "mean is 0.0; it must be a time above 0"),
    ("tensorrt", _changed(TRT, 1, name=f"{STEM.key} + {BLOCK.key}"), "fused from several operators"),
    ("hosted_job", json.dumps({"execution_detail": []}), "execution_summary is missing"),
    ("hosted_job", json.dumps({**HOSTED, "execution_detail": []}), "execution_detail holds no entries"),
    ("hosted_job", json.dumps({**HOSTED, "execution_detail": ["x"]}), "layer 1: is 'x'; it must be an object"),
    ("hosted_job", _layer(execution_time=0), "it must be a time above 0"),
    ("hosted_job", _layer(name=""), "layer 1: name is ''; it must be text"),
    ("openvino", OPENVINO_CSV.replace("realTime (ms)", "realTime"), "line 1: is not the header"),
    ("openvino", OPENVINO_CSV.replace(";0.4;0.4;", ";0.4;"), "line 2: has 6 fields, the header 7"),
    ("openvino", OPENVINO_CSV.replace(";0.4;0.4;", ";0,4;0,4;"), "line 2: '0,4' is not a number"),
    ("openvino", OPENVINO_CSV * 2, "line 6: a second report begins"),
    ("openvino", OPENVINO_CSV.split("\n", maxsplit=1)[0] + "\n", "no layer was executed"),
    ("openvino", OPENVINO_CSV.replace(";0.4;0.4;", ";-0.4;0.4;"), "line 2: realTime (ms) is -0.4"),
    ("tflite", TFLITE.replace("Run Order", "Top by time"), "has no block 'Run Order'"),
    ("tflite", TFLITE.split("CONV_2D", maxsplit=1)[0], "the block 'Run Order' has no layers"),
    ("tflite", TFLITE.replace("avg_ms", "avg"), "lacks the column 'avg_ms'"),
    ("tflite", TFLITE.replace("0.9, 0.4,", "0.9, fast,"), "line 9: avg_ms 'fast' is not a number"),
    ("tflite", TFLITE.replace("0.9, 0.4,", "0.9, -1,"), "line 9: avg_ms is -1.0; it must be 0 or above"),
    ("tflite", TFLITE.split("57%", maxsplit=1)[0], "line 9: has 5 fields, the header 9"),
    ("fbnet", FBNET.replace("}", ""), "line 1: is \"{'op_name'"),
    ("fbnet", FBNET.replace("0.3", "'fast'"), "line 1: op_latency is 'fast'"),
    ("fbnet", FBNET.replace("112, 112,", "112,"), "line 1: op_data_shape is (112, 16, 24, 2)"),
    ("fbnet", FBNET.replace("'mb_k3_e3'", "3"), "line 1: op_name is 3"),
    ("fbnet", FBNET.replace("mb_k3", "mb_k9"), "has none of the space's operators"),
    ("fbnet", FBNET.replace("0.3", "-0.3"), "line 1: op_latency is -0.3; it must be 0 or above"),
    ("proxyless", PROXYLESS.replace("mean: 0.3", "mean: -0.3"), "line 1: mean is -0.3; it must be 0 or above"),
    ("proxyless", PROXYLESS.replace("mean: 0.3", "average: 0.3"), "has the unknown field 'average'"),
    ("proxyless", PROXYLESS + PROXYLESS, "stands twice"),
    ("proxyless", PROXYLESS.replace("var: 0.04", "var: x"), "line 1: var is 'x'; it must be a number"),
    ("proxyless", PROXYLESS.replace("x112", "x96"), "has none of the space's operators"),
    ("csv", CSV.replace("value", "time"), "no column 'value'"),
    ("csv", CSV.replace("std", "spread"), "column 'spread' is not known"),
    ("csv", CSV.replace("400", "fast"), "row 2, column 'value': 'fast' is not a number"),
    ("csv", CSV.replace("400", "0"), "row 2 (" + STEM.key + "): mean is 0.0; it must be a time above 0"),
    ("csv", CSV.replace(",us,", ",min,"), "row 2: unit is 'min'; allowed: ms, us, s"),
    ("csv", CSV.replace("us", "").replace("ms", ""), "row 2: nothing says the unit"),
    ("csv", CSV.replace(STEM.key, "conv1"), "1 of 2 names belong to no operator: 'conv1' (row 2)"),
    ("csv", CSV + f"{STEM.key},1,ms,\n", f"row 4: operator '{STEM.key}' stands twice"),
]
"""Format, text of a file, and a part of what it is refused with."""
