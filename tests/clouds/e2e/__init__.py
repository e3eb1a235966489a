"""The whole chain: the form in the admin, the SDK, machines that boot, jobs, and nothing left."""
