"""The program that runs one batch: started by the engine, alone afterwards, standard library only.

It is not imported as a part of ``oceanid`` when it runs (its folder is put on ``sys.path`` and no
site packages are there), so that it starts in a few milliseconds and keeps nothing of the portal.
"""
