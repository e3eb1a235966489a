"""Contract suites, run on what is shipped here and on what fails on purpose."""
