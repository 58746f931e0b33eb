//! Every setting of the server stands in the operator's page, with its default.

use std::fs;

use super::Finding;
use crate::process;

const CODE: &str = "crates/gesta-server/src/config.rs";
const PAGE: &str = "docs/operations.md";

/// Looks for settings that the page lacks or tells wrongly.
pub(super) fn check() -> Vec<Finding> {
    let text = |path| fs::read_to_string(process::root().join(path)).unwrap_or_default();
    compare(&text(CODE), &text(PAGE))
}

fn compare(code: &str, page: &str) -> Vec<Finding> {
    let lines = code.lines().enumerate();
    let settings =
        lines.filter_map(|(at, line)| setting(line).map(|(default, variable)| (at, default, variable)));
    settings
        .filter(|(_, default, variable)| !page.contains(&row(variable, default)))
        .map(|(at, default, variable)| {
            let what = format!("{PAGE} does not say that {variable} is {default:?} by default");
            Finding::new(CODE, at + 1, what, "write its row into the table of settings")
        })
        .collect()
}

/// A line such as `port: u16 = "8087", "PORT";` gives default and variable.
fn setting(line: &str) -> Option<(&str, &str)> {
    let (_, values) = line.trim().strip_suffix("\";")?.split_once(" = \"")?;
    let (default, variable) = values.split_once("\", \"")?;
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    variable.chars().all(is_name).then_some((default, variable))
}

fn row(variable: &str, default: &str) -> String {
    if default.is_empty() {
        format!("| `{variable}` | – |")
    } else {
        format!("| `{variable}` | `{default}` |")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_without_its_row_is_found() {
        let code = "host: String = \"127.0.0.1\", \"HOST\";\nkeys_file: Option<PathBuf> = \"\", \"GESTA_KEYS_FILE\";\n";
        let page = "| `HOST` | `127.0.0.1` | where |\n| `GESTA_KEYS_FILE` | – | keys |\n";
        assert_eq!(compare(code, page), []);
        assert_eq!(compare(code, "| `HOST` | `0.0.0.0` | where |").len(), 2);
    }
}
