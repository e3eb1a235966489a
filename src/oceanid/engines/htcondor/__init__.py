"""HTCondor: its own commands, run by a shell that is here or at the other end of SSH."""
