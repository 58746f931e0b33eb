SELECT position, state, checksum FROM checkpoints WHERE tenant = ?1 AND name = ?2
