"""HTCondor: its own commands, run by a shell that is here or at the other end of SSH."""

from oceanid.engines.htcondor.engine import HTCondorEngine

__all__ = ["HTCondorEngine"]
