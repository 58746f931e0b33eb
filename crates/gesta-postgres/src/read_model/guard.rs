//! Keeps foreign SQL to tables and views of its own, and to one transaction that it does not end.
//!
//! The statement is taken apart into words as the server does it. The rights of the user who connects are a second wall,
//! where that user does not own Gesta's tables.

use std::collections::BTreeSet;

use gesta_core::read_model::{ReadModelError, Statement};

use super::failure;
use words::{Token, Tokens};

mod words;

/// What a statement is, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Whether it changes tables and not only rows.
    pub(super) changes_tables: bool,
    /// The numbers of its placeholders.
    pub(super) placeholders: BTreeSet<usize>,
}

const OWN: &str = "it reaches for what is Gesta's own, or for more than tables and views";

/// Functions that run SQL out of a text, reach out of the database or change the session.
const FUNCTIONS: [&str; 7] =
    ["set_config", "ts_stat", "ts_rewrite", "current_query", "setval", "txid_current", "nextval"];
const FAMILIES: [&str; 3] = ["lo_", "dblink", "loread"];

/// Looks at a statement of a commit.
pub(super) fn of_commit(statement: &Statement) -> Result<Known, ReadModelError> {
    let (known, words) = known(&statement.sql)?;
    let mut words = words.iter().map(String::as_str);
    let allowed = match words.next() {
        Some("insert" | "update" | "delete" | "with" | "merge") => return Ok(known),
        Some("create") => match words.next() {
            Some("table" | "index" | "view" | "materialized") => true,
            Some("unique") => words.next() == Some("index"),
            Some("or") => (words.next(), words.next()) == (Some("replace"), Some("view")),
            _ => false,
        },
        Some("drop" | "alter") => matches!(words.next(), Some("table" | "index" | "view" | "materialized")),
        Some("truncate" | "refresh") => true,
        _ => false,
    };
    // A crash of the server empties such a table, and its checkpoint stays.
    if !allowed || words.any(|word| word == "unlogged") {
        return Err(failure::refused(&statement.sql, OWN.into()));
    }
    Ok(Known { changes_tables: true, ..known })
}

/// Looks at a query.
pub(super) fn of_query(statement: &Statement) -> Result<Known, ReadModelError> {
    let (known, words) = known(&statement.sql)?;
    match words.first().map(String::as_str) {
        Some("select" | "with" | "values" | "table") => Ok(known),
        _ => Err(failure::refused(&statement.sql, "a query only reads".into())),
    }
}

/// What is the same for both, and the words outside of texts and comments, in lower case.
fn known(sql: &str) -> Result<(Known, Vec<String>), ReadModelError> {
    let refused = |reason: &str| Err(failure::refused(&sql.replace('\0', "\\0"), reason.into()));
    if sql.contains('\0') {
        return refused("it holds the character \\u0000");
    }
    let mut placeholders = BTreeSet::new();
    let mut words = Vec::new();
    let mut tokens = Tokens::of(sql).peekable();
    let mut ended = false;
    while let Some(token) = tokens.next() {
        if ended {
            return refused("it is more than one statement");
        }
        match token {
            Token::Odd => {
                return refused(
                    "it cannot be taken apart: write it without U& and without a text that does not end",
                );
            }
            Token::Placeholder(number) => drop(placeholders.insert(number)),
            Token::Symbol(';') => ended = true,
            Token::Symbol(_) => {}
            Token::Word(name) | Token::Quoted(name) if is_own(&name) => return refused(OWN),
            Token::Word(name) | Token::Quoted(name)
                if is_function(&name) && tokens.peek() == Some(&Token::Symbol('(')) =>
            {
                return refused(OWN);
            }
            Token::Word(word) => words.push(word),
            Token::Quoted(_) => {}
        }
    }
    Ok((Known { changes_tables: false, placeholders }, words))
}

fn is_own(name: &str) -> bool {
    name == "gesta" || name.starts_with("gesta_") || name.starts_with("pg_")
}

fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
        || FAMILIES.iter().any(|family| name.starts_with(family))
        || name.contains("_to_xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(sql: &'static str) -> bool {
        of_commit(&sql.into()).is_ok()
    }

    fn query(sql: &'static str) -> bool {
        of_query(&sql.into()).is_ok()
    }

    #[test]
    fn rows_and_tables_of_its_own_are_free() {
        for sql in [
            "INSERT INTO a VALUES ($1, 'gesta.leases -- ; COMMIT', $2);",
            "/* why /* nested */ */ UPDATE a SET b = E'it\\'s; gesta' -- gesta.leases",
            "WITH x AS (SELECT 1) INSERT INTO a SELECT * FROM x",
            "CREATE TABLE a (gestation TEXT)",
            "CREATE UNIQUE INDEX a_b ON a (b)",
            "CREATE OR REPLACE VIEW a AS SELECT $$gesta$$ AS x",
            "DROP TABLE IF EXISTS a",
            "ALTER TABLE a ADD COLUMN b TEXT",
        ] {
            assert!(commit(sql), "{sql}");
        }
        for sql in
            ["SELECT 1", "(SELECT 1) UNION SELECT 2", "WITH x AS (SELECT 1) SELECT * FROM x", "VALUES (1)"]
        {
            assert!(query(sql), "{sql}");
        }
    }

    #[test]
    fn what_is_gestas_own_is_told_however_it_is_spelled() {
        for sql in [
            "UPDATE gesta.leases SET epoch = 9",
            "UPDATE Gesta . leases SET epoch = 9",
            "UPDATE \"gesta\".leases SET epoch = 9",
            "UPDATE gesta/**/.leases SET epoch = 9",
            "UPDATE U&\"\\0067esta\".leases SET epoch = 9",
            "INSERT INTO a SELECT pg_notify('gesta_log', '9')",
            "INSERT INTO a SELECT set_config('search_path', 'gesta', true)",
            "INSERT INTO a SELECT query_to_xml('SELECT 1 FROM gesta.leases', true, true, '')",
            "INSERT INTO a SELECT 1; DELETE FROM b",
            "INSERT INTO a VALUES ('unfinished",
            "ALTER TABLE a SET SCHEMA gesta",
        ] {
            assert!(!commit(sql), "{sql}");
        }
    }

    #[test]
    fn transactions_settings_and_what_a_crash_empties_are_refused() {
        for sql in [
            "",
            "COMMIT",
            "/**/ rollback",
            "SET ROLE other",
            "RESET ALL",
            "LOCK TABLE a",
            "DO $$ BEGIN NULL; END $$",
            "COPY a FROM PROGRAM 'x'",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE TEMP TABLE a (b TEXT)",
            "CREATE UNLOGGED TABLE a (b TEXT)",
            "ALTER TABLE a SET UNLOGGED",
            "SELECT 1",
        ] {
            assert!(!commit(sql), "{sql}");
        }
        for sql in ["DELETE FROM a", "BEGIN", "SELECT 1; DELETE FROM a", "EXPLAIN ANALYZE DELETE FROM a"] {
            assert!(!query(sql), "{sql}");
        }
    }

    #[test]
    fn changes_of_tables_are_told_from_changes_of_rows() {
        let changes = |sql: &'static str| of_commit(&sql.into()).expect("is allowed").changes_tables;
        assert!(changes("create view a as select 1") && changes("DROP TABLE a") && !changes("DELETE FROM a"));
        let known = of_commit(&"UPDATE a SET b = $2 WHERE c = $11 AND d = '$3'".into()).expect("is allowed");
        assert_eq!(known.placeholders, BTreeSet::from([2, 11]));
    }
}
