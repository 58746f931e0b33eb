-- Writes the checkpoint if the epoch is the current one; answers with the current one. The lease stays locked to the
-- end, so nobody takes over between the two.
WITH held AS (
    SELECT epoch FROM gesta.leases WHERE tenant = $1 AND name = $2 FOR NO KEY UPDATE
), saved AS (
    INSERT INTO gesta.checkpoints (tenant, name, position, state)
    SELECT $1, $2, $4, $5 FROM held WHERE epoch = $3
    ON CONFLICT (tenant, name) DO UPDATE
    SET position = excluded.position, state = excluded.state, token = NULL
)
SELECT epoch FROM held
