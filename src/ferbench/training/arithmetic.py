"""Precision and memory format of a training on this machine, measured once for each processor.

A processor without bfloat16 instructions computes in bfloat16 several times slower than in float32,
and whether channels last or contiguous tensors are faster differs between processors, so a small
network is timed in all four combinations at first use. The result stays in the cache.

The memory format is always the measured one: it changes how numbers are rounded, as the processor
itself does, and not what is computed. The precision is a hyper-parameter and therefore the
recipe's, unless the recipe says `auto`.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.artifacts.runs import Record
from ferbench.config.params import Precision
from ferbench.environment import CACHE
from ferbench.errors import InputError
from ferbench.files import digest
from ferbench.locks import held

__all__ = ["FORMATS", "Arithmetic", "ProcessorTimes", "arithmetic_of", "processor_times"]

_LOG = logging.getLogger(__name__)
FOLDER = CACHE / "processor"
FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
_PRECISIONS = ("32-true", "bf16-mixed")
# Environment variables and capabilities by which PyTorch and oneDNN select their kernels.
_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
_CAPABILITIES = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16")
_ROUNDS = 5
# A combination that takes more than so many times the fastest is timed once only.
_HOPELESS = 2.0
# The usual choice is kept unless another one takes less than this share of its time, so that noise
# does not make two measurements of one processor differ.
_BETTER = 0.85
_WAIT_S = 60.0


@dataclass(frozen=True)
class Arithmetic:
    """How networks are computed.

    Args:
        precision: Lightning's name, such as `32-true`.
        memory_format: of images and convolutions' weights, a key of `FORMATS`.
    """

    precision: Precision
    memory_format: str


class ProcessorTimes(Record):
    """What was measured on a processor, as a file of the cache holds it."""

    processor: dict[str, Any]  # name, instructions, threads and PyTorch's version
    step_ms: dict[str, dict[str, float]]  # time of a training step by precision and memory format

    def memory_format(self, precision: str) -> str:
        """The memory format in which a precision is fastest; that of `32-true` if not measured."""
        times = self.step_ms.get(precision, self.step_ms["32-true"])
        contiguous = times["contiguous"] < _BETTER * times["channels_last"]
        return "contiguous" if contiguous else "channels_last"

    def precision(self) -> Precision:
        """The fastest precision: `bf16-mixed` if it is clearly faster than `32-true`."""
        single, half = (min(self.step_ms[name].values()) for name in _PRECISIONS)
        return "bf16-mixed" if half < _BETTER * single else "32-true"


def arithmetic_of(precision: Precision, accelerator: str, threads: int) -> Arithmetic:
    """Precision and memory format of a training.

    Args:
        precision: the recipe's; `auto` is replaced by what is fastest here: on a processor by
            measurement, on a GPU bfloat16 if it has instructions for it.
        accelerator: `cpu` or `gpu`. GPUs use channels last.
        threads: of one run on a CPU.
    """
    if accelerator != "cpu":
        if precision == "auto":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bf16-mixed" if native else "32-true"
        return Arithmetic(precision, "channels_last")
    times = processor_times(threads)
    precision = times.precision() if precision == "auto" else precision
    return Arithmetic(precision, times.memory_format(precision))


def processor_times(threads: int, folder: Path = FOLDER) -> ProcessorTimes:
    """Times of this processor, from the cache or measured now, which takes one or two seconds.

    Args:
        threads: number of threads that a step uses.
        folder: of the cache; one file for each processor, number of threads and PyTorch version.
    """
    processor = _processor(threads)
    path = folder / f"{digest(processor)[:16]}.json"
    with held(CACHE / "locks" / "processor", "the measurement of the processor", wait_s=_WAIT_S):
        try:
            return ProcessorTimes.read(path)
        except (InputError, ValueError):  # absent or damaged
            times = ProcessorTimes(processor=processor, step_ms=_measured(threads))
            times.write(path)
    _LOG.info("training step in ms on %s: %s", processor["name"], times.step_ms)
    return times


def _processor(threads: int) -> dict[str, Any]:
    """What decides which kernels run, and how fast."""
    capabilities = torch.cpu.get_capabilities()
    return {
        "name": capabilities.get("cpu_name", "unknown"),
        "capabilities": [name for name in _CAPABILITIES if capabilities.get(name)],
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "variables": {name: os.environ.get(name, "") for name in _VARIABLES},
        "threads": threads,
        "torch": torch.__version__,
    }


def _measured(threads: int) -> dict[str, dict[str, float]]:
    """Milliseconds of a training step by precision and memory format: the best of some rounds.

    The combinations take turns, so that other work on the machine meets all of them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    # The CPU time of one thread does not depend on other processes; that of several says little.
    clock = time.process_time if threads == 1 else time.perf_counter
    try:
        with torch.random.fork_rng(devices=[]):
            steps = {(p, f): _Step(p, f) for p in _PRECISIONS for f in FORMATS}
            best = dict.fromkeys(steps, float("inf"))
            for number in range(_ROUNDS + 1):
                fastest = min(best.values())
                for key, step in steps.items():
                    if best[key] > _HOPELESS * fastest:
                        continue
                    start = clock()
                    step()
                    if number:  # the first step also prepares the kernels
                        best[key] = min(best[key], 1000 * (clock() - start))
    finally:
        torch.set_num_threads(before)
    return {p: {f: round(best[p, f], 2) for f in FORMATS} for p in _PRECISIONS}


class _Step:
    """A forward and a backward pass of convolutions as in the networks of the catalogue."""

    def __init__(self, precision: str, memory_format: str) -> None:
        self._half = precision == "bf16-mixed"
        layers = [*_block(64, 64, 3), *_block(64, 64, 1), nn.MaxPool2d(2), *_block(64, 128, 3)]
        layout = FORMATS[memory_format]
        self._network = nn.Sequential(*layers).to(memory_format=layout)
        # A network's own images come contiguous, but have too few channels for that to matter.
        self._maps = torch.rand(8, 64, 16, 16).to(memory_format=layout)

    def __call__(self) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._half):
            output: Tensor = self._network(self._maps)
            loss = output.float().square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        self._network.zero_grad()


def _block(inputs: int, outputs: int, side: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.SiLU()
