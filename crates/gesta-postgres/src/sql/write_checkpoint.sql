INSERT INTO gesta.checkpoints (tenant, name, position, state, token)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, name) DO UPDATE
SET position = excluded.position, state = excluded.state, token = excluded.token
