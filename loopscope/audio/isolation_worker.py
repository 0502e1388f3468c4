"""What the child process of `isolation` answers: a file (path and root) is inspected, or there is a reason."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from loopscope.audio.inspection import inspect_file
from loopscope.audio.readers import TransientAudioError
from loopscope.children.run import MEMORY_BYTES
from loopscope.errors import AudioError
from loopscope.user_files import UserFile


def answer_to(question: Mapping[str, Any]) -> dict[str, Any]:
    """The inspection of one file, or the reason it is left out and whether that reason may pass by itself."""
    try:
        found = inspect_file(UserFile(question["path"], question["root"]))
    except AudioError as error:
        return {"reason": str(error), "transient": isinstance(error, TransientAudioError)}
    except MemoryError:
        return {"reason": f"Decoding needs more than {MEMORY_BYTES >> 30} GiB of memory.", "transient": False}
    return {"loop_id": found.loop_id, "info": asdict(found.info)}
