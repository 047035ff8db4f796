"""What others make of the same texts: `python benchmarks/others.py ENGINE DIRECTORY`, in an environment of their own.

ENGINE is `torch` (sentence-transformers, float32), `onnx` or `onnx-int8` (onnxruntime); DIRECTORY holds the original
model. Reads {"kind", "count"} from each line of stdin, embeds so many texts, and answers with the seconds that it took,
those of the processor, and the highest resident memory so far, in bytes. Knows nothing of QMD.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from texts import make_texts

# As with our own engine: sorted by length, batches of so many padded tokens, one thread for each core.
BUDGET = 256
CORES = len(os.sched_getaffinity(0))


def torch_engine(directory: str) -> Callable[[list[str]], Any]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(directory, device="cpu")
    # It sorts by length itself. 32 texts at once is its default.
    return lambda texts: model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)


def onnx_engine(path: str, directory: str) -> Callable[[list[str]], Any]:
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several batches at once are faster than several threads for one
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def embed(batch: list[list[int]]) -> Any:
        longest = max(map(len, batch))
        ids = np.array([text + [0] * (longest - len(text)) for text in batch], np.int64)
        mask = np.array([[1] * len(text) + [0] * (longest - len(text)) for text in batch], np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden,) = session.run(["last_hidden_state"], feed)
        pooled = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def run(texts: list[str]) -> Any:
        tokens = sorted((encoding.ids for encoding in tokenizer.encode_batch_fast(texts)), key=len)
        batches: list[list[list[int]]] = [[]]
        for text in tokens:
            if batches[-1] and (len(batches[-1]) + 1) * len(text) > BUDGET:
                batches.append([])
            batches[-1].append(text)
        with ThreadPoolExecutor(CORES) as pool:
            return np.concatenate(list(pool.map(embed, batches)))

    return run


def export(directory: str, target: str, *, int8: bool) -> str:
    """Write the model as ONNX, in a process that is not measured, and return the file."""
    import torch
    from transformers import AutoModel

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_pretrained(directory, attn_implementation="eager").eval()

        def forward(self, ids: Any, mask: Any, types: Any) -> Any:
            return self.model(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state

    plain = os.path.join(target, "model.onnx")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    example = torch.ones(2, 8, dtype=torch.long)
    axes = {name: {0: "batch", 1: "length"} for name in [*names, "last_hidden_state"]}
    torch.onnx.export(
        Encoder(),
        (example, example, torch.zeros_like(example)),
        plain,
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    if not int8:
        return plain
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantized = os.path.join(target, "int8.onnx")
    quantize_dynamic(plain, quantized, per_channel=True, weight_type=QuantType.QInt8)
    return quantized


def peak_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def main() -> None:
    engine, directory = sys.argv[1:3]
    if engine == "torch":
        embed = torch_engine(directory)
    else:
        target = tempfile.mkdtemp()
        child = os.fork()
        if not child:
            code = 1
            try:
                export(directory, target, int8=engine == "onnx-int8")
                code = 0
            finally:
                os._exit(code)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"{engine}: the model cannot be exported")
        name = "int8.onnx" if engine == "onnx-int8" else "model.onnx"
        embed = onnx_engine(os.path.join(target, name), directory)
    for line in sys.stdin:
        order = json.loads(line)
        texts = make_texts(order["kind"], order["count"])
        began, cpu_began = time.perf_counter(), time.process_time()
        assert len(embed(texts)) == len(texts)
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "peak_bytes": peak_bytes()}), flush=True)


if __name__ == "__main__":
    main()
