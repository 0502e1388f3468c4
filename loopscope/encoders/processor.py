"""What this machine's processor really does: a virtual machine may name instructions at which the process then dies."""

import functools
import subprocess
import sys

import torch

PATIENCE_S = 60.0
# Of a size at which oneDNN takes the tiles (AMX); smaller products go another way.
_PRODUCT = """
import torch
torch.set_num_threads(1)
with torch.inference_mode():
    torch.nn.Linear(96, 384).to(torch.bfloat16)(torch.zeros(4096, 96, dtype=torch.bfloat16))
"""


@functools.cache
def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16. Where it says that it has tiles for it, that is tried in a process
    of its own, once a process: on some virtual machines that is an illegal instruction, at which nothing can be caught.
    """
    if not torch.cpu._is_amx_tile_supported():
        return True
    command = [sys.executable, "-P", "-c", _PRODUCT]
    try:
        tried = subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0
