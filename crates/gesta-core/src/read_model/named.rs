//! What tables are called in the words of a user.

/// The first table that a statement names, as queries name it: what an error is about.
///
/// ```
/// use gesta_core::read_model::first_table;
/// assert_eq!(first_table("INSERT INTO orders__2 (a) VALUES ($1)"), "orders");
/// assert_eq!(first_table("SELECT 1"), "no table");
/// ```
pub fn first_table(sql: &str) -> String {
    let mut words =
        sql.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).filter(|w| !w.is_empty());
    let names = ["into", "from", "update", "table", "on", "view"];
    while let Some(word) = words.next() {
        if names.iter().any(|before| before.eq_ignore_ascii_case(word)) {
            let fill = ["if", "not", "exists"];
            let name = words.find(|word| !fill.iter().any(|filler| filler.eq_ignore_ascii_case(word)));
            return name.map_or_else(|| "no table".into(), logical_name);
        }
    }
    "no table".into()
}

/// The name that queries use: without the database or schema and without the number of a generation.
///
/// ```
/// use gesta_core::read_model::logical_name;
/// assert_eq!(logical_name("main.order_read_model__12"), "order_read_model");
/// ```
pub fn logical_name(table: &str) -> String {
    let name = ["main.", "read_models."].iter().find_map(|place| table.strip_prefix(place)).unwrap_or(table);
    let generation = name.rsplit_once("__").filter(|(_, number)| number.bytes().all(|b| b.is_ascii_digit()));
    generation.map_or(name, |(logical, _)| logical).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_statement_is_found() {
        for (sql, found) in [
            ("INSERT INTO orders__2 (a) VALUES ($1)", "orders"),
            ("insert or replace into orders values ($1)", "orders"),
            ("UPDATE a_b SET x = $1", "a_b"),
            ("DELETE FROM a_b", "a_b"),
            ("DELETE FROM read_models.a_b", "a_b"),
            ("CREATE TABLE IF NOT EXISTS a_b__17 (x)", "a_b"),
            ("SELECT 1", "no table"),
        ] {
            assert_eq!(first_table(sql), found, "{sql}");
        }
        assert_eq!(logical_name("read_models.order_read_model__12"), "order_read_model");
    }
}
