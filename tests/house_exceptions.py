"""What is excepted from the rules of the house, and why. A line that is not needed any more fails its test until it is gone."""

from __future__ import annotations

SHARED_NAMES = {
    "3 Context": "Lambda's word: each function says which part of it it uses, and functions know nothing of each other",
    "2 Invokable": "b2bpilot.aws may not import ops: the same function, seen from below",
}
"""Class names that more than one module defines, with how many do."""

PROTOCOLS = {
    "b2bpilot.aws.processor Invokable": "b2bpilot.aws may not import ops",
    "b2bpilot.aws.queue Received": "what a received message must have, for the type checker",
    "b2bpilot.cli.runs.kind Resumer": "the shape of a command's own function, in the command line",
    "b2bpilot.local.runtime.logs Logs": "the local environment's own",
    "b2bpilot.local.runtime.server Invoker": "the local environment's own",
    "b2bpilot.ops.inspect.context InspectedTable": "it gives a proof, as Table does",
    "b2bpilot.ops.inspect.source InspectSource": "the shape of this room's own sources, which nobody else has",
    "b2bpilot.ops.table.asked Table": "beside its proof, which it gives: in ports it would close a circle of rooms",
    "b2bpilot.ops.table.asked WholeTable": "beside its proof, which it gives: in ports it would close a circle of rooms",
    "b2bpilot.subscriber.once RemainingTime": "the part of Lambda's context that is used there; the file stands alone",
    "b2bpilot.twilio.transport Sender": "the part of requests' Session that is used",
    "lambdas.background_processor.handler Context": "the part of Lambda's context that is used here; functions know nothing of each other",
    "lambdas.dead_letter_redriver.handler Context": "the part of Lambda's context that is used here; functions know nothing of each other",
    "lambdas.dead_letter_redriver.redriver RedriverQueue": "a function may not import ops",
    "lambdas.dead_letter_redriver.redriver RunSwitch": "a function may not import ops",
    "lambdas.dead_letter_redriver.switch RunMapping": "a function may not import ops",
}
"""Protocols outside of b2bpilot/ops/ports.py and b2bpilot/pipeline."""

LONG_FUNCTIONS = {}
"""Functions of more than 60 lines, docstring included."""

CIRCLES_OF_MODULES = {}
"""Modules that import each other."""

CIRCLES_OF_ROOMS = {}
"""Folders of ops, and modules directly in it, that import each other."""

OTHER_SENSES = {
    r"letters,? (and )?digits|letters that gsm|u\+2139, a letter": "of the alphabet",
    r"to the letter": "exactly",
    r"`letter`|letter\.\*": "the field of an expression of --where: public",
    r"the outside world": "a phrase",
}
"""Retired words that mean something else there, as patterns."""
