//! What was measured, when and on what machine, and the file that keeps it.

use std::path::Path;

use collector::AnyError;

use crate::plan::Plan;

const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->";

/// The date, the machine, the versions and the command.
pub fn header(plan: &Plan) -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models: Vec<&str> =
        cpus.lines().filter_map(|line| Some(line.strip_prefix("model name")?.trim_matches([' ', '\t', ':']))).collect();
    let versions: Vec<String> = plan.candidates.iter().filter_map(|candidate| candidate.version()).collect();
    let told: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    format!(
        "Measured {} UTC on {} × {}, Linux {}. {}. {} rounds of {} s of each, in random order (seed {}): `cargo bench -p collector --bench tap -- {}`.\n",
        chrono::DateTime::from_timestamp(now_s(), 0).unwrap_or_default().format("%Y-%m-%d %H:%M"),
        models.len(),
        models.first().unwrap_or(&"an unknown CPU"),
        read("/proc/sys/kernel/osrelease").trim(),
        versions.join(" · "),
        plan.rounds,
        plan.length.as_secs_f64(),
        plan.seed,
        told.join(" ")
    )
}

fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

/// Puts the tables between the two marks in `BENCHMARKS.md`.
pub fn write(text: &str) -> Result<(), AnyError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("BENCHMARKS.md");
    let old = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let parts = old.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("{} has lost its marks", path.display()))?;
    Ok(std::fs::write(&path, format!("{before}{BEGIN}\n{text}{END}{after}"))?)
}
