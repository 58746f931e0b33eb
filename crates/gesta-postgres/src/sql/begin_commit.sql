BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL search_path = read_models, pg_temp;
SET LOCAL standard_conforming_strings = on;
SET LOCAL TimeZone = 'UTC';
SET LOCAL idle_in_transaction_session_timeout = '5s'
