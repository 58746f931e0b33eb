INSERT INTO snapshots (tenant, stream, version, fingerprint, state, checksum)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, stream, version) DO UPDATE
SET fingerprint = excluded.fingerprint, state = excluded.state, checksum = excluded.checksum
