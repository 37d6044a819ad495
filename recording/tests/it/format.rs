//! FORMAT.md is the law: this compares it with the schemas.

use recording::Table;

const FORMAT: &str = include_str!("../../FORMAT.md");

fn documented(table: &str) -> Vec<(String, String)> {
    let heading = format!("### `{table}`\n");
    let start = FORMAT.find(&heading).unwrap_or_else(|| panic!("FORMAT.md has no section `{table}`"));
    let section = &FORMAT[start + heading.len()..];
    let section = &section[..section.find("\n### ").unwrap_or(section.len())];
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
        let name = cells.next().unwrap().trim_matches('`').to_owned();
        (name, cells.next().unwrap().to_owned())
    })
    .collect()
}

#[test]
fn the_document_has_every_column_of_every_table() {
    for table in Table::ALL {
        let schema = table.schema();
        let columns: Vec<(String, String)> = schema
            .fields()
            .iter()
            .map(|field| {
                let null = if field.is_nullable() { ", null" } else { "" };
                (field.name().clone(), format!("{}{null}", field.data_type()))
            })
            .collect();
        assert_eq!(columns[0].0, "seq");
        assert_eq!(columns[1].0, "at_ns");
        assert_eq!(documented(table.name()), columns[2..], "table `{table}`");
    }
}

#[test]
fn the_document_has_no_other_tables_and_their_order_is_the_journals() {
    let headings = FORMAT.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let names: Vec<&str> = Table::ALL.into_iter().map(Table::name).collect();
    assert_eq!(headings.collect::<Vec<_>>(), names);
}
