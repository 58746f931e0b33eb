SELECT 1 FROM gesta.leases WHERE tenant = $1 AND name = $2 FOR UPDATE
