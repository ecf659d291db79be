"""The HTTP service of `ferbench serve`, and its page.

`app` answers requests with the help of the other modules; `server` is the process around it.
Nothing outside of this package imports it but the command: a registered model does without it.
"""

__all__: list[str] = []
