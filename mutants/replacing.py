"""A mutant in a process that has imported the module already: its functions get the mutant's code.

That is the same as importing the mutant where only the inside of functions differs that nobody called so far: every
name, wrapper and bound method leads to the function itself, and a function looks at its code anew at each call.
"""

import gc
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType


def functions_of(module: Path) -> list[FunctionType]:
    """Every function that was made from the file at `module`, methods, lambdas and what is hidden in others too."""
    found = (thing for thing in gc.get_objects() if isinstance(thing, FunctionType))
    return [function for function in found if Path(function.__code__.co_filename) == module]


def replace_code(functions: Iterable[FunctionType], source: str, mutant: str) -> bool:
    """Gives the functions, made from `source`, the code that they have in `mutant`. False if that does not do.

    It does not where something differs that runs as the module is imported. After a False the process is of no use.
    """
    pairs = list(_pairs(_compiled(source), _compiled(mutant)))
    if any(old is None or new is None for old, new in pairs):
        return False
    codes: dict[CodeType | None, CodeType | None] = dict(pairs)
    if any(codes[old] != new for old, new in pairs):  # two that are equal became different
        return False
    for function in functions:
        code = codes.get(function.__code__)
        if code is None or len(code.co_freevars) != len(function.__code__.co_freevars):
            return False
        function.__code__ = code
    return True


def _compiled(source: str) -> CodeType:
    return compile(source, "module", "exec", dont_inherit=True)


def _pairs(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType | None, CodeType | None]]:
    """What stands at the same place in both; a None where there is no such thing in one, or it differs on import."""
    inner_old, inner_new = _inner(old), _inner(new)
    if [code.co_name for code in inner_old] != [code.co_name for code in inner_new]:
        yield old, None
        return
    yield old, new if _is_function(old) or _on_import(old) == _on_import(new) else None
    for before, after in zip(inner_old, inner_new, strict=True):
        yield from _pairs(before, after)


def _inner(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _is_function(code: CodeType) -> bool:
    """Whether it runs when it is called: modules and the bodies of classes run as they are read."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED)


def _on_import(code: CodeType) -> tuple[object, ...]:
    constants = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
    return code.co_code, code.co_names, code.co_varnames, repr(constants)
