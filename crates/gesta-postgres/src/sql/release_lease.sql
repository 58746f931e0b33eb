UPDATE gesta.leases SET owner = NULL WHERE tenant = $1 AND name = $2 AND epoch = $3
