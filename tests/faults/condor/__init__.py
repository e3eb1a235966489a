"""A real pool over SSH, treated badly while 500 jobs are under way: `make faults-condor`."""
