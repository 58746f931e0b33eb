INSERT INTO leases (tenant, name, epoch, owner, leased_until, checksum)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, name) DO UPDATE
SET epoch = excluded.epoch, owner = excluded.owner, leased_until = excluded.leased_until, checksum = excluded.checksum
