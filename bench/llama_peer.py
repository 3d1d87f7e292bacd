"""llama.cpp on the same weights and token ids, as a peer of `truenorth bench`.

llama.cpp has no way to stop at a block from Python, so reading runs a copy of the model that ends there:
its first blocks, whose output passes the final norm and no output matrix. Weights are written in the type
asked for (f32, bf16, or `kept` for the file's own). Follows serve.py; needs cyllama, which brings
llama.cpp, and gguf.
"""

import os
import tempfile

import gguf
import numpy as np
from cyllama.llama import llama_cpp as llama
from gguf.quants import dequantize

PLAIN = {gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.BF16}
TYPES = {"float32": gguf.GGMLQuantizationType.F32, "bfloat16": gguf.GGMLQuantizationType.BF16}


def copy(source, target, blocks, dtype):
    """Writes a model's first blocks, its matrices in another type."""
    reader = gguf.GGUFReader(source)
    field = reader.fields["general.architecture"]
    arch = field.contents()
    writer = gguf.GGUFWriter(target, arch)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind, value = field.types[0], field.contents()
        if name == f"{arch}.block_count":
            value = blocks
        if isinstance(value, list) and "layer" in name or name.endswith("sliding_window_pattern"):
            value = value[:blocks] if isinstance(value, list) else value
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, kind, sub)
    for tensor in reader.tensors:
        parts = tensor.name.split(".")
        if parts[0] == "blk" and int(parts[1]) >= blocks:
            continue
        wanted = TYPES.get(dtype)
        if wanted is None or len(tensor.shape) < 2:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if wanted == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(tensor.name, values)
        else:
            data = gguf.quants.quantize(values, wanted)
            writer.add_tensor(tensor.name, data, raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Peer:
    def __init__(self, path, dtype, threads):
        self.path, self.dtype, self.threads = path, dtype, threads
        self.folder = tempfile.TemporaryDirectory()
        self.models = {}
        reader = gguf.GGUFReader(path)
        arch = reader.fields["general.architecture"].contents()
        self.blocks = reader.fields[f"{arch}.block_count"].contents()
        self.width = reader.fields[f"{arch}.embedding_length"].contents()

    def model(self, blocks):
        if blocks not in self.models:
            target = os.path.join(self.folder.name, f"{blocks}.gguf")
            copy(self.path, target, blocks, self.dtype)
            params = llama.LlamaModelParams()
            params.n_gpu_layers = 0
            self.models[blocks] = llama.LlamaModel(target, params)
        return self.models[blocks]

    def context(self, model, tokens, sequences, embeddings):
        params = llama.LlamaContextParams()
        params.n_ctx, params.n_batch, params.n_ubatch = tokens, min(tokens, 2048), 512
        params.n_seq_max, params.n_threads, params.n_threads_batch = sequences, self.threads, self.threads
        params.embeddings, params.kv_unified = embeddings, True
        if embeddings:
            params.pooling_type = 0
        return llama.LlamaContext(model, params)

    def prepare(self, request):
        """Contexts are made before the clock runs."""
        prompts = request["prompts"]
        if request["op"] == "read":
            longest = max(map(len, prompts))
            room = 2048 + longest
            return self.context(self.model(request["layer"] + 1), room, 64, True)
        tokens = sum(map(len, prompts)) + len(prompts) * (request["steps"] + 1)
        return self.context(self.model(self.blocks), tokens + 64, len(prompts), False)

    def read(self, context, request):
        """Prompts side by side, as many as fit a batch; the last token of each."""
        prompts, total, start = request["prompts"], 0.0, 0
        while start < len(prompts):
            end, rows = start, 0
            while end < len(prompts) and end - start < 64 and rows + len(prompts[end]) <= 2048:
                rows += len(prompts[end])
                end += 1
            context.kv_cache_clear(True)
            batch = llama.LlamaBatch(n_tokens=rows, embd=0, n_seq_max=1)
            ends, at = [], 0
            for seq, prompt in enumerate(prompts[start:end]):
                for position, token in enumerate(prompt):
                    batch.add(token, position, [seq], position + 1 == len(prompt))
                at += len(prompt)
                ends.append(at - 1)
            context.decode(batch)
            for i in ends:
                total += float(np.linalg.norm(np.asarray(context.get_embeddings_ith(i))))
            start = end
        return total

    def decode(self, context, request):
        prompts, steps = request["prompts"], request["steps"]
        context.kv_cache_clear(True)
        rows = sum(map(len, prompts))
        batch = llama.LlamaBatch(n_tokens=rows, embd=0, n_seq_max=1)
        ends, at = [], 0
        for seq, prompt in enumerate(prompts):
            for position, token in enumerate(prompt):
                batch.add(token, position, [seq], position + 1 == len(prompt))
            at += len(prompt)
            ends.append(at - 1)
        total = 0
        greedy = llama.LlamaSampler()
        greedy.add_greedy()
        for step in range(steps):
            context.decode(batch)
            tokens = [greedy.sample(context, i) for i in ends]
            total += sum(tokens)
            batch = llama.LlamaBatch(n_tokens=len(prompts), embd=0, n_seq_max=1)
            for seq, (prompt, token) in enumerate(zip(prompts, tokens)):
                batch.add(token, len(prompt) + step, [seq], True)
            ends = list(range(len(prompts)))
        return float(total)


def main():
    path, dtype, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    llama.disable_logging()
    llama.ggml_backend_load_all()
    peer = Peer(path, dtype, threads)

    def work(request):
        context = peer.prepare(request)
        return lambda: {"read": peer.read, "decode": peer.decode}[request["op"]](context, request)

    serve(f"llama.cpp of cyllama, {dtype}", work)


main()
