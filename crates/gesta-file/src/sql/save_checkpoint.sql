INSERT INTO checkpoints (tenant, name, position, state, checksum)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, name) DO UPDATE
SET position = excluded.position, state = excluded.state, checksum = excluded.checksum
