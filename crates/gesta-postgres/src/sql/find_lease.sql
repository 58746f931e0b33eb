SELECT owner, (extract(epoch FROM leased_until - clock_timestamp()) * 1000000)::bigint AS remaining
FROM gesta.leases
WHERE tenant = $1 AND name = $2 AND owner IS NOT NULL AND leased_until > clock_timestamp()
