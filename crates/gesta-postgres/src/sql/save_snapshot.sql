INSERT INTO gesta.snapshots (tenant, stream, version, fingerprint, state)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, stream, version) DO UPDATE
SET fingerprint = excluded.fingerprint, state = excluded.state
