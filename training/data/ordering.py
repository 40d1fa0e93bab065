"""Writes sums and products in the order in which their numbers are said."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from operator import itemgetter

_PLACE = re.compile(r"\{\{(\d+)\}\}|\{([a-zA-Z_]+(?:\.\w+)?)\}")
# Shares of a hundred keep their place: `{a} * {p} / 100`.
_SHARES = re.compile(r"\{[pr](\.\w+)?\}")


@cache
def in_order(expression: str, wording: str) -> str:
    """The same calculation with the parts of its sums and products as the wording names them.

    A model that is taught one order learns more from a sample than one for which both are right.

    Args:
        expression: With slots (`{a}`) and results of earlier steps (`{{1}}`).
        wording: The request's template, with the same slots.
    """
    places: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        return places.setdefault(match[0], f"place{len(places)}")

    plain = _PLACE.sub(stand_in, expression)
    try:
        tree = ast.parse(plain, mode="eval")
    except SyntaxError:
        return expression
    said = {name: wording.find(place) for place, name in places.items() if _may_move(place)}
    if not _Orderer(said).order(tree):
        return expression
    text = ast.unparse(tree)
    back = {name: place for place, name in places.items()}
    return re.sub(r"place\d+", lambda match: back[match[0]], text)


def _may_move(place: str) -> bool:
    return not (place.startswith("{{") or _SHARES.fullmatch(place))


class _Orderer(ast.NodeTransformer):
    """Sorts the operands of chains of `+` and of `*`; what holds a constant keeps its place."""

    def __init__(self, said: Mapping[str, int]) -> None:
        self._said = said
        self._changed = False

    def order(self, tree: ast.Expression) -> bool:
        """Sorts in place; whether anything changed."""
        self.visit(tree)
        return self._changed

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if not isinstance(node.op, ast.Add | ast.Mult):
            self.generic_visit(node)
            return node
        operands: list[ast.expr] = [self.visit(each) for each in _operands(node, type(node.op))]
        if any(_is_undoing(operand) for operand in operands):
            return node
        places = [self._first(operand) for operand in operands]
        movable = [(at, operand) for at, operand in zip(places, operands, strict=True) if at >= 0]
        wanted = [operand for _, operand in sorted(movable, key=itemgetter(0))]
        self._changed |= wanted != [operand for _, operand in movable]
        turn = iter(wanted)
        placed = [
            next(turn) if at >= 0 else operand for at, operand in zip(places, operands, strict=True)
        ]
        joined = placed[0]
        for operand in placed[1:]:
            joined = ast.BinOp(joined, node.op, operand)
        return joined

    def _first(self, operand: ast.expr) -> int:
        """Where the first of an operand's slots is said; -1 if the operand may not move."""
        parts = list(ast.walk(operand))
        if any(isinstance(part, ast.Constant) for part in parts):
            return -1
        return min(self._said.get(part.id, -1) for part in parts if isinstance(part, ast.Name))


def _is_undoing(operand: ast.expr) -> bool:
    """A difference in a sum or a quotient in a product would need brackets at another place."""
    return isinstance(operand, ast.BinOp) and isinstance(operand.op, ast.Sub | ast.Div | ast.Mod)


def _operands(node: ast.expr, operator: type[ast.operator]) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, operator):
        return [*_operands(node.left, operator), *_operands(node.right, operator)]
    return [node]
