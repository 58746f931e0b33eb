SELECT tenant, name, position, state, checksum FROM checkpoints
