"""How Python's garbage collector is kept from stopping the app: what stays for good is not looked through again.

Streamlit runs a full collection after every rerun, which frees the tables that pages leave behind in cycles. With torch
and 50,000 loops in memory each stopped all threads for 0.3 s, and as a page that shows progress reruns twice a second,
half of the time of every task went there. Frozen objects are passed over; most of what lives long is modules.
"""

import ctypes
import gc
import sys


def collect_and_freeze() -> None:
    """Collect everything once, then leave what is alive out of later collections, until the next call.

    What the C library keeps of freed memory goes back to the system: after a training that is hundreds of megabytes.
    """
    gc.unfreeze()  # what died since the last call is found now
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
        if trim is not None:
            trim(0)
