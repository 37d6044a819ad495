//! SQL that a user writes inside of a short form: whether it is one expression or one relation, and which columns a
//! relation has, as far as its text tells.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use recording::Table;

use super::View;

/// Views that read views that read views: a circle is found when the query is planned.
const DEEPEST: usize = 12;

/// The relations of a `WITH`, by name.
type Named = BTreeMap<String, Vec<String>>;

/// Refuses what is not exactly one expression.
pub fn expression(text: &str) -> Result<(), String> {
    parsed(text, |parser| parser.parse_expr().map(|_| ()))
}

/// Refuses what is not a relation, as it stands after FROM.
pub fn relation(text: &str) -> Result<(), String> {
    parsed(text, |parser| {
        parser.parse_table_and_joins()?;
        while parser.consume_token(&Token::Comma) {
            parser.parse_table_and_joins()?;
        }
        Ok(())
    })
}

fn parsed(text: &str, parse: impl Fn(&mut Parser<'_>) -> Result<(), ParserError>) -> Result<(), String> {
    crate::views::bounded(text).map_err(|error| error.problem)?;
    let read = || {
        let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text)?;
        parse(&mut parser)?;
        Ok(parser.peek_token().token)
    };
    match read() {
        Ok(Token::EOF) => Ok(()),
        Ok(rest) => Err(format!("`{rest}` is one word too many")),
        Err(ParserError::RecursionLimitExceeded) => Err("it nests too deeply: simplify it".to_owned()),
        Err(ParserError::ParserError(problem) | ParserError::TokenizerError(problem)) => Err(problem),
    }
}

/// The columns of what stands after FROM, those that are there once; none that can't be told.
pub fn columns(relation: &str, views: &[View]) -> Vec<String> {
    let all = columns_of_text(&format!("SELECT * FROM {relation}"), views, 0);
    all.iter().filter(|name| all.iter().filter(|other| other == name).count() == 1).cloned().collect()
}

fn columns_of_text(sql: &str, views: &[View], depth: usize) -> Vec<String> {
    if depth > DEEPEST || crate::views::bounded(sql).is_err() {
        return Vec::new();
    }
    let parsed = Parser::new(&GenericDialect {}).try_with_sql(sql).and_then(|mut parser| parser.parse_query());
    parsed.map(|query| Reader { views, depth }.query(&query, &Named::new())).unwrap_or_default()
}

/// Reads the names of columns off queries.
struct Reader<'v> {
    views: &'v [View],
    depth: usize,
}

impl Reader<'_> {
    fn query(&self, query: &Query, outer: &Named) -> Vec<String> {
        let mut named = outer.clone();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let columns = aliased(Some(&cte.alias), || self.query(&cte.query, &named));
            named.insert(name(&cte.alias.name), columns);
        }
        self.body(&query.body, &named)
    }

    fn body(&self, body: &SetExpr, named: &Named) -> Vec<String> {
        match body {
            SetExpr::Select(select) => self.select(select, named),
            SetExpr::Query(query) => self.query(query, named),
            SetExpr::SetOperation { left, .. } => self.body(left, named),
            _ => Vec::new(),
        }
    }

    fn select(&self, select: &Select, named: &Named) -> Vec<String> {
        let mut columns = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => columns.push(name(alias)),
                SelectItem::UnnamedExpr(expr) => columns.extend(expr_name(expr)),
                SelectItem::Wildcard(_) => columns.extend(self.relations(select, named, None)),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(of), _) => {
                    columns.extend(self.relations(select, named, Some(&last(of))));
                }
                _ => {}
            }
        }
        columns
    }

    /// The columns of all relations after FROM, or of the one that is called so.
    fn relations(&self, select: &Select, named: &Named, only: Option<&str>) -> Vec<String> {
        let factors = select
            .from
            .iter()
            .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
        factors.flat_map(|factor| self.factor(factor, named, only)).collect()
    }

    fn factor(&self, factor: &TableFactor, named: &Named, only: Option<&str>) -> Vec<String> {
        let called = |alias: &Option<TableAlias>, own: &str| {
            only.is_none_or(|only| alias.as_ref().map_or(own.to_owned(), |alias| name(&alias.name)) == only)
        };
        match factor {
            TableFactor::Table { name, alias, .. } if called(alias, &last(name)) => {
                aliased(alias.as_ref(), || self.table(&last(name), named))
            }
            TableFactor::Derived { subquery, alias, .. } if called(alias, "") => {
                aliased(alias.as_ref(), || self.query(subquery, named))
            }
            _ => Vec::new(),
        }
    }

    fn table(&self, table: &str, named: &Named) -> Vec<String> {
        if let Some(columns) = named.get(table) {
            return columns.clone();
        }
        if let Some(view) = self.views.iter().find(|view| view.name == table) {
            return columns_of_text(&view.query.sql, self.views, self.depth + 1);
        }
        let schema = Table::from_name(table).map(|table| table.schema());
        schema.iter().flat_map(|schema| schema.fields()).map(|field| field.name().clone()).collect()
    }
}

fn aliased(alias: Option<&TableAlias>, columns: impl FnOnce() -> Vec<String>) -> Vec<String> {
    match alias {
        Some(alias) if !alias.columns.is_empty() => alias.columns.iter().map(|column| name(&column.name)).collect(),
        _ => columns(),
    }
}

fn expr_name(expr: &datafusion::sql::sqlparser::ast::Expr) -> Option<String> {
    use datafusion::sql::sqlparser::ast::Expr;
    match expr {
        Expr::Identifier(ident) => Some(name(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().map(name),
        _ => None,
    }
}

/// As the engine knows it: what is not quoted is lower-case.
fn name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

fn last(object: &ObjectName) -> String {
    object.0.last().and_then(|part| part.as_ident()).map(name).unwrap_or_default()
}
