"""The checks, one module or folder a category; `check = partial(Check, ...)` says what a module's share."""
