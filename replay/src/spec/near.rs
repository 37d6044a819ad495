/// "; did you mean `x`?" where a known name is near the one that was typed, else nothing.
pub fn near<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let best = known.into_iter().map(|name| (strsim::osa_distance(typed, name), name)).min();
    match best {
        Some((distance, name)) if distance <= 3 && distance * 2 <= typed.len() => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}
