-- Renews the owner's lease, or gives out the next epoch of a free one; no row if somebody else has it. An epoch that was
-- given out survives a crash of the server, whatever the session thinks of that.
INSERT INTO gesta.leases AS held (tenant, name, epoch, owner, leased_until)
SELECT $1, $2, 1, $3, clock_timestamp() + $4 * interval '1 microsecond'
FROM (
    SELECT set_config(
        'synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END,
        true) AS mode
) AS durable
WHERE durable.mode <> 'off'
ON CONFLICT (tenant, name) DO UPDATE
SET epoch = held.epoch + CASE WHEN held.owner = excluded.owner AND held.leased_until > clock_timestamp() THEN 0 ELSE 1 END,
    owner = excluded.owner,
    leased_until = clock_timestamp() + $4 * interval '1 microsecond'
WHERE held.owner IS NULL OR held.owner = excluded.owner OR held.leased_until <= clock_timestamp()
RETURNING epoch
