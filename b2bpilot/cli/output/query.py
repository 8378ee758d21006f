"""`--query`: what a JMESPath expression (https://jmespath.org) leaves of a JSON document, as the AWS CLI has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from b2bpilot.cli.output.values import QueryFailed
from b2bpilot.errors import UsageError

HINT = 'write it as in "groups[].{cause: error, count: count}" or "length(checks[?status==\'failed\'])"; see jmespath.org'


@dataclass(frozen=True, slots=True)
class OutputQuery:
    """A checked expression: only what it meets in a document can still keep it from being computed."""

    text: str
    _compiled: Any = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises UsageError for what is no expression, and for a function that there is not or that takes other arguments.

        JMESPath itself looks functions up when it calls them, which would be after the command has done its work.
        """
        import jmespath  # type: ignore[import-untyped]  # it has no types

        try:
            compiled = jmespath.compile(text)
            mistake = next(_mistakes(compiled.parsed), None)
        except RecursionError as exc:
            raise _wrong(text, "it is nested too deeply") from exc
        except jmespath.exceptions.JMESPathError as exc:
            raise _wrong(text, _reason(str(exc))) from exc
        if mistake:
            raise _wrong(text, mistake)
        return cls(text, compiled)

    def of(self, document: Any) -> Any:
        """Raises QueryFailed where the document has something else than a function takes."""
        try:
            return self._compiled.search(document)
        except (ValueError, ArithmeticError, RecursionError) as exc:
            raise QueryFailed(f"--query: {self.text!r}: {' '.join(str(exc).split())}") from exc


def _wrong(text: str, reason: str) -> UsageError:
    return UsageError(f"--query: {text!r} cannot be used: {reason}", hint=HINT)


def _reason(text: str) -> str:
    """JMESPath's own first line, without what leads to the expression below it."""
    return " ".join(text.partition("\n")[0].rstrip(":").removesuffix(", for expression").split())


def _mistakes(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield from _mistakes_of_call(node["value"], len(node["children"]))
    for child in node["children"]:
        yield from _mistakes(child)


def _mistakes_of_call(name: str, given: int) -> Iterator[str]:
    from jmespath.functions import Functions  # type: ignore[import-untyped]  # as above

    if name not in Functions.FUNCTION_TABLE:
        yield f"there is no function {name}()"
        return
    signature = Functions.FUNCTION_TABLE[name]["signature"]
    is_variadic = bool(signature) and signature[-1].get("variadic", False)
    if given < len(signature) or (given > len(signature) and not is_variadic):
        least = "at least " if is_variadic else ""
        yield f"{name}() takes {least}{len(signature)} argument{'s'[: len(signature) != 1]}, not {given}"
