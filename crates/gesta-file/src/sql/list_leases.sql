SELECT tenant, name, epoch, owner, leased_until, checksum FROM leases
