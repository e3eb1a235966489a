"""Kills, freezes and cuts while jobs go through: `make faults`."""
