//! The SQL that makes, shows and drops a generation of a read model.

use gesta_core::read_model::Statement;

use super::{
    ProjectionError, Table,
    rows::{Tables, physical},
};

/// Makes the tables of a generation, empty.
pub(crate) fn make(tables: &[Table], generation: u64) -> Result<Vec<Statement>, ProjectionError> {
    let names = Tables::of_generation(tables, generation);
    let texts = tables.iter().flat_map(|table| std::iter::once(&table.create).chain(&table.more));
    texts.map(|text| names.fill(text).map(Statement::from)).collect()
}

/// Lets queries see the tables of a generation in place of those they saw.
pub(crate) fn show<'a>(
    before: impl IntoIterator<Item = &'a String>,
    tables: impl IntoIterator<Item = &'a String> + Clone,
    generation: u64,
) -> Vec<Statement> {
    let gone = before.into_iter().chain(tables.clone());
    let hide = gone.map(|table| format!("DROP VIEW IF EXISTS {table}"));
    let show = tables
        .clone()
        .into_iter()
        .map(|table| format!("CREATE VIEW {table} AS SELECT * FROM {}", physical(table, generation)));
    hide.chain(show).map(Statement::from).collect()
}

/// Drops the tables of a generation; those that are gone are no failure.
pub(crate) fn drop_tables<'a>(
    tables: impl IntoIterator<Item = &'a String>,
    generation: u64,
) -> Vec<Statement> {
    let tables = tables.into_iter();
    tables.map(|table| format!("DROP TABLE IF EXISTS {}", physical(table, generation)).into()).collect()
}

/// Asks for every table, by the name of queries and by its own: fails when one is gone.
pub(crate) fn look(tables: &[String], generation: u64) -> Vec<Statement> {
    let ask = |name: &str| Statement::from(format!("SELECT 1 AS there FROM {name} LIMIT 1"));
    tables.iter().flat_map(|table| [ask(&physical(table, generation)), ask(table)]).collect()
}
