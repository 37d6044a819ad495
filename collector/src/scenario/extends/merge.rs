//! One TOML table over another: tables merge key by key, arrays of tables by the names of their entries, all else
//! replaces.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A table whose places lie `by` bytes further on.
pub(super) fn moved(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    let further = |(key, value): (Spanned<_>, Spanned<_>)| {
        let at = super::moved(key.span(), by);
        (Spanned::new(at, key.into_inner()), moved_value(value, by))
    };
    table.into_iter().map(further).collect()
}

fn moved_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let at = super::moved(value.span(), by);
    let value = match value.into_inner() {
        DeValue::Array(items) => DeValue::Array(items.into_iter().map(|item| moved_value(item, by)).collect()),
        DeValue::Table(table) => DeValue::Table(moved(table, by)),
        plain => plain,
    };
    Spanned::new(at, value)
}

/// Puts `over` on top of `under`.
pub(super) fn merge<'i>(under: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, mut value) in over {
        if let Some(mut known) = under.remove(key.get_ref().as_ref()) {
            value = match merge_values(known.get_mut(), value) {
                // The place of what was there before: where something is missing in it, that is where.
                None => known,
                Some(replacement) => replacement,
            };
        }
        under.insert(key, value);
    }
}

/// Merges where both are of a kind that merges; else gives back what replaces.
fn merge_values<'i>(under: &mut DeValue<'i>, over: Spanned<DeValue<'i>>) -> Option<Spanned<DeValue<'i>>> {
    let span = over.span();
    match (under, over.into_inner()) {
        (DeValue::Table(under), DeValue::Table(over)) => merge(under, over),
        (DeValue::Array(under), DeValue::Array(over)) if of_tables(under) && of_tables(&over) => {
            merge_entries(under, over);
        }
        (_, over) => return Some(Spanned::new(span, over)),
    }
    None
}

fn of_tables(items: &DeArray<'_>) -> bool {
    !items.is_empty() && items.iter().all(|item| item.get_ref().is_table())
}

/// An entry goes over the one of its name, once: a second of that name in one file is refused later, as in any file.
fn merge_entries<'i>(under: &mut DeArray<'i>, over: DeArray<'i>) {
    let mut free: Vec<usize> = (0..under.len()).collect();
    for entry in over {
        let same = free.iter().position(|&at| {
            let name = name_of(entry.get_ref());
            name.is_some() && name_of(under[at].get_ref()) == name
        });
        match same.and_then(|position| under.get_mut(free.remove(position))) {
            Some(known) => drop(merge_values(known.get_mut(), entry)),
            None => under.push(entry),
        }
    }
}

/// The name of an entry of an array of tables.
pub(super) fn name_of<'v>(entry: &'v DeValue<'_>) -> Option<&'v str> {
    entry.as_table()?.get("name")?.get_ref().as_str()
}
