"""The process of one loaded model: llama.cpp's own HTTP server on loopback.

It reads its configuration as one JSON line from stdin, answers with one JSON line on stdout when
it serves, and ends when stdin closes, so that it never outlives its worker. It imports nothing of
the lab: a model should be there in a blink.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, BinaryIO

LOAD_FAILED = 3
# Tokens of a prompt between which a client's leaving is noticed.
GPU_BATCH = 2048


def main() -> int:
    """Serve until the parent goes; returns the exit status."""
    answers = _own_stdout()
    config = json.loads(sys.stdin.buffer.readline())
    _end_with_parent()
    _show_as(f"llmlab model {config['name']}")
    try:
        server = _serve(config)
    except RuntimeError as error:
        # The reason is on stderr already: llama.cpp writes it there.
        print(error, file=sys.stderr)  # noqa: T201 - stderr is what the parent reads
        return LOAD_FAILED
    answers.write(json.dumps({"url": server.listening_address}).encode() + b"\n")
    answers.flush()
    sys.stdin.buffer.read()
    return 0


def _own_stdout() -> BinaryIO:
    # Whatever a library prints goes to stderr; the pipe carries the answer alone.
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "wb")


def _end_with_parent() -> None:
    """Let the kernel end this process when the parent's end of stdin closes.

    Loading holds the interpreter's lock, so that no thread could watch meanwhile. The signal that
    Linux offers for a parent's death comes when the starting *thread* ends, and is no use here.
    """
    try:
        import fcntl
        import select
        import signal

        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(0, fcntl.F_GETFL)
        fcntl.fcntl(0, fcntl.F_SETFL, flags | os.O_ASYNC)
        gone = bool(select.select([0], [], [], 0)[0])
    except (ImportError, AttributeError, OSError):
        # Without such signals the end is noticed when the model is loaded.
        return
    if gone:
        os._exit(0)


def _show_as(title: str) -> None:
    from setproctitle import setproctitle

    setproctitle(title)


def _serve(config: dict[str, Any]) -> Any:
    options = config["options"]
    if (options["reading_threads"] or 0) > (options["threads"] or 0):
        # Threads that only help with prompts must not spin between them. Read at import.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp

    return xllamacpp.Server(_parameters(xllamacpp, config))


def _parameters(library: Any, config: dict[str, Any]) -> Any:
    options = config["options"]
    embeddings = options["embeddings"]
    parameters = library.CommonParams()
    parameters.model.path = config["path"]
    parameters.model_alias = {config["name"]}
    parameters.port = 0
    parameters.api_keys = [config["key"]]
    parameters.cors_origins = ""
    parameters.ui = False
    parameters.endpoint_metrics = False
    parameters.endpoint_slots = True
    parameters.verbosity = 1
    # A cache pool of its own for each slot: in a shared one, one long request makes all fail.
    parameters.kv_unified = False
    parameters.n_parallel = options["parallel"]
    parameters.n_ctx = options["context_length"] * options["parallel"]
    # Requests that wait for a slot hold a thread each.
    parameters.n_threads_http = max(16, 4 * options["parallel"])
    parameters.cache_ram_mib = options["cache_mib"]
    parameters.check_tensors = options["check_tensors"]
    parameters.embedding = embeddings
    batch = _batch(library, options)
    parameters.n_batch = batch
    parameters.n_ubatch = batch if embeddings else min(batch, parameters.n_ubatch)
    if config["mean_pooling"]:
        parameters.pooling_type = library.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    _set_memory(library, parameters, options)
    _set_processors(parameters, options)
    return parameters


def _batch(library: Any, options: dict[str, Any]) -> int:
    if options["embeddings"]:
        # A text must fit one batch to be embedded.
        return min(int(options["context_length"]), 8192)
    cpu = library.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
    if options["gpu_layers"] == 0 or all(d["type"] == cpu for d in library.get_device_info()):
        return int(options["piece"])
    return GPU_BATCH


def _set_memory(library: Any, parameters: Any, options: dict[str, Any]) -> None:
    kinds = {"f16": library.ggml_type.GGML_TYPE_F16, "q8_0": library.ggml_type.GGML_TYPE_Q8_0}
    parameters.cache_type_k = parameters.cache_type_v = kinds[options["kv_type"]]
    modes = library.llama_load_mode
    mapped, read = modes.LLAMA_LOAD_MODE_MMAP, modes.LLAMA_LOAD_MODE_NONE
    parameters.load_mode = mapped if options["mmap"] else read
    attention = library.llama_flash_attn_type
    parameters.flash_attn_type = (
        attention.LLAMA_FLASH_ATTN_TYPE_ENABLED
        if options["flash_attention"]
        else attention.LLAMA_FLASH_ATTN_TYPE_AUTO
    )


def _set_processors(parameters: Any, options: dict[str, Any]) -> None:
    if options["threads"] is not None:
        parameters.cpuparams.n_threads = options["threads"]
    if options["reading_threads"] is not None:
        parameters.cpuparams_batch.n_threads = options["reading_threads"]
    if options["gpu_layers"] is not None:
        parameters.n_gpu_layers = options["gpu_layers"]


if __name__ == "__main__":
    sys.exit(main())
