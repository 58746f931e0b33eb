DELETE FROM checkpoints WHERE tenant = ?1 AND name = ?2
