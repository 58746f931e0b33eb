SET LOCAL lock_timeout = '2s';
LOCK TABLE gesta.shape IN EXCLUSIVE MODE
