SELECT epoch, owner, leased_until, checksum FROM leases WHERE tenant = ?1 AND name = ?2
