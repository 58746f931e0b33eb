-- Takes over a checkpoint that nobody holds, under an epoch above all that were given out; no row if somebody does.
WITH durable AS (
    SELECT set_config(
        'synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END,
        true) AS mode
), freed AS (
    INSERT INTO gesta.leases AS held (tenant, name, epoch, leased_until)
    SELECT $1, $2, $3 + 1, '-infinity' FROM durable WHERE mode <> 'off'
    ON CONFLICT (tenant, name) DO UPDATE SET epoch = greatest(held.epoch, $3) + 1, owner = NULL
    WHERE held.owner IS NULL OR held.leased_until <= clock_timestamp()
    RETURNING tenant, name
)
INSERT INTO gesta.checkpoints (tenant, name, position, state)
SELECT tenant, name, $4, $5 FROM freed
ON CONFLICT (tenant, name) DO UPDATE
SET position = excluded.position, state = excluded.state, token = NULL, writer = NULL, write_number = NULL
RETURNING position
