SELECT tenant, name FROM leases WHERE (tenant, name) > (?1, ?2) ORDER BY tenant, name LIMIT ?3
