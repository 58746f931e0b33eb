INSERT INTO identity (only_one, incarnation) VALUES (1, ?1)
ON CONFLICT (only_one) DO UPDATE SET incarnation = excluded.incarnation
