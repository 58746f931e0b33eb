-- The epoch stays, one higher, so that a zombie of the removed processor is still told apart.
WITH freed AS (
    UPDATE gesta.leases SET epoch = epoch + 1, owner = NULL WHERE tenant = $1 AND name = $2 RETURNING tenant, name
)
DELETE FROM gesta.checkpoints AS gone USING freed WHERE gone.tenant = freed.tenant AND gone.name = freed.name
