"""One file a finding.

Each offers one function of its own name, without arguments, that measures and gives a
`ferbench.findings.result.Finding`: the same one every time, within seconds on one core.
"""
