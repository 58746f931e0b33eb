DELETE FROM gesta.checkpoints WHERE tenant = $1 AND name = $2
