SELECT 1 FROM gesta.checkpoints WHERE tenant = $1 AND name = $2 AND token = $3
