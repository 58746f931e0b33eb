-- Who may do what, and the log under the names that other systems gave to it.

-- The second line behind the tenant in every statement: a transaction that says whose events it reads sees no others, and one
-- that does not say sees none. The owner of the tables, who runs the functions and stands behind the views, is not
-- bound by it.
ALTER TABLE gesta.events ENABLE ROW LEVEL SECURITY;
CREATE POLICY events_of_the_tenant ON gesta.events FOR SELECT
    USING (current_setting('gesta.tenant', true) = tenant OR current_setting('gesta.tenant', true) = '*');

-- Lets a role serve this log: append through the function alone, read, keep checkpoints, snapshots and read models. It may
-- write no event, change no event, and copy no log into this one.
CREATE PROCEDURE gesta.let_serve(role regrole)
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA gesta, read_models TO %s', role);
    EXECUTE format('GRANT CREATE ON SCHEMA read_models TO %s', role);
    EXECUTE format('GRANT SELECT ON gesta.events, gesta.log, gesta.schema_history TO %s', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON gesta.leases, gesta.checkpoints, gesta.snapshots TO %s', role);
    EXECUTE format('GRANT UPDATE, DELETE ON gesta.shape TO %s', role);
    EXECUTE format(
        'GRANT EXECUTE ON FUNCTION gesta.lock_log, gesta.stream_versions, gesta.events_by_id, gesta.append, gesta.make_safe, gesta.notice_place,
             gesta.own_checkpoint TO %s', role);
END
$$;

-- Which database of which cluster this is. A dump that is restored elsewhere is another life of the log: what was appended
-- behind the dump is gone, and its positions are given out again.
CREATE FUNCTION gesta.place() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog
AS $$
    SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid
      FROM pg_database WHERE datname = current_database()
$$;

ALTER TABLE gesta.log ADD COLUMN place text;
UPDATE gesta.log SET place = gesta.place();

-- Begins another life of the log: cursors of before are refused from now on. For whoever has restored the cluster to an
-- earlier time, which cannot be told from a failover.
CREATE PROCEDURE gesta.begin_new_life()
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog
AS $$ UPDATE gesta.log SET incarnation = gen_random_uuid(), place = gesta.place() $$;

-- Begins another life if the log is not where it was; answers whether it did.
CREATE FUNCTION gesta.notice_place() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog
AS $$
BEGIN
    UPDATE gesta.log SET incarnation = gen_random_uuid(), place = gesta.place() WHERE place IS DISTINCT FROM gesta.place();
    RETURN FOUND;
END
$$;

CREATE SCHEMA gesta_views;

-- JSON as PostgreSQL can hold it; null where it cannot: other content, or a text with \u0000.
CREATE FUNCTION gesta_views.as_json(bytes bytea) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8')::jsonb;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;

-- `bed_assignment` is `BedAssignment` there.
CREATE FUNCTION gesta_views.as_aggregate_type(category text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
RETURN (SELECT string_agg(upper(left(word, 1)) || substr(word, 2), '' ORDER BY n)
          FROM unnest(string_to_array(category, '_')) WITH ORDINALITY AS words (word, n));

-- Every event of callers, once; streams of Gesta itself are left out.
CREATE VIEW gesta_views.events AS
SELECT e.id,
       CASE WHEN strpos(e.stream, '-') > 0 THEN substr(e.stream, strpos(e.stream, '-') + 1) END AS aggregate_id,
       gesta_views.as_aggregate_type(split_part(e.stream, '-', 1)) AS aggregate_type,
       e.type AS event_type,
       e.schema_version AS event_version,
       gesta_views.as_json(e.data) AS event_data,
       gesta_views.as_json(e.metadata) AS metadata,
       e.recorded_at AS created_at,
       e.version AS sequence_number,
       e.position,
       e.tenant AS tenant_id,
       e.stream
  FROM gesta.events e
 WHERE NOT starts_with(e.stream, '$');

CREATE VIEW gesta_views.stored_events AS
SELECT e.id AS event_id, e.tenant_id, e.aggregate_type, e.aggregate_id, e.sequence_number AS version, e.event_type,
       e.event_data,
       coalesce((e.metadata ->> 'occurred_at')::timestamptz, e.created_at) AS occurred_at,
       e.metadata || jsonb_build_object('schema_version', e.event_version) AS metadata
  FROM gesta_views.events e;

CREATE VIEW gesta_views.v_tenant_event_stream AS
SELECT * FROM gesta_views.stored_events ORDER BY tenant_id, occurred_at DESC;

CREATE VIEW gesta_views.latest_aggregate_versions AS
SELECT e.tenant_id, e.aggregate_id, e.aggregate_type, max(e.sequence_number) AS latest_version, count(*) AS event_count,
       min(e.created_at) AS first_event_at, max(e.created_at) AS last_event_at
  FROM gesta_views.events e
 GROUP BY e.tenant_id, e.stream, e.aggregate_id, e.aggregate_type;

CREATE VIEW gesta_views.event_stream_summary AS
SELECT e.tenant_id, e.stream, e.aggregate_id AS name, e.aggregate_type AS type, count(*) AS event_count,
       max(e.sequence_number) AS latest_sequence, max(e.created_at) AS latest_event_time
  FROM gesta_views.events e
 GROUP BY e.tenant_id, e.stream, e.aggregate_id, e.aggregate_type;

CREATE VIEW gesta_views.aggregate_snapshots AS
SELECT s.tenant AS tenant_id,
       CASE WHEN strpos(s.stream, '-') > 0 THEN substr(s.stream, strpos(s.stream, '-') + 1) END AS aggregate_id,
       gesta_views.as_aggregate_type(split_part(s.stream, '-', 1)) AS aggregate_type,
       s.version,
       s.fingerprint,
       gesta_views.as_json(s.state) AS snapshot_data
  FROM gesta.snapshots s;

-- The events of one aggregate, of any tenant and category, oldest first.
CREATE FUNCTION gesta_views.get_aggregate_history(
    aggregate_id text, from_version bigint DEFAULT 1, to_version bigint DEFAULT 9223372036854775807
) RETURNS TABLE (event_id uuid, event_type text, event_version bigint, event_data jsonb, created_at timestamptz)
LANGUAGE sql STABLE
SET search_path = pg_catalog
AS $$
    SELECT e.id, e.event_type, e.event_version, e.event_data, e.created_at
      FROM gesta_views.events e
     WHERE e.aggregate_id = get_aggregate_history.aggregate_id
       AND e.sequence_number BETWEEN from_version AND to_version
     ORDER BY e.position
$$;

-- Lets a role read the views, with all tenants in them: for people and their tools, never for a server.
CREATE PROCEDURE gesta.let_read_views(role regrole)
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA gesta_views TO %s', role);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA gesta_views TO %s', role);
    EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA gesta_views TO %s', role);
END
$$;

REVOKE ALL ON PROCEDURE gesta.let_serve(regrole), gesta.let_read_views(regrole), gesta.begin_new_life() FROM PUBLIC;
REVOKE ALL ON FUNCTION gesta.place(), gesta.notice_place() FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gesta_views FROM PUBLIC;
