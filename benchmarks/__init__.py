"""Measurements of this package against its peers and against the machine; nothing else imports them.

``python -m benchmarks`` compares (see docs/performance.md), ``benchmarks.scaling`` draws time and memory
against size, ``benchmarks.plan`` holds the plan's choice against the best method measured. Importing this
package loads nothing, so that :mod:`benchmarks.environment` can set the threads first.
"""
