"""An example app: it calibrates a rainfall–runoff model as a workflow of jobs."""
