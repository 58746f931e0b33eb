DELETE FROM gesta.snapshots
WHERE tenant = $1 AND stream = $2 AND version NOT IN (
    SELECT version FROM gesta.snapshots WHERE tenant = $1 AND stream = $2 ORDER BY version DESC LIMIT $3
)
