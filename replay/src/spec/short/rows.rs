//! The rows that a short form speaks of: which relation, which of its rows, and what each says about itself. The keys
//! are the same in every form that has rows.

use recording::Table;

use super::{Asked, quoted, sql};
use crate::error::Error;
use crate::spec::document::Section;

/// Rows of a relation, as a short form names them.
pub struct Rows {
    /// What stands after FROM, conditions included.
    pub from_where: String,
    /// What they are called: the relation's name, or `rows`.
    pub called: String,
    columns: Vec<String>,
    table: Option<Table>,
}

/// The SQL of an observation's columns, for each row.
pub struct Described {
    /// What the row is about.
    pub subject: String,
    /// Where its window begins.
    pub from_ns: String,
    /// Where it ends.
    pub until_ns: String,
    /// The handles that show it.
    pub evidence: String,
    /// Why it is not judged.
    pub skipped: String,
}

impl Rows {
    /// The relation under `key`, and the condition under `where` if `filtered`.
    pub fn of(section: &mut Section<'_>, key: &str, filtered: bool, asked: &Asked<'_>) -> Result<Rows, Error> {
        let text = section.required_text(key)?;
        sql::relation(&text.value).map_err(|problem| {
            section.wrong(text.at, format!("`{key}` is a table, a view or what else may follow FROM: {problem}"))
        })?;
        let relation = text.value.trim();
        let plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let called = if relation.chars().all(plain) { relation } else { "rows" };
        let condition = if filtered { expression(section, "where")? } else { None };
        let condition = condition.map_or_else(String::new, |condition| format!("\nWHERE ({condition})"));
        Ok(Rows {
            columns: sql::columns(relation, asked.views),
            table: Table::from_name(relation),
            called: called.to_owned(),
            from_where: format!("FROM {}{condition}", closed(relation)),
        })
    }

    /// The first of these columns that the relation has.
    pub fn column(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.columns.iter().any(|column| column == name))
    }

    /// The handle of a row, as the relation tells it.
    pub fn evidence(&self) -> Option<String> {
        match (self.column(&["evidence"]), self.table) {
            (Some(column), _) => Some(column.to_owned()),
            (None, Some(table)) => Some(format!("'{}#' || CAST(seq AS VARCHAR)", table.name())),
            (None, None) => None,
        }
    }

    /// What each row says about itself, by the keys `subject`, `from`, `until`, `evidence`, `skip` and `why`, else by
    /// the relation's own columns.
    pub fn described(&self, section: &mut Section<'_>) -> Result<Described, Error> {
        let own = |names: &[&'static str]| self.column(names).map(str::to_owned);
        let time = |written: Option<String>, names: &[&'static str]| match written.or_else(|| own(names)) {
            Some(expression) => format!("CAST({expression} AS BIGINT)"),
            None => "CAST(NULL AS BIGINT)".to_owned(),
        };
        let numbered = format!("{} || CAST(row_number() OVER () AS VARCHAR)", quoted(&format!("{} ", self.called)));
        let handle = self.evidence();
        let subject = expression(section, "subject")?.or_else(|| own(&["subject"]));
        let skip = match (expression(section, "skip")?, section.text("why")?) {
            (Some(skip), Some(why)) => Some(format!("CASE WHEN {skip} THEN {} END", quoted(&why.value))),
            (None, None) => own(&["skipped"]),
            (Some(_), None) => return Err(section.missing("why", "`why = \"…\"`, the reason for `skip`")),
            (None, Some(why)) => {
                return Err(section.wrong(why.at, "`why` is the reason for `skip`: write the condition too".into()));
            }
        };
        Ok(Described {
            subject: subject.or_else(|| self.table.and(handle.clone())).unwrap_or(numbered),
            from_ns: time(expression(section, "from")?, &["from_ns", "at_ns"]),
            until_ns: time(expression(section, "until")?, &["until_ns", "at_ns"]),
            evidence: expression(section, "evidence")?.or(handle).unwrap_or_else(|| "CAST(NULL AS VARCHAR)".to_owned()),
            skipped: skip.unwrap_or_else(|| "CAST(NULL AS VARCHAR)".to_owned()),
        })
    }
}

/// An expression under a key, where it is there; one that can stand anywhere in a query.
pub fn expression(section: &mut Section<'_>, key: &str) -> Result<Option<String>, Error> {
    let Some(text) = section.text(key)? else { return Ok(None) };
    checked(section, key, text.at, &text.value).map(Some)
}

/// The same, where it must be there.
pub fn required(section: &mut Section<'_>, key: &str) -> Result<String, Error> {
    let text = section.required_text(key)?;
    checked(section, key, text.at, &text.value)
}

/// Several expressions, or one.
pub fn list(section: &mut Section<'_>, key: &str) -> Result<Vec<String>, Error> {
    let texts = section.texts(key)?.unwrap_or_default();
    texts.iter().map(|text| checked(section, key, text.at, &text.value)).collect()
}

fn checked(section: &Section<'_>, key: &str, at: usize, text: &str) -> Result<String, Error> {
    let wrong = |problem| section.wrong(at, format!("`{key}` is an expression of SQL: {problem}"));
    sql::expression(text).map_err(wrong)?;
    Ok(closed(text.trim()))
}

/// A comment at the end of what was typed must not swallow what follows.
fn closed(text: &str) -> String {
    if text.contains("--") { format!("{text}\n") } else { text.to_owned() }
}
