"""Which names in a template exist, of ``event``, ``call``, ``facts`` and ``delivery``, and which do not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jinja2 import meta, nodes

from router.config.problems import guess, nearest
from router.templates import Template

#: What a template can use → what each of them has.
Vocabulary = Mapping[str, frozenset[str]]

#: What a template may do with a mapping as a whole.
_METHODS = ("get", "items", "keys", "values")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One name that does not exist: where in the template, what to say of it, what to write instead."""

    offset: int
    width: int
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Use:
    """``facts.missed``, or ``facts["missed"]``; *guarded* when the template provides for its absence."""

    root: str
    name: str
    offset: int
    guarded: bool


def mistakes(template: Template, known: Vocabulary) -> list[Mistake]:
    """Return every name that *template* uses and that does not exist, once each, in the order of the text."""
    names, uses = _used(template, known)
    found: dict[tuple[str, ...], Mistake] = {}
    for name, offset in names:
        found.setdefault((name,), Mistake(offset, len(name), f'"{name}", which does not exist', _top(name, known)))
    for use in uses:
        if use.name in known.get(use.root, {use.name}) or (use.root == "event" and use.guarded):
            continue
        found.setdefault((use.root, use.name), _mistake(use, known))
    return sorted(found.values(), key=lambda mistake: mistake.offset)


def _mistake(use: _Use, known: Vocabulary) -> Mistake:
    written = f"{use.root}.{use.name}"
    other = _root(use.name, known)
    if other is not None:
        hint = f'write "{other}.{use.name}"'
    elif use.root != "event" or nearest(use.name, known["event"]):
        hint = guess(use.name, known[use.root])
    else:
        hint = f'where a sender of yours adds it, write "{written} | default("")"'
    fault = "which no documented event has" if use.root == "event" else "which does not exist"
    return Mistake(use.offset, len(use.name), f'"{written}", {fault}', hint)


def _top(name: str, known: Vocabulary) -> str:
    root = _root(name, known)
    return f'write "{root}.{name}"' if root else guess(name, known)


def _root(name: str, known: Vocabulary) -> str | None:
    return next((root for root in ("event", "facts", "call", "delivery") if name in known[root]), None)


def _used(template: Template, known: Vocabulary) -> tuple[list[tuple[str, int]], list[_Use]]:
    """Return the names not *known* that *template* takes from outside, and what it asks of those that are."""
    tree = template.tree()
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    provided = {*_asked_for(tree)}
    defaulted = {id(one.node) for one in tree.find_all(nodes.Filter) if one.name in ("default", "d")}
    doubtful = [name for name in tree.find_all(nodes.Name) if name.name not in own and name.name not in known]
    # Jinja knows exactly, but has to write the whole program for it.
    outside = meta.find_undeclared_variables(tree) if doubtful else set()
    names = [(name.name, _offset(name)) for name in doubtful if name.name in outside]
    uses = []
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if (asked := _asked(node)) and asked[0] not in own and not _is_method(node):
            guarded = id(node) in defaulted or asked in provided
            uses.append(_Use(*asked, max(template.source.find(asked[1], _offset(node)), 0), guarded))
    return sorted(names, key=lambda name: name[1]), sorted(uses, key=lambda use: use.offset)


def _offset(node: nodes.Node) -> int:
    return getattr(node.lineno, "offset", 0)


def _asked(node: nodes.Node | None) -> tuple[str, str] | None:
    """Return ``("facts", "missed")`` for either way of writing it."""
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        return node.node.name, node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.node, nodes.Name) and isinstance(node.arg, nodes.Const):
        return (node.node.name, node.arg.value) if isinstance(node.arg.value, str) else None
    return None


def _is_method(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Getattr) and node.attr in _METHODS


def _asked_for(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    """Yield what the template itself looks for before it uses it: ``event.x is defined``, ``"x" in event``."""
    for test in tree.find_all(nodes.Test):
        if test.name in ("defined", "undefined") and (asked := _asked(test.node)):
            yield asked
    for compare in tree.find_all(nodes.Compare):
        for operand in compare.ops:
            if isinstance(compare.expr, nodes.Const) and isinstance(operand.expr, nodes.Name):
                yield operand.expr.name, str(compare.expr.value)
