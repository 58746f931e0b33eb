-- Writes the checkpoint if the epoch is the current one; answers with the current one. The lease stays locked to the
-- end, so nobody takes over between the two. What a process sent before its last write, and came late, changes nothing.
WITH held AS (
    SELECT epoch FROM gesta.leases WHERE tenant = $1 AND name = $2 FOR NO KEY UPDATE
), saved AS (
    INSERT INTO gesta.checkpoints AS kept (tenant, name, position, state, writer, write_number)
    SELECT $1, $2, $4, $5, $6, $7 FROM held WHERE epoch = $3
    ON CONFLICT (tenant, name) DO UPDATE
    SET position = excluded.position, state = excluded.state, token = NULL,
        writer = excluded.writer, write_number = excluded.write_number
    WHERE kept.writer IS DISTINCT FROM excluded.writer OR kept.write_number <= excluded.write_number
)
SELECT epoch FROM held
