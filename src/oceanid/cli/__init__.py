"""The command line: `oceanid up`, `stop`, `supervise`, `doctor` and what else there is."""
