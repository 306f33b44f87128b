//! The README shows our part of the table. What it shows is what was found.

use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- leaks: printed by tests/tests/leaks -->\n";
const END: &str = "<!-- leaks: end -->\n";

/// Compares.
///
/// # Errors
/// What to do about it.
pub(crate) fn check(markdown: &str) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("README.md");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let shown = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(shown, _)| shown);
    let shown = shown.ok_or_else(|| format!("README.md has no line {BEGIN:?}, or none {END:?} after it"))?;
    // A row that was not run, because its server is not here, is not compared.
    let differs: Vec<&str> = markdown.lines().filter(|line| !shown.lines().any(|shown| shown == *line)).collect();
    if differs.is_empty() {
        return Ok(());
    }
    Err(format!("README.md shows other figures than were found. Put this there:\n\n{BEGIN}{markdown}{END}"))
}
