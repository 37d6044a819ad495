//! What a query reads, told from its optimised plan: the tables, narrowed to the sources that their columns are
//! compared with, and the names that it looks for.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, SubqueryAlias};
use datafusion::scalar::ScalarValue;
use recording::Table;

use super::QueryError;

/// One table, as a query reads it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scan {
    /// The table.
    pub table: Table,
    /// The values that its `tap`, `target` or `source` must have; `None`: any.
    pub only: Option<BTreeSet<String>>,
}

/// Everything that a query reads, views included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The tables.
    pub scans: BTreeSet<Scan>,
    /// Names that it compares with `samples.name`.
    pub samples: BTreeSet<String>,
    /// Names that it compares with `packets.event`.
    pub events: BTreeSet<String>,
}

impl Reads {
    /// Joins what another query reads.
    pub fn add(&mut self, other: Reads) {
        self.scans.extend(other.scans);
        self.samples.extend(other.samples);
        self.events.extend(other.events);
    }

    /// Adds tables that the query names, although the optimiser found a way around them.
    pub fn also(&mut self, tables: impl Iterator<Item = Table>) {
        for table in tables {
            if !self.table(table) {
                self.scans.insert(Scan { table, only: None });
            }
        }
    }

    /// Whether a table is among them.
    pub fn table(&self, table: Table) -> bool {
        self.scans.iter().any(|scan| scan.table == table)
    }
}

/// The column that says which source wrote a row.
fn source_column(table: Table) -> Option<&'static str> {
    match table {
        Table::Packets | Table::Connections => Some("tap"),
        Table::Scrapes | Table::Samples | Table::Probes | Table::MediaPackets | Table::MediaPaths | Table::Polls => {
            Some("target")
        }
        Table::Timeline | Table::Stats | Table::Logs => Some("source"),
        Table::Run | Table::Params | Table::Sources | Table::Blobs | Table::Gaps | Table::Spans => None,
    }
}

/// What the plan itself reads; what its views read is known where they were computed.
pub fn of(plan: &LogicalPlan) -> Result<Reads, QueryError> {
    let mut reads = Reads::default();
    let mut aliases = BTreeMap::new();
    let walked = plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => {
                if let Some(table) = Table::from_name(scan.table_name.table()) {
                    let only = source_column(table).and_then(|column| compared_with(&scan.filters, column));
                    reads.scans.insert(Scan { table, only });
                }
            }
            LogicalPlan::SubqueryAlias(alias) => {
                if let Some(table) = aliased_table(alias) {
                    aliases.insert(alias.alias.table().to_owned(), table);
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.map_err(QueryError::of)?;
    names(plan, &aliases, &mut reads).map_err(QueryError::of)?;
    Ok(reads)
}

/// The table behind an alias, looking through what the optimiser puts between.
fn aliased_table(alias: &SubqueryAlias) -> Option<Table> {
    let mut plan = alias.input.as_ref();
    loop {
        match plan {
            LogicalPlan::TableScan(scan) => return Table::from_name(scan.table_name.table()),
            LogicalPlan::Filter(_) | LogicalPlan::Projection(_) => plan = plan.inputs().into_iter().next()?,
            _ => return None,
        }
    }
}

/// The values that every row must have in `column` for the filters to let it through; `None` where they don't say.
fn compared_with(filters: &[Expr], column: &str) -> Option<BTreeSet<String>> {
    filters.iter().filter_map(|filter| values_of(filter, column)).reduce(|one, other| &one & &other)
}

fn values_of(filter: &Expr, column: &str) -> Option<BTreeSet<String>> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            match (values_of(left, column), values_of(right, column)) {
                (Some(left), Some(right)) => Some(&left & &right),
                (left, right) => left.or(right),
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Some(&values_of(left, column)? | &values_of(right, column)?)
        }
        _ => {
            let (found, values) = equality(filter)?;
            (found.name == column).then_some(values)
        }
    }
}

/// `column = 'text'`, `'text' = column`, `column IN ('a', 'b')`.
fn equality(expr: &Expr) -> Option<(&datafusion::common::Column, BTreeSet<String>)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), value) | (value, Expr::Column(column)) => {
                Some((column, BTreeSet::from([text(value)?])))
            }
            _ => None,
        },
        Expr::InList(list) if !list.negated => match list.expr.as_ref() {
            Expr::Column(column) => Some((column, list.list.iter().map(text).collect::<Option<_>>()?)),
            _ => None,
        },
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text), _) => {
            text.clone()
        }
        Expr::Cast(cast) => text(&cast.expr),
        _ => None,
    }
}

/// Every literal that `samples.name` or `packets.event` is compared with, wherever in the plan.
fn names(plan: &LogicalPlan, aliases: &BTreeMap<String, Table>, reads: &mut Reads) -> datafusion::error::Result<()> {
    let (samples, packets) = (reads.table(Table::Samples), reads.table(Table::Packets));
    let table_of = |column: &datafusion::common::Column| {
        let relation = column.relation.as_ref().map(|relation| relation.table());
        relation.and_then(|name| aliases.get(name).copied().or_else(|| Table::from_name(name)))
    };
    plan.apply_with_subqueries(|node| {
        let filters = match node {
            LogicalPlan::TableScan(scan) => scan.filters.clone(),
            node => node.expressions(),
        };
        for expr in filters {
            expr.apply(|expr| {
                if let Some((column, values)) = equality(expr) {
                    match (column.name.as_str(), table_of(column)) {
                        ("name", Some(Table::Samples)) if samples => reads.samples.extend(values),
                        ("event", Some(Table::Packets)) if packets => reads.events.extend(values),
                        _ => {}
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}
