SELECT position, state FROM gesta.checkpoints WHERE tenant = $1 AND name = $2
