"""The mutants of a module: its text with one thing made wrong.

What is made wrong is mostly mutmut's choice of operators. Left out are those whose mutants nearly every test kills (an
argument that becomes None, one without which a call fails) and texts for people: docstrings, the log, raised errors.
Added is what guards and durability are made of: a statement that is left out, a condition that is turned round, one of
two conditions that is forgotten.
"""

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation import mutators

LEFT_OUT = {mutators.operator_arg_removal, mutators.operator_assignment, mutators.operator_string}
SENTENCE = re.compile(r"""["'][A-Z][a-z]* """)
LOOKED_AT_BY_OTHERS = cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom  # mypy and ruff
ALL = m.Assign(targets=[m.AssignTarget(m.Name("__all__"))])
NOTHING = cst.Expr(cst.Ellipsis())
TRANSFORMS = ("absolute", "casefold", "expanduser", "lower", "removesuffix", "resolve", "strip")
TURNED_ROUND_ALREADY = m.Comparison(comparisons=[m.ComparisonTarget(m.Equal() | m.NotEqual() | m.In() | m.NotIn())])


@dataclass(frozen=True)
class Mutant:
    """A module's `source` with one thing made wrong at `line`; `name` says where and what, whatever stands above it."""

    line: int
    name: str
    source: str


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a module's source, in the order of its lines, each text once."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    lines = wrapper.resolve(PositionProvider)
    found = _Candidates(wrapper.resolve(ParentNodeProvider))
    wrapper.module.visit(found)
    mutants: dict[str, Mutant] = {}
    for place, node, replacement in found.candidates:
        changed = wrapper.module.deep_replace(node, replacement)
        text = changed.code if isinstance(changed, cst.Module) else source
        if text != source and text not in mutants and _parses(text):
            mutants[text] = Mutant(lines[node].start.line, f"{place or 'module'}: {_difference(source, text)}", text)
    return sorted(mutants.values(), key=lambda mutant: mutant.line)


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _difference(source: str, text: str) -> str:
    """The line as it became, or what was left out."""
    changes = list(difflib.ndiff(source.splitlines(), text.splitlines()))
    was, becomes = (" ".join(_code(line) for line in changes if line.startswith(sign)) for sign in ("- ", "+ "))
    return f"without {was}" if becomes in ("", "...") else becomes


def _code(change: str) -> str:
    return change[2:].partition("  #")[0].strip()


class _Candidates(cst.CSTVisitor):
    """Gathers which node may become what, and the function or class it stands in."""

    def __init__(self, parents: "dict[cst.CSTNode, cst.CSTNode]") -> None:
        super().__init__()
        self.candidates: list[tuple[str, cst.CSTNode, cst.CSTNode]] = []
        self._parents = parents
        self._place: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Whether what is inside is looked at."""
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._place.append(node.name.value)
        if isinstance(node, LOOKED_AT_BY_OTHERS) or _is_docstring(node) or m.matches(node, ALL):
            return False
        for replacement in _replacements(node, self._is_for_people(node)):
            self.candidates.append((".".join(self._place), node, replacement))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        """The place is left."""
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._place.pop()

    def _is_for_people(self, node: cst.CSTNode) -> bool:
        """Whether it stands in an error or in a line of the log."""
        while (parent := self._parents.get(node)) is not None:
            if isinstance(node, cst.Raise) or m.matches(node, m.Call(m.Attribute(m.Name("log")))):
                return True
            node = parent
        return False


def _is_docstring(node: cst.CSTNode) -> bool:
    return m.matches(node, m.Expr(m.SimpleString() | m.ConcatenatedString()))


def _replacements(node: cst.CSTNode, is_for_people: bool) -> Iterator[cst.CSTNode]:
    for kind, operator in mutators.mutation_operators:
        if isinstance(node, kind) and operator not in LEFT_OUT:
            yield from operator(node)
    if isinstance(node, cst.SimpleString) and not is_for_people and not SENTENCE.match(node.value):
        yield from list(mutators.operator_string(node))[:1]
    if isinstance(node, cst.Call):
        yield from _less_of_a_call(node)
    if isinstance(node, cst.BooleanOperation):
        yield from (node.left, node.right)
    if isinstance(node, cst.Expr | cst.Raise) and not m.matches(node, m.Expr(m.Yield() | m.Ellipsis())):
        yield NOTHING
    if isinstance(node, cst.If | cst.While | cst.CompIf) and not m.matches(node.test, TURNED_ROUND_ALREADY):
        yield node.with_changes(test=_negated(node.test))
    if isinstance(node, cst.ExceptHandler) and isinstance(node.type, cst.Tuple):
        yield from (node.with_changes(type=kinds) for kinds in _without_one(node.type))


def _less_of_a_call(call: cst.Call) -> Iterator[cst.BaseExpression]:
    """What was to be changed as it was; an option at its default, unless it has only two, of which both are tried."""
    if m.matches(call.func, m.Attribute(attr=m.OneOf(*map(m.Name, TRANSFORMS)))):
        yield cst.ensure_type(call.func, cst.Attribute).value
    for left_out in call.args:
        if left_out.keyword is not None and not m.matches(left_out.value, m.Name("True") | m.Name("False")):
            yield call.with_changes(args=[argument for argument in call.args if argument is not left_out])


def _without_one(whole: cst.Tuple) -> Iterator[cst.Tuple]:
    for left_out in whole.elements:
        yield whole.with_changes(elements=[element for element in whole.elements if element is not left_out])


def _negated(test: cst.BaseExpression) -> cst.BaseExpression:
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return test.expression
    return cst.UnaryOperation(cst.Not(), test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()]))
