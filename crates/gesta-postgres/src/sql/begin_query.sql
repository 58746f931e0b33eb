BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL search_path = read_models, pg_temp;
SET LOCAL standard_conforming_strings = on;
SET LOCAL TimeZone = 'UTC';
SET LOCAL idle_in_transaction_session_timeout = '5s';
SET LOCAL cursor_tuple_fraction = 1;
LOCK TABLE gesta.shape IN ROW SHARE MODE
