"""An emulated Amazon: moto behind a shim that adds what moto lacks, with rights and a memory."""
