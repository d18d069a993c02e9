"""Write plm-tiny as GGUF files, beside this script.

Usage: make_ggufs.py [F16 Q8_0 Q4_0 Q4_K_M ...]     (needs gguf and numpy; for K-quants npm too)

gguf-py quantises what it can. K-quants come from llama.cpp itself, out of the npm package that LLAMA names, so that a file
has llama.cpp's own choice of a type for each tensor.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "www/models/plm-tiny"
LLAMA = "@node-llama-cpp/linux-x64@3.22.1"
LLAMA_TYPES = {"Q2_K": 10, "Q3_K_M": 12, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18}
GGUF_NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "self_attn.kv_a_layernorm": "attn_kv_a_norm", "self_attn.kv_b_proj": "attn_kv_b", "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def gguf_name(name):
    name = name.removeprefix("model.")
    if name in ("embed_tokens.weight", "norm.weight"):
        return {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}[name]
    _, layer, *middle, _ = name.split(".")
    return f"blk.{layer}.{GGUF_NAMES['.'.join(middle)]}.weight"


def read_bfloat16(path):
    """The tensors of a bfloat16 safetensors file as float32 (numpy has no bfloat16)."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            assert entry["dtype"] == "BF16", (name, entry)
            first, last = entry["data_offsets"]
            bits = np.frombuffer(data[start + first : start + last], np.uint16).astype(np.uint32) << 16
            yield name, bits.view(np.float32).reshape(entry["shape"])


def write_gguf(folder, path, kind):
    c = json.loads((folder / "config.json").read_text())
    w = gguf.GGUFWriter(path, "plm")
    w.add_name(folder.name)
    w.add_block_count(c["num_hidden_layers"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_attention_heads"])
    w.add_rope_freq_base(c["rope_theta"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_vocab_size(c["vocab_size"])
    w.add_kv_lora_rank(c["kv_lora_rank"])
    w.add_key_length(c["qk_nope_head_dim"] + c["qk_rope_head_dim"])
    w.add_value_length(c["v_head_dim"])
    w.add_rope_dimension_count(c["qk_rope_head_dim"])
    w.add_file_type(gguf.LlamaFileType["ALL_F32" if kind == "F32" else "MOSTLY_" + kind])
    t = json.loads((folder / "tokenizer.json").read_text())
    tokens = {i: (text, gguf.TokenType.NORMAL) for text, i in t["model"]["vocab"].items()}
    tokens |= {a["id"]: (a["content"], gguf.TokenType.CONTROL) for a in t["added_tokens"]}
    tokens = [tokens.get(i, (f"[PAD{i}]", gguf.TokenType.UNUSED)) for i in range(c["vocab_size"])]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list([text for text, _ in tokens])
    w.add_token_types([kind for _, kind in tokens])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in t["model"]["merges"]])
    w.add_eos_token_id(c["eos_token_id"])
    w.add_pad_token_id(c["pad_token_id"])
    w.add_add_bos_token(False)
    w.add_chat_template(json.loads((folder / "tokenizer_config.json").read_text())["chat_template"])
    for name, tensor in read_bfloat16(folder / "model.safetensors"):
        if tensor.ndim == 1 or kind == "F32":
            w.add_tensor(gguf_name(name), tensor)
        elif kind == "F16":
            w.add_tensor(gguf_name(name), tensor.astype(np.float16))
        else:
            code = gguf.GGMLQuantizationType[kind]
            w.add_tensor(gguf_name(name), gguf.quants.quantize(tensor, code), raw_dtype=code)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_k_quants(folder, path, kind):
    """llama.cpp quantises the float32 file, which holds the bfloat16 weights exactly."""
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(["npm", "pack", "--silent", LLAMA], cwd=temporary, check=True)
        subprocess.run(["tar", "-xzf", *Path(temporary).glob("*.tgz")], cwd=temporary, check=True)
        exact = Path(temporary) / "plm-tiny-F32.gguf"
        write_gguf(folder, exact, "F32")
        script = [sys.executable, folder / "training/llama_quantize.py", Path(temporary) / "package/bins/linux-x64"]
        subprocess.run([*script, exact, path, str(LLAMA_TYPES[kind])], check=True)


if __name__ == "__main__":
    for kind in sys.argv[1:] or ("F16", "Q8_0", "Q4_0", "Q4_K_M"):
        write = write_k_quants if kind in LLAMA_TYPES else write_gguf
        write(FOLDER, HERE / f"plm-tiny-{kind}.gguf", kind)
