//! Which SQL is let in, and what is said of the rest.

use std::sync::Arc;

use datafusion::common::diagnostic::Diagnostic;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SQLOptions;
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::spec::Query;

/// No query may be longer.
const MOST_BYTES: usize = 64 << 10;
/// No query may have more keywords and operators: each may nest the rest by one level, and levels cost stack.
const MOST_OPERATORS: usize = 2000;

/// Why a query has no answer: one line, and where in the SQL.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{problem}{}", place(*.at))]
pub struct QueryError {
    /// What is wrong, and the remedy where there is one.
    pub problem: String,
    /// Line and column in the SQL, from 1.
    pub at: Option<(usize, usize)>,
    /// The view whose SQL it is, where it isn't the query's own.
    pub view: Option<Box<Query>>,
    /// The recording's error, where it is that.
    pub recording: Option<Arc<recording::Error>>,
}

fn place(at: Option<(usize, usize)>) -> String {
    at.map_or_else(String::new, |(line, column)| format!(" (line {line}, column {column})"))
}

impl QueryError {
    /// An error of our own.
    pub fn new(problem: String) -> QueryError {
        QueryError { problem, at: None, view: None, recording: None }
    }

    /// The engine's error, in one line.
    pub fn of(error: DataFusionError) -> QueryError {
        let (message, span) = match error.diagnostic() {
            Some(Diagnostic { span: Some(span), .. }) => (None, Some(*span)),
            _ => (None::<String>, None),
        };
        let message = message.unwrap_or_else(|| plain(&error));
        let at = span.map(|span| (span.start.line as usize, span.start.column as usize)).or_else(|| place_in(&message));
        QueryError { problem: without_place(&message), at, view: None, recording: None }
    }

    /// The recording can't be read.
    pub fn recording(error: recording::Error) -> QueryError {
        let recording = Some(Arc::new(error));
        QueryError { problem: "the recording can't be read".into(), at: None, view: None, recording }
    }

    /// The same error, said to be in a view's SQL.
    pub fn within(mut self, query: &Query) -> QueryError {
        self.view.get_or_insert_with(|| Box::new(query.clone()));
        self
    }
}

/// The first line of the innermost message, without the engine's own prefixes.
fn plain(error: &DataFusionError) -> String {
    let text = error.find_root().strip_backtrace();
    if text.contains("RecursionLimitExceeded") {
        return "it nests too deeply: simplify it".to_owned();
    }
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for prefix in [
        "Error during planning: ",
        "SQL error: ParserError(\"",
        "SQL error: TokenizerError(\"",
        "Schema error: ",
        "Execution error: ",
        "Resources exhausted: ",
    ] {
        if let Some(rest) = text.strip_prefix(prefix) {
            text = rest.trim_end_matches("\")").to_owned();
        }
    }
    text.split(" This was likely caused by").next().unwrap_or_default().to_owned()
}

/// `… at Line: 3, Column: 14`
fn place_in(message: &str) -> Option<(usize, usize)> {
    let (_, place) = message.rsplit_once("Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    Some((digits(line)?, digits(column)?))
}

fn without_place(message: &str) -> String {
    message.rsplit_once(" at Line: ").map_or(message, |(before, _)| before).trim().to_owned()
}

/// The one query that a text is.
pub fn only_query(sql: &str) -> Result<Statement, QueryError> {
    bounded(sql)?;
    let mut statements = DFParser::parse_sql(sql).map_err(QueryError::of)?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(Statement::Statement(statement)), true) if matches!(*statement, SqlStatement::Query(_)) => {
            Ok(Statement::Statement(statement))
        }
        (Some(_), true) => {
            Err(QueryError::new("only a query is allowed: SELECT or WITH; a recording is never changed".into()))
        }
        (Some(_), false) => Err(QueryError::new("only one query is allowed: remove what follows the `;`".into())),
        (None, _) => Err(QueryError::new("the query is empty: write SELECT …".into())),
    }
}

/// Refuses what is too large to be parsed and planned on the stack there is. Names and literals don't nest.
pub fn bounded(sql: &str) -> Result<(), QueryError> {
    if sql.len() > MOST_BYTES {
        return Err(QueryError::new(format!("it is longer than {} KiB: simplify it", MOST_BYTES >> 10)));
    }
    // What is no SQL is told better by the parser.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(()) };
    let nests = |token: &&Token| match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        Token::Whitespace(_) | Token::Comma | Token::Period | Token::Number(..) | Token::SingleQuotedString(_) => false,
        _ => true,
    };
    match tokens.iter().filter(nests).count() {
        many if many > MOST_OPERATORS => Err(QueryError::new(format!(
            "it has {many} keywords and operators, at most {MOST_OPERATORS} are allowed: simplify it"
        ))),
        _ => Ok(()),
    }
}

/// Refuses what parses as a query and still does something (`SELECT … INTO`).
pub fn verify(plan: &LogicalPlan) -> Result<(), QueryError> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options
        .verify_plan(plan)
        .map_err(|_| QueryError::new("only a query is allowed: it must not create or change anything".into()))
}
