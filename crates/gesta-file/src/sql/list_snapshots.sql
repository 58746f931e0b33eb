SELECT tenant, stream, version, fingerprint, state, checksum FROM snapshots
