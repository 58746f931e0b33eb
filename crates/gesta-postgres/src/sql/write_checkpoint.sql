INSERT INTO gesta.checkpoints (tenant, name, position, state, token, writer, write_number)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, name) DO UPDATE
SET position = excluded.position, state = excluded.state, token = excluded.token,
    writer = excluded.writer, write_number = excluded.write_number
