SELECT version, state FROM gesta.snapshots
WHERE tenant = $1 AND stream = $2 AND fingerprint = $3
ORDER BY version DESC
LIMIT 1
