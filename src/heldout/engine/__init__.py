"""The evaluation engine: models × settings in, rows of the store out.

study.py says what is wanted; plan.py what has to be done; a shard (shard.py) is a pure task from a
plan entry to immutable parts; run.py runs shards here, cluster.py on many machines.
"""
