SELECT l.tenant, l.name, l.epoch, c.position, c.state
FROM gesta.leases l
LEFT JOIN gesta.checkpoints c ON c.tenant = l.tenant AND c.name = l.name
WHERE (l.tenant, l.name) > ($1, $2)
ORDER BY l.tenant, l.name
LIMIT $3
