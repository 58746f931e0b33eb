-- The epoch stays, one higher, so that a zombie of a removed processor is still told apart.
UPDATE gesta.leases SET epoch = epoch + 1, owner = NULL WHERE tenant = $1 AND name = $2
